"""How to find samples, facts and names in a message that is a tree of keys and lists."""

from __future__ import annotations

from typing import Literal

from monitor.settings import Finite, Names
from monitor.signal.payload.base import PayloadSettings
from monitor.signal.payload.local_time import check_zone
from monitor.signal.payload.samples import ByteOrder, Dtype, Layout
from monitor.signal.payload.times import RelativeFormat, TimeFormat


class TreePayload(PayloadSettings):
    """Where things lie in the tree: every value here but those of encoding and format is a path.

    parts : a list whose entries are read one by one, as messages of their own:
        several sensors. Where it is an object, its entries are {key, value}
    samples : one path, or one for each channel
    channels : paths within each entry of samples, where that is a list of
        objects or rows
    sample_time : the same, of the time of each sample
    part_index, part_count : where several messages hold one stretch of samples:
        which of how many, from 0 or from 1
    series : what these messages share; None: their sequence
    """

    parts: str | None = None
    machine: str | None = None
    point: str | None = None
    samples: str | Names = "samples"
    channels: Names | None = None
    # Of numbers in lists of lists or in bytes. None: lists are planar, bytes interleaved.
    layout: Layout | None = None
    encoding: Literal["list", "text", "base64", "hex", "binary"] = "list"
    dtype: Dtype = "float32"  # of base64, hex and binary, as the next two
    byte_order: ByteOrder = "little"
    zero: Finite = 0.0  # the stored number that means 0 m/s²
    time: str | None = "time"
    time_format: TimeFormat = "iso8601"
    time_zone: str | None = None  # of texts that name none; None: UTC
    sample_time: str | None = None
    sample_time_format: TimeFormat | RelativeFormat | None = None  # None: time_format
    sequence: str | None = "sequence"
    sample_rate_hz: str | None = "sample_rate_hz"
    sample_rate_khz: str | None = None
    spacing_s: str | None = "spacing_s"
    spacing_ms: str | None = None
    spacing_us: str | None = None
    scale: str | None = None
    unit: str | None = None
    part_index: str | None = None
    part_count: str | None = None
    series: str | None = None

    @property
    def names_machine(self) -> bool:
        return self.machine is not None

    @property
    def names_point(self) -> bool:
        return self.point is not None

    def check(self) -> None:
        super().check()
        check_zone(self.time_zone)
        formats = (self.time_format, self.sample_time_format)
        if self.time_zone is not None and "iso8601" not in formats:
            raise ValueError("time_zone is for texts: counts are taken as from UTC")
        if self.channels is not None and not isinstance(self.samples, str):
            raise ValueError("channels needs samples to be one path, not a list of paths")
        if self.channels is not None and self.encoding not in ("list", "text"):
            raise ValueError(f"channels cannot be told apart in encoding = {self.encoding}")
        if (self.part_index is None) != (self.part_count is None):
            raise ValueError("part_index and part_count belong together")
        if self.part_index is None and self.series is not None:
            raise ValueError("series needs part_index and part_count")
        if self.part_index is not None and self.series is None and self.sequence is None:
            raise ValueError(
                "part_index needs series, or sequence, to tell one series from another"
            )
        if self.part_index is not None and (self.parts or self.sample_time) is not None:
            raise ValueError("part_index cannot go with parts or sample_time")
        if self.sample_time is not None and self.channels is None:
            raise ValueError(
                "sample_time needs channels: paths within each entry of samples"
            )
