"""In turns a line of the shaft is one line, however the speed wanders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor.diagnosis.shaft import Shaft, by_told, in_turns
from monitor.records.machine import ShaftSpeed
from monitor.records.signal import Float32, Float64
from monitor.signal.orders import SpeedProfile, read_speed, steadied
from monitor.signal.welch import mean_density
from monitor.simulator.machine import SimulatedMachine

RATE_HZ = 8_000.0
SECONDS = 5.0
TIME_S = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
LINE_BINS = 2  # to either side: a Hann taper's own width


def share_in_line(samples: Float32, rate_hz: float, line_hz: float) -> float:
    """Of the power within a tenth of a frequency what lies in one line."""
    density, _ = mean_density([samples], rate_hz, rate_hz / len(samples))
    step_hz = rate_hz / len(samples)
    away = np.abs(np.arange(len(density)) * step_hz - line_hz)
    return float(
        density[away <= LINE_BINS * step_hz].sum() / density[away <= 0.1 * line_hz].sum()
    )


def wandering(seed: int) -> SimulatedMachine:
    """A healthy machine whose speed goes 2.5 % up and 2.5 % down in five seconds."""
    machine = SimulatedMachine("healthy", seed)
    machine.parameters = replace(machine.parameters, swing=((0.025, 1 / SECONDS, 1.0),))
    return machine


@pytest.mark.parametrize("seed", range(12))
def test_the_first_order_is_one_line_where_the_speed_wanders_by_5_percent(
    seed: int,
) -> None:
    machine = wandering(seed)
    rate_hz, shaft_hz = machine.sample_rate_hz, machine.parameters.shaft_hz
    samples = machine.block(round(SECONDS * rate_hz))[0]
    found = in_turns([samples], rate_hz, Shaft(shaft_hz, 0.01, False))
    assert found is not None
    (turned,), steady_hz = found
    assert steady_hz == pytest.approx(shaft_hz, rel=0.005)
    assert share_in_line(samples, rate_hz, shaft_hz) < 0.7
    assert share_in_line(turned, rate_hz, steady_hz) > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_a_told_course_steadies_what_the_lines_alone_do_not_show(seed: int) -> None:
    """A tenth up and a tenth down: more than is looked for around a line."""
    machine = SimulatedMachine("healthy", seed)
    machine.parameters = replace(machine.parameters, swing=((0.1, 0.3, 1.0),))
    rate_hz, shaft_hz = machine.sample_rate_hz, machine.parameters.shaft_hz
    at_s = np.arange(0.0, SECONDS, 0.2)
    told = SpeedProfile(at_s, shaft_hz * (1 + 0.1 * np.sin(2 * np.pi * 0.3 * at_s + 1.0)))
    mean_hz = float(told.hz.mean())
    samples = machine.block(round(SECONDS * rate_hz))[0]
    speed = ShaftSpeed(0.99 * mean_hz, 1.01 * mean_hz)
    turned = by_told([samples], rate_hz, speed, [told])
    assert turned is not None
    assert share_in_line(turned[0], rate_hz, mean_hz) > 0.9
    assert share_in_line(samples, rate_hz, mean_hz) < 0.7


def test_a_steady_course_is_not_used_nor_one_that_makes_lines_worse() -> None:
    machine = SimulatedMachine("healthy", 0)
    machine.parameters = replace(machine.parameters, swing=())
    rate_hz, shaft_hz = machine.sample_rate_hz, machine.parameters.shaft_hz
    samples = machine.block(round(SECONDS * rate_hz))[0]
    speed = ShaftSpeed(0.99 * shaft_hz, 1.01 * shaft_hz)
    at_s = np.arange(0.0, SECONDS, 0.2)
    for size in (0.001, 0.05):
        wrong = SpeedProfile(at_s, shaft_hz * (1 + size * np.sin(2 * at_s)))
        assert by_told([samples], rate_hz, speed, [wrong]) is None


@pytest.mark.parametrize("order", [1.0, 2.5, 30.0])
def test_a_told_speed_puts_each_order_where_it_belongs(order: float) -> None:
    """Exactly, for the profile is what the speed was."""
    hz = 25.0 * (1 + 0.05 * np.sin(2 * np.pi * 0.3 * TIME_S))
    turns = np.concatenate([[0.0], np.cumsum(hz[:-1] + hz[1:])]) / 2 / RATE_HZ
    samples = np.sin(2 * np.pi * order * turns).astype(np.float32)
    turned = steadied(samples, RATE_HZ, SpeedProfile(TIME_S, hz), 25.0)
    assert share_in_line(samples, RATE_HZ, order * 25.0) < 0.5
    assert share_in_line(turned, RATE_HZ, order * 25.0) > 0.99


def test_a_steady_speed_changes_nothing() -> None:
    samples = np.random.default_rng(0).standard_normal(len(TIME_S)).astype(np.float32)
    profile = SpeedProfile(np.array([0.0, SECONDS]), np.array([25.0, 25.0]))
    turned = steadied(samples, RATE_HZ, profile, 25.0)
    assert len(turned) > 0.99 * len(samples)
    np.testing.assert_allclose(turned, samples[: len(turned)], atol=1e-3)


@pytest.mark.parametrize("seed", range(10))
def test_noise_has_no_speed_to_follow(seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal(len(TIME_S)).astype(np.float32)
    assert in_turns([samples], RATE_HZ, Shaft(25.0, 0.01, False)) is None


def test_a_steady_shaft_is_left_as_it_is() -> None:
    """What is followed is never quite steady: it would only blur what was clear."""
    lines = np.sum([np.sin(2 * np.pi * k * 25.0 * TIME_S) / k for k in range(1, 6)], axis=0)
    noise = 0.5 * np.random.default_rng(1).standard_normal(len(TIME_S))
    samples = (lines + noise).astype(np.float32)
    assert in_turns([samples], RATE_HZ, Shaft(25.0, 0.01, False)) is None


def test_the_speed_is_read_from_the_lines() -> None:
    hz = 25.0 * (1 + 0.02 * np.sin(2 * np.pi * 0.3 * TIME_S))
    turns = np.cumsum(hz) / RATE_HZ
    lines = np.sum([np.sin(2 * np.pi * k * turns) / k for k in range(1, 6)], axis=0)
    noise = np.random.default_rng(2).standard_normal(len(TIME_S))
    profile = read_speed((lines + noise).astype(np.float32), RATE_HZ, 25.3)
    assert profile is not None
    true_hz = np.interp(profile.at_s, TIME_S, hz)
    inner = slice(len(true_hz) // 10, -len(true_hz) // 10)
    assert np.abs(profile.hz / true_hz - 1)[inner].max() < 0.005


LONGER_S = np.arange(round(2 * SECONDS * RATE_HZ)) / RATE_HZ


def lines_of(sizes: Sequence[float], noise: float) -> Float64:
    """Of a shaft of 25 Hz, the first order first."""
    lines = [
        size * np.sin(2 * np.pi * 25.0 * (k + 1) * LONGER_S + k)
        for k, size in enumerate(sizes)
    ]
    random = np.random.default_rng(0)
    return np.asarray(np.sum(lines, axis=0) + noise * random.normal(size=len(LONGER_S)))


def error_within(samples: Float64, asked_hz: float) -> float:
    """Of the speed that is read, relative, in the middle: near its ends a line is less sure."""
    profile = read_speed(samples.astype(np.float32), RATE_HZ, asked_hz)
    assert profile is not None
    n = len(profile.hz)
    return float(np.abs(profile.hz[2 * n // 5 : 3 * n // 5] / 25.0 - 1).max())


@pytest.mark.parametrize("asked_hz", [24.66, 25.06, 25.13])
@pytest.mark.parametrize("clear", [0, 2, 4])
def test_a_steady_speed_is_read_exactly_whichever_order_is_clear(
    clear: int, asked_hz: float
) -> None:
    sizes = [1.0 if k == clear else 0.05 for k in range(5)]
    assert error_within(lines_of(sizes, 0.02), asked_hz) < 4e-5


def test_a_foreign_line_beside_an_order_is_not_followed() -> None:
    foreign = 1.5 * np.sin(2 * np.pi * 5 * 25.0 * 1.025 * LONGER_S)
    assert error_within(lines_of([1.0] * 5, 0.01) + foreign, 25.0) < 5e-5


def test_the_first_order_alone_tells_the_speed() -> None:
    assert error_within(lines_of([1.0], 0.1), 25.13) < 5.5e-3


def test_too_few_turns_have_no_profile() -> None:
    thirty_turns = round(30 * RATE_HZ / 25.0)
    signal = np.ones(thirty_turns, np.float32)
    assert read_speed(signal, RATE_HZ, 25.0) is not None
    assert read_speed(signal[:-1], RATE_HZ, 25.0) is None
