"""How evidence is drawn, wherever it is drawn: full colour, and what is strongest. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitor.records.evidence import LOGIT, Evidence
from monitor.records.signal import Float32

# Of the way to the threshold: a model that is nearly there already is not glaring.
LEAST_LOGIT = 2.0
STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Cell:
    """The strongest cell of a map: its place on the grid, and what it adds."""

    band: int
    column: int
    value: float


def full_colour(evidence: Evidence) -> float:
    """Evidence of one cell that is drawn in full colour: the same for every window of a model.

    The cells of a window at its threshold sum to threshold - bias: a tenth of
    it in one cell is strong evidence. Rounded up to 1, 2 or 5 times a power of
    ten.
    """
    if evidence.unit == LOGIT:
        way = max(LEAST_LOGIT, abs((evidence.threshold or 0.0) - evidence.bias))
    else:
        way = max(evidence.threshold or evidence.score, 1e-6)
    return _rounded_up(way / 10)


def fitting(limit: float, cells: Float32) -> float:
    """Full colour of cells, some of which may go beyond the usual limit."""
    strongest = float(np.abs(cells).max())
    return limit if strongest <= limit else _rounded_up(strongest)


def _rounded_up(wanted: float) -> float:
    decade = 10.0 ** math.floor(math.log10(wanted))
    return next(step * decade for step in STEPS if step * decade >= wanted * 0.999)


def is_signed(evidence: Evidence) -> bool:
    """Whether its cells may speak for OK, too."""
    return evidence.unit == LOGIT or bool((evidence.cells < 0).any())


def strongest_cell(evidence: Evidence) -> Cell | None:
    """None where no cell speaks for NG."""
    band, column = np.unravel_index(int(evidence.cells.argmax()), evidence.cells.shape)
    value = float(evidence.cells[band, column])
    return Cell(int(band), int(column), value) if value > 0 else None
