"""A network and the thresholds that go with it, chosen on windows that the judging network never
saw.

Two kinds of evidence are set against each other on the training machines: the
network's logit and the novelty of a sensor against its own first windows. Which
of them makes the status is chosen here, and written down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.novelty import MIN_WINDOWS
from monitor.records.signal import Float32, Float64
from monitor.signal.spectrogram import to_grid
from training.against_peers import Compared, compare
from training.cross_fit import MapLead, choose_mixing
from training.dataset import NG, OK, Dataset
from training.levels import as_seen, choose_levels, with_levels
from training.many_fits import ALL, FitEach
from training.metrics import (
    Interval,
    accuracy_of_score,
    as_score,
    auc,
    bootstrap_score,
)
from training.network import keras
from training.network_fit import Tick
from training.peers import TRAINED, simple_figures, simple_thresholds, trained_scores
from training.recipe import Levels, Recipe, network_settings
from training.splits import Fold, inner_folds
from training.thresholds import (
    DEFAULT_WINDOWS,
    HALF,
    commission_sensor,
    first_windows,
    is_better,
    lowest_rate,
    novelty_floor,
    novelty_scores,
)

RULES = ("novelty", "network", "either")  # the first unless a later one is better
LEAST_SHARE = 1e-4  # novelty below it is none


@dataclass(frozen=True)
class OutOfFold:
    """What was chosen on the training groups, and what it reached on those it had not seen.

    folds : names of the groups. mixing : of windows, that the network was
        trained with
    auc, balanced_accuracy : of the network. balanced_accuracy_of_rules : by
        status rule
    deletion_beats : by mixing. beside_peers : network, novelty and status
        beside simpler ways
    """

    folds: tuple[str, ...]
    mixing: str
    auc: Interval
    balanced_accuracy: Interval
    balanced_accuracy_of_rules: dict[str, float] = field(default_factory=dict)
    deletion_beats: dict[str, MapLead] = field(default_factory=dict)
    beside_peers: Compared = field(default_factory=Compared)


@dataclass(frozen=True)
class Learned:
    """A network and what makes its status.

    threshold : logit units
    novelty_floor : of novelty, below which no sensor's threshold lies
    levels : that the network is shown
    out_of_fold : None for a finished model, which chooses nothing here
    """

    model: keras.Model
    threshold: float
    novelty_floor: float
    status_rule: str
    mixing: str
    levels: Levels
    out_of_fold: OutOfFold | None


def n_fits(n_folds: int, recipe: Recipe) -> int:
    """The most networks that learn() fits, for a progress bar."""
    return n_folds * len(recipe.mixings) + 1


def learn(
    train: Dataset,
    recipe: Recipe,
    groups: tuple[str, ...],
    fit_each: FitEach,
    tick: Tick | None = None,
) -> Learned:
    """Cross-fit over the training groups for mixing, thresholds and rule, then fit the network on
    everything.

    train : usable windows of both classes; unlabelled ones can commission a
        sensor, as they would live. Raises TrainingError.
    """
    novelty, _ = own_novelty(train, recipe)
    simple = simple_figures(train, first_windows(train, DEFAULT_WINDOWS, HALF))
    is_labelled = train.label >= 0
    recipe = with_levels(recipe, choose_levels(recipe, train.label, novelty))
    shown = as_seen(train, recipe.levels, n_columns(train, recipe)).select(is_labelled)
    train, novelty = train.select(is_labelled), novelty[is_labelled]
    simple = {name: value[is_labelled] for name, value in simple.items()}
    folds = inner_folds(train, groups)
    crossed, map_leads = choose_mixing(shown, folds, recipe, fit_each, tick)
    logit, seen = crossed.logit, crossed.seen
    threshold = crossed.threshold(train.label)
    margin = novelty_margin(novelty, _novelty_floor_of_others(train, novelty))
    rule, reached = choose_rule(train, logit - threshold, margin)
    status = status_score(rule, logit - threshold, margin)
    if rule != "network":
        status[np.isnan(margin)] = np.nan  # of runs that commission their sensor
    ours = {"network": logit - threshold, "novelty": margin, "status": status}
    peers = _peers_out_of_fold(train, folds, simple)
    mixing = crossed.recipe.mixings[0]
    auc_seen, balanced_seen = _network_figures(train.select(seen), logit[seen], threshold)
    out_of_fold = OutOfFold(
        folds=tuple(fold.name for fold in folds),
        mixing=mixing,
        auc=auc_seen,
        balanced_accuracy=balanced_seen,
        balanced_accuracy_of_rules=reached,
        deletion_beats=map_leads,
        beside_peers=compare(train.label, train.run, ours, peers),
    )
    (model,) = fit_each(shown, [ALL], crossed.recipe, tick)
    floor = novelty_floor(train, novelty)
    return Learned(model, threshold, floor, rule, mixing, recipe.levels, out_of_fold)


def grid_spectra(dataset: Dataset, recipe: Recipe) -> Float32:
    """On the map's grid, shape (n, n_channels, n_f, n_t)."""
    return to_grid(dataset.psd_db, n_columns(dataset, recipe))


