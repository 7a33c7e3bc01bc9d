"""Each point's newest verdict on a retained MQTT topic, as plain JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from monitor.journal.cursors import JournalRow, RowKey
from monitor.journal.places import RowKind
from monitor.journal.reader import Row
from monitor.journal.views import JournalViews, WindowSummary, summary_of
from monitor.outputs.alarm_topics import Publish
from monitor.outputs.base import Step
from monitor.outputs.notify import verdict_topic
from monitor.plain_values import verdict_tree
from monitor.records.verdict import Verdict


class VerdictTopics:
    """An output (outputs.base.Output). At every new connection it publishes the newest verdict of
    all points, and then, point by point, one in so many seconds and each
    change.
    """

    name = "verdict_topics"
    title = "The broker"
    kinds: Sequence[RowKind] = ("verdict",)
    from_start = False
    batch_rows = 500
    rejection = ""  # a verdict is never refused for what it holds
    log_period_s = 3600.0

    def __init__(
        self,
        instance: str,
        views: JournalViews,
        every_s: float,
        publish: Publish,
        n_connects: Callable[[], int],
    ) -> None:
        self._instance, self._views = instance, views
        self._every_ns = round(every_s * 1e9)
        self._publish, self._n_connects = publish, n_connects
        self._n_connects_seen = 0
        self._unsaid: list[str] = []  # sensors, at a new connection
        self._said: dict[str, WindowSummary] = {}

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Rows wait while there is no connection: MQTT itself says why. Raises JournalError."""
        n_connects = self._n_connects()
        if n_connects == 0:
            return Step()
        if n_connects != self._n_connects_seen:
            self._n_connects_seen = n_connects
            self._unsaid = self._views.sensors()
        if not self._say_all():
            return Step()
        accepted: list[RowKey] = []
        passed: list[RowKey] = []
        for row in rows:
            assert isinstance(row.content, Verdict)
            window = summary_of(Row(row.row_id, row.content, is_undone=False))
            if not self._is_due(window):
                passed.append(row.key)
            elif self._say(window):
                accepted.append(row.key)
            else:
                break
        return Step(accepted=accepted, passed=passed)

    def close(self) -> None:
        self._views.close()

    def _say_all(self) -> bool:
        """False where the client takes no more now."""
        while self._unsaid:
            newest = self._views.newest(self._unsaid[-1])
            if newest is not None and not self._say(newest):
                return False
            self._unsaid.pop()
        return True

    def _say(self, window: WindowSummary) -> bool:
        topic = verdict_topic(self._instance, window.sensor)
        if not self._publish(topic, json.dumps(verdict_tree(window)), True):
            return False
        self._said[window.sensor] = window
        return True

    def _is_due(self, window: WindowSummary) -> bool:
        """What was said at a new connection is not said again."""
        last = self._said.get(window.sensor)
        if last is None:
            return True
        if window.row_id <= last.row_id:
            return False
        if (window.status, window.alarm) != (last.status, last.alarm):
            return True
        return not 0 <= window.end_ns - last.end_ns < self._every_ns
