"""RMS velocity from acceleration: a calibrated sine reads its velocity, other frequencies do not
count.
"""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.signal import Float32, Float64
from monitor.signal.severity import (
    SLOW_LOW_HZ,
    applies,
    is_due,
    velocities_mm_s,
)

RATE_HZ = 25_600.0


def sine(f_hz: float, velocity_mm_s: float) -> Float64:
    """Acceleration, m/s², of a vibration with this RMS velocity."""
    phase = 2 * np.pi * f_hz / RATE_HZ * np.arange(25_600.0)[None, :]
    return 2**0.5 * velocity_mm_s / 1000 * 2 * np.pi * f_hz * np.sin(phase)


@pytest.mark.parametrize("f_hz", [20.0, 24.7, 160.0, 900.3])
def test_a_sine_reads_its_velocity(f_hz: float) -> None:
    samples = (sine(f_hz, 4.5) + 9.81).astype(np.float32)
    assert velocities_mm_s(samples, RATE_HZ) == pytest.approx(4.5, rel=0.01)


@pytest.mark.parametrize("f_hz", [3.0, 1010.0, 5000.0])
def test_what_lies_outside_the_band_does_not_count(f_hz: float) -> None:
    assert velocities_mm_s(sine(f_hz, 4.5).astype(np.float32), RATE_HZ) < 0.05


def test_each_channel_reads_its_own() -> None:
    both = np.concatenate([sine(50, 1.0), sine(50, 2.8)]).astype(np.float32)
    assert velocities_mm_s(both, RATE_HZ) == pytest.approx([1.0, 2.8], rel=0.01)


def test_where_it_applies_and_when() -> None:
    assert applies(25_600, 25_600)
    assert not applies(25_600, 2560)  # 0.1 s
    assert not applies(2000, 10_000)  # 2 kHz
    assert [is_due(first, 1000, 1000) for first in range(0, 21_000, 1000)].count(True) == 3
    assert is_due(5000, 100, 5000)  # windows longer than the period: each


def short_sine(f_hz: float, n: int, rate_hz: float) -> Float32:
    """1 mm/s RMS, and a whole number of periods if f_hz is a multiple of rate_hz / n."""
    omega = 2 * np.pi * f_hz
    acceleration = 2**0.5 * 1e-3 * omega * np.sin(omega / rate_hz * np.arange(n))
    return np.asarray(acceleration[None, :], np.float32)


@pytest.mark.parametrize("f_hz", [30, 40, 500, 950, 1000])
def test_whole_periods_read_exactly_up_to_the_band_s_edges(f_hz: float) -> None:
    """Under a periodic Hann taper a sine lies in three bins, four sixths of it in its own; each is
    integrated by its own frequency.
    """
    found = velocities_mm_s(short_sine(f_hz, 256, 2560), 2560, low_hz=30.0)
    bins_hz = f_hz + np.array([-10, 0, 10])
    expected = np.square(f_hz / bins_hz) @ np.array([1, 4, 1]) / 6
    assert found == pytest.approx([expected**0.5], rel=1e-5)


@pytest.mark.parametrize("f_hz", [10, 1030])
def test_three_bins_beyond_the_edges_nothing_is_left(f_hz: float) -> None:
    """Of the lobe that reaches in from two bins beyond, part is: a bin of 10 Hz."""
    found = velocities_mm_s(short_sine(f_hz, 256, 2560), 2560, low_hz=40.0)
    assert found[0] < 1e-3


@pytest.mark.parametrize("f_hz", [20, 1020])
def test_two_bins_beyond_the_edges_only_the_lobe_s_end_counts(f_hz: float) -> None:
    found = velocities_mm_s(short_sine(f_hz, 256, 2560), 2560, low_hz=40.0)
    assert 0.1 < found[0] < 0.9


def test_slow_machines_count_from_2_hz() -> None:
    slow = short_sine(3.0, 25_600, 2560)
    assert velocities_mm_s(slow, 2560, SLOW_LOW_HZ)[0] == pytest.approx(1.0, rel=1e-3)
    assert velocities_mm_s(slow, 2560)[0] < 0.01
    too_slow = short_sine(1.0, 25_600, 2560)
    assert velocities_mm_s(too_slow, 2560, SLOW_LOW_HZ)[0] < 0.01


def test_five_periods_of_the_lowest_frequency_and_2_56_samples_of_the_highest_are_enough() -> (
    None
):
    assert applies(2560.0, 1280)
    assert not applies(2560.0, 1279)
    assert not applies(2559.0, 12_800)
