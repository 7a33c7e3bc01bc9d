"""Quantiles of any number of values, from counts in buckets that widen with the value.

This is DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable
quantile sketch with relative-error guarantees", PVLDB 12, 2019) without its
limit on buckets: the sketch of two sets of values is the sum of their sketches.
A quantile is told as if a bucket's values lay evenly in it, so it is off by
RELATIVE_ERROR of itself at worst.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

RELATIVE_ERROR = 0.08
SMALLEST = 1e-9  # what is nearer to 0 counts as 0
_STEP = math.log(1 + RELATIVE_ERROR)
_LOWEST = math.floor(math.log(SMALLEST) / _STEP)

Buckets = dict[int, int]  # how many values, by bucket


def bucket_of(value: float) -> int:
    """The bucket of a finite value: 0 for 0, negative for negative values."""
    size = abs(value)
    if size < SMALLEST:
        return 0
    bucket = max(1, math.ceil(math.log(size) / _STEP) - _LOWEST)
    return bucket if value > 0 else -bucket


def quantile(buckets: Mapping[int, int], share: float) -> float:
    """The value below which this share (0 to 1) of all lie. Raises ValueError where there is
    none.
    """
    if not buckets:
        raise ValueError("An empty sketch has no quantiles.")
    rank = share * (sum(buckets.values()) - 1)
    n_below = 0
    for bucket in sorted(buckets):
        n = buckets[bucket]
        if n_below + n > rank:
            break
        n_below += n
    # No steps in a line that hardly moves.
    low, high = _edges(bucket)
    return low + (high - low) * min(1.0, (rank - n_below + 0.5) / n)


def _edges(bucket: int) -> tuple[float, float]:
    """What a bucket holds lies between them."""
    if bucket == 0:
        return 0.0, 0.0
    outer = math.exp((abs(bucket) + _LOWEST) * _STEP)
    inner = outer / (1 + RELATIVE_ERROR)
    return (inner, outer) if bucket > 0 else (-outer, -inner)
