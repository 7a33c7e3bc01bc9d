"""The speed of a machine's shaft, as it was told beside the windows of one signal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.records.context import Told, Value
from monitor.records.diagnosis import ToldSpeed
from monitor.records.machine import ShaftSpeed

JUMP = 0.05  # relative: a speed that changes by more within a signal smears every line
MOST_WANDER = 0.2  # relative: resonances stay where they are, and lines cross them


def told_speed(
    name: str,
    values: Sequence[Value | None],
    tolerance: float,
    newest: Told | None,
    now_ns: int,
    courses: Sequence[ToldSpeed] = (),
) -> ShaftSpeed | str:
    """The speed, or the sentence that says why there is none.

    name : of the context
    values : of each window, 1/min; None where none was valid
    newest : the last one told, valid or not. now_ns : the clock it was told by
    courses : the speed over each unbroken stretch, where it was told often: it
        may wander then
    """
    if any(one is None for one in values):
        return _missing(name, newest, now_ns)
    rpm: list[float] = []
    for one in values:
        if isinstance(one, str) or one is None:
            return f"the shaft's speed is not known: {name} = {one!r} is no number (1/min)"
        if one <= 0:
            return f"the shaft stands still: {name} = {one:g} 1/min, and must be above 0"
        rpm.append(one)
    low, high = min(rpm), max(rpm)
    if courses:
        return _wandering(name, courses, tolerance)
    if high > low * (1 + JUMP):
        return (
            f"the shaft's speed jumps: {name} goes from {low:g} to {high:g} 1/min within the"
            f" signal, by more than {JUMP:.0%}"
        )
    return ShaftSpeed(low / 60 * (1 - tolerance), high / 60 * (1 + tolerance))


def _wandering(
    name: str, courses: Sequence[ToldSpeed], tolerance: float
) -> ShaftSpeed | str:
    """The mean speed, which the signal is brought to."""
    every = np.concatenate([one.hz for one in courses])
    low, high = float(every.min()), float(every.max())
    jumps = [np.abs(np.diff(one.hz)).max(initial=0.0) / low for one in courses]
    if max(jumps) > JUMP or high > low * (1 + MOST_WANDER):
        most = JUMP if max(jumps) > JUMP else MOST_WANDER
        return (
            f"the shaft's speed {'jumps' if most == JUMP else 'wanders'}: {name} goes from"
            f" {low * 60:g} to {high * 60:g} 1/min within the signal, by more than {most:.0%}"
        )
    mean_hz = float(every.mean())
    return ShaftSpeed(mean_hz * (1 - tolerance), mean_hz * (1 + tolerance))


def _missing(name: str, newest: Told | None, now_ns: int) -> str:
    if newest is None:
        return f"the shaft's speed is not known: {name} was never told"
    age_s, valid_s = (now_ns - newest.at_ns) / 1e9, newest.valid_ns / 1e9
    if newest.is_valid(now_ns):
        return f"the shaft's speed is not known: {name} did not hold for all of the signal"
    return (
        f"the shaft's speed is not known: {name} was last told {age_s:.0f} s ago, and holds for"
        f" {valid_s:g} s"
    )
