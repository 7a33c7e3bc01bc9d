"""No split may tear a run apart, but the one that says it leaks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from training import TrainingError
from training.dataset import Dataset
from training.splits import (
    Fold,
    by_group,
    held_out,
    inner_folds,
    leaky,
    leave_one_out,
    shared_runs,
)

SPLITS: list[Callable[[Dataset], list[Fold]]] = [
    lambda data: leave_one_out(data, "machine"),
    lambda data: leave_one_out(data, "operation"),
    lambda data: by_group(data, "run", 4),
    lambda data: by_group(data, "machine", 2),
    lambda data: inner_folds(data, ("machine",)),
    lambda data: inner_folds(data.select(data.column("machine") == "M0"), ("machine",)),
]


@pytest.mark.parametrize("split", SPLITS)
def test_no_run_stands_on_both_sides(
    dataset: Dataset, split: Callable[[Dataset], list[Fold]]
) -> None:
    for fold in split(dataset):
        assert not set(fold.train) & set(fold.test)
        assert not shared_runs(dataset.select(fold.train), dataset.select(fold.test))


@pytest.mark.parametrize(
    "split", [*SPLITS[:4], lambda data: leaky(data), lambda data: leaky(data, 3)]
)
def test_each_window_is_tested_once(
    dataset: Dataset, split: Callable[[Dataset], list[Fold]]
) -> None:
    folds = split(dataset)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(
        range(len(dataset))
    )


def test_groups_are_dealt_by_their_share_of_ng_however_long_they_are(
    dataset: Dataset,
) -> None:
    """Of four in two folds the two with the more ng windows stand apart."""
    shares = {"a": (4, 0), "b": (3, 1), "c": (5, 15), "d": (0, 1)}  # ok, ng
    group = np.concatenate([np.full(sum(n), name) for name, n in shares.items()])
    label = np.concatenate([np.repeat([0, 1], n) for n in shares.values()])
    some = dataset.select(np.arange(len(group)))
    columns = {"g": group, "machine": group, "point": group, "group": group}
    grouped = Dataset(**{**vars(some), "label": label, "columns": columns})
    folds = [set(group[fold.test]) for fold in by_group(grouped, "g", 2)]
    assert all(len(names & {"a", "b"}) == len(names & {"c", "d"}) == 1 for names in folds)


@pytest.mark.parametrize("column", ["machine", "operation"])
def test_leaving_one_out_tests_each_window_once(dataset: Dataset, column: str) -> None:
    folds = leave_one_out(dataset, column)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(
        range(len(dataset))
    )
    for fold in folds:
        assert set(dataset.column(column)[fold.test]) == {fold.name}
        assert fold.name not in dataset.column(column)[fold.train]


def test_folds_by_group_have_both_classes(dataset: Dataset) -> None:
    assert all(
        set(dataset.label[fold.test]) == {0, 1} for fold in by_group(dataset, "run", 4)
    )


def test_the_leaky_split_leaks(dataset: Dataset) -> None:
    assert any(
        shared_runs(dataset.select(fold.train), dataset.select(fold.test))
        for fold in leaky(dataset)
    )


def test_a_split_that_would_tear_runs_apart_is_refused(dataset: Dataset) -> None:
    torn = Dataset(
        **{
            **vars(dataset),
            "columns": {**dataset.columns, "odd": dataset.first_sample.astype(str)},
        }
    )
    with pytest.raises(TrainingError, match=r"run '.*' stands in training and test"):
        leave_one_out(torn, "odd")


def test_one_value_only_cannot_be_left_out(dataset: Dataset) -> None:
    with pytest.raises(TrainingError, match="machine: only 'M1' occurs"):
        leave_one_out(dataset.select(dataset.column("machine") == "M1"), "machine")


def test_holding_out(dataset: Dataset) -> None:
    aside = held_out(dataset, [("machine", "M2"), ("operation", "OP1")])
    assert set(dataset.column("machine")[~aside]) == {"M0", "M1"}
    with pytest.raises(
        TrainingError, match="machine = 'M9' occurs in no recording, found M0, M1, M2"
    ):
        held_out(dataset, [("machine", "M9")])
    with pytest.raises(TrainingError, match="every recording is held out"):
        held_out(dataset, [("point", "spindle")])


@pytest.mark.parametrize(("n_groups", "n_folds"), [(2, 2), (8, 8), (9, 4)])
def test_up_to_eight_groups_are_left_out_one_by_one(
    dataset: Dataset, n_groups: int, n_folds: int
) -> None:
    runs = list(dict.fromkeys(dataset.run))
    group = np.array([f"g{runs.index(run) % n_groups}" for run in dataset.run])
    grouped = Dataset(**{**vars(dataset), "columns": {**dataset.columns, "g": group}})
    folds = inner_folds(grouped, ("g",))
    assert len(folds) == n_folds
    assert len(inner_folds(grouped, ())) == 4
    assert len(leaky(grouped)) == 4


def test_too_few_groups_make_no_folds_and_as_many_do(dataset: Dataset) -> None:
    assert len(by_group(dataset, "machine", 3)) == 3
    with pytest.raises(TrainingError, match="machine: 3 values cannot make 4 folds"):
        by_group(dataset, "machine", 4)


@pytest.mark.parametrize(
    ("faulty", "sentence"),
    [
        (["faulty"] * 3, "g: all ng windows are of 'faulty'"),
        (["M0", "M0", "M0"], "g: all ng windows are of 'M0'"),
        (["M0", "M1", "M1"], ""),
    ],
)
def test_a_class_of_one_group_alone_is_refused(
    dataset: Dataset, faulty: list[str], sentence: str
) -> None:
    """faulty : where the faults of each machine are said to be"""
    machine = dataset.column("machine")
    moved = dict(zip(("M0", "M1", "M2"), faulty, strict=True))
    group = np.where(dataset.label == 1, [moved[str(one)] for one in machine], machine)
    grouped = Dataset(**{**vars(dataset), "columns": {**dataset.columns, "g": group}})
    if not sentence:
        assert len(inner_folds(grouped, ("g",))) == 3
        return
    with pytest.raises(TrainingError, match=sentence):
        inner_folds(grouped, ("g",))


def test_one_run_of_a_class_is_refused(dataset: Dataset) -> None:
    one = dataset.select(
        (dataset.label == 0) | (dataset.run == dataset.run[dataset.label == 1][0])
    )
    with pytest.raises(TrainingError, match="run: all ng windows are of 'M0/spindle/"):
        inner_folds(one.select(one.column("machine") == "M0"), ("machine",))
