"""The figures of a report, from judged windows to one record. No test label sets anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float64
from training.against_peers import Lead, leads
from training.alarms import (
    DetectionDelay,
    SensorFalseAlarms,
    detection_delays,
    false_alarms,
)
from training.dataset import NG, OK, ClassCounts, class_counts
from training.fold_model import OutOfFold
from training.judged_runs import Judged, fold_names, joined
from training.metrics import (
    Confusion,
    Interval,
    accuracy_of_score,
    as_score,
    auc,
    average_precision,
    bootstrap_mean_of_folds,
    bootstrap_score,
    confusion,
    per_run,
    rounded,
)
from training.peers import BAND_DISTANCE
from training.plain import fields_of, plain

N_BINS = 8  # of the calibration curve


@dataclass(frozen=True)
class RunCounts(ClassCounts):
    """Windows of each class, and of how many runs."""

    runs: int


@dataclass(frozen=True)
class ScoreFigures:
    """What one score is good for: pooled, as the mean over folds, by window and by run. Each
    interval is by run.
    """

    auc: Interval
    mean_auc_of_folds: Interval
    average_precision: Interval
    balanced_accuracy: Interval
    mean_balanced_accuracy_of_folds: Interval
    run_auc: Interval
    run_balanced_accuracy: Interval
    confusion: Confusion


@dataclass(frozen=True)
class Choices:
    """What a fold chose on its training data; less is known of a finished model."""

    mixing: str
    out_of_fold: OutOfFold | None

    def as_tree(self) -> dict[str, Any]:
        if self.out_of_fold is None:
            return {"folds": [], "mixing": self.mixing}
        return fields_of(self.out_of_fold)


@dataclass(frozen=True)
class FoldFigures:
    """One fold's windows, threshold (logit units) and least threshold of novelty, and each score's
    plain figures.
    """

    name: str
    windows: ClassCounts
    threshold: float
    novelty_floor: float
    status_rule: str
    chosen_on_training_data: Choices
    auc: dict[str, float | None]
    balanced_accuracy: dict[str, float | None]


@dataclass(frozen=True)
class AgainstPeer:
    """By how much our scores are better than a peer's on the same windows, pooled; the status also
    on each machine.
    """

    network: Lead
    status: Lead
    status_by_machine: dict[str, Lead]


@dataclass(frozen=True)
class ThresholdFigures:
    """What one way to set thresholds reaches; the mean over folds."""

    balanced_accuracy: Interval
    confusion: Confusion


@dataclass(frozen=True)
class CalibrationCurve:
    """For each bin of P(NG) that has windows: mean P(NG), share of NG among them, their number."""

    probability: list[float]
    share_ng: list[float]
    windows: list[int]


@dataclass(frozen=True)
class GroupFigures:
    """The windows of one value of a column, and each score's plain figures."""

    windows: ClassCounts
    auc: dict[str, float | None]
    balanced_accuracy: dict[str, float | None]


@dataclass(frozen=True)
class Figures:
    """Everything but maps and costs.

    evidence : by score; None where no window has it
    evidence_on_all_windows : also those that commission a sensor, for scores
        that need none
    against_peers : by how much network and status are better than each peer
    thresholds : by the way they were set
    by_column : column -> value -> figures
    """

    windows: RunCounts
    folds: list[FoldFigures]
    evidence: dict[str, ScoreFigures | None]
    evidence_on_all_windows: dict[str, ScoreFigures | None]
    against_peers: dict[str, AgainstPeer]
    thresholds: dict[str, ThresholdFigures]
    false_alarms: list[SensorFalseAlarms]
    calibration_curve: CalibrationCurve
    by_column: dict[str, dict[str, GroupFigures]]
    detection: list[DetectionDelay]

    @property
    def status_leads(self) -> dict[str, Lead]:
        """By how much the status is better than each peer."""
        return {name: one.status for name, one in self.against_peers.items()}

    def as_tree(self) -> dict[str, Any]:
        tree = fields_of(self)
        tree["evidence"] = _with_empty(self.evidence)
        tree["evidence_on_all_windows"] = _with_empty(self.evidence_on_all_windows)
        return tree


def _with_empty(scores: dict[str, ScoreFigures | None]) -> dict[str, Any]:
    """A score that no window has is {} in the file."""
    return {name: {} if one is None else plain(one) for name, one in scores.items()}


def figures(judged: list[Judged], groups: tuple[str, ...]) -> Figures:
    """groups : columns by which figures are told apart, beside the machine."""
    table = Table(judged)
    whole = Table(judged, and_excluded=True)
    on_all = {"network": whole.logit_margin, **whole.peers}
    del on_all[BAND_DISTANCE]
    return Figures(
        windows=RunCounts(
            ok=int(table.is_ok.sum()),
            ng=int(table.is_ng.sum()),
            runs=len(np.unique(table.run)),
        ),
        folds=[_fold(one) for one in judged],
        evidence={name: _evidence(table, score) for name, score in table.scores.items()},
        evidence_on_all_windows={
            name: _evidence(whole, score) for name, score in on_all.items()
        },
        against_peers=_against(table),
        thresholds=_thresholds(table),
        false_alarms=false_alarms(judged),
        calibration_curve=calibration_curve(table),
        by_column={
            name: _by_column(table, name) for name in dict.fromkeys(("machine", *groups))
        },
        detection=[delay for one in judged for delay in detection_delays(one)],
    )


