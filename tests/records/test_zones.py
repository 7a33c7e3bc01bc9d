"""Zones of vibration severity: a velocity that wanders about a limit changes the zone once."""

from __future__ import annotations

import pytest

from monitor.records.zones import ISO_LIMITS_MM_S, Limits, letter, zone

LIMITS: Limits = (1.4, 2.8, 4.5)


def zones_of(velocities: list[float]) -> str:
    before, found = None, ""
    for velocity in velocities:
        before = zone(velocity, LIMITS, before)
        found += letter(before)
    return found


@pytest.mark.parametrize(
    ("velocities", "expected"),
    [
        ([0.5, 1.39, 1.41, 2.81, 4.51], "AABCD"),
        ([1.5, 1.39, 1.3, 1.25, 1.39], "BBBAA"),
        ([5.0, 4.2, 4.0, 0.1], "DDCA"),
        ([0.1, 9.0, 0.1], "ADA"),
    ],
)
def test_up_at_a_limit_and_down_a_tenth_below_it(
    velocities: list[float], expected: str
) -> None:
    assert zones_of(velocities) == expected


def test_the_limits_of_the_standard_rise() -> None:
    assert all(list(limits) == sorted(set(limits)) for limits in ISO_LIMITS_MM_S.values())
