"""RMS velocity from acceleration: a calibrated sine reads its velocity, other frequencies do not
count.
"""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.signal import Float64
from monitor.signal.severity import applies, is_due, velocity_rms_mm_s

RATE_HZ = 25_600.0


def sine(f_hz: float, velocity_mm_s: float) -> Float64:
    """Acceleration, m/s², of a vibration with this RMS velocity."""
    phase = 2 * np.pi * f_hz / RATE_HZ * np.arange(25_600.0)[None, :]
    return 2**0.5 * velocity_mm_s / 1000 * 2 * np.pi * f_hz * np.sin(phase)


@pytest.mark.parametrize("f_hz", [20.0, 24.7, 160.0, 900.3])
def test_a_sine_reads_its_velocity(f_hz: float) -> None:
    samples = (sine(f_hz, 4.5) + 9.81).astype(np.float32)
    assert velocity_rms_mm_s(samples, RATE_HZ) == pytest.approx(4.5, rel=0.01)


@pytest.mark.parametrize("f_hz", [3.0, 1010.0, 5000.0])
def test_what_lies_outside_the_band_does_not_count(f_hz: float) -> None:
    assert velocity_rms_mm_s(sine(f_hz, 4.5).astype(np.float32), RATE_HZ) < 0.05


def test_the_strongest_channel_counts() -> None:
    both = np.concatenate([sine(50, 1.0), sine(50, 2.8)]).astype(np.float32)
    assert velocity_rms_mm_s(both, RATE_HZ) == pytest.approx(2.8, rel=0.01)


def test_where_it_applies_and_when() -> None:
    assert applies(25_600, 25_600)
    assert not applies(25_600, 2560)  # 0.1 s
    assert not applies(2000, 10_000)  # 2 kHz
    assert [is_due(first, 1000, 1000) for first in range(0, 21_000, 1000)].count(True) == 3
    assert is_due(5000, 100, 5000)  # windows longer than the period: each