def n_columns(dataset: Dataset, recipe: Recipe) -> int:
    """Of the map."""
    return network_settings(dataset.settings, dataset.psd_db.shape[1], recipe).n_t


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
        if len(first) < MIN_WINDOWS:
            continue
        commissioning = commission_sensor(
            dataset, spectra_db, first, lowest_rate(first), None
        )
        inside = np.flatnonzero(dataset.sensor == sensor)
        novelty[inside] = novelty_scores(spectra_db[inside], commissioning.baseline)
        novelty[commissioning.excluded] = np.nan
        used[first] = True
    return novelty, used


def novelty_margin(novelty: Float64, limit: NDArray[Any] | float) -> Float64:
    """Over its limit, in logits: above 0 is NG. Both between 0 and 1."""
    return _log_odds(novelty) - _log_odds(np.asarray(limit))


def _log_odds(share: Float64) -> Float64:
    inside = np.clip(share, LEAST_SHARE, 1 - LEAST_SHARE)
    return np.asarray(np.log(inside / (1 - inside)))


def status_score(
    rule: str, logit_margin: NDArray[Any], novelty_margin: NDArray[Any]
) -> Float64:
    """Above 0 is NG.

    logit_margin : logit - threshold
    novelty_margin : NaN for a sensor that is not commissioned, which its
        network judges
    """
    if rule == "network":
        return np.asarray(logit_margin, np.float64)
    if rule == "novelty":
        return np.where(np.isnan(novelty_margin), logit_margin, novelty_margin)
    either: Float64 = np.fmax(logit_margin, novelty_margin)
    return either


def choose_rule(
    train: Dataset, logit_margin: NDArray[Any], margin: Float64
) -> tuple[str, dict[str, float]]:
    """What makes the status, and each rule's balanced accuracy on machines that it never saw.

    Novelty, unless another rule is better beyond chance: a machine that nobody
    trained on may fail as none did before, but it is always unlike itself.
    logit_margin, margin : of network and novelty, out of fold; NaN where there
        is none
    """
    known = ~np.isnan(margin) & ~np.isnan(logit_margin)
    if not {OK, NG} <= set(train.label[known]):
        return "network", {}
    some = train.select(known)
    scores = {
        rule: status_score(rule, logit_margin[known], margin[known]) for rule in RULES
    }
    reached = {
        rule: round(accuracy_of_score(some.label, score), 4)
        for rule, score in scores.items()
    }
    chosen = RULES[0]
    for rule in RULES[1:]:
        if is_better(some.run, some.label, scores[rule] > 0, scores[chosen] > 0):
            chosen = rule
    return chosen, reached


def _peers_out_of_fold(
    train: Dataset, folds: list[Fold], simple: dict[str, Float64]
) -> dict[str, Float64]:
    """Each peer's margin by models and thresholds that never saw the fold. simple : figures."""
    margins = {name: np.full(len(train), np.nan) for name in (*TRAINED, *simple)}
    for fold in folds:
        label = train.label[fold.train]
        known = {name: value[fold.train] for name, value in simple.items()}
        limits = simple_thresholds(known, label, {})
        for name, value in simple.items():
            margins[name][fold.test] = value[fold.test] - limits[name]
        trained = trained_scores(train.select(fold.train), train.select(fold.test))
        for name, score in trained.items():
            margins[name][fold.test] = score
    return margins


def _novelty_floor_of_others(train: Dataset, novelty: Float64) -> Float64:
    """For each window by the machines beside its own."""
    machine = train.column("machine")
    limit = np.empty(len(train))
    for name in np.unique(machine):
        others = machine != name
        limit[~others] = novelty_floor(train.select(others), novelty[others])
    return limit


def _network_figures(
    seen: Dataset, logit: Float32, threshold: float
) -> tuple[Interval, Interval]:
    """AUC and balanced accuracy."""
    called = as_score(logit > threshold)
    return (
        bootstrap_score(seen.run, seen.label, logit, auc),
        bootstrap_score(seen.run, seen.label, called, accuracy_of_score),
    )
