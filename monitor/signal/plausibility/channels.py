"""Whether numbers lie in as many channels, and in the layout, as they are read in.

Told by prediction: a number of a real signal follows from those before it. Read
as more channels than there are, it follows from all of them alike, best from
its neighbour. Read as fewer, what cannot be predicted has another level in
every second or third number. A tone, also one that is locked to the sampling,
is predicted whole and shows neither. Noise without any memory and channels that
are alike tell nothing.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.signal.plausibility.readings import Reading
from monitor.signal.plausibility.tones import is_tonal

Trouble = Literal["fewer_channels", "more_channels"]
Float64 = NDArray[np.float64]

MAX_NUMBERS = 2048  # of a channel
ORDER = 12  # numbers that the next one is predicted from
MIN_ROUNDS = 20 * ORDER  # numbers of a channel, or of a phase; fewer tell nothing
GAIN_BITS = 0.25  # that neighbours of any channel must give over those of the own channel
ALIKE_BITS = 0.04  # that coefficients for each channel may give over common ones
PHASES = (2, 3)
PREDICTED_SHARE = 1e-3  # what is left of a tone is rounding
ROUNDED = 1.5  # steps: what is left of less is the rounding, which a tone may lock, too
UNLIKE = 0.3  # natural logarithm of levels: 1.35 times
UNLIKE_SURE = 7.0  # the same over the root of the number of numbers
LEAST = 64.0  # of a level: a smaller one counts as this
MAX_ZEROS = 0.25  # share of such numbers
APART = 4.0  # likewise means, in the phases' own deviations
MIN_SUM = 0.25  # of means over their range: those of a locked tone add up to nothing


def channel_trouble(data: bytes, reading: Reading, zero: float) -> Trouble | None:
    """None where nothing speaks against the channels as they are read.

    zero : the stored number that means 0 m/s²
    """
    if not reading.fits(data):
        return None
    numbers = reading.numbers(data, MAX_NUMBERS).astype(np.float64) - zero
    if not np.isfinite(numbers).all():
        return None
    planar = reading.layout == "planar"
    if reading.n_channels > 1 and not planar and _are_one(numbers):
        return "fewer_channels"
    phases = {*PHASES, reading.n_channels} if planar else {*PHASES}
    if any(_has_phases(row, n) for row in numbers for n in sorted(phases - {1})):
        return "more_channels"
    return None


def _are_one(numbers: Float64) -> bool:
    """Whether all channels are one signal. In channels that are merely alike, a channel's next
    number still follows from its own last one best.

    numbers : (n_channels, n)
    """
    n_channels, n = numbers.shape
    centred = numbers - numbers.mean(axis=1, keepdims=True)
    flat = centred.T.ravel()
    if n < MIN_ROUNDS or not flat.any():
        return False
    common = _unpredicted(flat, 1).reshape(-1, n_channels)
    own = _unpredicted(flat, n_channels).reshape(-1, n_channels)
    gain = np.log2(_rms(own)) - np.log2(_rms(common))
    if not (gain > GAIN_BITS).all():
        return False
    best = _by_channel(flat, n_channels)
    return bool(np.mean(np.log2(_rms(common)) - np.log2(best)) < ALIKE_BITS)


def _unpredicted(x: Float64, step: int) -> Float64:
    """What the numbers at each step-th place before do not tell of a number; the first ones, which
    have too few before them, as 0.
    """
    order = ORDER // step if step > 1 else ORDER
    lags = step * np.arange(order + 1)
    products = np.array([x[lag:] @ x[: len(x) - lag] for lag in lags])
    matrix = products[np.abs(np.subtract.outer(np.arange(order), np.arange(order)))]
    matrix[np.diag_indices(order)] *= 1 + 1e-9
    weights = np.linalg.solve(matrix, products[1:])
    rest = x.copy()
    for lag, weight in zip(lags[1:], weights, strict=True):
        rest[lag:] -= weight * x[: len(x) - lag]
    rest[: ORDER * 2] = 0.0
    return rest


def _by_channel(flat: Float64, n_channels: int) -> Float64:
    """RMS of what is left of each channel where it has coefficients of its own."""
    past = np.lib.stride_tricks.sliding_window_view(flat[:-1], ORDER)
    now = flat[ORDER:]
    left = []
    for channel in range(n_channels):
        chosen = slice((channel - ORDER) % n_channels, None, n_channels)
        weights = np.linalg.lstsq(past[chosen], now[chosen], rcond=None)[0]
        left.append(np.sqrt(np.mean(np.square(now[chosen] - past[chosen] @ weights))))
    best: Float64 = np.maximum(np.array(left), _TINY)
    return best


_TINY = 1e-300


def _rms(columns: Float64) -> Float64:
    rms: Float64 = np.maximum(np.sqrt(np.mean(np.square(columns), axis=0)), _TINY)
    return rms


def _has_phases(row: Float64, n_phases: int) -> bool:
    """Whether every n-th number of a channel is of another kind than its neighbours."""
    n = len(row) // n_phases
    if n < MIN_ROUNDS:
        return False
    row = row[: n * n_phases]
    phases = row.reshape(n, n_phases).T
    means, deviations = phases.mean(axis=1), phases.std(axis=1)
    if _differ_in_mean(means, deviations):
        return True
    least, whole = float(deviations.max()), float(row.std())
    if least <= PREDICTED_SHARE * whole or not _differ_in_level(
        phases - means[:, np.newaxis]
    ):
        return False
    return not is_tonal(row[np.newaxis]) and _differ_in_rest(row, n_phases, whole)


def _differ_in_rest(row: Float64, n_phases: int, deviation: float) -> bool:
    """The same of what cannot be predicted."""
    rest = _unpredicted(row - row.mean(), 1)[2 * ORDER :]
    if rest.std() < max(PREDICTED_SHARE * deviation, ROUNDED * _step(row)):
        return False
    rest = rest[: len(rest) // n_phases * n_phases]
    return _differ_in_level(rest.reshape(-1, n_phases).T)


def _step(row: Float64) -> float:
    """The least distance of two levels."""
    return float(np.diff(np.unique(row)).min(initial=np.inf))


def _differ_in_level(phases: Float64) -> bool:
    """By the mean logarithm, which single impulses do not move. Zeros, as where numbers come twice,
    tell nothing.
    """
    sizes = np.abs(phases)
    least = float(sizes.mean(axis=1).min()) / LEAST
    if (sizes < least).mean() > MAX_ZEROS or not least:
        return False
    levels = np.log(np.maximum(sizes, least)).mean(axis=1)
    return bool(np.ptp(levels) > UNLIKE + UNLIKE_SURE / np.sqrt(phases.shape[1]))


def _differ_in_mean(means: Float64, deviations: Float64) -> bool:
    span = float(np.ptp(means))
    if span <= APART * float(deviations.max()):
        return False
    return bool(abs(means.mean()) > MIN_SUM * span)
