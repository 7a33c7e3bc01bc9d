"""What a handheld meter shows of a window: RMS, crest factor and kurtosis."""

from __future__ import annotations

import numpy as np

from monitor.records.signal import Float32

FLOOR = 1e-24  # (m/s²)²: keeps the logarithm finite
NAMES = ("raw RMS", "crest factor", "kurtosis")


def waveform_figures(samples: Float32) -> Float32:
    """RMS (dB re 1 m/s²), crest factor and kurtosis, each of the channel where it is highest.

    samples : shape (n, n_channels, n_window), m/s². Returns shape (n, 3), 0 for
        a flat line.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # windows that cannot be judged
        mean = samples.mean(axis=2, keepdims=True, dtype=np.float64).astype(np.float32)
        square = np.square(samples - mean)
        mean_square = square.mean(axis=2, dtype=np.float64)
        known = np.where(mean_square > 0, mean_square, np.inf)
        rms_db = 10 * np.log10(np.maximum(mean_square, FLOOR))
        crest = np.sqrt(square.max(axis=2) / known)
        kurtosis = np.square(square).mean(axis=2, dtype=np.float64) / np.square(known)
    highest = [figure.max(axis=1) for figure in (rms_db, crest, kurtosis)]
    return np.stack(highest, axis=1).astype(np.float32)
