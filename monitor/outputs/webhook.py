"""One webhook: HTTP POST of JSON, tried until the receiver has it.

2xx: accepted. 400, 413, 415, 422: rejected for what it holds, counted and logged. Anything else, no
answer and a redirection included: it waits in the journal and is tried again, at growing intervals.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from typing import Any

import urllib3

from monitor.config import ConfigError, WebhookSettings
from monitor.journal.notices import NoticeStore
from monitor.journal.views import StoredEvent
from monitor.outputs.notify import Told, notice, release, take
from monitor.outputs.retry import Backoff
from monitor.text import printable

IDLE_S = 1.0
MAX_ANSWER_BYTES = 4096
REJECTED = (400, 413, 415, 422)
MAX_HOLDS_PER_STEP = 1000

log = logging.getLogger(__name__)


class Webhook:
    """Feeds one receiver from the journal; one caller's thread asks for one step after another."""

    def __init__(
        self,
        settings: WebhookSettings,
        instance: str,
        cool_down_s: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Reads the secret, touches no network. Raises ConfigError."""
        self._settings, self._instance = settings, instance
        self._cool_down_ns = round(cool_down_s * 1e9)
        self._jitter = jitter
        self._headers = {"Content-Type": "application/json", "User-Agent": "Camshaft"}
        if settings.authorization is not None:
            secret = settings.authorization.read()
            if not (secret.isascii() and secret.isprintable() and secret):
                raise ConfigError(
                    f"notifications.webhooks[{settings.name}].authorization must be printable ASCII"
                    " text."
                )
            self._headers["Authorization"] = secret
        self._pool = urllib3.PoolManager(retries=False, timeout=settings.timeout_s, num_pools=1)
        self._backoff = Backoff()
        self._not_before_s = float("-inf")
        self._failing = False

    def close(self) -> None:
        self._pool.clear()

    def step(self, store: NoticeStore, now_s: float, now_ns: int) -> float:
        """Send one request at most. now_s: a clock that never jumps. Returns the seconds until the
        next step is due.
        """
        if now_s < self._not_before_s:
            return self._not_before_s - now_s
        for _ in range(MAX_HOLDS_PER_STEP):
            found = self._next(store, now_ns)
            if found is None:
                return IDLE_S
            event, decision, told, n_held = found
            if decision == "send":
                return self._send(store, event, told, n_held, now_s)
            store.settle(self._settings.name, event, told)
        return 0.0

    def _next(self, store: NoticeStore, now_ns: int) -> tuple[StoredEvent, str, Told, int] | None:
        """Held news whose time has come, else the next event."""
        name = self._settings.name
        for told, event in store.held(name):
            if not told.quiet(now_ns, self._cool_down_ns):
                return event, *release(told, event, now_ns), told.n_held - 1
        event_ = store.next_event(name)
        if event_ is None:
            return None
        told = store.told(name, event_.sensor)
        return event_, *take(told, event_, now_ns, self._cool_down_ns), told.n_held

    def _send(
        self, store: NoticeStore, event: StoredEvent, told: Told, n_held: int, now_s: float
    ) -> float:
        status, said = self._post(notice(self._instance, event, n_held) | self._settings.fields)
        name = self._settings.name
        if 200 <= status < 300:
            if self._failing:
                log.info("Webhook %s takes notices again.", name)
            store.settle(name, event, told, accepted=1)
        elif status in REJECTED:
            log.error(
                "Webhook %s rejected the notice of event %d: %d %s",
                name,
                event.event_id,
                status,
                said,
            )
            store.settle(name, event, told, rejected=1)
        else:
            return self._wait(status, said, now_s)
        self._failing = False
        self._backoff.after_success()
        return 0.0

    def _wait(self, status: int, said: str, now_s: float) -> float:
        if not self._failing:
            answer = f"answered {status} {said}" if status else f"gave no answer: {said}"
            log.warning(
                "Webhook %s %s. Its notices wait in the journal.", self._settings.name, answer
            )
        self._failing = True
        delay_s = self._backoff.after_failure(None, self._jitter())
        self._not_before_s = now_s + delay_s
        return delay_s

    def _post(self, tree: dict[str, Any]) -> tuple[int, str]:
        """Status and the beginning of the answer; (0, reason) where none came."""
        body = json.dumps(tree).encode()
        try:
            answer = self._pool.request(
                "POST",
                self._settings.url,
                body=body,
                headers=self._headers,
                redirect=False,
                preload_content=False,
            )
            try:
                said = answer.read(MAX_ANSWER_BYTES)
            finally:
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return 0, printable(f"{type(error).__name__}: {error}")
        return answer.status, printable(said.decode("utf-8", "replace"))
