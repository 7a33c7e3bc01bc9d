"""Figures of a score against labels, with intervals that resample runs, not windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from monitor.records.signal import Float64
from training.dataset import NG, OK
from training.draws import accuracy_of_draws, auc_of_draws, drawn_times

N_RESAMPLES = 1000

Scores = NDArray[np.floating[Any]]
Labels = NDArray[np.int8]
OfDraws = Callable[[NDArray[np.intp], Labels, Scores, Float64], Float64]

# JSON has null where a figure cannot be told.
Figure = Annotated[
    float, BeforeValidator(lambda value: float("nan") if value is None else value)
]


@dataclass(frozen=True)
class Interval:
    """A figure and the 95 % interval of its bootstrap; NaN where it cannot be told."""

    value: Figure
    low: Figure
    high: Figure

    def as_tree(self) -> dict[str, float | None]:
        return {key: rounded(value) for key, value in vars(self).items()}

    def __str__(self) -> str:
        """0.971 (0.940 to 0.990), the value alone, or a dash."""
        if np.isnan(self.value):
            return "–"
        if np.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


def interval_text(interval: Interval | None) -> str:
    return "–" if interval is None else str(interval)


@dataclass(frozen=True)
class Confusion:
    """Windows by their label and what they were called."""

    ok_called_ok: int
    ok_called_ng: int
    ng_called_ok: int
    ng_called_ng: int


def auc(label: Labels, score: Scores) -> float:
    """Area under the ROC curve: how often an NG window scores above an OK one, ties count half.
    NaN for one class only, or where a score is not known.
    """
    ng, ok = score[label == NG], np.sort(score[label == OK])
    if len(ng) == 0 or len(ok) == 0 or np.isnan(score).any():
        return float("nan")
    below = np.searchsorted(ok, ng, "left").sum()
    not_above = np.searchsorted(ok, ng, "right").sum()
    return float((below + not_above) / 2 / (len(ng) * len(ok)))


def balanced_accuracy(label: Labels, ng: NDArray[np.bool_]) -> float:
    """Mean of the shares found right in each class. ng : what was called NG. NaN for one class
    only.
    """
    if not (label == NG).any() or not (label == OK).any():
        return float("nan")
    return float((ng[label == NG].mean() + (~ng[label == OK]).mean()) / 2)


def confusion(label: Labels, ng: NDArray[np.bool_]) -> Confusion:
    """ng : what was called NG."""
    return Confusion(
        ok_called_ok=int((~ng & (label == OK)).sum()),
        ok_called_ng=int((ng & (label == OK)).sum()),
        ng_called_ok=int((~ng & (label == NG)).sum()),
        ng_called_ng=int((ng & (label == NG)).sum()),
    )


def accuracy_of_score(label: Labels, score: Scores) -> float:
    """Balanced accuracy of saying NG above 0. NaN where the score is not known."""
    return float("nan") if np.isnan(score).any() else balanced_accuracy(label, score > 0)


def as_score(ng: NDArray[np.bool_]) -> Float64:
    """A score that is above 0 where a window was called NG."""
    return np.where(ng, 1.0, -1.0)


def average_precision(label: Labels, score: Scores) -> float:
    """Area under the precision-recall curve. NaN without NG windows."""
    if not (label == NG).any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(label[order] == NG)
    precision = found / np.arange(1, len(label) + 1)
    return float(precision[label[order] == NG].mean())


def bootstrap(
    groups: NDArray[Any], figure: Callable[[NDArray[np.intp]], float]
) -> Interval:
    """The figure of all windows, with the interval it has when whole groups are drawn again.

    figure : computes the figure of windows given by index
    """
    value = figure(np.arange(len(groups)))
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    if len(members) < 2:
        return Interval(value, float("nan"), float("nan"))
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(N_RESAMPLES):
        chosen = random.integers(len(members), size=len(members))
        drawn.append(figure(np.concatenate([members[i] for i in chosen])))
    return interval(value, np.array(drawn))


def interval(value: float, drawn: Float64) -> Interval:
    """drawn : the figure of each resample, NaN where it cannot be told"""
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(value, float(low), float(high))


# What is told of all resamples at once, in a tenth of the time.
OF_DRAWS: dict[Callable[[Labels, Scores], float], OfDraws] = {
    auc: auc_of_draws,
    accuracy_of_score: accuracy_of_draws,
}


def bootstrap_score(
    groups: NDArray[Any],
    label: Labels,
    score: Scores,
    figure: Callable[[Labels, Scores], float],
) -> Interval:
    """As bootstrap, of a figure that takes labels and scores: auc, average_precision, ..."""
    if figure in OF_DRAWS:
        drawn = resampled(groups, label, score, figure)
        return interval(figure(label, score), drawn)
    return bootstrap(groups, lambda index: figure(label[index], score[index]))


def resampled(
    groups: NDArray[Any],
    label: Labels,
    score: Scores,
    figure: Callable[[Labels, Scores], float],
) -> Float64:
    """The figure, one of OF_DRAWS, of each of bootstrap's resamples; empty with one group only."""
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return np.empty(0)
    times = drawn_times(len(names), N_RESAMPLES, 0)
    return OF_DRAWS[figure](group, label, score, times)


def bootstrap_mean_of_folds(
    groups: NDArray[Any],
    fold: NDArray[Any],
    label: Labels,
    score: Scores,
    figure: Callable[[Labels, Scores], float],
) -> Interval:
    """Mean of the figure, one of OF_DRAWS, over the folds that were drawn: where each is one group,
    it is folds that the bootstrap draws.
    """
    names, group = np.unique(groups, return_inverse=True)
    inside = [fold == one for one in np.unique(fold)]
    value = float(np.mean([figure(label[some], score[some]) for some in inside]))
    if len(names) < 2:
        return Interval(value, float("nan"), float("nan"))
    times = drawn_times(len(names), N_RESAMPLES, 0)
    has = np.array([times[:, np.unique(group[some])].any(axis=1) for some in inside])
    of_folds = [
        OF_DRAWS[figure](group[some], label[some], score[some], times) for some in inside
    ]
    total = np.where(has, of_folds, 0.0).sum(axis=0)
    return interval(value, total / has.sum(axis=0))


def best_threshold(label: Labels, score: Scores) -> float:
    """The score above which to say NG so that balanced accuracy is highest: the middle of the
    widest best stretch.
    """
    values = np.unique(score)
    if len(values) == 1:
        return float(values[0])
    between = (values[1:] + values[:-1]) / 2
    reached = np.array(
        [balanced_accuracy(label, score > threshold) for threshold in between]
    )
    best = np.flatnonzero(reached >= reached.max() - 1e-9)
    widest = best[np.argmax(values[best + 1] - values[best])]
    return float(between[widest])


def per_run(
    run: NDArray[Any], label: Labels, score: Scores
) -> tuple[NDArray[Any], Labels, Scores]:
    """Runs of one label, each with the mean score of its windows: name, label, score."""
    names, labels, scores = [], [], []
    for name in np.unique(run):
        inside = run == name
        for value in np.unique(label[inside]):
            names.append(name)
            labels.append(value)
            scores.append(score[inside & (label == value)].mean())
    return np.array(names), np.array(labels, np.int8), np.array(scores)


def rounded(value: float) -> float | None:
    """For a report: four digits, None for NaN."""
    return None if np.isnan(value) else round(float(value), 4)
