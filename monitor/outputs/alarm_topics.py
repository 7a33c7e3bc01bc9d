"""Each point's alarm on a retained MQTT topic: whoever subscribes knows the state at once."""

from __future__ import annotations

import json
from collections.abc import Callable

from monitor.journal.views import JournalViews
from monitor.outputs.notify import alarm_state, alarm_topic

Publish = Callable[[str, str, bool], bool]  # topic, payload, retain; False: not taken, ask again


class AlarmTopics:
    """Publishes all alarms at every new connection to the broker, and then what changes."""

    def __init__(self, instance: str, publish: Publish) -> None:
        self._instance, self._publish = instance, publish
        self._published: dict[str, str] = {}  # topic: payload
        self._n_connects = 0
        self._event_id = -1

    def step(self, views: JournalViews, n_connects: int) -> None:
        """n_connects: how often there was a connection; nothing is published before the first.
        Raises JournalError.
        """
        if n_connects == 0:
            return
        if n_connects != self._n_connects:
            self._published.clear()  # the broker may have forgotten
            self._event_id = -1
        event_id = views.last_event_id()
        if event_id == self._event_id:
            return
        done = True
        for sensor, (change, seen) in views.alarm_states().items():
            topic = alarm_topic(self._instance, sensor)
            payload = json.dumps(alarm_state(self._instance, change, seen))
            if self._published.get(topic) == payload:
                continue
            if self._publish(topic, payload, True):
                self._published[topic] = payload
            else:
                done = False
        if done:
            self._n_connects, self._event_id = n_connects, event_id
