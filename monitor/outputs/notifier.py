"""Tells the world of alarms from the journal: retained MQTT topics and webhooks. One thread asks
for steps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monitor.config import NotificationSettings
from monitor.journal.notices import NoticeStore
from monitor.journal.views import JournalViews
from monitor.outputs.alarm_topics import AlarmTopics

IDLE_S = 1.0


class Notifier:
    """Reads the secrets of the webhooks, touches no network. Raises ConfigError, JournalError."""

    def __init__(
        self,
        path: Path,
        settings: NotificationSettings,
        instance: str,
        publish: Callable[[str, str, bool], bool],
    ) -> None:
        self._webhooks = []
        if settings.webhooks:
            from monitor.outputs.webhook import (
                Webhook,  # the HTTP client costs those nothing who do not use it
            )

            self._webhooks = [
                Webhook(hook, instance, settings.cool_down_s) for hook in settings.webhooks
            ]
        self._views = JournalViews(path)
        self._store = NoticeStore(path, [hook.name for hook in settings.webhooks])
        self._topics = AlarmTopics(instance, publish)

    def close(self) -> None:
        for webhook in self._webhooks:
            webhook.close()
        self._store.close()
        self._views.close()

    def step(self, n_connects: int, now_s: float, now_ns: int) -> float:
        """Returns the seconds until the next step is due. Raises JournalError."""
        self._topics.step(self._views, n_connects)
        delays_s = [webhook.step(self._store, now_s, now_ns) for webhook in self._webhooks]
        return min([IDLE_S, *delays_s])
