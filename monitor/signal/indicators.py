"""Condition indicators of windows: the figures that vibration analysts read first.

Each has a name with its unit in it. Definitions with their sources:
docs/diagnose.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from monitor.records.signal import Float32
from monitor.signal import severity
from monitor.signal.moments import Moments

SLOW_SHAFT_HZ = 10.0  # 600 1/min: below it, velocity counts from 2 Hz (ISO 20816-3)
FIGURES = ("rms_ms2", "peak_ms2", "peak_to_peak_ms2", "crest", "kurtosis")
VELOCITY = "velocity_rms_mm_s"
SLOW_VELOCITY = "velocity_rms_from_2hz_mm_s"
ZONE = "zone"  # 1 is A, 4 is D


def figures(found: Moments) -> Float32:
    """FIGURES of each channel of each window, its mean removed.

    Returns float32, shape (n_windows, n_channels, len(FIGURES)). Crest factor
    (peak / RMS) and kurtosis (of Pearson, 3 for normal noise) are NaN where a
    channel stands still.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        crest = found.peak / found.rms
    return np.stack(
        [found.rms, found.peak, found.peak_to_peak, crest, found.kurtosis], axis=2
    )


def velocity_name(shaft_hz: float | None) -> str:
    """What velocity of a machine is called, which says from where it counts.

    shaft_hz : None where it is not known
    """
    is_slow = shaft_hz is not None and shaft_hz < SLOW_SHAFT_HZ
    return SLOW_VELOCITY if is_slow else VELOCITY


def velocities(samples: Float32, sample_rate_hz: float, name: str) -> list[float]:
    """RMS velocity of each channel, mm/s; none where the window is too short or the rate too low.

    samples : float32, shape (n_channels, n_window), acceleration in m/s²
    name : VELOCITY, which counts from 10 to 1000 Hz, or SLOW_VELOCITY, which
        counts from 2 Hz
    """
    low_hz = severity.SLOW_LOW_HZ if name == SLOW_VELOCITY else severity.LOW_HZ
    if not severity.applies(sample_rate_hz, samples.shape[1], low_hz):
        return []
    found = severity.velocities_mm_s(samples, sample_rate_hz, low_hz)
    return [float(one) for one in found]


def by_name(
    values: Mapping[str, Sequence[float]], channels: Sequence[str]
) -> dict[str, float]:
    """With the channel behind the name where there are several: "kurtosis.x"."""
    if len(channels) == 1:
        return {name: value for name, (value,) in values.items()}
    return {
        f"{name}.{channel}": value
        for name, of_channels in values.items()
        for channel, value in zip(channels, of_channels, strict=True)
    }
