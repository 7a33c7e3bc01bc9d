"""Zones of vibration severity, A to D: a second opinion beside the verdict, which it never hides.

Limits: ISO 20816-3:2022, table A.1 and A.2, RMS velocity of housings.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Literal

Limits = tuple[float, float, float]  # mm/s, from A to B, B to C, C to D

# Group 1: above 300 kW. Group 2: from 15 to 300 kW.
ISO_LIMITS_MM_S: dict[tuple[int, Literal["rigid", "flexible"]], Limits] = {
    (1, "rigid"): (2.3, 4.5, 7.1),
    (1, "flexible"): (3.5, 7.1, 11.0),
    (2, "rigid"): (1.4, 2.8, 4.5),
    (2, "flexible"): (2.3, 4.5, 7.1),
}
LETTERS = "ABCD"
RETURN = 0.9  # of a limit: below it the zone is left downwards


def zone(velocity_mm_s: float, limits: Limits, before: int | None) -> int:
    """1 for A to 4 for D. before : the zone of the window before, None at the first.

    A velocity that wanders about a limit changes the zone once.
    """
    rising = 1 + bisect_left(limits, velocity_mm_s)
    if before is None or rising >= before:
        return rising
    return 1 + bisect_left([RETURN * one for one in limits[: before - 1]], velocity_mm_s)


def letter(found: float) -> str:
    """Of a zone's number."""
    return LETTERS[round(found) - 1]
