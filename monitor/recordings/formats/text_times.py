"""A column of times, to the rate that they tell and the places where samples are missing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.formats.base import Rate
from monitor.recordings.formats.text_numbers import Decimal, number, resolution
from monitor.recordings.local_dates import day_comes_first, iso_text, seconds_of_day
from monitor.signal.payload.times import time_ns

Float64 = NDArray[np.float64]

NO_TIMES = "none"  # time_key of a file whose column of that name is none
TOLERANCE = 0.03  # as for live sensors: less is a cheap clock
DAY_S = 86400.0
SECONDS_PER_UNIT = {
    **{"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
}
UNSAID = ("s", "ms", "us", "ns")  # of which a column may be that names no unit
REACH = 4  # samples on both sides that make up for a late one

_TIME_NAME = re.compile(
    r"(t|sec|seconds?|x_value|uhrzeit|datum.*|date.*|zeit.*|time.*|tiempo.*|tempo.*"
    r"|epoch.*|elapsed.*|(sample|relative)[ _]?time.*|t[ _](s|ms|us|µs|ns))",
    re.IGNORECASE,
)
_UNIT_IN_NAME = re.compile(r".*[ _/](s|ms|us|µs|ns|min|h)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Clock:
    """How the cells of a column of times are read.

    column, name : where it stands, and what a person calls it
    read : a cell to seconds, or to a count of `unit`; None where it is no time
    unit : "" where the column names none
    resolution : of a cell, in the same unit
    """

    column: int
    name: str
    read: Callable[[str], float | None]
    unit: str = "s"
    resolution: Callable[[str], float] = lambda cell: 10.0 ** -len(_fraction(cell))
    wraps: bool = False  # at midnight


def is_time_name(name: str) -> bool:
    return _TIME_NAME.fullmatch(name.strip()) is not None


def clock_of(
    column: int, name: str, unit: str, cells: Sequence[str], decimal: Decimal
) -> Clock | None:
    """How these cells are times; None where they are not, or do not go on."""
    for clock in _clocks(column, name, unit, cells, decimal):
        times = [clock.read(cell) for cell in cells]
        known = [time for time in times if time is not None and math.isfinite(time)]
        # A date without a clock is the same in all lines.
        if len(known) == len(times) and (len(set(known)) > 1 or len(times) == 1):
            return clock
    return None


def _clocks(
    column: int, name: str, unit: str, cells: Sequence[str], decimal: Decimal
) -> list[Clock]:
    found = _UNIT_IN_NAME.fullmatch(name)
    unit = unit or (found[1].lower() if found else "")

    def count(cell: str) -> float | None:
        return number(cell, decimal)

    def date(cell: str) -> float | None:
        return _date_s(cell, day_first)

    try:
        day_first = day_comes_first(cells) is not False
    except ValueError:
        return []
    return [
        Clock(column, name, count, unit, lambda cell: resolution(cell, decimal)),
        Clock(column, name, seconds_of_day, wraps=True),
        Clock(column, name, date),
    ]


def _date_s(cell: str, day_first: bool) -> float | None:
    try:
        at_ns = time_ns(iso_text(cell, day_first), "iso8601")
    except ValueError:
        return None
    return None if at_ns is None else at_ns / 1e9


def _fraction(cell: str) -> str:
    """Digits behind the seconds of a clock."""
    found = re.search(r":\d\d[.,](\d+)", cell)
    return found[1] if found else ""


def tell(
    clock: Clock, times: Float64, coarse: float, declared_hz: float
) -> tuple[Rate | None, tuple[int, ...]]:
    """The rate, and the samples before which others are missing.

    times : (n,) in the clock's unit
    coarse : what each may be off by rounding
    """
    if clock.wraps:
        times = np.unwrap(times, period=DAY_S)
    steps = np.diff(times)
    if not len(steps) or not np.isfinite(steps).all() or times[-1] <= times[0]:
        return None, _backwards(steps)
    breaks = _breaks(times, steps, coarse)
    whole = np.delete(steps, [at - 1 for at in breaks])
    span = float(whole.sum())
    if not span > 0:
        return None, breaks
    per_unit = len(whole) / span
    unit = (
        clock.unit if clock.unit in SECONDS_PER_UNIT else _likeliest(per_unit, declared_hz)
    )
    tolerance = max(TOLERANCE, 2 * coarse / span)
    source = f" by its column {clock.name!r} (in {unit})"
    return Rate(per_unit / SECONDS_PER_UNIT[unit], tolerance, source), breaks


def tell_of_numbers(
    name: str, times: NDArray[Any], declared_hz: float
) -> tuple[Rate | None, tuple[int, ...]]:
    """As tell(), of a column that holds dates or numbers, not text. times : (n,)"""
    found = _UNIT_IN_NAME.fullmatch(name)
    unit = found[1].lower() if found else ""
    coarse = 0.0
    if times.dtype.kind == "M":
        times, unit = times.astype("datetime64[ns]").astype(np.int64), "ns"
    if times.dtype.kind not in "iuf":
        return None, ()
    if times.dtype.kind in "iu":
        times, coarse = times.astype(np.int64) - int(times[0]), 1.0
    clock = Clock(0, name, read=lambda _: None, unit=unit)
    return tell(clock, times.astype(np.float64), coarse, declared_hz)


def _likeliest(per_unit: float, declared_hz: float) -> str:
    """The unit in which the times tell the rate that is nearest to the declared one."""
    return min(
        UNSAID,
        key=lambda unit: abs(math.log(per_unit / SECONDS_PER_UNIT[unit] / declared_hz)),
    )


def _backwards(steps: Float64) -> tuple[int, ...]:
    return tuple(int(at) + 1 for at in np.flatnonzero(steps < 0))


def _breaks(times: Float64, steps: Float64, coarse: float) -> tuple[int, ...]:
    """Where a step is longer than jitter explains: the steps around it do not make up for it."""
    if np.any(steps == 0):  # samples that share a time in groups tell of none
        return _backwards(steps)
    usual = float(np.median(steps))
    late = np.flatnonzero(steps > 1.5 * usual + 2 * coarse)
    first, last = np.maximum(late - REACH, 0), np.minimum(late + 1 + REACH, len(times) - 1)
    excess = times[last] - times[first] - (last - first) * usual
    missing = late[excess > 0.75 * usual + 2 * coarse] + 1
    return tuple(sorted({int(at) for at in missing} | set(_backwards(steps))))
