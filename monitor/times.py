"""Times as a person types them: --from yesterday, --from -1h, --to 2026-11-24T08:30.

A time that names no zone is in the given one. Pure: the caller brings the clock
and the zone.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECONDS_PER_UNIT = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
DAYS_AGO = {"today": 0, "yesterday": 1}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

AGO = re.compile(rf"-(\d{{1,9}}) ?({'|'.join(SECONDS_PER_UNIT)})")
_SPAN = re.compile(rf"(\d{{1,9}}) ?({'|'.join(SECONDS_PER_UNIT)})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
FORMS = "ISO 8601 such as 2026-11-24T08:30 or 2026-11-24, today, yesterday, now, -30min, -1h or -2d"


class TimeError(Exception):
    """Not a time; str() is one sentence that names key, value and rule."""


def moment(text: str, now_ns: int, zone: tzinfo | None, key: str, end: bool = False) -> int:
    """Nanoseconds since 1970.

    zone : of a time that names none; None is the host's
    end : a day alone means its end, and of an hour that comes twice, as clocks
        go back, the second
    Raises TimeError naming the key.
    """
    wanted = text.strip()
    if wanted == "now":
        return now_ns
    if found := AGO.fullmatch(wanted):
        return now_ns - int(found[1]) * SECONDS_PER_UNIT[found[2]] * 10**9
    try:
        if wanted in DAYS_AGO:
            today = (EPOCH + timedelta(microseconds=now_ns // 1000)).astimezone(zone).date()
            return _day(today - timedelta(days=DAYS_AGO[wanted]), zone, end)
        if _DAY.fullmatch(wanted):
            return _day(date.fromisoformat(wanted), zone, end)
        return _ns(datetime.fromisoformat(wanted), zone, end)
    except (ValueError, OverflowError) as error:
        raise TimeError(f"{key} {text!r}: must be a time: {FORMS}.") from error


def span(text: str, key: str) -> int:
    """A length of time such as 30min or 4h, in nanoseconds. Raises TimeError naming the key."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        units = ", ".join(SECONDS_PER_UNIT)
        raise TimeError(f"{key} {text!r}: must be a whole number and a unit ({units}): 4h.")
    return int(found[1]) * SECONDS_PER_UNIT[found[2]] * 10**9


def clock(at_ns: int, zone: tzinfo | None) -> str:
    """Such as 2026-11-24 08:30:00 CET. zone : None is the host's."""
    at = (EPOCH + timedelta(microseconds=at_ns // 1000)).astimezone(zone)
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"


def iso(at_ns: int) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    at = datetime.fromtimestamp(at_ns // 10**9, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ns // 10**6 % 1000:03d}Z"


def zone_of(name: str | None) -> tzinfo | None:
    """A zone by its name; None, the host's, where no name is given. Raises TimeError."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimeError(
            f"--tz {name!r}: must be a zone this host knows, such as Europe/Berlin or UTC."
        ) from error


def _day(day: date, zone: tzinfo | None, end: bool) -> int:
    """The day's first moment, or the next day's: days are 23 hours long, or 25, twice a year."""
    return _ns(datetime.combine(day + timedelta(days=end), time()), zone, False)


def _ns(at: datetime, zone: tzinfo | None, end: bool) -> int:
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone, fold=int(end))
    return (at.astimezone(UTC) - EPOCH) // timedelta(microseconds=1) * 1000
