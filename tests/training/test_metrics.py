"""Figures against scikit-learn's, and what a bootstrap by group must do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

from training.metrics import (
    Labels,
    Scores,
    accuracy_of_score,
    auc,
    average_precision,
    balanced_accuracy,
    best_threshold,
    bootstrap,
    bootstrap_mean_of_folds,
    bootstrap_score,
    per_run,
)

Figure = Callable[[Labels, Scores], float]

pairs = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(-5, 5)), min_size=2, max_size=60
).filter(lambda some: len({label for label, _ in some}) == 2)


@given(pairs)
@settings(deadline=None, max_examples=50)
def test_figures_are_those_of_scikit_learn(some: list[tuple[int, int]]) -> None:
    label, score = (
        np.array([one for one, _ in some], np.int8),
        np.array([float(one) for _, one in some]),
    )
    assert auc(label, score) == pytest.approx(roc_auc_score(label, score))
    assert balanced_accuracy(label, score > 0) == pytest.approx(
        balanced_accuracy_score(label, score > 0)
    )
    distinct = score + np.linspace(0, 0.1, len(score))
    assert average_precision(label, distinct) == pytest.approx(
        average_precision_score(label, distinct)
    )


@given(pairs)
@settings(deadline=None, max_examples=50)
def test_no_other_threshold_is_better(some: list[tuple[int, int]]) -> None:
    label, score = (
        np.array([one for one, _ in some], np.int8),
        np.array([float(one) for _, one in some]),
    )
    reached = balanced_accuracy(label, score > best_threshold(label, score))
    if len(np.unique(score)) > 1:
        assert all(
            reached >= balanced_accuracy(label, score > value - 0.5) - 1e-9
            for value in np.unique(score)[1:]
        )


def test_one_class_has_no_figure() -> None:
    label = np.zeros(5, np.int8)
    assert np.isnan(auc(label, np.arange(5.0)))
    assert np.isnan(balanced_accuracy(label, label > 0))


def test_a_score_that_is_not_known_has_no_figure() -> None:
    assert np.isnan(auc(np.array([0, 1, 1], np.int8), np.array([0.0, np.nan, 2.0])))


def _mean_of(values: NDArray[np.float64], index: NDArray[np.intp]) -> float:
    return float(values[index].mean())


def test_intervals_grow_with_what_runs_share() -> None:
    random = np.random.default_rng(1)
    run = np.repeat(np.arange(20), 25)
    independent = random.normal(size=500)
    shared = np.repeat(random.normal(size=20), 25)
    width = []
    for values in (independent, shared):
        interval = bootstrap(run, partial(_mean_of, values))
        width.append(interval.high - interval.low)
    assert width[1] > 3 * width[0]


windows = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from([0, 1]),
        st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0, float("nan")]),
        st.sampled_from(["one", "two"]),
    ),
    min_size=1,
    max_size=30,
)


@given(windows)
@settings(deadline=None, max_examples=12)
def test_all_resamples_at_once_say_what_each_says(
    some: list[tuple[int, int, float, str]],
) -> None:
    run, label, score, fold = (np.array(column) for column in zip(*some, strict=True))
    label = label.astype(np.int8)
    for figure in (auc, accuracy_of_score):

        def of_windows(index: NDArray[np.intp], figure: Figure = figure) -> float:
            return figure(label[index], score[index])

        def mean_of_folds(index: NDArray[np.intp], figure: Figure = figure) -> float:
            parts = [index[fold[index] == one] for one in np.unique(fold[index])]
            return float(np.mean([figure(label[part], score[part]) for part in parts]))

        one_by_one = bootstrap(run, of_windows)
        assert repr(bootstrap_score(run, label, score, figure)) == repr(one_by_one)
        of_folds = bootstrap_mean_of_folds(run, fold, label, score, figure)
        np.testing.assert_allclose(
            list(vars(of_folds).values()),
            list(vars(bootstrap(run, mean_of_folds)).values()),
            atol=1e-12,
        )


def test_one_group_has_no_interval() -> None:
    interval = bootstrap(np.zeros(10), lambda index: float(len(index)))
    assert interval.as_tree() == {"value": 10.0, "low": None, "high": None}


def test_runs_of_both_labels_count_as_two() -> None:
    names, labels, scores = per_run(
        np.array(["a", "a", "b"]), np.array([0, 1, 1], np.int8), np.array([1.0, 3.0, 5.0])
    )
    assert (list(names), list(labels), list(scores)) == (
        ["a", "a", "b"],
        [0, 1, 1],
        [1.0, 3.0, 5.0],
    )
