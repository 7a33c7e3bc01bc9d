"""Band levels of a healthy machine as a random process, fitted to levels that were heard.

Levels are a mean plus principal components, each of them white noise and a
slowly changing part, an AR(1): autocovariances at lags of one and two windows
say how much of each, and how slow. So hundreds of machine-months cost minutes,
where whole signals would cost weeks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from monitor.records.signal import Float64

# A slow part that forgets over more than an eighth of a stretch would not show its size in it.
STRETCH = 8.0
CHANCE = 2.0  # standard errors: a weaker correlation may be none


@dataclass(frozen=True)
class LevelProcess:
    """period_s : from one window to the next
    mean_db : (n_levels,)
    axes : (n_axes, n_levels), of length 1
    white, slow : (n_axes,), standard deviations in dB
    persistence : (n_axes,), correlation of neighbouring slow parts
    """

    period_s: float
    mean_db: Float64
    axes: Float64
    white: Float64
    slow: Float64
    persistence: Float64

    def draw(self, n: int, period_s: float, random: np.random.Generator) -> Float64:
        """Levels in dB of n windows, one each period_s; shape (n, n_levels)."""
        kept = self.persistence ** (period_s / self.period_s)
        along = self.white * random.standard_normal((n, len(self.white)))
        for i in np.flatnonzero(self.slow):
            shocks = random.standard_normal(n) * np.sqrt(1 - kept[i] ** 2)
            shocks[0] = random.standard_normal()
            along[:, i] += self.slow[i] * lfilter([1.0], [1.0, -kept[i]], shocks)
        return np.asarray(self.mean_db + along @ self.axes)


def fit_process(level_db: Float64, period_s: float) -> LevelProcess:
    """level_db : (n, n_levels), of one healthy stretch, a window each period_s"""
    mean_db = level_db.mean(axis=0)
    centred = level_db - mean_db
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    parts = [_split(along) for along in (centred @ axes.T).T]
    white, slow, persistence = np.array(parts).T
    return LevelProcess(period_s, mean_db, axes, white, slow, persistence)


def _split(along: Float64) -> tuple[float, float, float]:
    """Standard deviations of the white and the slow part, and the slow one's persistence."""
    n = len(along)
    variance, first, second = (float(along[: n - k] @ along[k:]) / n for k in range(3))
    if first <= CHANCE / n**0.5 * variance:
        return variance**0.5, 0.0, 0.0
    slowest = math.exp(-STRETCH / n)
    persistence = min(max(second / first, first / variance), slowest)
    slow = min(first / persistence, variance)
    return (variance - slow) ** 0.5, slow**0.5, persistence
