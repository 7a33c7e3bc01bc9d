"""A network and the thresholds that go with it, chosen on windows that the judging network never
saw.

Two kinds of evidence are set against each other on the training machines: the network's logit and
the novelty of a sensor against its own first windows. Which of them makes the status is chosen
here, and written down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32, Float64
from monitor.signal.spectrogram import to_grid
from training.cross_fit import Fit, MapLead, choose_mixing
from training.dataset import Dataset
from training.metrics import (
    Interval,
    auc,
    balanced_accuracy,
    best_threshold,
    bootstrap,
    bootstrap_score,
)
from training.network import keras
from training.network_fit import Tick
from training.recipe import Recipe, network_settings
from training.splits import inner_folds
from training.thresholds import (
    DEFAULT_WINDOWS,
    HALF,
    commission_sensor,
    first_windows,
    lowest_rate,
    novelty_scores,
)

RULES = ("network", "novelty", "either")  # the simplest first: it wins where they are even


@dataclass(frozen=True)
class OutOfFold:
    """What was chosen on the training groups, and what it reached on those it had not seen.

    folds : names of the groups. mixing : of windows, that the network was trained with
    auc, balanced_accuracy : of the network. balanced_accuracy_of_rules : by status rule
    deletion_beats : by mixing
    """

    folds: tuple[str, ...]
    mixing: str
    auc: Interval
    balanced_accuracy: Interval
    balanced_accuracy_of_rules: dict[str, float] = field(default_factory=dict)
    deletion_beats: dict[str, MapLead] = field(default_factory=dict)


@dataclass(frozen=True)
class Learned:
    """A network and what makes its status.

    threshold : logit units. novelty_threshold : None where no sensor had first windows to compare
        with
    out_of_fold : None for a finished model, which chooses nothing here
    """

    model: keras.Model
    threshold: float
    novelty_threshold: float | None
    status_rule: str
    mixing: str
    out_of_fold: OutOfFold | None


def n_fits(n_folds: int, recipe: Recipe) -> int:
    """The most networks that learn() fits, for a progress bar."""
    return n_folds * len(recipe.mixings) + 1


def learn(
    train: Dataset, recipe: Recipe, groups: tuple[str, ...], fit: Fit, tick: Tick | None = None
) -> Learned:
    """Cross-fit over the training groups for mixing, thresholds and rule, then fit the network on
    everything.

    train : labelled windows of both classes. Raises TrainingError.
    """
    folds = inner_folds(train, groups)
    crossed, map_leads = choose_mixing(train, folds, recipe, fit, tick)
    logit, seen = crossed.logit, crossed.seen
    threshold = crossed.threshold(train.label)
    novelty, _ = own_novelty(train, recipe)
    novelty_threshold = _novelty_threshold(train, novelty)
    rule, reached = _choose_rule(train, logit - threshold, novelty, novelty_threshold)
    mixing = crossed.recipe.mixings[0]
    auc_seen, balanced_seen = _network_figures(train.select(seen), logit[seen], threshold)
    out_of_fold = OutOfFold(
        folds=tuple(fold.name for fold in folds),
        mixing=mixing,
        auc=auc_seen,
        balanced_accuracy=balanced_seen,
        balanced_accuracy_of_rules=reached,
        deletion_beats=map_leads,
    )
    model = fit(train, crossed.recipe, tick)
    return Learned(model, threshold, novelty_threshold, rule, mixing, out_of_fold)


def grid_spectra(dataset: Dataset, recipe: Recipe) -> Float32:
    """On the map's grid, shape (n, n_channels, n_f, n_t)."""
    return to_grid(
        dataset.psd_db, network_settings(dataset.settings, dataset.psd_db.shape[1], recipe).n_t
    )


def own_novelty(
    dataset: Dataset, recipe: Recipe, n_windows: int = DEFAULT_WINDOWS
) -> tuple[Float64, NDArray[np.bool_]]:
    """Novelty of each window against its sensor's own first windows, and which windows those were.

    NaN for windows of the runs that a baseline came from: they prove nothing.
    """
    spectra_db = grid_spectra(dataset, recipe)
    novelty = np.full(len(dataset), np.nan)
    used = np.zeros(len(dataset), bool)
    for sensor, first in first_windows(dataset, n_windows, HALF).items():
        if len(first) < 3:
            continue
        commissioning = commission_sensor(dataset, spectra_db, first, lowest_rate(first), None)
        inside = np.flatnonzero(dataset.sensor == sensor)
        novelty[inside] = novelty_scores(spectra_db[inside], commissioning.baseline)
        novelty[commissioning.excluded] = np.nan
        used[first] = True
    return novelty, used


def _novelty_threshold(train: Dataset, novelty: Float64) -> float | None:
    known = ~np.isnan(novelty)
    if np.isnan(auc(train.label[known], novelty[known])):
        return None
    return best_threshold(train.label[known], novelty[known])


def status_score(rule: str, logit_margin: NDArray[Any], novelty_ratio: NDArray[Any]) -> Float64:
    """Above 0 is NG. logit_margin : logit - threshold. novelty_ratio : log(novelty / its
    threshold).
    """
    if rule == "network":
        return np.asarray(logit_margin, np.float64)
    if rule == "novelty":
        return np.asarray(novelty_ratio, np.float64)
    either: Float64 = np.maximum(logit_margin, novelty_ratio)
    return either


def _choose_rule(
    train: Dataset, logit_margin: NDArray[Any], novelty: Float64, novelty_threshold: float | None
) -> tuple[str, dict[str, float]]:
    if novelty_threshold is None:
        return "network", {}
    known = ~np.isnan(novelty) & ~np.isnan(logit_margin)
    ratio = np.log(novelty[known] / novelty_threshold)
    reached = {
        rule: round(
            balanced_accuracy(
                train.label[known], status_score(rule, logit_margin[known], ratio) > 0
            ),
            4,
        )
        for rule in RULES
    }
    return max(RULES, key=lambda rule: reached[rule]), reached


def _network_figures(seen: Dataset, logit: Float32, threshold: float) -> tuple[Interval, Interval]:
    """AUC and balanced accuracy."""
    label = seen.label

    def balanced(index: NDArray[np.intp]) -> float:
        return balanced_accuracy(label[index], logit[index] > threshold)

    return bootstrap_score(seen.run, label, logit, auc), bootstrap(seen.run, balanced)
