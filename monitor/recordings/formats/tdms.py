"""TDMS of LabVIEW and DIAdem. The one home of npTDMS.

A key is group/channel, or the channel alone where one group has it. npTDMS
reads a file that was cut short up to its end and says so in its log only, so
the segments are walked here first. An index file beside it is not read: it may
be another file's.
"""

from __future__ import annotations

import logging
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.recordings.formats.base import (
    N_SHOWN,
    FileError,
    Rate,
    Stored,
    check_size,
    pick,
    stack,
)

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key

LEAD_BYTES = 28
BIG_ENDIAN = 1 << 6
MAX_SEGMENTS = 1_000_000


def tdms(path: Path, _settings: FileSettings, key: Key) -> Stored:
    import nptdms.log

    _check_segments(path)
    nptdms.log.log_manager.set_level(logging.CRITICAL)  # what it warns of is refused here
    with path.open("rb") as content, nptdms.TdmsFile.open(content) as file:
        _check_last(file.file_status.channel_statuses or {})
        channels = _chosen(_channels(file), key)
        check_size(sum(8 * len(channel) for _, channel in channels))
        array = stack([(name, channel[:]) for name, channel in channels])
        rates = {_rate_hz(channel) for _, channel in channels}
        units = tuple(
            str(channel.properties.get("unit_string", "")) for _, channel in channels
        )
    if len(rates) > 1:
        raise FileError(f"has channels of several rates: {', '.join(map(str, rates))} Hz")
    (rate_hz,) = rates
    return Stored(
        array,
        Rate(rate_hz) if rate_hz else None,
        units if any(units) else (),
        understood=f"channels {', '.join(name for name, _ in channels)}",
    )


def _channels(file: Any) -> dict[str, Any]:
    """By group/channel; those without numbers, of properties alone, are left out."""
    return {
        f"{group.name}/{channel.name}": channel
        for group in file.groups()
        for channel in group.channels()
        if len(channel)
    }


def _chosen(channels: dict[str, Any], key: Key) -> list[tuple[str, Any]]:
    if not channels:
        raise FileError("holds no values")
    if key is None:
        groups = {name.partition("/")[0] for name in channels}
        if len(groups) > 1:
            raise FileError(
                f"has channels in {len(groups)} groups: a key must say which, found"
                f" {sorted(channels)[:N_SHOWN]}"
            )
        return list(channels.items())
    return [_one(channels, name) for name in ([key] if isinstance(key, str) else key)]


def _one(channels: dict[str, Any], key: str) -> tuple[str, Any]:
    alone = [name for name, channel in channels.items() if channel.name == key]
    name = alone[0] if len(alone) == 1 else pick(channels, key)
    return name, channels[name]


def _rate_hz(channel: Any) -> float:
    """By the waveform's properties; 0 where there are none."""
    step_s = channel.properties.get("wf_increment", 0.0)
    is_number = isinstance(step_s, int | float | np.number)
    return float(1 / step_s) if is_number and step_s > 0 else 0.0


def _check_segments(path: Path) -> None:
    """Each segment must begin with its tag and end within the file. Raises FileError."""
    n_file, at = path.stat().st_size, 0
    with path.open("rb") as file:
        for _ in range(MAX_SEGMENTS):
            if at == n_file:
                return
            file.seek(at)
            lead = file.read(LEAD_BYTES)
            if lead[:4] != b"TDSm"[: len(lead)] or not lead:
                raise FileError(f"is no TDMS file: no segment begins at byte {at}")
            at = _segment_end(lead, at, n_file)
    raise FileError(f"has over {MAX_SEGMENTS} segments")


def _check_last(statuses: dict[str, Any]) -> None:
    """The last segment must hold as many samples as it states. Raises FileError."""
    for name, status in statuses.items():
        if status.read_length < status.expected_length:
            raise FileError(
                f"is cut short: {name} has {status.read_length} samples in its last segment, which"
                f" states {status.expected_length}"
            )


def _segment_end(lead: bytes, at: int, n_file: int) -> int:
    if len(lead) == LEAD_BYTES:
        contents = int.from_bytes(lead[4:8], "little")
        order = ">" if contents & BIG_ENDIAN else "<"
        n_segment, n_head = struct.unpack(f"{order}QQ", lead[12:])
        if n_head <= n_segment and at + LEAD_BYTES + n_segment <= n_file:
            return int(at + LEAD_BYTES + n_segment)
    what = f"the segment at byte {at} does not end within the file"
    raise FileError(f"is cut short, or its recorder did not finish it: {what}")
