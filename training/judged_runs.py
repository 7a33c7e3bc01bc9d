"""Judge recordings that a model never saw: by leave-one-group-out, or by a finished model on new
runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.cam import activation_maps
from monitor.evidence.novelty import MIN_WINDOWS
from monitor.records.signal import Float32, Float64
from training import TrainingError
from training.cross_fit import reference_level
from training.dataset import NG, OK, UNLABELLED, Dataset, Text
from training.fold_model import (
    Learned,
    grid_spectra,
    learn,
    n_columns,
    novelty_margin,
    status_score,
)
from training.levels import as_seen
from training.many_fits import Chosen, FitEach
from training.network import head, keras, predict
from training.network_fit import Tick
from training.peers import simple_figures, simple_thresholds, trained_scores
from training.recipe import Recipe
from training.splits import Fold, refuse_same_signal, shared_runs
from training.thresholds import (
    DEFAULT_RATE,
    DEFAULT_WINDOWS,
    HALF,
    Commissioning,
    commission_sensor,
    first_windows,
    novelty_scores,
)


@dataclass(frozen=True)
class Settings:
    """n_windows, rate : how a sensor is commissioned before it is judged."""

    n_windows: int = DEFAULT_WINDOWS
    rate: float = DEFAULT_RATE


@dataclass(frozen=True)
class Judged:
    """The test windows of one fold and all that was said of them. Arrays have one value for each
    window.

    shown_db : spectrograms as the network was shown them
    commissioned : for each sensor, from its first windows
    excluded : windows that those prove nothing about: themselves and all others
        of their runs
    contribution : (n, n_f, n_t), logit units
    """

    fold: str
    data: Dataset
    shown_db: Float32
    learned: Learned
    logit: Float32
    contribution: Float32
    residual: Float64
    novelty: Float64
    spectra_db: Float32
    commissioned: dict[str, Commissioning]
    excluded: NDArray[np.bool_]
    peers: dict[str, Float64]
    # (n_channels, n_bands): mean level of healthy windows, training's if any
    reference_db: Float32

    @property
    def logit_margin(self) -> Float64:
        return np.asarray(self.logit - self.learned.threshold, np.float64)

    @property
    def novelty_margin(self) -> Float64:
        """In logits over the sensor's limit; NaN for a sensor that has none."""
        return novelty_margin(self.novelty, self.own(self.novelty_limit))

    @property
    def status_score(self) -> Float64:
        return status_score(
            self.learned.status_rule, self.logit_margin, self.novelty_margin
        )

    @property
    def scores(self) -> dict[str, Float64]:
        """Each above 0 where it says NG: novelty by its sensor's limit, all others by thresholds
        that came from the training machines.
        """
        return {
            "network": self.logit_margin,
            "novelty": self.novelty_margin,
            "status": self.status_score,
            **self.peers,
        }

    def novelty_limit(self, commissioned: Commissioning) -> float:
        """As the monitor has it: a sensor's own threshold, not below what other machines reach
        while healthy.
        """
        return max(commissioned.baseline.threshold, self.learned.novelty_floor)

    def own(self, threshold_of: Callable[[Commissioning], float | None]) -> Float64:
        """A commissioned threshold for each window, by its sensor."""
        sensors = self.data.sensor
        values = {name: threshold_of(one) for name, one in self.commissioned.items()}
        known = {name: value for name, value in values.items() if value is not None}
        return np.array([known.get(name, np.nan) for name in sensors], np.float64)


def judge_folds(
    dataset: Dataset,
    folds: list[Fold],
    recipe: Recipe,
    groups: tuple[str, ...],
    settings: Settings,
    fit_each: FitEach,
    tick: Tick | None,
) -> list[Judged]:
    """Learn and judge for each fold anew. dataset : usable windows, unlabelled ones are judged but
    never trained on.
    """
    remembered = Memory(fit_each)
    judged = []
    for fold in folds:
        train, test = dataset.select(fold.train), dataset.select(fold.test)
        learned = learn(train, recipe, groups, remembered.fit_each, tick)
        judged.append(judge(fold.name, train, test, learned, recipe, settings))
    return judged


