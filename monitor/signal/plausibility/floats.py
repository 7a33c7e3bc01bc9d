"""Whether numbers of a float type are of sizes that samples have: in a wrong reading the exponents
are random.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SANE = (1e-12, 1e12)  # sizes of samples in any unit
WRONG_SHARE = 0.1  # of numbers beyond them: no right reading has as many
MAX_ZEROS = 0.3
MIN_SHARE = 0.02  # of numbers of either sign: integers about a fixed offset are of one
MIN_LEVELS = 32  # different numbers: few may be sane by chance
MIN_BINADES = 4  # powers of two with some share of the numbers
BINADE_SHARE = 0.01
MAX_SPAN = 40  # from the lowest of these to the highest


def are_wrong(numbers: NDArray[Any]) -> bool:
    """Whether many are of sizes that no signal has. NaN alone have a reason of their own."""
    return _wrong_share(_sizes(numbers)) > WRONG_SHARE


def are_sane(numbers: NDArray[Any]) -> bool:
    """Whether all are of a signal's sizes, of both signs and spread as a signal's are."""
    sizes = _sizes(numbers)
    if _wrong_share(sizes) or not np.isfinite(sizes).all():
        return False
    there = sizes[sizes > 0]
    if len(there) < (1 - MAX_ZEROS) * sizes.size or len(np.unique(there)) < MIN_LEVELS:
        return False
    negative = float((numbers < 0).mean())
    return MIN_SHARE < negative < 1 - MIN_SHARE and _is_spread(there)


def _sizes(numbers: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # signalling NaN are what we look for
        sizes: NDArray[np.float64] = np.abs(numbers.astype(np.float64))
    return sizes


def _wrong_share(sizes: NDArray[np.float64]) -> float:
    is_wrong = (sizes != 0) & ~np.isnan(sizes) & ~((sizes > SANE[0]) & (sizes < SANE[1]))
    return float(is_wrong.mean())


def _is_spread(sizes: NDArray[np.float64]) -> bool:
    binades, counts = np.unique(np.frexp(sizes)[1], return_counts=True)
    common = binades[counts > BINADE_SHARE * len(sizes)]
    return len(common) >= MIN_BINADES and int(np.ptp(common)) <= MAX_SPAN
