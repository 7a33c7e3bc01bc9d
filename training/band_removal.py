"""A test that a map can fail: do the bands that it names matter as much as it says?

Every band in turn is set to the reference level at all times, and the logit
falls by what the band was worth. The rank correlation over bands between that
fall and what a map gives each band is 1 where the map has them in the right
order, and 0 where it knows nothing (after Buck et al. 2026, arXiv 2601.19017).

Occlusion (Zeiler and Fergus 2014) takes away small patches in the same way. It
needs one run of the network for each patch, and is the reference that a map is
compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from monitor.records.signal import Float32, Float64
from training.metrics import Interval
from training.network import predict
from training.truth import Scene, grad_cam, mean_by_run, rank_correlation

MAX_PATCHES = 10  # along time
MAX_WINDOWS = 60


def band_agreement(scene: Scene) -> dict[str, Interval]:
    """Mean rank correlation over bands with what the bands are worth, for the exact map,
    Grad-CAM and occlusion; intervals by run.
    """
    scene = scene.first(MAX_WINDOWS)
    worth = worth_of_bands(scene)
    ways: dict[str, Float32 | Float64] = {
        "exact map": scene.contribution,
        "Grad-CAM": grad_cam(scene.model, scene.psd_db),
        "occlusion": occlusion(scene),
    }
    return {name: _agreement(scene, shown, worth) for name, shown in ways.items()}


def worth_of_bands(scene: Scene) -> Float64:
    """How far each window's logit falls without each band, shape (n, n_f)."""
    n_f = scene.contribution.shape[1]
    return np.stack([_fall(scene, band, slice(None)) for band in range(n_f)], axis=1)


def occlusion(scene: Scene) -> Float64:
    """How far each window's logit falls without small patches, shape (n, n_f, n_t).

    Patches are one band high and about a tenth of the window long. What a patch
    is worth is shared out evenly over its cells.
    """
    n, n_f, n_t = scene.contribution.shape
    cells = np.zeros((n, n_f, n_t))
    for columns in _patches(n_t):
        first, last = (at * scene.frames_per_column for at in (columns.start, columns.stop))
        for band in range(n_f):
            fall = _fall(scene, band, slice(first, last))
            cells[:, band, columns] = fall[:, None] / (columns.stop - columns.start)
    return cells


def _agreement(scene: Scene, shown: Float32 | Float64, worth: Float64) -> Interval:
    named = shown.sum(axis=2, dtype=np.float64)
    each = np.array([rank_correlation(*pair) for pair in zip(named, worth, strict=True)])
    return mean_by_run(scene.run, each)


def _patches(n_t: int) -> Iterator[slice]:
    borders = np.linspace(0, n_t, min(n_t, MAX_PATCHES) + 1).round().astype(int)
    for start, stop in pairwise(borders):
        yield slice(int(start), int(stop))


def _fall(scene: Scene, band: int, frames: slice) -> Float64:
    without = scene.psd_db.copy()
    without[:, :, band, frames] = scene.reference_db[:, band, None]
    return np.asarray(scene.logit - predict(scene.forward, without)[0], np.float64)