def judge(
    name: str,
    train: Dataset,
    test: Dataset,
    learned: Learned,
    recipe: Recipe,
    settings: Settings,
) -> Judged:
    """What network, novelty and peers say of the test windows. Trained peers only where `train` has
    both classes to train them on. Raises TrainingError where a run is on both
    sides.

    train : unlabelled windows of it may commission a sensor
    """
    shared = shared_runs(train, test)
    if shared:
        raise TrainingError(
            f"{name}: run {shared[0]!r} stands in training and test: such figures flatter, none are"
            " given."
        )
    refuse_same_signal(name, train, test)
    n_t = n_columns(test, recipe)
    shown = as_seen(test, learned.levels, n_t, settings.n_windows)
    logit, features = predict(learned.model, shown.psd_db)
    contribution, residual = activation_maps(features, *head(learned.model), logit)
    spectra_db = grid_spectra(test, recipe)
    commissioned = _commissioned(test, spectra_db, logit, settings)
    excluded, novelty = np.zeros(len(test), bool), np.full(len(test), np.nan)
    for sensor, one in commissioned.items():
        inside = np.flatnonzero(test.sensor == sensor)
        novelty[inside] = novelty_scores(spectra_db[inside], one.baseline)
        excluded[one.excluded] = True
    healthy = train if (train.label == OK).any() else test
    return Judged(
        name,
        test,
        shown.psd_db,
        learned,
        logit,
        contribution,
        residual,
        novelty,
        spectra_db,
        commissioned,
        excluded,
        {**trained_scores(train, test), **_simple_margins(train, test, settings)},
        reference_level(as_seen(healthy, learned.levels, n_t)),
    )


def _commissioned(
    test: Dataset, spectra_db: Float32, logit: Float32, settings: Settings
) -> dict[str, Commissioning]:
    """Each sensor that has enough first windows, by them."""
    return {
        sensor: commission_sensor(test, spectra_db, first, settings.rate, logit)
        for sensor, first in first_windows(test, settings.n_windows, HALF).items()
        if len(first) >= MIN_WINDOWS
    }


def _simple_margins(
    train: Dataset, test: Dataset, settings: Settings
) -> dict[str, Float64]:
    """Of the figures that need no training, over thresholds that come from `train`, or from the
    test machines' own first windows where that has not both classes.
    """
    first = first_windows(test, settings.n_windows, HALF)
    figures = simple_figures(test, first)
    if {OK, NG} <= set(train.label):
        of_train = first_windows(train, settings.n_windows, HALF)
        limits = simple_thresholds(simple_figures(train, of_train), train.label, of_train)
    else:
        unlabelled = np.full(len(test), UNLABELLED, np.int8)
        limits = simple_thresholds(figures, unlabelled, first)
    return {name: value - limits[name] for name, value in figures.items()}


class Memory:
    """Fits each training set once: two folds that leave the same pair of groups out share a
    network.
    """

    def __init__(self, fit_each: FitEach) -> None:
        self._fit_each = fit_each
        self._known: dict[bytes, keras.Model] = {}

    def fit_each(
        self,
        dataset: Dataset,
        chosen: Sequence[Chosen],
        recipe: Recipe,
        tick: Tick | None = None,
    ) -> list[keras.Model]:
        """As many_fits has it."""
        keys = [_key(dataset, some, recipe) for some in chosen]
        sets = zip(keys, chosen, strict=True)
        new = {key: some for key, some in sets if key not in self._known}
        models = self._fit_each(dataset, list(new.values()), recipe, tick)
        self._known.update(zip(new, models, strict=True))
        if tick is not None:
            n_spared = len(keys) - len(new)
            for _ in range(n_spared * recipe.n_members * recipe.n_epochs):
                tick()
        return [self._known[key] for key in keys]


def _key(dataset: Dataset, chosen: Chosen, recipe: Recipe) -> bytes:
    """Of a training set and what is learned with it."""
    columns = (dataset.run, dataset.segment, dataset.first_sample)
    windows = zip(*(column[chosen] for column in columns), strict=True)
    lines = [str(recipe), *(f"{run} {a} {b}" for run, a, b in windows)]
    return hashlib.sha256("\n".join(lines).encode()).digest()


def joined(judged: list[Judged], value: Callable[[Judged], Any]) -> NDArray[Any]:
    """One value for each window of all folds."""
    return np.concatenate([value(one) for one in judged])


def fold_names(judged: list[Judged]) -> Text:
    return np.concatenate([np.full(len(one.data), one.fold) for one in judged])
