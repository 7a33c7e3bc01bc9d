"""A test that a map can fail: do the bands that it names matter as much as it says?

Every band in turn is set to the reference level at all times, and the logit
falls by what the band was worth. The rank correlation over bands between that
fall and what a map gives each band is 1 where the map has them in the right
order, and 0 where it knows nothing (after Buck et al. 2026, arXiv 2601.19017).

Occlusion (Zeiler and Fergus 2014) takes away small patches in the same way, and
is the reference that a map is compared with. The monitor does both at an alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.evidence.occlusion import Picture, patch_columns
from monitor.records.signal import Float32, Float64
from training.metrics import Interval
from training.network import predict
from training.truth import Scene, grad_cam, mean_by_run, rank_correlation

MAX_WINDOWS = 60


@dataclass(frozen=True)
class Agreement:
    """With what whole bands are worth; intervals by run.

    rank : mean rank correlation over bands
    first : share of windows whose band named first is the one worth most
    """

    rank: Interval
    first: Interval


def band_agreement(scene: Scene) -> dict[str, Agreement]:
    """Of the exact map, Grad-CAM and occlusion."""
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
    left = [picture.without_each_band() for picture in _pictures(scene)]
    return np.asarray(scene.logit[:, None] - np.stack(left), np.float64)


def occlusion(scene: Scene) -> Float64:
    """How far each window's logit falls without small patches, shape (n, n_f, n_t).

    What a patch is worth is shared out evenly over its cells.
    """
    columns = patch_columns(scene.contribution.shape[2])
    frames = [column * scene.frames_per_column for column in columns]
    left = np.stack([picture.without_each_patch(frames) for picture in _pictures(scene)])
    sizes = np.diff(columns)
    return np.repeat((scene.logit[:, None, None] - left) / sizes, sizes, axis=2)


def _pictures(scene: Scene) -> Iterator[Picture]:
    def logits(psd_db: Float32) -> Float32:
        return predict(scene.forward, psd_db)[0]

    for psd_db in scene.psd_db:
        yield Picture(logits, psd_db, scene.reference_db)


def _agreement(scene: Scene, shown: Float32 | Float64, worth: Float64) -> Agreement:
    named = shown.sum(axis=2, dtype=np.float64)
    each = np.array([rank_correlation(*pair) for pair in zip(named, worth, strict=True)])
    is_first = np.asarray(named.argmax(axis=1) == worth.argmax(axis=1), np.float64)
    return Agreement(mean_by_run(scene.run, each), mean_by_run(scene.run, is_first))
