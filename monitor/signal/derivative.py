"""Acceleration of a velocity, sample by sample along a stream. Pure.

An odd filter of 25 taps: the ideal differentiator under a Kaiser taper. Right
to 0.4 % up to 0.42 of the sample rate; what lies above fades. It looks 12
samples ahead, so its samples come 12 later than those that they are of. At a
stream's first sample the velocity is taken to have been constant before:
nothing jumps, and the first 24 samples come up from zero.
"""

from __future__ import annotations

import numpy as np

from monitor.records.signal import Float32, Float64

N_HALF = 12
N_HISTORY = 2 * N_HALF
KAISER_BETA = 6.0


def _taps() -> Float64:
    """Of the pairs of samples k = 1 to N_HALF to either side, for a rate of 1 Hz."""
    k = np.arange(1, N_HALF + 1)
    taps: Float64 = (
        (-1.0) ** (k + 1) / k * np.kaiser(2 * N_HALF + 1, KAISER_BETA)[N_HALF + 1 :]
    )
    return taps


TAPS = _taps()


def derivative(
    samples: Float32, history: Float32, rate_hz: float
) -> tuple[Float32, Float32]:
    """The derivative a second, and the history for the next call.

    samples : (n_channels, n), n > 0
    history : (n_channels, N_HISTORY) samples before them; (n_channels, 0) at a
        stream's start
    """
    if not history.shape[1]:
        history = np.repeat(samples[:, :1], N_HISTORY, axis=1)
    whole = np.concatenate([history, samples], axis=1)
    n = samples.shape[1]
    found = np.zeros(samples.shape, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and inf are told by quality
        for k, tap in enumerate(TAPS, start=1):
            after, before = N_HALF + k, N_HALF - k
            ahead = whole[:, after : after + n].astype(np.float64)
            found += tap * (ahead - whole[:, before : before + n])
        return (found * rate_hz).astype(np.float32), whole[:, -N_HISTORY:].copy()
