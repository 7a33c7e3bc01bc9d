"""The figures of a report, from judged windows to one tree of plain values. No test label sets
anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float64
from training.alarms import detection_delays, false_alarms
from training.dataset import NG, OK
from training.judged_runs import Judged, fold_names, joined
from training.metrics import (
    accuracy_of_score,
    auc,
    average_precision,
    balanced_accuracy,
    bootstrap,
    bootstrap_score,
    per_run,
    rounded,
)

N_BINS = 8  # of the calibration curve


def figures(judged: list[Judged], groups: tuple[str, ...]) -> dict[str, Any]:
    """Everything but maps and costs. groups : columns by which figures are told apart, beside the
    machine.
    """
    table = Table(judged)
    evidence = {name: _evidence(table, score) for name, score in table.scores.items()}
    whole = Table(judged, and_spoilt=True)
    return {
        "windows": {
            "ok": int(table.is_ok.sum()),
            "ng": int(table.is_ng.sum()),
            "runs": len(np.unique(table.run)),
        },
        "folds": [_fold(one) for one in judged],
        "evidence": evidence,
        "evidence_on_all_windows": {
            name: _evidence(whole, score)
            for name, score in {"network": whole.logit_margin, **whole.peers}.items()
        },
        "network_against_peers": {name: _paired(table, name) for name in table.peers},
        "thresholds": _thresholds(table),
        "false_alarms": false_alarms(judged),
        "calibration_curve": calibration_curve(table),
        "by_column": {
            name: _by_column(table, name) for name in dict.fromkeys(("machine", *groups))
        },
        "detection": [delay for one in judged for delay in detection_delays(one)],
    }


class Table:
    """Labelled test windows of all folds, side by side.

    and_spoilt : with those that commissioned a sensor and prove nothing of it; network and peers
        need no commissioning
    """

    def __init__(self, judged: list[Judged], and_spoilt: bool = False) -> None:
        label = joined(judged, lambda one: one.data.label)
        keep = (label >= 0) & (and_spoilt | ~joined(judged, lambda one: one.spoilt))
        self.keep = keep
        self.label = label[keep]
        self.run = joined(judged, lambda one: one.data.run)[keep]
        self.fold = fold_names(judged)[keep]
        self.columns = {
            name: np.concatenate([one.data.columns[name] for one in judged])[keep]
            for name in judged[0].data.columns
        }
        self.logit_margin = joined(judged, lambda one: one.logit_margin)[keep]
        self.own_logit = joined(judged, lambda one: one.own(lambda c: c.logit_threshold))[keep]
        self.own_novelty = joined(judged, lambda one: one.own(one.novelty_limit))[keep]
        self.logit = joined(judged, lambda one: one.logit)[keep]
        self.novelty = joined(judged, lambda one: one.novelty)[keep]
        self.novelty_ratio = joined(judged, lambda one: one.novelty_ratio)[keep]
        self.status = joined(judged, lambda one: one.status_score)[keep]
        self.peers = {
            name: np.concatenate([one.peers[name] for one in judged])[keep]
            for name in judged[0].peers
        }

    @property
    def is_ok(self) -> NDArray[np.bool_]:
        return np.asarray(self.label == OK)

    @property
    def is_ng(self) -> NDArray[np.bool_]:
        return np.asarray(self.label == NG)

    @property
    def scores(self) -> dict[str, Float64]:
        """Each above 0 where it says NG by the thresholds that came from the training machines."""
        return {
            "network": self.logit_margin,
            "novelty": self.novelty_ratio,
            "status": self.status,
            **self.peers,
        }


def _evidence(table: Table, score: Float64) -> dict[str, Any]:
    """Pooled and as the mean over folds, per window and per run, each with its interval by run."""
    known = ~np.isnan(score)
    if not known.any():
        return {}
    label, score, run, fold = table.label[known], score[known], table.run[known], table.fold[known]
    names, run_label, run_score = per_run(run, label, score)
    mean_auc = _mean_over(fold, lambda index: auc(label[index], score[index]))
    mean_balanced = _mean_over(fold, lambda index: accuracy_of_score(label[index], score[index]))
    intervals = {
        "auc": bootstrap_score(run, label, score, auc),
        "mean_auc_of_folds": bootstrap(run, mean_auc),
        "average_precision": bootstrap_score(run, label, score, average_precision),
        "balanced_accuracy": bootstrap_score(run, label, score, accuracy_of_score),
        "mean_balanced_accuracy_of_folds": bootstrap(run, mean_balanced),
        "run_auc": bootstrap_score(names, run_label, run_score, auc),
        "run_balanced_accuracy": bootstrap_score(names, run_label, run_score, accuracy_of_score),
    }
    return {
        **{name: interval.as_tree() for name, interval in intervals.items()},
        "confusion": confusion(label, score > 0),
    }


def _mean_over(
    fold: NDArray[Any], figure: Callable[[NDArray[np.intp]], float]
) -> Callable[[NDArray[np.intp]], float]:
    def mean(index: NDArray[np.intp]) -> float:
        """Over the folds that were drawn: where each is one run, it is folds that the bootstrap
        draws.
        """
        some = fold[index]
        return float(np.mean([figure(index[some == name]) for name in np.unique(some)]))

    return mean


def confusion(label: NDArray[np.int8], ng: NDArray[np.bool_]) -> dict[str, int]:
    return {
        "ok_called_ok": int((~ng & (label == OK)).sum()),
        "ok_called_ng": int((ng & (label == OK)).sum()),
        "ng_called_ok": int((~ng & (label == NG)).sum()),
        "ng_called_ng": int((ng & (label == NG)).sum()),
    }


def _fold(one: Judged) -> dict[str, Any]:
    keep = (one.data.label >= 0) & ~one.spoilt
    label = one.data.label[keep]
    scores = {
        "network": one.logit_margin,
        "novelty": one.novelty_ratio,
        "status": one.status_score,
        **one.peers,
    }
    return {
        "name": one.fold,
        "windows": {"ok": int((label == OK).sum()), "ng": int((label == NG).sum())},
        "threshold": round(one.learned.threshold, 4),
        "novelty_threshold": one.learned.novelty_threshold,
        "status_rule": one.learned.status_rule,
        "chosen_on_training_data": one.learned.as_tree(),
        "auc": {name: rounded(auc(label, score[keep])) for name, score in scores.items()},
        "balanced_accuracy": {
            name: rounded(accuracy_of_score(label, score[keep])) for name, score in scores.items()
        },
    }


def _paired(table: Table, peer: str) -> dict[str, Any]:
    """By how much the network's AUC, mean of the folds, is above the peer's on the same windows."""
    label, fold = table.label, table.fold

    def difference(index: NDArray[np.intp]) -> float:
        network = _mean_over(fold, lambda some: auc(label[some], table.logit_margin[some]))
        other = _mean_over(fold, lambda some: auc(label[some], table.peers[peer][some]))
        return network(index) - other(index)

    return bootstrap(table.run, difference).as_tree()


def _thresholds(table: Table) -> dict[str, Any]:
    """Balanced accuracy by thresholds from the training machines, and by each sensor's commissioned
    ones.
    """
    ways = {
        "network, threshold of the training machines": table.logit_margin > 0,
        "network, commissioned": table.logit > table.own_logit,
        "novelty, commissioned": table.novelty > table.own_novelty,
    }
    if not np.isnan(table.novelty_ratio).any():
        ways["novelty, threshold of the training machines"] = table.novelty_ratio > 0
    return {name: _called(table, ng) for name, ng in ways.items()}


def _called(table: Table, ng: NDArray[np.bool_]) -> dict[str, Any]:
    balanced = _mean_over(
        table.fold, lambda index: balanced_accuracy(table.label[index], ng[index])
    )
    return {
        "balanced_accuracy": bootstrap(table.run, balanced).as_tree(),
        "confusion": confusion(table.label, ng),
    }


def calibration_curve(table: Table) -> dict[str, list[Any]]:
    """Mean P(NG) of the windows in each bin, and the share of NG among them."""
    probability = 1 / (1 + np.exp(-table.logit.astype(np.float64)))
    bins = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    filled = [k for k in range(N_BINS) if (bins == k).any()]
    return {
        "probability": [rounded(float(probability[bins == k].mean())) for k in filled],
        "share_ng": [rounded(float((table.label[bins == k] == NG).mean())) for k in filled],
        "windows": [int((bins == k).sum()) for k in filled],
    }


def _by_column(table: Table, column: str) -> dict[str, Any]:
    values = table.columns[column]
    rows = {}
    for value in np.unique(values):
        inside = values == value
        label = table.label[inside]
        rows[str(value)] = {
            "windows": {"ok": int((label == OK).sum()), "ng": int((label == NG).sum())},
            "auc": {
                name: rounded(auc(label, score[inside])) for name, score in table.scores.items()
            },
            "balanced_accuracy": {
                name: rounded(accuracy_of_score(label, score[inside]))
                for name, score in table.scores.items()
            },
        }
    return rows
