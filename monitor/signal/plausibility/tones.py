"""Whether a few tones make up a signal. Locked to the sampling they come back number for number,
which looks like structure of the bytes. A tone is known whole by a few numbers
before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

N_BINS = 12  # of the spectrum, with the skirts of the window
TONAL_SHARE = 0.9  # of the power in them


ORDER = 12  # numbers that the next one is predicted from: two a tone


def is_tonal(numbers: NDArray[Any]) -> bool:
    """Whether any channel is. numbers : shape (n_channels, n)"""
    x = numbers - numbers.mean(axis=1, keepdims=True)
    power = np.square(np.abs(np.fft.rfft(x * np.hanning(x.shape[1]), axis=1)))
    n_bins = min(N_BINS, power.shape[1])
    strongest = np.partition(power, -n_bins, axis=1)[:, -n_bins:].sum(axis=1)
    return bool((strongest > TONAL_SHARE * power.sum(axis=1)).any())


def unpredicted(row: NDArray[Any]) -> NDArray[np.float64]:
    """What the numbers before each one leave of it; the first ORDER ones as 0.

    row : shape (n,)
    """
    x = row - row.mean()
    past = np.lib.stride_tricks.sliding_window_view(x[:-1], ORDER)
    weights = np.linalg.lstsq(past, x[ORDER:], rcond=None)[0]
    left: NDArray[np.float64] = np.zeros(len(x))
    left[ORDER:] = x[ORDER:] - past @ weights
    return left
