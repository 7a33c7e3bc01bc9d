"""Figures of all resamples of a bootstrap at once. What a resample draws is whole groups, so it is
enough to know how often each group came, and what the groups hold of each other.

group : number of each window's group, (n,)
times : how often each group was drawn, (n_draws, n_groups)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float64
from training.dataset import NG, OK


@lru_cache(maxsize=8)
def drawn_times(n_groups: int, n_draws: int, seed: int) -> Float64:
    """As many groups as there are, drawn with repeats."""
    random = np.random.default_rng(seed)
    times = np.empty((n_draws, n_groups))
    for row in times:
        row[:] = np.bincount(random.integers(n_groups, size=n_groups), minlength=n_groups)
    times.flags.writeable = False
    return times


def auc_of_draws(
    group: NDArray[np.intp], label: NDArray[np.int8], score: NDArray[Any], times: Float64
) -> Float64:
    """(n_draws,); NaN where a draw has one class only or a score that is not known."""
    n_groups = times.shape[1]
    n_ng, n_ok = (_drawn(group, label == value, times) for value in (NG, OK))
    won = np.zeros(
        (n_groups, n_groups)
    )  # by the NG windows of a row over a column's OK ones
    ng = label == NG
    for other in np.unique(group[label == OK]):
        ok = np.sort(score[(label == OK) & (group == other)])
        below = np.searchsorted(ok, score[ng], "left")
        not_above = np.searchsorted(ok, score[ng], "right")
        won[:, other] = np.bincount(group[ng], (below + not_above) / 2, n_groups)
    total = np.sum((times @ won) * times, axis=1)
    can_tell = (n_ng > 0) & (n_ok > 0) & (_drawn(group, np.isnan(score), times) == 0)
    return _share(can_tell, total, n_ng * n_ok)


def accuracy_of_draws(
    group: NDArray[np.intp], label: NDArray[np.int8], score: NDArray[Any], times: Float64
) -> Float64:
    """Balanced, of saying NG above 0, (n_draws,); NaN as above."""
    n_ng, n_ok = (_drawn(group, label == value, times) for value in (NG, OK))
    found_ng = _drawn(group, (label == NG) & (score > 0), times)
    found_ok = _drawn(group, (label == OK) & ~(score > 0), times)
    can_tell = (n_ng > 0) & (n_ok > 0) & (_drawn(group, np.isnan(score), times) == 0)
    return (_share(can_tell, found_ng, n_ng) + _share(can_tell, found_ok, n_ok)) / 2


def _drawn(group: NDArray[np.intp], some: NDArray[np.bool_], times: Float64) -> Float64:
    """How many of these windows each draw has."""
    counted: Float64 = times @ np.bincount(group[some], minlength=times.shape[1])
    return counted


def _share(can_tell: NDArray[np.bool_], part: Float64, whole: Float64) -> Float64:
    found: Float64 = np.divide(part, whole, out=np.full(len(whole), np.nan), where=can_tell)
    return found
