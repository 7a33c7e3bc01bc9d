"""How sure a share of right answers is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from training.metrics import Interval


def share(right: NDArray[np.bool_]) -> Interval:
    """Share of True with Wilson's 95 % interval (Wilson 1927), for answers that are independent of
    each other.
    """
    found = binomtest(int(right.sum()), len(right))
    interval = found.proportion_ci(method="wilson")
    return Interval(float(found.statistic), float(interval.low), float(interval.high))
