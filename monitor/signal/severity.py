"""Vibration severity in the sense of ISO 20816, RMS velocity from 10 to 1000 Hz: a second opinion,
no verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft

from monitor.records.signal import Float32, Float64

LOW_HZ, HIGH_HZ = 10.0, 1000.0  # ISO 20816-1, machines above 600 1/min
SLOW_LOW_HZ = 2.0  # ISO 20816-3, machines from 120 to 600 1/min
MIN_PERIODS = 5  # of the lowest frequency in a window
# Under a Hann taper a sine spreads over so many bins to either side: they belong to the band.
LOBE_BINS = 2
# Severity changes slowly, and a whole-window spectrum costs as much as the spectrogram.
EVERY_S = 10.0


def applies(sample_rate_hz: float, n_window: int, low_hz: float = LOW_HZ) -> bool:
    """False where the window is too short for the lowest frequency, or the rate too low for 1000 Hz
    (2.56 samples a period).
    """
    is_long = n_window >= MIN_PERIODS * sample_rate_hz / low_hz
    return is_long and sample_rate_hz >= 2.56 * HIGH_HZ


def is_due(first_sample: int, sample_rate_hz: float, n_window: int) -> bool:
    """True for about one window in EVERY_S, chosen by its place in the segment: the same however
    the stream is cut.
    """
    n_every = max(1, round(EVERY_S * sample_rate_hz / n_window))
    return first_sample // n_window % n_every == 0


def velocities_mm_s(
    samples: Float32, sample_rate_hz: float, low_hz: float = LOW_HZ
) -> Float64:
    """RMS velocity of each channel from low_hz to 1000 Hz, shape (n_channels,), mm/s.

    samples : float32, shape (n_channels, n_window), acceleration in m/s²

    Integrated in the frequency domain under a Hann taper, so a strong slow
    component outside the band does not leak in. A sine at the very edge of the
    band counts in full.
    """
    band = _band(samples.shape[1], sample_rate_hz, low_hz)
    centred = samples - samples.mean(axis=1, keepdims=True)
    spectrum = scipy.fft.rfft(centred * band.taper, axis=1)[:, band.bins]
    mean_square = np.square(np.abs(spectrum)) @ band.weight
    return np.asarray(np.sqrt(mean_square) * 1000, np.float64)


@dataclass(frozen=True, slots=True)
class _Band:
    """taper : Hann, float32, shape (n_window,)
    bins : of the one-sided spectrum, that lie in the band
    weight : of each bin's |X|² in the mean square velocity
    """

    taper: Float32
    bins: slice
    weight: Float64


@lru_cache(maxsize=16)
def _band(n: int, sample_rate_hz: float, low_hz: float) -> _Band:
    taper = np.hanning(n + 1)[:n].astype(np.float32)
    delta_hz = sample_rate_hz / n
    f_hz = np.arange(n // 2 + 1) * delta_hz
    edges = [low_hz - LOBE_BINS * delta_hz, HIGH_HZ + LOBE_BINS * delta_hz]
    first, end = np.searchsorted(f_hz, [np.nextafter(edges[0], np.inf), edges[1]])
    weight = 2 / (
        np.square(2 * np.pi * f_hz[first:end]) * n * float(np.square(taper).sum())
    )
    return _Band(taper, slice(int(first), int(end)), weight)
