"""Condition indicators: what a calibrated signal must read."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid
from scipy.signal import detrend

from monitor.records.signal import Float32, Float64
from monitor.signal.indicators import (
    FIGURES,
    SLOW_VELOCITY,
    VELOCITY,
    by_name,
    figures,
    velocities,
    velocity_name,
)
from monitor.signal.moments import moments

RATE_HZ = 25_600.0


def sine(f_hz: float, amplitude_ms2: float, seconds: float = 1.0) -> Float32:
    turns = f_hz / RATE_HZ * np.arange(round(seconds * RATE_HZ))
    return np.asarray(amplitude_ms2 * np.sin(2 * np.pi * turns)[None], np.float32)


def only(samples: Float32) -> dict[str, float]:
    return dict(zip(FIGURES, figures(moments(samples[None]))[0, 0].tolist(), strict=True))


def velocity(samples: Float32, name: str = VELOCITY) -> float:
    (one,) = velocities(samples, RATE_HZ, name)
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
    assert velocity(samples) == pytest.approx(calibrated, rel=0.01)
    assert integrated_in_time(samples) == pytest.approx(calibrated, rel=0.01)


def test_ten_hertz_counts_in_full_in_a_window_of_one_second() -> None:
    assert velocity(sine(10.0, 1.0)) == pytest.approx(11.254, rel=0.01)


def test_a_slow_machine_counts_from_two_hertz_and_says_so() -> None:
    names = [velocity_name(shaft_hz) for shaft_hz in (None, 10.0, 9.9)]
    assert names == [VELOCITY, VELOCITY, SLOW_VELOCITY]
    samples = sine(3.0, 0.1, seconds=4.0)
    assert velocity(samples) == pytest.approx(0.0, abs=0.01)
    calibrated = 0.1 / 2**0.5 / (2 * np.pi * 3) * 1000
    assert velocity(samples, SLOW_VELOCITY) == pytest.approx(calibrated, rel=0.01)


@pytest.mark.parametrize("amplitude_ms2", [2.0, 2e-15, 2e15])
def test_a_sine_on_its_mean_at_any_scale(amplitude_ms2: float) -> None:
    one = only(sine(50.0, amplitude_ms2) + np.float32(5 * amplitude_ms2))
    assert one["rms_ms2"] == pytest.approx(amplitude_ms2 / 2**0.5, rel=1e-3)
    assert one["peak_ms2"] == pytest.approx(amplitude_ms2, rel=1e-3)
    assert one["peak_to_peak_ms2"] == pytest.approx(2 * amplitude_ms2, rel=1e-3)
    assert one["crest"] == pytest.approx(2**0.5, rel=1e-3)
    assert one["kurtosis"] == pytest.approx(1.5, rel=1e-3)


def test_noise_has_kurtosis_three_and_impulses_have_more() -> None:
    noise = np.random.default_rng(0).standard_normal((1, 25_600)).astype(np.float32)
    assert only(noise)["kurtosis"] == pytest.approx(3.0, abs=0.15)
    noise[0, ::2560] += 20
    assert only(noise)["kurtosis"] > 10


def test_windows_and_channels_have_their_own_however_they_are_batched() -> None:
    first, second = (
        np.concatenate([sine(50, 1), sine(50, 3)]),
        np.concatenate([sine(7, 2)] * 2),
    )
    together = figures(moments(np.stack([first, second])))
    assert together.shape == (2, 2, len(FIGURES))
    np.testing.assert_allclose(together[0], figures(moments(first[None]))[0], rtol=1e-6)
    np.testing.assert_allclose(together[0, 1, 0], 3 * together[0, 0, 0], rtol=1e-4)


def test_names_bear_the_channel_where_there_are_several() -> None:
    assert by_name({"crest": [1.5]}, ["a"]) == {"crest": 1.5}
    assert by_name({"crest": [1.5, 2.0]}, ["x", "y"]) == {"crest.x": 1.5, "crest.y": 2.0}
    with pytest.raises(ValueError, match="shorter"):
        by_name({"crest": [1.5]}, ["x", "y"])


def test_what_cannot_be_told_is_no_number() -> None:
    still = only(np.full((1, 2560), 9.5, np.float32))
    assert (still["rms_ms2"], still["peak_ms2"]) == (0, 0)
    assert np.isnan([still["crest"], still["kurtosis"]]).all()
    # 1 s is short for 2 Hz
    assert velocities(sine(50.0, 1.0), RATE_HZ, SLOW_VELOCITY) == []
