"""A speed that is told often and wanders: the signal is read in turns by what was told."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from monitor.pipeline.configured import configured_rules
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.speeds import SpeedHistory
from monitor.pipeline.stretches import Timed
from monitor.pipeline.told_speed import told_speed
from monitor.records.context import Told, Value
from monitor.records.diagnosis import Diagnosed, ToldSpeed
from monitor.records.signal import Float32, Float64, Message
from monitor.simulator.known import KnownMachine
from tests.pipeline.test_diagnosing import RATE_HZ, RPM, SECOND_NS, config
from tests.signals import START_NS

SECONDS = 10
SWING, SWING_HZ = 0.06, 0.2  # to either side
KEY = (RPM, "m", "")


def wandering_hz(shaft_hz: float, at_s: Float64) -> Float64:
    return shaft_hz * (1 + SWING * np.sin(2 * np.pi * SWING_HZ * at_s))


@cache
def broken() -> tuple[float, Float32]:
    """Of a broken outer race whose speed wanders: its mean, Hz, and what it sends."""
    machine = KnownMachine("outer race", 2)
    machine.parameters = replace(machine.parameters, swing=((SWING, SWING_HZ, 0.0),))
    return machine.parameters.shaft_hz, machine.block(SECONDS * RATE_HZ).astype("<f4")


def diagnosed(every_s: float) -> list[Diagnosed]:
    """Where the speed is told so often."""
    shaft_hz, samples = broken()
    pipeline = Pipeline(configured_rules(config(context=RPM)), {}, {}, 0.0)
    found: list[Diagnosed] = []
    for index, block in enumerate(np.split(samples, SECONDS, axis=1)):
        times = index + np.arange(0.0, 1.0, every_s)
        rpm = 60 * wandering_hz(shaft_hz, times)
        told = [
            Message("rpm/m", f"{one:.2f}".encode(), START_NS + round(at_s * SECOND_NS))
            for at_s, one in zip(times, rpm, strict=True)
        ]
        now_ns = START_NS + (index + 1) * SECOND_NS
        pipeline.process(
            [*told, Message("v/m/p", block.tobytes(), now_ns)], now_ns, float(index)
        )
        found += pipeline.take_batch(with_tails=True).diagnoses
    return found


def test_told_ten_times_a_second_the_part_is_named() -> None:
    found = diagnosed(0.1)
    named = found[-1]
    assert named.tree["named"] == "outer race, drive end"
    end_s = (
        named.at_ns - START_NS
    ) / SECOND_NS - 1  # a window is of when its first message came
    over_s = np.linspace(end_s - named.tree["signal_s"], end_s, 1000)
    mean_hz = float(wandering_hz(broken()[0], over_s).mean())
    assert named.tree["shaft_hz"] == pytest.approx(mean_hz, rel=0.005)


def test_told_once_a_second_it_cannot_be_followed() -> None:
    found = diagnosed(1.0)
    assert not any(one.is_named for one in found)
    assert "the shaft's speed jumps" in found[-1].text


# -- which values ---------------------------------------------------------------------------------


def history(at_s: list[float], value: Value = 1500.0) -> SpeedHistory:
    known = SpeedHistory()
    known.want(RPM)
    for one in at_s:
        known.note({KEY: Told(value, round(one * SECOND_NS), SECOND_NS)})
    return known


def test_the_course_reaches_over_the_signal_and_no_further() -> None:
    known = history([0.5 * k for k in range(40)])
    (found,) = known.courses("m/p", RPM, [Timed(5 * SECOND_NS, 4.0, 0.0)])
    assert (found.at_s[0], found.at_s[-1]) == (0.0, 4.5)
    np.testing.assert_array_equal(found.hz, 25.0)


@pytest.mark.parametrize(
    ("at_s", "value", "unsteady_s"),
    [
        ([], 1500.0, 0.0),
        ([5.0, 9.0], 1500.0, 0.0),
        ([5.0, 6.0, 7.0], 0.0, 0.0),
        ([5.0, 6.0, 7.0, 8.0, 9.0], "fast", 0.0),
        ([5.0, 6.0, 7.0, 8.0, 9.0], 1500.0, 0.51),
        ([7.1, 8.0, 9.0], 1500.0, 0.0),
        ([5.0, 7.1, 8.0, 9.0], 1500.0, 0.0),
    ],
)
def test_told_too_rarely_or_beside_a_burst_it_is_no_course(
    at_s: list[float], value: Value, unsteady_s: float
) -> None:
    signal = [Timed(5 * SECOND_NS, 4.0, unsteady_s)]
    assert history(at_s, value).courses("m/p", RPM, signal) == ()


@pytest.mark.parametrize(
    ("at_s", "rpm", "unsteady_s"),
    [([5.0, 7.0], 1500.0, 0.5), ([5.0, 6.0, 7.0], 0.5, 0.0), ([7.0, 9.0], 60.0, 0.1)],
)
def test_told_every_two_seconds_it_is_one(
    at_s: list[float], rpm: float, unsteady_s: float
) -> None:
    signal = [Timed(5 * SECOND_NS, at_s[-1] - 5.0, unsteady_s)]
    (found,) = history(at_s, rpm).courses("m/p", RPM, signal)
    np.testing.assert_array_equal(found.at_s, np.array(at_s) - 5.0)
    np.testing.assert_array_equal(found.hz, rpm / 60)


def test_one_word_among_numbers_makes_no_course() -> None:
    known = history([5.0, 6.0, 7.0, 8.0, 9.0])
    signal = [Timed(5 * SECOND_NS, 4.0, 0.0)]
    assert known.courses("m/p", RPM, signal)
    known.note({KEY: Told("fast", 9 * SECOND_NS, SECOND_NS)})
    assert not known.courses("m/p", RPM, signal)


def test_one_stretch_without_a_course_leaves_all_without() -> None:
    known = history([0.5 * k for k in range(10)])
    whole, later = Timed(0, 4.0, 0.0), Timed(60 * SECOND_NS, 4.0, 0.0)
    assert len(known.courses("m/p", RPM, [whole])) == 1
    assert known.courses("m/p", RPM, [whole, later]) == ()


def test_what_is_kept_is_bounded_and_of_wanted_names_alone() -> None:
    known = SpeedHistory()
    known.want("")
    known.note({KEY: Told(1500.0, 0, 1)})
    assert known.n_kept == 0
    known.want(RPM)
    for index in range(2010):
        told = Told(1500.0, 0, 1)
        known.note({("tool", "m", ""): told, (RPM, f"m{index}", ""): told})
    assert known.n_kept == 2000
    for index in range(500):
        known.note({(RPM, "m0", ""): Told(1500.0, index, 1)})
    assert known.n_kept == 1999 + 256


# -- what comes of them ---------------------------------------------------------------------------


def course(*rpm: float) -> ToldSpeed:
    return ToldSpeed(np.arange(len(rpm), dtype=float), np.array(rpm) / 60)


@pytest.mark.parametrize(
    ("courses", "said"),
    [
        ([course(1500, 1560, 1620, 1650)], ""),
        ([course(1500, 1510), course(1700, 1710)], ""),
        (
            [course(1500, 1600)],
            "the shaft's speed jumps: rpm goes from 1500 to 1600 1/min within the signal, by more"
            " than 5%",
        ),
        (
            [course(1500, 1560, 1620, 1680, 1740, 1810)],
            "the shaft's speed wanders: rpm goes from 1500 to 1810 1/min within the signal, by"
            " more than 20%",
        ),
    ],
)
def test_a_course_may_wander_but_not_jump(courses: list[ToldSpeed], said: str) -> None:
    found = told_speed(RPM, [1500.0, 1650.0], 0.01, None, 0, courses)
    if said:
        assert found == said
    else:
        assert not isinstance(found, str)
        mean_hz = float(np.mean(np.concatenate([one.hz for one in courses])))
        assert found.middle_hz == pytest.approx(mean_hz)
        assert found.tolerance == pytest.approx(0.01)
