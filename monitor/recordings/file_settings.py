"""How to read the files of recordings, as a manifest says it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from monitor.settings import Count, Factor, Positive, Settings

FileFormat = Literal[
    "hdf5", "npy", "npz", "mat", "csv", "lvm", "parquet", "wav", "flac", "tdms", "uff"
]
Unit = Literal["m/s2", "g", "mg", "ug", "mm/s2", "in/s2", "ft/s2", "gal", "counts"]
Axis = Literal["snapshot", "time", "channel"]

# Always (time, channel).
TABLE_FORMATS = ("csv", "lvm", "parquet", "wav", "flac", "tdms", "uff")
DELIMITER_WORDS = ("tab", "blank")
TEXT_KEYS = ("delimiter", "decimal", "skip_lines", "header")  # of csv


Key = str | tuple[str, ...] | None


class FileSettings(Settings):
    """How to read a file. axes: in the array's order; by default (time, channel), or (time) for one
    channel.

    key : data set, variable, member, channel or column; several of them are the
        channels
    time_key : of snapshots the seconds of each, which may wrap at midnight; of
        csv and parquet the column of times, by default one that is called so;
        "none" where it has none
    delimiter, decimal, skip_lines, header : of csv; told from the file where
        they are not set
    scale : units per stored number, one for all channels or one each; unit
        "counts": m/s² per count
    """

    format: FileFormat
    key: Key = None
    time_key: str | None = None
    axes: tuple[Axis, ...] | None = None
    sample_rate_hz: Positive
    # Every recording is brought to this rate; needed where rates differ.
    resample_hz: Positive | None = None
    channels: tuple[str, ...] = Field(default=("a",), min_length=1, max_length=16)
    unit: Unit = "m/s2"
    scale: Factor | tuple[Factor, ...] = 1.0
    delimiter: str | None = None
    decimal: Literal[".", ","] | None = None
    skip_lines: Count | None = None
    header: bool | None = None

    @field_validator("key", "time_key", mode="before")
    @classmethod
    def _number_of_a_column(cls, value: object) -> object:
        """As text: columns without names are numbers."""
        if isinstance(value, list):
            return [str(one) if type(one) is int else one for one in value]
        return str(value) if type(value) is int else value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self._check_axes()
        if isinstance(self.scale, tuple) and len(self.scale) != len(self.channels):
            raise ValueError(
                f"scale has {len(self.scale)} entries for {len(self.channels)} channels: one for"
                " all, or one each"
            )
        for name in TEXT_KEYS:
            if self.format != "csv" and getattr(self, name) is not None:
                raise ValueError(f"{name} is for format: csv, not for {self.format}")
        if (
            self.delimiter not in (None, *DELIMITER_WORDS)
            and len(self.delimiter or "") != 1
        ):
            raise ValueError(
                f"delimiter = {self.delimiter!r} must be one character that is no blank, or the"
                " word tab or blank"
            )
        if self.delimiter is not None and self.delimiter == self.decimal:
            raise ValueError("delimiter and decimal cannot be the same sign")
        return self

    def _check_axes(self) -> None:
        axes = self.array_axes
        if (
            "time" not in axes
            or len(set(axes)) != len(axes)
            or (len(self.channels) > 1 and "channel" not in axes)
        ):
            raise ValueError(
                f"axes = {list(axes)} must name each axis once, time among them, channel if there"
                " are several"
            )
        if self.is_table and axes != ("time", "channel"):
            what = (
                f"a {self.format} file"
                if self.format in TABLE_FORMATS
                else "a list of keys"
            )
            raise ValueError(f"axes = {list(axes)} cannot be: {what} is (time, channel)")
        has_times = "snapshot" in axes or self.format in ("csv", "parquet")
        if self.time_key is not None and not has_times:
            raise ValueError(f"time_key = {self.time_key!r} needs axes with snapshot")

    @property
    def is_table(self) -> bool:
        return self.format in TABLE_FORMATS or isinstance(self.key, tuple)

    @property
    def array_axes(self) -> tuple[Axis, ...]:
        if self.axes is not None:
            return self.axes
        return (
            ("time",)
            if len(self.channels) == 1 and not self.is_table
            else ("time", "channel")
        )

    @property
    def rate_hz(self) -> float:
        """Of what read() returns."""
        return self.resample_hz or self.sample_rate_hz
