"""What quality and condition indicators both rest on, in one pass over the samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.records.signal import Float32

N_AT_ONCE = 8  # windows: more leave the cache
N_BLOCKS = 10
RANGE = (1e-4, 1e6)  # m/s², a peak whose fourth power a float32 holds


@dataclass(frozen=True, slots=True)
class Moments:
    """Of each channel of each window. NaN or infinite where its samples are.

    low, high : shape (n_windows, n_channels, n_blocks), m/s², of equal parts of the window
    mean, rms, peak, peak_to_peak : shape (n_windows, n_channels), m/s²; RMS and peak with the
        mean removed
    kurtosis : the same shape, of Pearson: 3 for normal noise; NaN where a channel stands still
    """

    low: Float32
    high: Float32
    mean: Float32
    rms: Float32
    peak: Float32
    peak_to_peak: Float32
    kurtosis: Float32


def moments(samples: Float32) -> Moments:
    """samples : float32, shape (n_windows, n_channels, n_window), m/s², at least one sample"""
    n_windows, n_channels, n_window = samples.shape
    low = np.empty((n_windows, n_channels, min(N_BLOCKS, n_window)), np.float32)
    high = np.empty_like(low)
    found = np.empty((5, n_windows, n_channels), np.float32)
    for first in range(0, n_windows, N_AT_ONCE):
        part = slice(first, first + N_AT_ONCE)
        _extremes(samples[part], low[part], high[part])
        with np.errstate(all="ignore"):  # NaN and infinity are what quality looks for
            found[:, part] = _figures(samples[part], low[part], high[part])
    return Moments(low, high, *found)


def _extremes(samples: Float32, low: Float32, high: Float32) -> None:
    """The last block takes what is left over."""
    n_blocks = low.shape[2]
    n_even = samples.shape[2] // n_blocks * n_blocks
    blocks = samples[:, :, :n_even].reshape(*low.shape, -1)
    blocks.min(axis=3, out=low)
    blocks.max(axis=3, out=high)
    if n_even < samples.shape[2]:
        rest = samples[:, :, n_even:]
        np.minimum(low[:, :, -1], rest.min(axis=2), out=low[:, :, -1])
        np.maximum(high[:, :, -1], rest.max(axis=2), out=high[:, :, -1])


def _figures(samples: Float32, low: Float32, high: Float32) -> tuple[Float32, ...]:
    """Mean, RMS, peak, peak to peak and kurtosis."""
    n = samples.shape[2]
    mean = samples.mean(axis=2)
    above, below = high.max(axis=2) - mean, mean - low.min(axis=2)
    peak = np.maximum(above, below)
    # Before squaring: gravity would swamp a quiet machine in float32.
    centred = samples - mean[..., None]
    scale = np.ones_like(peak)
    if ((peak < RANGE[0]) | (peak > RANGE[1])).any():
        scale = np.where(peak > 0, peak, np.float32(1))
        centred /= scale[..., None]
    square = np.square(centred, out=centred)
    mean_square = square.mean(axis=2)
    fourth = np.einsum("wcn,wcn->wc", square, square) / np.float32(n)
    kurtosis = fourth / np.square(mean_square)
    return mean, np.sqrt(mean_square) * scale, peak, above + below, kurtosis
