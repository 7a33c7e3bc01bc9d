"""Mean power density of unbroken stretches of signal (Welch 1967): Hann-tapered segments, half
overlapping.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.fft

from monitor.records.signal import Float32, Float64


def mean_density(
    stretches: Sequence[Float32], sample_rate_hz: float, resolution_hz: float
) -> tuple[Float64, int]:
    """One-sided density, shape (n_f,), the signal's unit squared per Hz, and how many segments.

    Stretches shorter than one segment of 1 / resolution_hz seconds are left
    out. Raises ValueError where all are.
    """
    n = round(sample_rate_hz / resolution_hz)
    powers = [
        segment_powers(one.astype(np.float64), n) for one in stretches if len(one) >= n
    ]
    if not powers:
        raise ValueError(f"resolution_hz = {resolution_hz:g}: no stretch has {n} samples.")
    every = np.concatenate(powers)
    return np.asarray(every.mean(axis=0) / sample_rate_hz), len(every)


def segment_powers(samples: Float64, n: int) -> Float64:
    """Power of each segment of n samples, their mean removed, as a density at a rate of one.

    samples : float64, shape (at least n,). Returns shape (n_segments, n // 2 +
        1)
    """
    n_more = (len(samples) - n) * 2 // n
    starts = np.linspace(0, len(samples) - n, 1 + n_more).astype(int)
    segments = np.stack([samples[start : start + n] for start in starts])
    taper = _hann(n)
    tapered = (segments - segments.mean(axis=1, keepdims=True)) * taper
    power = np.square(np.abs(scipy.fft.rfft(tapered, axis=1)))
    return np.asarray(power * (2 / float(np.square(taper).sum())))


@lru_cache(maxsize=16)
def _hann(n: int) -> Float64:
    return np.hanning(n + 1)[:n]
