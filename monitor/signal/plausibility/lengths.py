"""How many bits integers of a signal take: the fewer, the more likely they are read right.

A sample is near the one before it, near that of the channel beside it or near
its channel's median, so it takes few bits. What tells nothing about that is
left out: low bits that never change, clipped numbers, channels at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.signal.plausibility.tones import is_tonal, unpredicted

Integers = NDArray[np.int64]
Chosen = NDArray[np.bool_]

SIGN_BITS = 2.0  # and what a distribution is wider than its mean logarithm
CLIPPED_SHARE = 0.02  # of numbers at a limit of their channel: it is clipped there
MIN_INNER = 0.5  # share of numbers that are not; fewer tell nothing
RICH_SHARE = 0.25  # of numbers that differ from all others
SPARSE_BITS = 3.0  # more than the number of different ones needs: few levels, far apart


@dataclass(frozen=True, slots=True)
class Length:
    """bits : of a number, no more than it has. is_sparse : few levels lie far apart: their distance
    says nothing of the reading. is_clipped : numbers were left out
    """

    bits: float
    is_sparse: bool
    is_clipped: bool


def length_of(numbers: Integers, width: int, inner: Chosen | None = None) -> Length | None:
    """None where the numbers tell nothing: at rest, or clipped most of the time.

    numbers : shape (n_channels, n)
    width : bytes of a number
    inner : which ones are not clipped, where that is known better
    """
    inner = inner_of(numbers) if inner is None else inner
    moving = np.ptp(numbers, axis=1) > 0
    if not moving.any() or inner[moving].mean(axis=1).min() < MIN_INNER:
        return None
    bits = np.where(moving, _bits(numbers, inner) + SIGN_BITS, 0.0)
    bits = np.minimum(bits, 8 * width)
    n_levels = max(len(np.unique(row)) for row in numbers[moving])
    is_rich = n_levels > RICH_SHARE * numbers.shape[1]
    is_sparse = (
        not is_rich and float(bits.max()) > np.log2(n_levels) + SIGN_BITS + SPARSE_BITS
    )
    return Length(float(bits.mean()), is_sparse, not inner[moving].all())


def inner_of(numbers: Integers) -> Chosen:
    """Which numbers are not clipped: do not lie at a limit of their channel, where many do."""
    inner = np.ones(numbers.shape, np.bool_)
    for limit in (numbers.min(axis=1, keepdims=True), numbers.max(axis=1, keepdims=True)):
        at_limit = numbers == limit
        inner &= ~(at_limit & (at_limit.mean(axis=1, keepdims=True) > CLIPPED_SHARE))
    return inner


def _bits(numbers: Integers, inner: Chosen) -> NDArray[np.float64]:
    """Mean bits in each channel, about what predicts it best."""
    common = np.bitwise_or.reduce(np.diff(numbers, axis=1), axis=1)
    unit = np.maximum(common & -common, 1)[:, np.newaxis]
    from_median = numbers - np.median(numbers, axis=1, keepdims=True)
    found = [_mean_bits(from_median, unit, inner)]
    found += [_mean_bits(np.diff(numbers, n, axis=1), unit, inner[:, n:]) for n in (1, 2)]
    if len(numbers) > 1:
        beside = np.concatenate([np.roll(numbers[-1:], 1, axis=1), numbers[:-1]])
        found.append(_mean_bits((numbers - beside)[:, 1:], unit, inner[:, 1:]))
    if is_tonal(numbers):
        left = np.stack([unpredicted(row) for row in numbers])
        found.append(_mean_bits(left, unit, inner))
    least: NDArray[np.float64] = np.min(found, axis=0)
    return least


def _mean_bits(
    distances: NDArray[np.float64] | Integers, unit: Integers, chosen: Chosen
) -> NDArray[np.float64]:
    each = np.log2(1.0 + np.abs(distances) / unit)
    mean: NDArray[np.float64] = (each * chosen).sum(axis=1) / np.maximum(
        chosen.sum(axis=1), 1
    )
    return mean
