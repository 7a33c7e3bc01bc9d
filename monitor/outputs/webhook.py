"""One webhook: HTTP POST of JSON, tried until the receiver has it.

2xx: accepted. 400, 413, 415, 422: rejected for what it holds, counted and logged. Anything else, no
answer, a redirection and plain HTTP to a TLS port included: it waits in the journal and is tried
again, at growing intervals.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

import urllib3

from monitor.advice import AdviceBook
from monitor.config import ConfigError, Secret, WebhookSettings
from monitor.journal.cursors import JournalRow, Notified, RowKey
from monitor.journal.places import RowKind
from monitor.journal.views import StoredEvent
from monitor.outputs.base import Step
from monitor.outputs.notify import STATE_OF_KIND, hold, is_quiet, notice, release, take
from monitor.text import printable
from monitor.tls import client_context, is_from_tls_port, why_no_answer

LOG_PERIOD_S = 3600.0  # a receiver that is away for a night is a line an hour
MAX_ANSWER_BYTES = 4096
REJECTED = (400, 413, 415, 422)


class Known(Protocol):
    """What a webhook has told so far: its journal.cursors.Cursor."""

    def notified(self, sensor: str) -> Notified: ...

    def held(self) -> list[tuple[Notified, StoredEvent]]: ...

    def muted(self, now_ns: int) -> Container[str]: ...


class Webhook:
    """One receiver, as an output (outputs.base.Output)."""

    kinds: Sequence[RowKind] = ("event",)
    from_start = False  # a new one hears nothing of the past
    batch_rows = 1000
    log_period_s = LOG_PERIOD_S

    def __init__(
        self,
        settings: WebhookSettings,
        instance: str,
        cool_down_s: float,
        known: Known,
        advice: AdviceBook | None = None,
    ) -> None:
        """Reads the secret, touches no network. Raises ConfigError.

        advice : sent with an alarm that is raised
        """
        self.name = cursor_name(settings)
        self.title = f"Webhook {settings.name}"
        self.rejection = self.title + " rejected the notice of event {row_id}: {reason}"
        self._settings, self._instance = settings, instance
        self._known, self._advice = known, advice
        self._cool_down_ns = round(cool_down_s * 1e9)
        self._headers = {"Content-Type": "application/json", "User-Agent": "Camshaft"}
        self._read_secret()
        context = None
        if settings.tls is not None:
            context = client_context(settings.tls, f"notifications.webhooks[{settings.name}].tls")
        self._pool = urllib3.PoolManager(
            retries=False, timeout=settings.timeout_s, num_pools=1, ssl_context=context
        )

    def close(self) -> None:
        self._pool.clear()

    def _read_secret(self) -> None:
        """Anew for each request: its file may have been replaced."""
        if self._settings.authorization is not None:
            secret = _header(self._settings, self._settings.authorization)
            self._headers["Authorization"] = secret

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Held news whose time has come goes first, then the next event. Of a muted point all news
        is held.
        """
        muted = self._known.muted(now_ns)
        for known, event in self._known.held():
            if event.sensor not in muted and not is_quiet(known, now_ns, self._cool_down_ns):
                decision, after = release(known, event, now_ns)
                if decision == "hold":
                    return Step(notified={event.sensor: after})
                return self._send(event, after, known.n_held - 1)
        passed: list[RowKey] = []
        notified: dict[str, Notified] = {}
        for row in rows:
            news = row.content
            if not isinstance(news, StoredEvent) or news.kind not in STATE_OF_KIND:
                passed.append(row.key)
                continue
            known = notified.get(news.sensor) or self._known.notified(news.sensor)
            if news.sensor in muted:
                passed.append(row.key)
                notified[news.sensor] = hold(known, news)
                continue
            decision, after = take(known, news, now_ns, self._cool_down_ns)
            if decision == "hold":
                passed.append(row.key)
                notified[news.sensor] = after
            elif passed:
                break  # what is held back is settled first; this event comes again
            else:
                return self._send(news, after, known.n_held)
        return Step(passed=passed, notified=notified)

    def _send(self, event: StoredEvent, after: Notified, n_held: int) -> Step:
        advice = None if self._advice is None else self._advice.of_text(event.text)
        tree = notice(self._instance, event, n_held, advice)
        status, said = self._post(tree | self._settings.fields)
        key: RowKey = ("event", event.event_id)
        if 200 <= status < 300:
            return Step(accepted=[key], notified={event.sensor: after})
        if status in REJECTED and not is_from_tls_port(said):
            return Step(rejected={key: f"{status} {said}"}, notified={event.sensor: after})
        answer = f"answered {status} {said}" if status else f"gave no answer: {said}"
        return Step(trouble=f"{self.title} {answer}. Its notices wait in the journal.")

    def _post(self, tree: dict[str, Any]) -> tuple[int, str]:
        """Status and the beginning of the answer; (0, reason) where none came."""
        with suppress(ConfigError):  # a file that cannot be read now: the last secret stays in use
            self._read_secret()
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
            return 0, why_no_answer(error)
        return answer.status, self._without_secrets(printable(said.decode("utf-8", "replace")))

    def _without_secrets(self, said: str) -> str:
        """An answer that repeats what was asked would carry the URL's secret path into the log."""
        parts = urlsplit(self._settings.url)
        header = self._headers.get("Authorization", "")
        for secret in (parts.query, parts.path, header, header.rpartition(" ")[2]):
            said = said.replace(secret, "...") if len(secret) > 1 else said
        return said


def cursor_name(settings: WebhookSettings) -> str:
    return f"webhook.{settings.name}"


def _header(settings: WebhookSettings, authorization: Secret) -> str:
    secret = authorization.read()
    if secret and secret.isascii() and secret.isprintable():
        return secret
    raise ConfigError(
        f"notifications.webhooks[{settings.name}].authorization must be printable ASCII text."
    )
