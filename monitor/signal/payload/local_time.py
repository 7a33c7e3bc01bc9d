"""Local times as texts, to texts that name their offset. Pure, except for the host's zone table.

In the night the clocks go back an hour comes twice: which of the two is meant,
arrival tells. It is the one nearer to it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NAIVE = re.compile(
    r"(\d{4}[-/]?\d\d[-/]?\d\d)[T ](\d\d:?\d\d(?::?\d\d)?)([.,]\d{1,12})?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_zone(name: str | None) -> None:
    """Raises ValueError where this host knows no such zone."""
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"time_zone = {name!r} is no zone that this host knows; Europe/Berlin is one"
        ) from error


def with_offset(value: object, zone: str | None, received_ns: int) -> object:
    """The text with its offset in a zone. Anything else, and a text that names one, as it is.

    zone : None for UTC
    """
    if zone is None:
        return value
    # CBOR and MessagePack bring such
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC) - _offset(value, zone, received_ns)
    if not isinstance(value, str) or not (found := _NAIVE.fullmatch(value.strip())):
        return value
    day, clock, _ = found.groups()
    try:
        time = datetime.fromisoformat(f"{day.replace('/', '-')}T{clock}")
        minutes = round(_offset(time, zone, received_ns) / timedelta(minutes=1))
    except (ValueError, OverflowError):
        return value
    sign = "-" if minutes < 0 else "+"
    return f"{value.strip()}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _offset(time: datetime, zone: str, received_ns: int) -> timedelta:
    """Of the two that a local time may have, that which puts it nearer to arrival."""
    arrival = _EPOCH + timedelta(microseconds=received_ns // 1000)
    local = [time.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1)]
    nearer = min(local, key=lambda one: abs(one.astimezone(UTC) - arrival))
    return nearer.utcoffset() or timedelta()
