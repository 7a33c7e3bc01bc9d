"""Each point's alarm on a retained MQTT topic: whoever subscribes knows the state at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from monitor.journal.cursors import JournalRow
from monitor.journal.places import RowKind
from monitor.journal.views import JournalViews
from monitor.outputs.base import Step
from monitor.outputs.notify import alarm_state, alarm_topic

Publish = Callable[[str, str, bool], bool]  # topic, payload, retain; False: not taken, ask again


class AlarmTopics:
    """Publishes all alarms at every new connection to the broker, and then what changes.

    An output (outputs.base.Output). n_connects says how often there was a connection; nothing is
    published before the first.
    """

    name = "alarm_topics"
    title = "The broker"
    kinds: Sequence[RowKind] = ("event",)
    from_start = False  # the state of every alarm is published at the first connection anyway
    batch_rows = 1000
    rejection = ""  # a state is never refused for what it holds
    log_period_s = 3600.0

    def __init__(
        self,
        instance: str,
        views: JournalViews,
        publish: Publish,
        n_connects: Callable[[], int],
    ) -> None:
        self._instance, self._views = instance, views
        self._publish, self._n_connects = publish, n_connects
        self._published: dict[str, str] = {}  # topic: payload
        self._n_connects_seen = 0

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Rows wait while there is no connection: MQTT itself says why. Raises JournalError."""
        n_connects = self._n_connects()
        if n_connects == 0:
            return Step()
        is_new = n_connects != self._n_connects_seen
        if is_new:
            self._published.clear()  # the broker may have forgotten
        if not rows and not is_new:
            return Step()
        if not self._publish_changes():
            return Step()
        self._n_connects_seen = n_connects
        return Step(passed=[row.key for row in rows])

    def close(self) -> None:
        self._views.close()

    def _publish_changes(self) -> bool:
        """False where a state was not taken: it is published later."""
        done = True
        for sensor, (change, seen) in self._views.alarm_states().items():
            topic = alarm_topic(self._instance, sensor)
            is_raised = change.kind == "alarm_raised"
            found = self._views.diagnosis(sensor, change.at_ns) if is_raised else None
            payload = json.dumps(alarm_state(self._instance, change, seen, found))
            if self._published.get(topic) == payload:
                continue
            if self._publish(topic, payload, True):
                self._published[topic] = payload
            else:
                done = False
        return done
