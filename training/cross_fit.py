"""Networks judged on groups they never saw, and how windows are mixed in training, chosen by that.

Mixup ranks best. But where a fault is loud in every band its maps need not
point at what decides; CutMix's do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.cam import activation_maps
from monitor.records.signal import Float32
from training.dataset import NG, OK, Dataset
from training.many_fits import FitEach
from training.metrics import Interval, best_threshold
from training.network import head, keras, predict
from training.network_fit import Tick
from training.recipe import Recipe, network_settings
from training.splits import Fold
from training.truth import Scene, deletion_lead, mean_by_run

MAX_MAPS = 60  # of a fold, to choose the mixing by

# By how much the logit falls further without the map's cells than without others, which are named.
MapLead = dict[str, Interval]


@dataclass(frozen=True)
class CrossFit:
    """logit : of each window by a network that never saw its fold, NaN where no fold tests it.
    models : of each fold
    """

    recipe: Recipe
    logit: NDArray[np.float32]
    models: list[keras.Model]

    @property
    def seen(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.logit)

    def threshold(self, label: NDArray[np.int8]) -> float:
        """Best on the windows seen, by networks that never saw them."""
        return best_threshold(label[self.seen], self.logit[self.seen])


def cross_fit(
    dataset: Dataset,
    folds: list[Fold],
    recipe: Recipe,
    fit_each: FitEach,
    tick: Tick | None = None,
) -> CrossFit:
    logit = np.full(len(dataset), np.nan, np.float32)
    models = fit_each(dataset, [fold.train for fold in folds], recipe, tick)
    for fold, model in zip(folds, models, strict=True):
        logit[fold.test] = predict(model, dataset.psd_db[fold.test])[0]
    return CrossFit(recipe, logit, models)


def choose_mixing(
    train: Dataset,
    folds: list[Fold],
    recipe: Recipe,
    fit_each: FitEach,
    tick: Tick | None,
) -> tuple[CrossFit, dict[str, MapLead]]:
    """The first of recipe.mixings whose maps pass the test of deletion out of fold, else the first
    of all.

    Returns it with its cross-fit, and for each mixing tried by how much
    deletion beats random cells and equal energy.
    """
    tried: list[CrossFit] = []
    leads: dict[str, MapLead] = {}
    for number, mixing in enumerate(recipe.mixings, start=1):
        crossed = cross_fit(
            train, folds, replace(recipe, mixings=(mixing,)), fit_each, tick
        )
        found = _map_lead(train, folds, crossed)
        tried.append(crossed)
        leads[mixing] = found
        if all(_is_over_zero(lead) for lead in found.values()):
            if tick is not None:  # the networks that were not needed
                for _ in range(
                    (len(recipe.mixings) - number)
                    * len(folds)
                    * recipe.n_members
                    * recipe.n_epochs
                ):
                    tick()
            return crossed, leads
    return tried[0], leads


def _map_lead(train: Dataset, folds: list[Fold], crossed: CrossFit) -> MapLead:
    """By how much deletion of the cells that maps name beats other cells, on faulty windows called
    NG out of fold.

    {} where there are none.
    """
    threshold = crossed.threshold(train.label)
    found, runs = [], []
    for fold, model in zip(folds, crossed.models, strict=True):
        chosen = fold.test[
            (train.label[fold.test] == NG) & (crossed.logit[fold.test] > threshold)
        ]
        if len(chosen):
            scene = _scene(
                train.select(chosen), model, train.select(fold.train), crossed.recipe
            ).first(MAX_MAPS)
            found.append(deletion_lead(scene))
            runs.append(scene.run)
    if not found:
        return {}
    run = np.concatenate(runs)
    joined = {other: np.concatenate([lead[other] for lead in found]) for other in found[0]}
    return {other: mean_by_run(run, lead) for other, lead in joined.items()}


def _scene(faulty: Dataset, model: keras.Model, train: Dataset, recipe: Recipe) -> Scene:
    logit, features = predict(model, faulty.psd_db)
    contribution, _ = activation_maps(features, *head(model), logit)
    network = network_settings(faulty.settings, faulty.psd_db.shape[1], recipe)
    return Scene(
        model,
        faulty.psd_db,
        logit,
        contribution,
        reference_level(train),
        network.frames_per_column,
        faulty.run,
    )


def _is_over_zero(lead: Interval) -> bool:
    return (lead.value if np.isnan(lead.low) else lead.low) > 0


def reference_level(train: Dataset) -> Float32:
    """Mean level of the healthy training windows, shape (n_channels, n_bands): what a removed cell
    is filled with.
    """
    healthy = train.label == OK
    return np.asarray(
        train.psd_db[healthy if healthy.any() else slice(None)].mean(axis=(0, 3)),
        np.float32,
    )
