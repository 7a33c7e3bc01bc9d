"""How often a healthy window will lie above a commissioned threshold: the stated rate and how far
it can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from monitor.records.signal import Float64

CONFIDENCE = 0.95
MIN_SCORES = 3  # fewer say nothing of how neighbours resemble each other


@dataclass(frozen=True, slots=True)
class StatedRate:
    """False alarms per healthy window that a threshold is set for, and the 95 % interval of what it
    will show.

    n_independent : effective sample size of the commissioning windows
    """

    rate: float
    low: float
    high: float
    n_independent: float

    def __str__(self) -> str:
        return (
            f"{100 * self.rate:.3g} % of healthy windows ({100 * self.low:.2g} to"
            f" {100 * self.high:.2g} %)"
        )


def stated_rate(rate: float, n_independent: float) -> StatedRate:
    """The rate of a threshold that was set as a conformal bound on n_independent healthy scores.

    The share of new scores above the k-th of n independent ones is Beta(n + 1 -
    k, k) distributed (Wilks 1941, Vovk 2012), whatever the scores'
    distribution, if new ones are like them. So few windows cannot state a low
    rate: it is 1 / (n_independent + 1) at least.
    """
    rate = max(rate, 1 / (n_independent + 1))
    above, below = rate * (n_independent + 1), (1 - rate) * (n_independent + 1)
    low, high = betaincinv(above, below, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return StatedRate(rate, float(low), float(high), n_independent)


def independent_count(scores: Float64) -> float:
    """Effective sample size of successive scores: how many independent ones say as much, fewer
    where neighbours resemble each other.

    scores : shape (n,), in order of time. Returns n (1 - r) / (1 + r), between
        1 and n (Bartlett 1935), where r is the correlation of neighbours,
        corrected for its bias in short series (Marriott and Pope 1954), of the
        scores' ranks: so a single outlier does not hide a drift. 1 where all
        scores are equal.
    """
    n = len(scores)
    ranks = _centred_ranks(scores)
    if n < MIN_SCORES or not ranks.any():
        return 1.0
    found = float((ranks[:-1] * ranks[1:]).sum() / np.square(ranks).sum())
    r = min(1.0, max(0.0, found + (1 + 3 * found) / n))
    return max(1.0, n * (1 - r) / (1 + r))


def _centred_ranks(scores: Float64) -> Float64:
    """About their mean; equal scores share one rank, or their order in time would be a drift."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(ranks[place] - (len(scores) + 1) / 2)
