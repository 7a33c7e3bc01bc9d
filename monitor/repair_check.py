"""Whether a repair helped: the hundred judged windows after it against the hundred before it, and
against the limits that the point was commissioned with.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median

from monitor.journal.repairs import Repair, RepairStore
from monitor.journal.schema import JournalError
from monitor.journal.views import JournalViews, Score, WindowSummary

N_WINDOWS = 100
CURED = 0.05  # share of NG windows that a repaired machine may have
IN_PART = 0.5  # of the share before: less than this is something

log = logging.getLogger(__name__)


class RepairCheck:
    """Looks now and then whether a noted repair has its windows, and then says what came of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store = RepairStore(path)

    def step(self, now_ns: int) -> None:
        try:
            repairs = self._store.open()
            if not repairs:
                return
            with closing(JournalViews(self._path)) as views:
                for repair in repairs:
                    self._check(repair, views, now_ns)
        except JournalError as error:
            log.error("%s", error)

    def _check(self, repair: Repair, views: JournalViews, now_ns: int) -> None:
        since = repair.sensor, repair.at_ns, N_WINDOWS
        after = views.judged_after(*since)
        if len(after) == N_WINDOWS:
            text = outcome(views.judged_before(*since), after)
            self._store.settle(repair, now_ns, text)

    def close(self) -> None:
        self._store.close()


def outcome(before: Sequence[WindowSummary], after: Sequence[WindowSummary]) -> str:
    """One or two sentences: did it help, and the figures that say so. after : not empty"""
    parts = [f"{_head(before, after)}: NG in {_of(after)}", f"{_of(before)} before"]
    text = ", ".join(parts) + _level(before, after) + "."
    if _limits(before) and _limits(before) != _limits(after):
        text += (
            " Limits or model changed meanwhile: the figures are each against their own."
        )
    return text


def _head(before: Sequence[WindowSummary], after: Sequence[WindowSummary]) -> str:
    now, then = _share(after), _share(before)
    if not before:
        return "Nothing to compare with"
    if then <= CURED:
        return "It was OK before already" if now <= CURED else "It did not help"
    if now <= CURED:
        return "It helped"
    return "It helped in part" if now < IN_PART * then else "It did not help"


def _share(rows: Sequence[WindowSummary]) -> float:
    return sum(row.status == "NG" for row in rows) / len(rows) if rows else 0.0


def _of(rows: Sequence[WindowSummary]) -> str:
    return f"{sum(row.status == 'NG' for row in rows)} of {len(rows)} windows"


def _level(before: Sequence[WindowSummary], after: Sequence[WindowSummary]) -> str:
    """The median of what is told as a multiple of its limit: 1 is the commissioned limit."""
    now = [score for row in after if (score := row.over_threshold) is not None]
    then = [score for row in before if (score := row.over_threshold) is not None]
    if not now:
        return ""
    was = f", {_median(then):.2g} × before" if then else ""
    return f"; {now[0].kind} {_median(now):.2g} × its limit{was}"


def _median(scores: Sequence[Score]) -> float:
    return median(score.ratio or 0.0 for score in scores)


def _limits(rows: Sequence[WindowSummary]) -> set[tuple[object, ...]]:
    return {(row.model_id, *(score.threshold for score in row.scores)) for row in rows}
