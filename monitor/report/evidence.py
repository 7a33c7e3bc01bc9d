"""What a map says in numbers: what adds up to the verdict, the main bands, the limits of its
colours. Pure.
"""

from __future__ import annotations

import math

import numpy as np

from monitor.evidence.cam import parts_of_sum
from monitor.records.evidence import LOGIT, Evidence, Grid
from monitor.records.signal import Float32
from monitor.report.pictures import hz_range


def band_steps(evidence: Evidence, grid: Grid) -> list[tuple[str, float]]:
    """What adds up to the score: the bias, then the bands from low to high, quiet neighbours of
    many together.
    """
    sums = evidence.cells.sum(axis=1, dtype=np.float64)
    steps = [("bias", evidence.bias)] if has_bias(evidence) else []
    return steps + [
        (band_name(grid, first, last), float(sums[first : last + 1].sum()))
        for first, last in parts_of_sum(evidence.cells)
    ]


def has_bias(evidence: Evidence) -> bool:
    return evidence.unit == LOGIT or evidence.bias != 0


def band_name(grid: Grid, first: int, last: int) -> str:
    return hz_range(grid.f_edges_hz[first], grid.f_edges_hz[last + 1])


def grey_levels(spectrum_db: Float32 | None) -> tuple[float, float]:
    """White and dark grey of the spectrum, dB."""
    if spectrum_db is None:
        return -100.0, 0.0
    low = 10 * math.floor(float(np.percentile(spectrum_db, 5)) / 10)
    return float(low), float(
        max(low + 20, 10 * math.ceil(float(np.percentile(spectrum_db, 99)) / 10))
    )


def mean_db(spectrum_db: Float32 | None) -> Float32 | None:
    """(n_f, n_t): mean power over the channels."""
    if spectrum_db is None:
        return None
    return np.asarray(
        10 * np.log10(np.mean(10 ** (spectrum_db.astype(np.float64) / 10), axis=0)),
        np.float32,
    )


def level_db(cells_db: Float32) -> float:
    return float(10 * np.log10(np.mean(10 ** (cells_db.astype(np.float64) / 10))))
