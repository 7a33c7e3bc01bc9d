"""Each point's alarm on a retained MQTT topic: whoever subscribes knows the state at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from monitor.journal.cursors import JournalRow
from monitor.journal.places import RowKind
from monitor.journal.views import JournalViews
from monitor.outputs.base import Step
from monitor.outputs.notify import alarm_state, alarm_topic, quiet_state

LOOK_NS = 10 * 10**9  # between two looks for new points

# topic, payload, retain; False: not taken, ask again
Publish = Callable[[str, str, bool], bool]


class AlarmTopics:
    """Publishes all alarms at every new connection to the broker, and then what changes.

    An output (outputs.base.Output). n_connects says how often there was a
    connection; nothing is published before the first.
    """

    name = "alarm_topics"
    title = "The broker"
    kinds: Sequence[RowKind] = ("event",)
    # the state of every alarm is published at the first connection anyway
    from_start = False
    batch_rows = 1000
    rejection = ""  # a state is never refused for what it holds
    log_period_s = 3600.0

    def __init__(
        self,
        instance: str,
        views: JournalViews,
        publish: Publish,
        n_connects: Callable[[], int],
        with_quiet: bool = False,
    ) -> None:
        """with_quiet : points that have had no alarm yet have a topic, too"""
        self._instance, self._views = instance, views
        self._publish, self._n_connects = publish, n_connects
        self._published: dict[str, str] = {}  # topic: payload
        self._n_connects_seen = 0
        # the first end of a mute that holds a state back
        self._look_again_ns: int | None = None
        self._with_quiet, self._quiet_ns = with_quiet, 0

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Rows wait while there is no connection: MQTT itself says why. Raises JournalError."""
        n_connects = self._n_connects()
        if n_connects == 0:
            return Step()
        is_new = n_connects != self._n_connects_seen
        if is_new:
            self._published.clear()  # the broker may have forgotten
            self._quiet_ns = 0
        is_due = self._look_again_ns is not None and now_ns >= self._look_again_ns
        if not rows and not is_new and not is_due:
            self._publish_quiet(now_ns)
            return Step()
        if not self._publish_changes(now_ns):
            return Step()
        self._n_connects_seen = n_connects
        self._publish_quiet(now_ns)
        return Step(passed=[row.key for row in rows])

    def close(self) -> None:
        self._views.close()

    def _publish_changes(self, now_ns: int) -> bool:
        """False where a state was not taken: it is published later. The alarm of a muted point
        keeps the state that was told, until the mute's end; that it cleared is
        told at once.
        """
        done = True
        muted = self._views.mutes(now_ns)
        held = []
        for sensor, (change, seen) in self._views.alarm_states().items():
            topic = alarm_topic(self._instance, sensor)
            is_raised = change.kind == "alarm_raised"
            found = self._views.diagnosis(sensor, change.at_ns) if is_raised else None
            state = alarm_state(self._instance, change, seen, found)
            if sensor in muted and state["state"] != "cleared":
                held.append(muted[sensor].until_ns)
                continue
            payload = json.dumps(state)
            if self._published.get(topic) == payload:
                continue
            if self._publish(topic, payload, True):
                self._published[topic] = payload
            else:
                done = False
        self._look_again_ns = min(held, default=None)
        return done

    def _publish_quiet(self, now_ns: int) -> None:
        """New points come without an event: look for them now and then."""
        if not self._with_quiet or 0 <= now_ns - self._quiet_ns < LOOK_NS:
            return
        self._quiet_ns = now_ns
        alarms = self._views.alarm_states()
        for sensor in self._views.sensors():
            topic = alarm_topic(self._instance, sensor)
            if sensor in alarms or topic in self._published:
                continue
            payload = json.dumps(quiet_state(self._instance, sensor))
            if self._publish(topic, payload, True):
                self._published[topic] = payload
