"""Condition indicators: what a calibrated signal must read."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid
from scipy.signal import detrend

from monitor.records.signal import Float32, Float64
from monitor.signal.indicators import Indicators, indicators

RATE_HZ = 25_600.0


def sine(f_hz: float, amplitude_ms2: float, seconds: float = 1.0) -> Float32:
    turns = f_hz / RATE_HZ * np.arange(round(seconds * RATE_HZ))
    return np.asarray(amplitude_ms2 * np.sin(2 * np.pi * turns)[None], np.float32)


def only(samples: Float32, shaft_hz: float | None = None) -> Indicators:
    (one,) = indicators(samples, RATE_HZ, shaft_hz)
    return one


def integrated_in_time(samples: Float32) -> float:
    """RMS velocity, mm/s, of a signal of whole periods: the second way to come to it."""
    acceleration: Float64 = detrend(samples[0].astype(np.float64), type="constant")
    velocity = detrend(cumulative_trapezoid(acceleration, dx=1 / RATE_HZ, initial=0))
    return float(np.sqrt(np.mean(np.square(velocity)))) * 1000


@pytest.mark.parametrize("f_hz", [10.0, 50.0, 159.2, 900.0])
def test_a_calibrated_sine_reads_its_velocity_by_two_integrations(f_hz: float) -> None:
    samples = sine(f_hz, 2.0, seconds=5.0)
    calibrated = 2.0 / 2**0.5 / (2 * np.pi * f_hz) * 1000
    assert only(samples).velocity_mm_s == pytest.approx(calibrated, rel=0.01)
    assert integrated_in_time(samples) == pytest.approx(calibrated, rel=0.01)


def test_ten_hertz_counts_in_full_in_a_window_of_one_second() -> None:
    assert only(sine(10.0, 1.0)).velocity_mm_s == pytest.approx(11.254, rel=0.01)


def test_a_slow_machine_counts_from_two_hertz_and_says_so() -> None:
    samples = sine(3.0, 0.1, seconds=4.0)
    usual, slow = only(samples, shaft_hz=25.0), only(samples, shaft_hz=5.0)
    assert (usual.velocity_from_hz, slow.velocity_from_hz) == (10.0, 2.0)
    assert usual.velocity_mm_s == pytest.approx(0.0, abs=0.01)
    assert slow.velocity_mm_s == pytest.approx(0.1 / 2**0.5 / (2 * np.pi * 3) * 1000, rel=0.01)


def test_a_sine_on_gravity() -> None:
    one = only(sine(50.0, 2.0) + np.float32(9.81))
    assert one.rms_ms2 == pytest.approx(2**0.5, rel=1e-4)
    assert one.peak_ms2 == pytest.approx(2.0, rel=1e-3)
    assert one.peak_to_peak_ms2 == pytest.approx(4.0, rel=1e-3)
    assert one.crest == pytest.approx(2**0.5, rel=1e-3)
    assert one.kurtosis == pytest.approx(1.5, rel=1e-3)


def test_noise_has_kurtosis_three_and_impulses_have_more() -> None:
    noise = np.random.default_rng(0).standard_normal((1, 25_600)).astype(np.float32)
    assert only(noise).kurtosis == pytest.approx(3.0, abs=0.15)
    noise[0, ::2560] += 20
    found = only(noise)
    assert found.kurtosis is not None
    assert found.kurtosis > 10


def test_each_channel_has_its_own() -> None:
    first, second = indicators(np.concatenate([sine(50, 1), sine(50, 3)]), RATE_HZ)
    assert second.rms_ms2 == pytest.approx(3 * first.rms_ms2, rel=1e-4)


def test_what_cannot_be_told_is_none() -> None:
    still = only(np.full((1, 2560), 9.81, np.float32))
    assert (still.crest, still.kurtosis, still.velocity_mm_s) == (None, None, None)
    assert only(sine(50.0, 1.0), shaft_hz=5.0).velocity_mm_s is None  # 1 s is short for 2 Hz
