"""`camshaft report`: one self-contained HTML page about a span of a point's time, to attach to a
work order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from monitor.journal.labels import StoredLabel
from monitor.journal.views import JournalViews, StoredEvent, WindowSummary
from monitor.records.diagnosis import Diagnosed
from monitor.records.occlusion import Occlusion
from monitor.records.signal import Float32
from monitor.records.verdict import Verdict
from monitor.times import clock

MAX_WINDOWS = 50_000


class ReportError(Exception):
    """There is nothing to report; str() is one sentence."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one report says, read from the journal.

    zone : its times are told in; None is the host's
    """

    instance: str
    sensor: str
    from_ns: int
    to_ns: int
    rows: Sequence[WindowSummary]
    worst: Verdict
    worst_row: int
    samples: tuple[Float32, float] | None  # raw samples of the worst window and their rate
    last_ok: Verdict | None
    events: Sequence[StoredEvent]
    labels: Sequence[StoredLabel]
    zone: tzinfo | None = None
    indicators: Mapping[str, float] = field(default_factory=dict)  # of the worst window
    diagnosis: Diagnosed | None = None  # the newest within the span
    # The newest within the span, with the window that raised its alarm.
    occlusion: tuple[Verdict, Occlusion] | None = None

    def clock(self, at_ns: int) -> str:
        return clock(at_ns, self.zone)


def _no_window(views: JournalViews, sensor: str, zone: tzinfo | None) -> ReportError:
    newest = views.newest(sensor)
    hint = "there is no window at all"
    if newest is not None:
        hint = f"its newest window ended {clock(newest.end_ns, zone)}"
    return ReportError(f"The journal holds no window of {sensor!r} in this span; {hint}.")


def gather(
    views: JournalViews,
    instance: str,
    sensor: str,
    from_ns: int,
    to_ns: int,
    zone: tzinfo | None = None,
) -> Findings:
    """Read everything the report needs.
    Raises ReportError where there is no window in that span.
    """
    rows = views.between(sensor, from_ns, to_ns, MAX_WINDOWS)
    if not rows:
        raise _no_window(views, sensor, zone)
    worst = max(rows, key=_badness)
    found = views.row(worst.row_id)
    assert found is not None
    ok_row = views.last_ok(sensor, worst.end_ns, worst.model_id)
    last_ok = None if ok_row is None or ok_row == worst.row_id else views.row(ok_row)
    return Findings(
        instance=instance,
        sensor=sensor,
        from_ns=from_ns,
        to_ns=to_ns,
        rows=rows,
        worst=found.verdict,
        worst_row=worst.row_id,
        samples=views.kept_window(worst.row_id),
        last_ok=None if last_ok is None else last_ok.verdict,
        events=views.events_between(sensor, from_ns, to_ns),
        labels=views.labels([row.row_id for row in rows]),
        zone=zone,
        diagnosis=views.diagnosis(sensor, from_ns, to_ns),
        occlusion=_occlusion(views, sensor, from_ns, to_ns),
        indicators=views.indicators([worst.row_id]).get(worst.row_id, {}),
    )


def _occlusion(
    views: JournalViews, sensor: str, from_ns: int, to_ns: int
) -> tuple[Verdict, Occlusion] | None:
    row_id = views.newest_occluded(sensor, from_ns, to_ns)
    if row_id is None:
        return None
    row, found = views.row(row_id), views.occlusion(row_id)
    return None if row is None or found is None else (row.verdict, found)


def _badness(row: WindowSummary) -> tuple[bool, float]:
    return row.status == "NG", -math.inf if row.excess is None else row.excess
