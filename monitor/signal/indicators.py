"""Condition indicators of one window: the figures that vibration analysts read first.

Definitions with their sources: docs/diagnose.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.records.signal import Float32, Float64
from monitor.signal import severity

SLOW_SHAFT_HZ = 10.0  # 600 1/min: below it, velocity counts from 2 Hz (ISO 20816-3)


@dataclass(frozen=True, slots=True)
class Indicators:
    """Of one channel, its mean removed.

    rms_ms2, peak_ms2, peak_to_peak_ms2 : acceleration, m/s²
    crest : peak / RMS; kurtosis : of Pearson, 3 for normal noise. None of a channel that stands
        still
    velocity_mm_s : RMS velocity from velocity_from_hz to 1000 Hz; None where the window is too
        short or the rate too low for it
    """

    rms_ms2: float
    peak_ms2: float
    peak_to_peak_ms2: float
    crest: float | None
    kurtosis: float | None
    velocity_mm_s: float | None
    velocity_from_hz: float


def velocity_from_hz(shaft_hz: float | None) -> float:
    """The lowest frequency that counts for velocity. shaft_hz : None where it is not known"""
    is_slow = shaft_hz is not None and shaft_hz < SLOW_SHAFT_HZ
    return severity.SLOW_LOW_HZ if is_slow else severity.LOW_HZ


def indicators(
    samples: Float32, sample_rate_hz: float, shaft_hz: float | None = None
) -> list[Indicators]:
    """Those of each channel.

    samples : float32, shape (n_channels, n_window), acceleration in m/s²
    """
    low_hz = velocity_from_hz(shaft_hz)
    centred = samples.astype(np.float64) - samples.mean(axis=1, keepdims=True, dtype=np.float64)
    velocity: list[float | None] = [None] * len(samples)
    if severity.applies(sample_rate_hz, samples.shape[1], low_hz):
        velocity = [*map(float, severity.velocities_mm_s(samples, sample_rate_hz, low_hz))]
    return [_of(one, speed, low_hz) for one, speed in zip(centred, velocity, strict=True)]


def _of(centred: Float64, velocity_mm_s: float | None, low_hz: float) -> Indicators:
    square = np.square(centred)
    mean_square, peak = float(square.mean()), float(np.abs(centred).max())
    moves = mean_square > 0
    return Indicators(
        rms_ms2=mean_square**0.5,
        peak_ms2=peak,
        peak_to_peak_ms2=float(np.ptp(centred)),
        crest=peak / mean_square**0.5 if moves else None,
        kurtosis=float(np.square(square).mean()) / mean_square**2 if moves else None,
        velocity_mm_s=velocity_mm_s,
        velocity_from_hz=low_hz,
    )
