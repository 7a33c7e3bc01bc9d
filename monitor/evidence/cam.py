"""Class activation map: how much each cell of the frequency-time grid adds to the network's logit.

logit = bias + mean over cells of sum_k weights[k] * features[k] (global average
pooling and one linear unit, Zhou et al. 2016), so the cells' contributions add
up to logit - bias. Nothing is scaled or clipped: sign and unit are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from monitor.records.signal import Float32, Float64
from monitor.records.verdict import Band

MAIN_SHARE = 0.1  # of the evidence for NG: a band worth a name
FEW_ROWS = 28  # as many stand below each other and can be read
MAX_ALONE = 12  # of more rows, so many are shown by themselves,
LOUD_SHARE = 0.01  # if each holds this share of all contributions, whatever their sign


class Run(NamedTuple):
    """Neighbouring rows of a map, first to last, and their share of the evidence for NG."""

    first: int
    last: int
    share: float


def activation_maps(
    features: Float32, weights: Float32, bias: float, logit: Float32
) -> tuple[Float32, Float64]:
    """Contributions of every cell, and how far their sum misses the logit.

    features : float32, shape (n, n_f, n_t, n_maps), the last feature maps.
        weights : (n_maps,). logit : (n,)
    Returns contribution : float32, shape (n, n_f, n_t), logit units, positive
        speaks for NG; and
    residual : float64, shape (n,), |sum(contribution) + bias - logit|. A
        residual above rounding says that features and head are not of one
        network.
    """
    n_cells = features.shape[1] * features.shape[2]
    contribution = features @ (np.asarray(weights, np.float32) / np.float32(n_cells))
    total = contribution.sum(axis=(1, 2), dtype=np.float64)
    return contribution, np.abs(total + bias - logit)


def strongest_band(contribution: Float32, f_edges_hz: Sequence[float]) -> Band | None:
    """Where the positive contributions lie: the main band with the largest share, neighbours taken
    together; the strongest row where all are weak.

    contribution : shape (n_f, n_t). None where no cell is positive.
    """
    runs = named_rows(contribution)
    if not runs:
        return None
    run = runs[0]
    return Band(float(f_edges_hz[run.first]), float(f_edges_hz[run.last + 1]), run.share)


def main_bands(contribution: Float32) -> list[Run]:
    """Neighbouring rows with at least MAIN_SHARE of the positive contributions each, the largest
    run first. The one rule by which bands are named.
    """
    share = _shares(contribution)
    return [] if share is None else _runs(share)


def named_rows(contribution: Float32) -> list[Run]:
    """The main bands, else the strongest row; none where no cell is positive."""
    share = _shares(contribution)
    if share is None:
        return []
    if runs := _runs(share):
        return runs
    row = int(share.argmax())
    return [Run(row, row, float(share[row]))]


def parts_of_sum(contribution: Float32) -> list[tuple[int, int]]:
    """How a map's rows are shown where they add up: first and last row of each part, from low to
    high. Of many rows those that add most stand alone, and quiet neighbours are one part.
    """
    size = np.abs(contribution.sum(axis=1, dtype=np.float64))
    if len(size) <= FEW_ROWS:
        return [(row, row) for row in range(len(size))]
    largest = np.argsort(-size, kind="stable")[:MAX_ALONE]
    alone = {int(row) for row in largest if size[row] > LOUD_SHARE * size.sum()}
    parts: list[tuple[int, int]] = []
    for row in range(len(size)):
        if parts and row not in alone and parts[-1][1] not in alone:
            parts[-1] = (parts[-1][0], row)
        else:
            parts.append((row, row))
    return parts


def _shares(contribution: Float32) -> Float64 | None:
    """Each row's share of all positive contributions; None where there are none."""
    evidence = np.maximum(contribution, 0).sum(axis=1, dtype=np.float64)
    total = float(evidence.sum())
    return evidence / total if total > 0 else None


def _runs(share: Float64) -> list[Run]:
    runs: list[Run] = []
    rows: list[int] = np.flatnonzero(share >= MAIN_SHARE).tolist()
    n, held = 0, 0.0
    for row in rows:
        n, held = n + 1, held + float(share[row])
        if row + 1 not in rows:
            runs.append(Run(row - n + 1, row, held))
            n, held = 0, 0.0
    return sorted(runs, key=lambda run: -run.share)
