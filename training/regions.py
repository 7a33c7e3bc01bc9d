"""Where evidence ought to lie, known without the network: planted faults, and what spectral
kurtosis finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import ShortTimeFFT, get_window

from monitor.records.evidence import Grid
from monitor.records.signal import Float32, Float64
from monitor.simulator.machine import Truth

# Short against the time between impulses, long enough to tell resonances apart.
KURTOSIS_N_FFT = 128
HALF = 0.5  # of the peak's kurtosis: the resonance band reaches so far


def planted_region(
    truths: Sequence[Truth], grid: Grid, spread_bands: int = 0
) -> NDArray[np.bool_]:
    """Cells in the planted fault's band while it sounds, shape (n, n_f, n_t); empty for a healthy
    window.

    spread_bands : neighbours on each side that count as inside, for a cell sees
        more than its own band
    """
    low, high = np.array(grid.f_edges_hz[:-1]), np.array(grid.f_edges_hz[1:])
    region = np.zeros((len(truths), *grid.shape), bool)
    for i, truth in enumerate(truths):
        if truth.fault_band_hz is None:
            continue
        rows = (high > truth.fault_band_hz[0]) & (low < truth.fault_band_hz[1])
        struck = np.histogram(truth.impulse_times_s, grid.t_edges_s)[0] > 0
        region[i] = np.outer(_spread(rows, spread_bands), struck)
    return region


def resonance_band_hz(
    signals: Sequence[Float32], sample_rate_hz: float
) -> tuple[float, float]:
    """The band of the impulses in these snapshots: where spectral kurtosis (Antoni 2006) is over
    half of its peak.

    signals : each (n_channels, n), m/s²
    """
    kurtosis = spectral_kurtosis(signals, sample_rate_hz)
    peak = int(np.argmax(kurtosis[1:-1])) + 1
    inside = kurtosis >= HALF * kurtosis[peak]
    first = last = peak
    while first > 1 and inside[first - 1]:
        first -= 1
    while last < len(kurtosis) - 2 and inside[last + 1]:
        last += 1
    delta_f_hz = sample_rate_hz / KURTOSIS_N_FFT
    return (first - 0.5) * delta_f_hz, (last + 0.5) * delta_f_hz


def spectral_kurtosis(signals: Sequence[Float32], sample_rate_hz: float) -> Float64:
    """E|X|⁴ / (E|X|²)² - 2 for each bin, mean over snapshots and channels: 0 for steady noise, high
    for impulses.
    """
    hop = KURTOSIS_N_FFT // 4
    transform = ShortTimeFFT(get_window("hann", KURTOSIS_N_FFT), hop, sample_rate_hz)
    found = []
    for signal in signals:
        inner = slice(
            transform.lower_border_end[1], transform.upper_border_begin(signal.shape[1])[1]
        )
        power = np.abs(transform.stft(signal.astype(np.float64), axis=1))[..., inner] ** 2
        found.append(
            (np.square(power).mean(axis=2) / np.square(power.mean(axis=2)) - 2).mean(axis=0)
        )
    return np.asarray(np.mean(found, axis=0))


def band_region(
    band_hz: tuple[float, float], grid: Grid, n_windows: int, spread_bands: int = 0
) -> NDArray[np.bool_]:
    """The band at all times, shape (n_windows, n_f, n_t)."""
    low, high = np.array(grid.f_edges_hz[:-1]), np.array(grid.f_edges_hz[1:])
    rows = _spread((high > band_hz[0]) & (low < band_hz[1]), spread_bands)
    return np.broadcast_to(rows[None, :, None], (n_windows, *grid.shape))


def _spread(rows: NDArray[Any], n: int) -> NDArray[np.bool_]:
    return np.convolve(rows, np.ones(2 * n + 1), mode="same") > 0
