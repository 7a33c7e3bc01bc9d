"""Class activation map: how much each cell of the frequency-time grid adds to the network's logit.

logit = bias + mean over cells of sum_k weights[k] * features[k] (global average pooling and one
linear unit, Zhou et al. 2016), so the cells' contributions add up to logit - bias. Nothing is
scaled or clipped: sign and unit are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.records.signal import Float32, Float64
from monitor.records.verdict import Band


def activation_maps(
    features: Float32, weights: Float32, bias: float, logit: Float32
) -> tuple[Float32, Float64]:
    """Contributions of every cell, and how far their sum misses the logit.

    features : float32, shape (n, n_f, n_t, n_maps), the last feature maps. weights : (n_maps,).
        logit : (n,)
    Returns contribution : float32, shape (n, n_f, n_t), logit units, positive speaks for NG; and
    residual : float64, shape (n,), |sum(contribution) + bias - logit|. A residual above rounding
        says that features and head are not of one network.
    """
    n_cells = features.shape[1] * features.shape[2]
    contribution = features @ (np.asarray(weights, np.float32) / np.float32(n_cells))
    total = contribution.sum(axis=(1, 2), dtype=np.float64)
    return contribution, np.abs(total + bias - logit)


def strongest_band(contribution: Float32, f_edges_hz: Sequence[float]) -> Band | None:
    """The band with the largest sum of positive contributions over time, and its share of all
    positive evidence.

    contribution : shape (n_f, n_t). None where no cell is positive.
    """
    evidence = np.maximum(contribution, 0).sum(axis=1, dtype=np.float64)
    total = float(evidence.sum())
    if not total > 0:
        return None
    row = int(evidence.argmax())
    return Band(float(f_edges_hz[row]), float(f_edges_hz[row + 1]), float(evidence[row]) / total)
