"""Our scores beside those of simpler ways, on the same windows: who is better, and is it chance?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float64
from training.dataset import NG, OK
from training.metrics import (
    UNKNOWN,
    Interval,
    Labels,
    Scores,
    accuracy_of_score,
    auc,
    bootstrap_score,
    interval,
    resampled,
)

ENOUGH_RUNS = 8  # of each class; drawn again, fewer vary less than others would
FIGURES = (auc, accuracy_of_score)  # in the order of Reached and Lead
# a score's name -> above 0 where it says NG; NaN where unknown
Margins = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Reached:
    """What a score reaches on all windows that have it."""

    auc: Interval
    balanced_accuracy: Interval


@dataclass(frozen=True)
class Lead:
    """By how much one score is better than another, on the windows that have both; the interval is
    paired.
    """

    auc: Interval
    balanced_accuracy: Interval

    @property
    def is_behind(self) -> bool:
        """Beyond chance, in either."""
        return bool(self.auc.high < 0 or self.balanced_accuracy.high < 0)


def reached(label: Labels, run: NDArray[Any], score: Scores) -> Reached:
    known = ~np.isnan(score)
    label, run, score = label[known], run[known], score[known]
    if not len(label):
        return Reached(UNKNOWN, UNKNOWN)
    return Reached(*(bootstrap_score(run, label, score, figure) for figure in FIGURES))


def leads(
    label: Labels, run: NDArray[Any], ours: Scores, peers: Margins
) -> dict[str, Lead]:
    """Of `ours` over each peer."""
    by_windows: dict[bytes, list[str]] = {}
    for name, other in peers.items():
        by_windows.setdefault((~np.isnan(ours) & ~np.isnan(other)).tobytes(), []).append(
            name
        )
    found = {}
    for windows, names in by_windows.items():
        known = np.frombuffer(windows, bool)
        some = {name: peers[name][known] for name in names}
        found.update(_leads(label[known], run[known], ours[known], some))
    return {name: found[name] for name in peers}


def _leads(
    label: Labels, run: NDArray[Any], ours: Scores, peers: Margins
) -> dict[str, Lead]:
    """On the same draws, of windows that have all these scores."""
    own = _drawn(label, run, ours)
    found = {}
    for name, other in peers.items():
        pairs = zip(own, _drawn(label, run, other), strict=True)
        found[name] = Lead(
            *(
                interval(mine - its, drawn - its_drawn)
                for (mine, drawn), (its, its_drawn) in pairs
            )
        )
    return found


def _drawn(label: Labels, run: NDArray[Any], score: Scores) -> list[tuple[float, Float64]]:
    """Each figure of all windows, and of each resample."""
    return [
        (figure(label, score), resampled(run, label, score, figure)) for figure in FIGURES
    ]


def advice(ours: str, found: dict[str, Lead]) -> str:
    """A sentence that names each peer that is better than `ours`; "" where none is."""
    ahead = [f"{name} ({_by(one)})" for name, one in found.items() if one.is_behind]
    if not ahead:
        return ""
    return (
        f"A simple peer wins: on the same windows the {ours} is behind {', '.join(ahead)}. Use the"
        " peer, or train on more machines."
    )


def _by(one: Lead) -> str:
    figures = (("AUC", one.auc), ("balanced accuracy", one.balanced_accuracy))
    behind = [f"{what} by {_lead_of_peer(by)}" for what, by in figures if by.high < 0]
    return ", ".join(behind)


def _lead_of_peer(interval: Interval) -> Interval:
    return Interval(-interval.value, -interval.high, -interval.low)


@dataclass(frozen=True)
class Compared:
    """What each score reaches, and by how much the status is better than each peer.

    caution : what speaks against the intervals, or ""
    """

    scores: dict[str, Reached] = field(default_factory=dict)
    status_leads: dict[str, Lead] = field(default_factory=dict)
    caution: str = ""

    def lines(self) -> Iterator[str]:
        """For the terminal: who wins first, where a peer does."""
        wins = advice("status", self.status_leads)
        yield from filter(None, (wins, self.caution))
        for name, one in self.scores.items():
            row = f"{name:20s} AUC {one.auc}  balanced accuracy {one.balanced_accuracy}"
            if name in self.status_leads:
                by = self.status_leads[name]
                row += f"  status is better by {by.auc} and {by.balanced_accuracy}"
            yield row


def compare(label: Labels, run: NDArray[Any], ours: Margins, peers: Margins) -> Compared:
    """ours : "status" among them"""
    return Compared(
        {name: reached(label, run, score) for name, score in (ours | peers).items()},
        leads(label, run, ours["status"], peers),
        caution(label, run),
    )


def caution(label: Labels, run: NDArray[Any]) -> str:
    """A sentence where too few runs are judged for their intervals to be trusted, else ""."""
    n_ok, n_ng = (len(np.unique(run[label == one])) for one in (OK, NG))
    if min(n_ok, n_ng) >= ENOUGH_RUNS:
        return ""
    return (
        f"Few runs are judged, {n_ok} healthy and {n_ng} faulty: under {ENOUGH_RUNS} of a class the"
        " intervals are narrower than what is known."
    )
