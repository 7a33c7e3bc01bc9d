"""Splits that cannot leak: no run, and no held-out group, stands on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import TrainingError
from training.dataset import NG, OK, Dataset, Text
from training.signal_marks import same_signals

MAX_LEFT_OUT = 8  # of more groups several are held out together
N_FOLDS = 4


@dataclass(frozen=True)
class Fold:
    """Indices into a dataset."""

    name: str
    train: NDArray[np.intp]
    test: NDArray[np.intp]


def leave_one_out(dataset: Dataset, column: str) -> list[Fold]:
    """One fold for each value of a column. Raises TrainingError for one value only, or a run on
    both sides.
    """
    values = dataset.column(column)
    names = [str(name) for name in dict.fromkeys(values)]
    if len(names) < 2:
        raise TrainingError(
            f"{column}: only {names[0]!r} occurs, at least two values are needed to leave one out."
        )
    return _checked(dataset, [_fold(name, values == name) for name in names])


def by_group(dataset: Dataset, column: str, n_folds: int, seed: int = 0) -> list[Fold]:
    """Values of a column dealt into n_folds, each class in turn, so that every fold has both where
    it can.
    """
    values = dataset.column(column) if column != "run" else dataset.run
    names, place = np.unique(values, return_inverse=True)
    if len(names) < n_folds:
        raise TrainingError(f"{column}: {len(names)} values cannot make {n_folds} folds.")
    share_ng = np.bincount(place, dataset.label == NG) / np.bincount(place)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(share_ng[order], kind="stable")]
    turn = np.empty(len(names), np.intp)
    turn[order] = np.arange(len(names)) % n_folds
    return _checked(
        dataset,
        [_fold(f"{column} {k + 1} of {n_folds}", turn[place] == k) for k in range(n_folds)],
    )


def held_out(dataset: Dataset, pairs: list[tuple[str, str]]) -> NDArray[np.bool_]:
    """Windows with COLUMN = VALUE for any of the pairs. Raises TrainingError where none has, or
    all.
    """
    test = np.zeros(len(dataset), bool)
    for column, value in pairs:
        found = dataset.column(column) == value
        if not found.any():
            values = ", ".join(map(str, dict.fromkeys(dataset.column(column))))
            raise TrainingError(
                f"{column} = {value!r} occurs in no recording, found {values[:200]}."
            )
        test |= found
    if test.all():
        raise TrainingError("every recording is held out: nothing is left to train with.")
    return test


def leaky(dataset: Dataset, n_folds: int = 4, seed: int = 0) -> list[Fold]:
    """Windows at random, runs torn apart: for contrast only. Its figures flatter and say nothing of
    a new machine.
    """
    turn = np.random.default_rng(seed).permutation(len(dataset)) % n_folds
    return [_fold(f"leaky {k + 1} of {n_folds}", turn == k) for k in range(n_folds)]


def inner_folds(train: Dataset, groups: tuple[str, ...]) -> list[Fold]:
    """How training data is split to choose a threshold: by the first group column of several
    values, else by run.

    Runs of one machine resemble each other too much: a threshold that suits
    them does not suit another machine. Raises TrainingError where one value has
    all windows of a class: no network that never saw it could know that class.
    """
    column = next(
        (name for name in groups if len(np.unique(train.column(name))) > 1), "run"
    )
    values = train.run if column == "run" else train.column(column)
    for label, name in ((OK, "ok"), (NG, "ng")):
        having = [str(one) for one in np.unique(values[train.label == label])]
        if len(having) < 2:
            shown = ", ".join(map(repr, having)) or "none"
            raise TrainingError(
                f"{column}: all {name} windows are of {shown}: what never saw it cannot know that"
                " class, and no honest figure can be given; ok and ng are needed in two values of"
                f" {column} each."
            )
    n_values = len(np.unique(values))
    if column == "run":
        return by_group(train, "run", min(N_FOLDS, n_values))
    if n_values <= MAX_LEFT_OUT:
        return leave_one_out(train, column)
    return by_group(train, column, N_FOLDS)


def shared_runs(train: Dataset, test: Dataset) -> list[str]:
    """Runs on both sides: a report with any is refused."""
    return sorted(map(str, set(train.run) & set(test.run)))


def refuse_same_signal(name: str, train: Dataset, test: Dataset) -> None:
    """Raises TrainingError where a run of the training holds the signal of one of the test."""
    same = same_signals(train.run_marks, test.run_marks)
    _refuse_same(name, train.run, test.run, same)


def _refuse_same(
    name: str, train: Text, test: Text, same: Sequence[tuple[str, str]]
) -> None:
    learned, judged = set(train), set(test)
    for one, other in same:
        if one in learned and other in judged:
            raise TrainingError(
                f"{name}: run {one!r}, of the training, holds the signal of run {other!r}, which"
                " judges it: such figures flatter, none are given. Leave one of them out, or give"
                " both the same group and machine."
            )


def _fold(name: str, test: NDArray[Any]) -> Fold:
    return Fold(name, np.flatnonzero(~test), np.flatnonzero(test))


def _checked(dataset: Dataset, folds: list[Fold]) -> list[Fold]:
    of_run = dataset.run_marks
    same = same_signals(of_run, of_run)
    for fold in folds:
        _refuse_same(fold.name, dataset.run[fold.train], dataset.run[fold.test], same)
        shared = shared_runs(dataset.select(fold.train), dataset.select(fold.test))
        if shared:
            raise TrainingError(
                f"{fold.name}: run {shared[0]!r} stands in training and test, its windows are not"
                " independent."
            )
    return folds
