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
