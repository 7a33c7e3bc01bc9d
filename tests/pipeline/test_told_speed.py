"""The shaft's speed as it was told: it holds, or one sentence says why not."""

from __future__ import annotations

import pytest

from monitor.pipeline.told_speed import told_speed
from monitor.records.context import Told, Value
from monitor.records.machine import ShaftSpeed

SECOND_NS = 10**9
NOW_NS = 1000 * SECOND_NS


def told(at_s: float, value: Value = 1480.0) -> Told:
    return Told(value, round(at_s * SECOND_NS), 60 * SECOND_NS)


def test_a_speed_that_wanders_a_little_is_a_span() -> None:
    found = told_speed("rpm", [1470.0, 1500.0], 0.01, told(999), NOW_NS)
    assert found == ShaftSpeed(1470 / 60 * 0.99, 1500 / 60 * 1.01)


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
