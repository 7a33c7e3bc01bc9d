"""Which sample rate counts: the nominal one, a stated one that is a measurement of it, or another.

No sensor keeps its nominal rate exactly, and some state with each message what
they have measured.
"""

from __future__ import annotations

# A rate off by more cannot be judged: bands would be mislabelled by as much.
RATE_LIMIT = 0.03


def is_same_rate(rate_hz: float, other_hz: float) -> bool:
    """True where one may be a measurement of the other."""
    return abs(rate_hz - other_hz) <= RATE_LIMIT * other_hz


def rate_of(stated_hz: float, nominal_hz: float, before_hz: float | None) -> float:
    """The rate to cut by: the nominal one, where a message states what was measured of it; else
    that of the segment so far, likewise; else the stated one.

    nominal_hz : 0 where none is known
    before_hz : None where a segment begins
    """
    for known_hz in (nominal_hz, before_hz):
        if known_hz and is_same_rate(stated_hz, known_hz):
            return known_hz
    return stated_hz
