"""Dates as spreadsheets and loggers of a country write them, beside ISO 8601.

"24.11.2026 08:30" is a day first; "11/24/2026 8:30 AM" may be either, so all
texts of a column are looked at together, and where none of them tells, they are
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

MAX_TEXT = 64  # characters

_CLOCK = r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*([ap]m)?"
_DAY = r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d\d)"
_LOCAL = re.compile(rf"{_DAY}(?:,?[ T]+{_CLOCK})?", re.ASCII | re.IGNORECASE)
_TIME_OF_DAY = re.compile(_CLOCK, re.ASCII | re.IGNORECASE)


def day_comes_first(texts: Iterable[str]) -> bool | None:
    """Whether the day stands before the month, as a number above 12 shows; None where none does.

    Raises ValueError where the texts contradict each other.
    """
    shown: dict[bool, str] = {}
    for text in texts:
        found = _LOCAL.fullmatch(text.strip()[:MAX_TEXT])
        if found is None:
            continue
        one, sign, two = int(found[1]), found[2], int(found[3])
        if sign == "." or one > 12:
            shown.setdefault(True, text)
        elif two > 12:
            shown.setdefault(False, text)
    if len(shown) == 2:
        raise ValueError(f"{shown[True]!r} has the day first, {shown[False]!r} the month")
    return next(iter(shown), None)


def iso_text(text: str, day_first: bool | None) -> str:
    """The text as ISO 8601 would write it; anything but a local date as it is. Raises ValueError.

    day_first : of the whole column; None where nothing tells
    """
    found = _LOCAL.fullmatch(text.strip()[:MAX_TEXT])
    if found is None:
        return text
    one, two, year = int(found[1]), int(found[3]), int(found[4])
    if day_first is None and one != two:
        raise ValueError(
            f"{text!r} can be day or month first: write it as {_year(year)}-{one:02}-{two:02} or"
            f" {_year(year)}-{two:02}-{one:02}"
        )
    day, month = (two, one) if day_first is False else (one, two)
    hour, minute, second, fraction = _clock(found.groups()[4:])
    moment = datetime(_year(year), month, day, hour, minute, second)
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}"


def seconds_of_day(text: str) -> float | None:
    """Of a clock's time without a date, "08:30:00.25"; None where it is none."""
    found = _TIME_OF_DAY.fullmatch(text.strip()[:MAX_TEXT])
    if found is None:
        return None
    hour, minute, second, fraction = _clock(found.groups())
    return 3600.0 * hour + 60.0 * minute + second + float(f"0{fraction}")


def _year(year: int) -> int:
    return year if year >= 100 else 2000 + year


def _clock(parts: tuple[str | None, ...]) -> tuple[int, int, int, str]:
    """Hour, minute, second, and the fraction with its point, "" without one."""
    hour, minute, second, fraction, half = parts
    hours = int(hour or 0)
    if half is not None:
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    return hours, int(minute or 0), int(second or 0), f".{fraction}" if fraction else ""