class Table:
    """Labelled test windows of all folds, side by side.

    and_excluded : with those that commissioned a sensor and prove nothing of
        it; network and peers need no commissioning
    """

    def __init__(self, judged: list[Judged], and_excluded: bool = False) -> None:
        label = joined(judged, lambda one: one.data.label)
        keep = (label >= 0) & (and_excluded | ~joined(judged, lambda one: one.excluded))
        self.keep = keep
        self.label = label[keep]
        self.run = joined(judged, lambda one: one.data.run)[keep]
        self.fold = fold_names(judged)[keep]
        self.columns = {
            name: np.concatenate([one.data.columns[name] for one in judged])[keep]
            for name in judged[0].data.columns
        }
        self.own_logit = joined(judged, lambda one: one.own(lambda c: c.logit_threshold))[
            keep
        ]
        self.own_novelty = joined(
            judged, lambda one: one.own(lambda c: c.baseline.threshold)
        )[keep]
        self.logit = joined(judged, lambda one: one.logit)[keep]
        self.novelty = joined(judged, lambda one: one.novelty)[keep]
        of_folds = [one.scores for one in judged]
        self.scores: dict[str, Float64] = {
            name: np.concatenate([scores[name] for scores in of_folds])[keep]
            for name in of_folds[0]
        }
        self.peers = {name: self.scores[name] for name in judged[0].peers}

    @property
    def is_ok(self) -> NDArray[np.bool_]:
        return np.asarray(self.label == OK)

    @property
    def is_ng(self) -> NDArray[np.bool_]:
        return np.asarray(self.label == NG)

    @property
    def logit_margin(self) -> Float64:
        return self.scores["network"]


def _evidence(table: Table, score: Float64) -> ScoreFigures | None:
    known = ~np.isnan(score)
    if not known.any():
        return None
    label, score, run, fold = (
        table.label[known],
        score[known],
        table.run[known],
        table.fold[known],
    )
    names, run_label, run_score = per_run(run, label, score)
    return ScoreFigures(
        auc=bootstrap_score(run, label, score, auc),
        mean_auc_of_folds=bootstrap_mean_of_folds(run, fold, label, score, auc),
        average_precision=bootstrap_score(run, label, score, average_precision),
        balanced_accuracy=bootstrap_score(run, label, score, accuracy_of_score),
        mean_balanced_accuracy_of_folds=bootstrap_mean_of_folds(
            run, fold, label, score, accuracy_of_score
        ),
        run_auc=bootstrap_score(names, run_label, run_score, auc),
        run_balanced_accuracy=bootstrap_score(
            names, run_label, run_score, accuracy_of_score
        ),
        confusion=confusion(label, score > 0),
    )


def _fold(one: Judged) -> FoldFigures:
    keep = (one.data.label >= 0) & ~one.excluded
    scores = {name: score[keep] for name, score in one.scores.items()}
    reached = _group(one.data.label[keep], scores)
    return FoldFigures(
        name=one.fold,
        windows=reached.windows,
        threshold=round(one.learned.threshold, 4),
        novelty_floor=round(one.learned.novelty_floor, 4),
        status_rule=one.learned.status_rule,
        chosen_on_training_data=Choices(one.learned.mixing, one.learned.out_of_fold),
        auc=reached.auc,
        balanced_accuracy=reached.balanced_accuracy,
    )


def _against(table: Table) -> dict[str, AgainstPeer]:
    status, machine = table.scores["status"], table.columns["machine"]
    of_network = leads(table.label, table.run, table.logit_margin, table.peers)
    of_status = leads(table.label, table.run, status, table.peers)
    by_machine = {}
    for name in np.unique(machine):
        inside = machine == name
        peers = {peer: score[inside] for peer, score in table.peers.items()}
        by_machine[str(name)] = leads(
            table.label[inside], table.run[inside], status[inside], peers
        )
    return {
        peer: AgainstPeer(
            of_network[peer],
            of_status[peer],
            {name: found[peer] for name, found in by_machine.items()},
        )
        for peer in table.peers
    }


def _thresholds(table: Table) -> dict[str, ThresholdFigures]:
    """Balanced accuracy by thresholds from the training machines, and by each sensor's commissioned
    ones.
    """
    ways = {
        "network, threshold of the training machines": table.logit_margin > 0,
        "network, commissioned": table.logit > table.own_logit,
        "novelty, commissioned": table.scores["novelty"] > 0,
        "novelty, by its first windows alone": table.novelty > table.own_novelty,
    }
    return {name: _called(table, ng) for name, ng in ways.items()}


def _called(table: Table, ng: NDArray[np.bool_]) -> ThresholdFigures:
    balanced = bootstrap_mean_of_folds(
        table.run, table.fold, table.label, as_score(ng), accuracy_of_score
    )
    return ThresholdFigures(balanced, confusion(table.label, ng))


def calibration_curve(table: Table) -> CalibrationCurve:
    probability = 1 / (1 + np.exp(-table.logit.astype(np.float64)))
    bins = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    filled = [k for k in range(N_BINS) if (bins == k).any()]
    return CalibrationCurve(
        probability=[round(float(probability[bins == k].mean()), 4) for k in filled],
        share_ng=[round(float((table.label[bins == k] == NG).mean()), 4) for k in filled],
        windows=[int((bins == k).sum()) for k in filled],
    )


def _by_column(table: Table, column: str) -> dict[str, GroupFigures]:
    values = table.columns[column]
    rows = {}
    for value in np.unique(values):
        inside = values == value
        scores = {name: score[inside] for name, score in table.scores.items()}
        rows[str(value)] = _group(table.label[inside], scores)
    return rows


def _group(label: NDArray[np.int8], scores: dict[str, Float64]) -> GroupFigures:
    return GroupFigures(
        windows=class_counts(label),
        auc={name: rounded(auc(label, score)) for name, score in scores.items()},
        balanced_accuracy={
            name: rounded(accuracy_of_score(label, score)) for name, score in scores.items()
        },
    )
