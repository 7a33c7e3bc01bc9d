"""The band that a map names: where a recording is most unlike the healthy ones of its sensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from monitor.diagnosis.levels import N_BANDS
from monitor.evidence.novelty import MIN_WINDOWS, commission, novelty_map
from monitor.records.signal import Float32, Float64
from monitor.signal.spectrogram import default_grid, default_settings, spectrogram, to_grid

WINDOW_S = 1.0


def map_band_hz(
    samples: Float32, healthy: Sequence[Float32], sample_rate_hz: float
) -> tuple[float, float] | None:
    """The row of the novelty map with most evidence, widened to what an envelope needs.

    samples : float32, shape (n,), m/s², one channel; healthy : likewise, of the
        same sensor

    None where there are fewer than three healthy windows, or no window at all.
    """
    n_window = round(WINDOW_S * sample_rate_hz)
    settings = default_settings(sample_rate_hz, n_window)
    grid = default_grid(settings)

    def spectra(some: Sequence[Float32]) -> Float32:
        windows = [
            sliding_window_view(one, n_window)[::n_window]
            for one in some
            if len(one) >= n_window
        ]
        whole = np.concatenate(windows or [np.empty((0, n_window), np.float32)])
        return to_grid(spectrogram(whole[:, None], settings), grid.shape[1])

    of_healthy, now = spectra(healthy), spectra([samples])
    if len(of_healthy) < MIN_WINDOWS or not len(now):
        return None
    by_band = novelty_map(now, commission(of_healthy)).sum(axis=(0, 2))
    return _widened(np.asarray(by_band, np.float64), grid.f_edges_hz, sample_rate_hz)


def _widened(
    by_band: Float64, edges_hz: Sequence[float], sample_rate_hz: float
) -> tuple[float, float]:
    """Around the strongest row, at least as wide as one of the equal bands, within the spectrum."""
    row = int(by_band.argmax())
    low, high = edges_hz[row], edges_hz[row + 1]
    top, width = sample_rate_hz / 2, sample_rate_hz / 2 / N_BANDS
    if high - low < width:
        middle = min(max((low + high) / 2, width / 2), top - width / 2)
        low, high = middle - width / 2, middle + width / 2
    return float(low), float(min(high, top))
