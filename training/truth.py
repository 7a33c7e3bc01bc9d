"""Do the maps point at what decides? Figures for the exact map and, beside it, for Grad-CAM of the
same network.

(a) additivity, (b) deletion and insertion, (c) weights shuffled, (d) pointing
at a region known from elsewhere. Grad-CAM (Selvaraju et al. 2017) of the last
convolution weighs each map by its mean gradient and keeps what is positive. In
a GAP-CNN these gradients are the head's weights, so it is the positive part of
our map, without the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from monitor.evidence.cam import activation_maps
from monitor.records.signal import Float32, Float64
from training.metrics import Interval, bootstrap
from training.network import Forward, head, keras, predict, traced

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)  # of the cells removed or put back
MAX_WINDOWS = 200

Order = NDArray[np.intp]  # (n, n_cells): cells of each window, the first to go first


@dataclass(frozen=True)
class Residual:
    """|sum of a map + bias - logit| over windows, logit units."""

    max: float
    median: float


@dataclass(frozen=True)
class Curves:
    """How far the logit moved with each of SHARES of the cells, mean over windows.

    named : the cells that the map names. random, equal_energy : others in their
        place
    more_than_random, more_than_equal_energy : by how much the named ones moved
        it further
    """

    named: list[float]
    random: list[float]
    equal_energy: list[float]
    more_than_random: Interval
    more_than_equal_energy: Interval


@dataclass(frozen=True)
class MapFigures:
    """Figures (a) to (c) of one way to explain. shares : of the cells removed or put back"""

    additivity_residual: Residual
    shares: list[float]
    deletion: Curves
    insertion: Curves
    same_after_shuffling_weights: float


@dataclass(frozen=True)
class Pointing:
    """Where positive evidence lies beside a known region: shares of 1."""

    n_windows: int
    evidence_share: float
    region_area: float
    peak_inside: float


@dataclass(frozen=True)
class Scene:
    """Windows called NG and how they were explained.

    psd_db : (n, n_channels, n_bands, n_frames). contribution : (n, n_f, n_t)
    reference_db : (n_channels, n_bands), what a removed cell is filled with:
        the mean level of healthy training windows
    run : windows of one run are not independent
    """

    model: keras.Model
    psd_db: Float32
    logit: Float32
    contribution: Float32
    reference_db: Float32
    frames_per_column: int
    run: NDArray[Any]

    @cached_property
    def forward(self) -> Forward:
        """The network, for the many pictures that these windows are changed into."""
        return traced(self.model)

    def first(self, n_windows: int) -> Scene:
        """n_windows of them, evenly chosen."""
        index = np.unique(
            np.linspace(0, len(self.psd_db) - 1, min(n_windows, len(self.psd_db))).astype(
                int
            )
        )
        return Scene(
            self.model,
            self.psd_db[index],
            self.logit[index],
            self.contribution[index],
            self.reference_db,
            self.frames_per_column,
            self.run[index],
        )

    @property
    def energy_db(self) -> Float64:
        """How far each cell stands from the reference, mean over channels and frames, shape (n,
        n_f, n_t).
        """
        far = np.abs(self.psd_db - self.reference_db[:, :, None]).mean(axis=1)
        return np.asarray(_columns(far, self.frames_per_column, self.contribution.shape[2]))


def exact_map(model: keras.Model, psd_db: Float32) -> Float32:
    """Contributions in logit units, as the monitor shows them."""
    logit, features = predict(model, psd_db)
    return activation_maps(features, *head(model), logit)[0]


def grad_cam(model: keras.Model, psd_db: Float32) -> Float32:
    """The usual figure: positive part of the maps weighed by their mean gradient, scaled to at most
    1.
    """
    import tensorflow as tf

    features = tf.constant(predict(model, psd_db)[1])
    weights, bias = head(model)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logit = tf.reduce_mean(features, axis=(1, 2)) @ weights[:, None] + bias
    importance = tf.reduce_mean(tape.gradient(logit, features), axis=(1, 2))
    raw = np.maximum(np.einsum("nftk,nk->nft", features.numpy(), importance.numpy()), 0)
    return np.asarray(
        raw / np.maximum(raw.max(axis=(1, 2), keepdims=True), 1e-12), np.float32
    )


def map_figures(
    scene: Scene, explain: Callable[[keras.Model, Float32], Float32], seed: int = 0
) -> MapFigures:
    """explain : model, psd_db -> (n, n_f, n_t)"""
    scene = scene.first(MAX_WINDOWS)
    shown = explain(scene.model, scene.psd_db)
    _, bias = head(scene.model)
    missing = np.abs(shown.sum(axis=(1, 2), dtype=np.float64) + bias - scene.logit)
    random = np.random.default_rng(seed)
    named = _descending(shown)
    return MapFigures(
        additivity_residual=Residual(float(missing.max()), float(np.median(missing))),
        shares=list(SHARES),
        deletion=_curves(scene, named, random, keep=False),
        insertion=_curves(scene, named, random, keep=True),
        same_after_shuffling_weights=shuffled_agreement(scene, shown, explain, seed),
    )


def _curves(scene: Scene, named: Order, random: np.random.Generator, keep: bool) -> Curves:
    """How the logit changes as the named cells go (keep: as they alone are put back)."""
    moved = _moved(scene, named, random, keep)
    mean = {
        name: [round(float(value), 4) for value in curve.mean(axis=0)]
        for name, curve in moved.items()
    }
    lead = {other: mean_by_run(scene.run, values) for other, values in _lead(moved).items()}
    return Curves(
        **mean, more_than_random=lead["random"], more_than_equal_energy=lead["equal_energy"]
    )


def deletion_lead(scene: Scene) -> dict[str, Float64]:
    """How much further the logit falls without the map's cells than without random ones, or others
    of equal energy.

    The mean over SHARES for each window, shape (n,), in logit units.
    """
    return _lead(
        _moved(scene, _descending(scene.contribution), np.random.default_rng(0), False)
    )


def shuffled_agreement(
    scene: Scene,
    shown: Float32,
    explain: Callable[[keras.Model, Float32], Float32],
    seed: int,
) -> float:
    """Mean rank correlation with the map of the same network after its weights were shuffled: near
    0 is right.
    """
    random = np.random.default_rng(seed)
    other = keras.models.clone_model(scene.model)
    other.set_weights([_shuffled(weights, random) for weights in scene.model.get_weights()])
    return float(
        np.mean(
            [
                rank_correlation(a, b)
                for a, b in zip(shown, explain(other, scene.psd_db), strict=True)
            ]
        )
    )


def pointing(contribution: Float32, region: NDArray[np.bool_]) -> Pointing:
    """Share of the positive evidence inside the region, and the share of cells that the region has.

    contribution, region : shape (n, n_f, n_t)
    """
    positive = np.maximum(contribution, 0)
    total = positive.sum(axis=(1, 2))
    seen = total > 0
    share = (positive * region).sum(axis=(1, 2))[seen] / total[seen]
    peak = np.array(
        [
            inside.flat[int(cells.argmax())]
            for cells, inside in zip(contribution, region, strict=True)
        ]
    )
    return Pointing(
        n_windows=int(seen.sum()),
        evidence_share=round(float(share.mean()), 4),
        region_area=round(float(region.mean()), 4),
        peak_inside=round(float(peak.mean()), 4),
    )


def _moved(
    scene: Scene, named: Order, random: np.random.Generator, keep: bool
) -> dict[str, Float64]:
    n, n_cells = named.shape
    energy_db = scene.energy_db.reshape(n, -1)
    orders = {
        "named": lambda k: named[:, :k],
        "random": lambda k: _random_cells(random, n, n_cells, k),
        "equal_energy": lambda k: _equal_energy(energy_db, named[:, :k]),
    }
    return {name: _curve(scene, cells, n_cells, keep) for name, cells in orders.items()}


def _lead(moved: dict[str, Float64]) -> dict[str, Float64]:
    area = {name: curve.mean(axis=1) for name, curve in moved.items()}
    return {other: area["named"] - area[other] for other in ("random", "equal_energy")}


def _curve(
    scene: Scene, cells_of: Callable[[int], Order], n_cells: int, keep: bool
) -> Float64:
    """How far the logit fell (deletion) or rose from the empty picture (insertion), shape (n,
    len(SHARES)).
    """
    empty = np.broadcast_to(scene.reference_db[:, :, None], scene.psd_db.shape)
    start = predict(scene.forward, np.ascontiguousarray(empty))[0] if keep else scene.logit
    moved = []
    for share in SHARES:
        cells = cells_of(round(share * n_cells))
        chosen = _frames(scene, cells)[:, None]
        picture = np.where(
            chosen, scene.psd_db if keep else empty, empty if keep else scene.psd_db
        )
        logit = predict(scene.forward, np.ascontiguousarray(picture, np.float32))[0]
        moved.append(logit - start if keep else start - logit)
    return np.stack(moved, axis=1).astype(np.float64)


def _frames(scene: Scene, cells: Order) -> NDArray[np.bool_]:
    """Cells of the map as a mask over bands and frames of the spectrogram."""
    n, n_f, n_t = scene.contribution.shape
    chosen = np.zeros((n, n_f * n_t), bool)
    np.put_along_axis(chosen, cells, True, axis=1)
    by_frame = np.repeat(chosen.reshape(n, n_f, n_t), scene.frames_per_column, axis=2)
    return by_frame[:, :, : scene.psd_db.shape[3]]


def _columns(by_frame: NDArray[Any], frames_per_column: int, n_t: int) -> NDArray[Any]:
    starts = [column * frames_per_column for column in range(n_t)]
    counts = np.diff([*starts, by_frame.shape[-1]])
    return np.asarray(np.add.reduceat(by_frame, starts, axis=-1) / counts)


def _descending(shown: Float32) -> Order:
    return np.argsort(-shown.reshape(len(shown), -1), axis=1, kind="stable")


def _random_cells(random: np.random.Generator, n: int, n_cells: int, k: int) -> Order:
    return np.argsort(random.random((n, n_cells)), axis=1)[:, :k]


def _equal_energy(energy: Float64, named: Order) -> Order:
    """For each named cell another one, not named, that stands as far from the reference as can be
    found.
    """
    found = np.empty_like(named)
    for i, cells in enumerate(named):
        others = np.setdiff1d(np.arange(energy.shape[1]), cells)
        _, column = linear_sum_assignment(
            np.abs(energy[i, cells][:, None] - energy[i, others][None])
        )
        found[i] = others[column]
    return found


def _shuffled(weights: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    return random.permutation(weights.ravel()).reshape(weights.shape)


def rank_correlation(a: Float32 | Float64, b: Float32 | Float64) -> float:
    """Spearman's; 0 where either is constant."""
    ranks = rankdata(a), rankdata(b)
    if np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def mean_by_run(run: NDArray[Any], values: Float64) -> Interval:
    return bootstrap(run, lambda index: float(values[index].mean()))
