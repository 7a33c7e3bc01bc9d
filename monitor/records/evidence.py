"""Evidence: one score of one window, and the map of cells that adds up to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitor.records.signal import Float32

LOGIT = "logit"  # the unit of scores that have a probability
# Of a map that the journal did not keep: the verdict's grid is then None.
NO_CELLS: Float32 = np.zeros((0, 0), np.float32)
NO_CELLS.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of a map.

    f_edges_hz : n_f + 1 band edges
    t_edges_s : n_t + 1 column edges, from the window's first sample
    """

    f_edges_hz: tuple[float, ...]
    t_edges_s: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.f_edges_hz) - 1, len(self.t_edges_s) - 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one kind of evidence says of one window. cells.sum() + bias == score, by contract.

    kind : the name of the kind: network, novelty, ...
    unit : what the score counts: logit, novelty, ...
    threshold : a score above it speaks for NG; None while there is none
    cells : float32, shape (n_f, n_t), in the unit of the score; positive speaks
        for NG. NO_CELLS where the journal did not keep the map
    residual : |cells.sum() + bias - score| as measured when the window was
        judged
    decides : whether it may make the status, or is shown beside what does
    """

    kind: str
    unit: str
    score: float
    threshold: float | None
    cells: Float32
    bias: float = 0.0
    residual: float = 0.0
    decides: bool = True

    @property
    def judges(self) -> bool:
        """It decides, and there is a threshold to decide by."""
        return self.decides and self.threshold is not None

    @property
    def speaks_for_ng(self) -> bool:
        return self.decides and self.threshold is not None and self.score > self.threshold

    @property
    def probability(self) -> float | None:
        """P(NG), where the score is a logit."""
        return probability(self.score) if self.unit == LOGIT else None


def measured_residual(cells: Float32, bias: float, score: float) -> float:
    """How far a map misses its score. A map that does explains nothing."""
    return abs(float(cells.sum(dtype=np.float64)) + bias - score)


def probability(logit: float) -> float:
    """P(NG) = sigmoid(logit), without overflow at either end."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)
