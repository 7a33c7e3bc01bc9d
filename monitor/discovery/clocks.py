"""Which clock a value is of: a time of day in one of the formats that messages use, or a count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from monitor.signal.payload.times import COUNTS, NS_PER_UNIT, time_ns

NEAR_NS = 400 * 86_400 * 10**9
DAY_NS = 86_400 * 10**9
STEPS = {unit: 10**9 / ns for unit, ns in NS_PER_UNIT.items()}  # counts a second
SLOPE_LIMIT = 0.2


def format_of(values: Sequence[object], received_ns: Sequence[int]) -> str | None:
    """The format in which all values are times near their arrival."""
    if not values:
        return None
    for name in ("iso8601", *COUNTS):
        if name == "iso8601" and not all(isinstance(one, str | datetime) for one in values):
            continue
        near_ns = DAY_NS if name == "ole_days" else NEAR_NS
        if all(
            _is_near(one, at_ns, name, near_ns)
            for one, at_ns in zip(values, received_ns, strict=True)
        ):
            return name
    return None


def keeps_pace(values: Sequence[object], received_ns: Sequence[int], name: str) -> bool:
    """Whether times go on as arrivals do, within a second or a fifth."""
    first, last = time_ns(values[0], name), time_ns(values[-1], name)
    if first is None or last is None:
        return False
    told, seen = last - first, received_ns[-1] - received_ns[0]
    return abs(told - seen) <= max(10**9, SLOPE_LIMIT * seen)


def _is_near(value: object, at_ns: int, name: str, near_ns: int) -> bool:
    found = time_ns(value, name)
    return found is not None and abs(found - at_ns) < near_ns


def unit_of_count(counts: Sequence[float], received_ns: Sequence[int]) -> str | None:
    """s, ms, us or ns: by how much a count grows in a second of arrivals. None where not so."""
    span_s = (received_ns[-1] - received_ns[0]) / 1e9 if len(received_ns) > 1 else 0.0
    if span_s <= 0 or not all(b >= a for a, b in pairwise(counts)):
        return None
    slope = (counts[-1] - counts[0]) / span_s
    for unit, step in STEPS.items():
        if abs(slope / step - 1) < SLOPE_LIMIT:
            return unit
    return None


def is_counter(values: Sequence[object]) -> bool:
    """Whole numbers that go up by one a message; a few may be lost, and it may start over."""
    if len(values) < 4 or not all(type(one) is int and one >= 0 for one in values):
        return False
    steps = [b - a for a, b in pairwise(values)]  # type: ignore[operator]
    ones = sum(step == 1 for step in steps)
    odd = [step for step in steps if step != 1]
    return ones >= 0.8 * len(steps) and all(step < 0 or step <= 16 for step in odd)
