"""Vibration severity in the sense of ISO 20816, RMS velocity from 10 to 1000 Hz: a second opinion,
no verdict.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft

from monitor.records.signal import Float32, Float64

LOW_HZ, HIGH_HZ = 10.0, 1000.0  # ISO 20816-1, machines above 600 1/min
MIN_WINDOW_S = 0.5  # five periods of the lowest frequency
# Severity changes slowly, and a whole-window spectrum costs as much as the spectrogram.
EVERY_S = 10.0


def applies(sample_rate_hz: float, n_window: int) -> bool:
    """False where the window is too short for 10 Hz, or the rate too low for 1000 Hz (2.56 samples
    a period).
    """
    return n_window >= MIN_WINDOW_S * sample_rate_hz and sample_rate_hz >= 2.56 * HIGH_HZ


def is_due(first_sample: int, sample_rate_hz: float, n_window: int) -> bool:
    """True for about one window in EVERY_S, chosen by its place in the segment: the same however
    the stream is cut.
    """
    n_every = max(1, round(EVERY_S * sample_rate_hz / n_window))
    return first_sample // n_window % n_every == 0


def velocity_rms_mm_s(samples: Float32, sample_rate_hz: float) -> float:
    """RMS velocity of the strongest channel, mm/s.

    samples : float32, shape (n_channels, n_window), acceleration in m/s²

    Integrated in the frequency domain under a Hann taper, so a strong slow component outside the
    band does not leak in.
    """
    taper, band, weight = _constants(samples.shape[1], sample_rate_hz)
    centred = samples - samples.mean(axis=1, keepdims=True)
    spectrum = scipy.fft.rfft(centred * taper, axis=1)[:, band]
    mean_square = np.square(np.abs(spectrum)) @ weight
    return float(np.sqrt(mean_square.max())) * 1000


@lru_cache(maxsize=16)
def _constants(n: int, sample_rate_hz: float) -> tuple[Float32, slice, Float64]:
    """Hann taper, the band's place in the spectrum, and what |X|² there weighs in the mean square
    velocity.
    """
    taper = np.hanning(n + 1)[:n].astype(np.float32)
    f_hz = np.arange(n // 2 + 1) * (sample_rate_hz / n)
    first, end = np.searchsorted(f_hz, [LOW_HZ, np.nextafter(HIGH_HZ, np.inf)])
    weight = 2 / (np.square(2 * np.pi * f_hz[first:end]) * n * float(np.square(taper).sum()))
    return taper, slice(int(first), int(end)), weight
