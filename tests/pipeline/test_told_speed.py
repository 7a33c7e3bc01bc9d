"""The shaft's speed as it was told: it holds, or one sentence says why not."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.told_speed import told_speed
from monitor.records.context import Told, Value
from monitor.records.diagnosis import ToldSpeed
from monitor.records.machine import ShaftSpeed

SECOND_NS = 10**9
NOW_NS = 1000 * SECOND_NS


def told(at_s: float, value: Value = 1480.0) -> Told:
    return Told(value, round(at_s * SECOND_NS), 60 * SECOND_NS)


def test_a_speed_that_wanders_a_little_is_a_span() -> None:
    found = told_speed("rpm", [1470.0, 1500.0], 0.01, told(999), NOW_NS)
    assert found == ShaftSpeed(1470 / 60 * 0.99, 1500 / 60 * 1.01)


def test_five_in_a_hundred_is_no_jump_and_half_a_turn_a_minute_is_a_speed() -> None:
    found = told_speed("rpm", [1050.0, 1000.0], 0.0, told(999), NOW_NS)
    assert found == ShaftSpeed(1000 / 60, 1050 / 60)
    assert isinstance(told_speed("rpm", [1000.0, 1050.1], 0, None, 0), str)
    assert told_speed("rpm", [0.5], 0.0, None, 0) == ShaftSpeed(0.5 / 60, 0.5 / 60)


@pytest.mark.parametrize(
    ("courses_hz", "says"),
    [
        ([[20.0, 21.0], [24.0]], None),
        ([[10.0], [10.1]], None),
        ([[20.0, 21.0], [24.1]], "wanders: rpm goes from 1200 to 1446 1/min"),
        ([[24.0], [20.0, 21.1]], "jumps: rpm goes from 1200 to 1440 1/min"),
    ],
)
def test_a_speed_told_often_may_wander_by_a_fifth_and_not_jump(
    courses_hz: list[list[float]], says: str | None
) -> None:
    courses = [
        ToldSpeed(np.arange(len(hz), dtype=np.float64), np.array(hz, np.float64))
        for hz in courses_hz
    ]
    found = told_speed("rpm", [1200.0], 0.01, told(999), NOW_NS, courses)
    if says is None:
        mean_hz = float(np.mean([hz for course in courses_hz for hz in course]))
        assert found == ShaftSpeed(mean_hz * 0.99, mean_hz * 1.01)
    else:
        assert says in str(found)
        assert str(found).endswith("5%" if "jumps" in says else "20%")


@pytest.mark.parametrize(
    ("values", "newest", "sentence"),
    [
        ([None], None, "the shaft's speed is not known: rpm was never told"),
        (
            [1480.0, None],
            told(880),
            "the shaft's speed is not known: rpm was last told 120 s ago, and holds for 60 s",
        ),
        (
            [None, 1480.0],
            told(999),
            "the shaft's speed is not known: rpm did not hold for all of the signal",
        ),
        (
            ["fast"],
            told(999),
            "the shaft's speed is not known: rpm = 'fast' is no number (1/min)",
        ),
        ([0.0], told(999), "the shaft stands still: rpm = 0 1/min, and must be above 0"),
        (
            [1480.0, 1600.0],
            told(999),
            "the shaft's speed jumps: rpm goes from 1480 to 1600 1/min within the signal, by more"
            " than 5%",
        ),
    ],
)
def test_no_speed_is_one_sentence(
    values: list[Value | None], newest: Told | None, sentence: str
) -> None:
    assert told_speed("rpm", values, 0.01, newest, NOW_NS) == sentence
