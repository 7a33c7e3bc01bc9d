"""Notices of alarms: what is due for one receiver, and a webhook, which gets it by HTTP POST of
JSON, tried until the receiver has it.

2xx: accepted. 400, 413, 415, 422: rejected for what it holds, counted and
logged. Anything else, no answer, a redirection and plain HTTP to a TLS port
included: it waits in the journal and is tried again, at growing intervals.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import urllib3

from monitor.advice import Advice, AdviceBook
from monitor.config_connections import Secret
from monitor.config_outputs import WebhookSettings
from monitor.journal.cursors import JournalRow, Notified, RowKey
from monitor.journal.places import RowKind
from monitor.journal.views import StoredEvent
from monitor.outputs.base import Step
from monitor.outputs.notify import (
    STATE_OF_KIND,
    hold,
    is_quiet,
    notice,
    release,
    reminder,
    take,
)
from monitor.outputs.templates import BODIES, address, has_taken
from monitor.settings import ConfigError
from monitor.text import printable
from monitor.tls import client_context, is_from_tls_port, why_no_answer

LOOK_NS = 60 * 10**9  # between two looks for alarms to remind of
LOG_PERIOD_S = 3600.0  # a receiver that is away for a night is a line an hour
MAX_ANSWER_BYTES = 4096
REJECTED = (400, 413, 415, 422)


class Known(Protocol):
    """What a receiver was told so far: its journal.cursors.Cursor."""

    def notified(self, sensor: str) -> Notified: ...

    def held(self) -> list[tuple[Notified, StoredEvent]]: ...

    def muted(self, now_ns: int) -> Container[str]: ...

    def named_since(self, event: StoredEvent) -> tuple[str, str]: ...

    def unanswered(
        self, before_ns: int, now_ns: int
    ) -> list[tuple[Notified, StoredEvent]]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one notice.

    is_accepted, is_refused : the receiver has it; it refuses it for what it
        holds. Neither: it is tried again
    said : what the receiver answered, or why it did not; printable
    left_out : who did not get it although it was accepted, one sentence
    """

    is_accepted: bool
    said: str
    is_refused: bool = False
    left_out: str = ""


class Notices:
    """One receiver of notices, as an output (outputs.base.Output). _tell() sends one."""

    kinds: Sequence[RowKind] = ("event",)
    from_start = False  # a new one hears nothing of the past
    batch_rows = 1000
    log_period_s = LOG_PERIOD_S

    def __init__(
        self,
        name: str,
        title: str,
        instance: str,
        cool_down_s: float,
        known: Known,
        *,
        remind_s: float | None = None,
        page_url: str | None = None,
        advice: AdviceBook | None = None,
    ) -> None:
        """advice : sent with an alarm that is raised, and where its cause gets a name"""
        self.name, self.title = name, title
        self.rejection = self.title + " rejected the notice of event {row_id}: {reason}"
        self._instance, self._page_url = instance, page_url
        self._known, self._advice = known, advice
        self._cool_down_ns = round(cool_down_s * 1e9)
        self._remind_ns = None if remind_s is None else round(remind_s * 1e9)
        self._look_ns = 0  # for alarms to remind of

    def close(self) -> None:
        """Nothing is open, unless a receiver says so."""

    def _tell(self, tree: dict[str, Any]) -> Answer:
        """Send one notice, and wait for the answer within a bounded time."""
        raise NotImplementedError

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Held news whose time has come goes first, then the next event. Of a muted point all news
        is held.
        """
        muted = self._known.muted(now_ns)
        for known, event in self._known.held():
            if event.sensor not in muted and not is_quiet(
                known, now_ns, self._cool_down_ns
            ):
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
        if not rows:
            return self._remind(now_ns, muted)
        return Step(passed=passed, notified=notified)

    def _remind(self, now_ns: int, muted: Container[str]) -> Step:
        """Tell again of an alarm that stands, where nobody has acknowledged it for long."""
        if self._remind_ns is None or 0 <= self._look_ns - now_ns <= LOOK_NS:
            return Step()
        for known, event in self._known.unanswered(now_ns - self._remind_ns, now_ns):
            if event.sensor not in muted:
                after = replace(known, raised_ns=now_ns)
                return self._send(event, after, 0, is_reminder=True)
        self._look_ns = now_ns + LOOK_NS
        return Step()

    def _send(
        self, event: StoredEvent, after: Notified, n_held: int, is_reminder: bool = False
    ) -> Step:
        tree = notice(self._instance, event, n_held, self._advice_on(event)) | {
            "link": self._link(event.sensor)
        }
        answer = self._tell(reminder(tree) if is_reminder else tree)
        key: RowKey = ("event", event.event_id)
        told = {event.sensor: after}
        if answer.is_accepted:
            return Step(accepted=[key], notified=told, left_out=answer.left_out)
        if answer.is_refused:
            return Step(rejected={key: answer.said}, notified=told)
        return Step(trouble=f"{self.title} {answer.said}. Its notices wait in the journal.")

    def _advice_on(self, event: StoredEvent) -> Advice | None:
        if self._advice is None:
            return None
        return self._advice.of_text(*self._known.named_since(event), event.text)

    def _link(self, sensor: str) -> str | None:
        """To the point on the page, where its address is known."""
        if self._page_url is None:
            return None
        return f"{self._page_url.rstrip('/')}/#/point/{quote(sensor, safe='')}"


class Webhook(Notices):
    """Posts notices to one address."""

    def __init__(
        self,
        settings: WebhookSettings,
        instance: str,
        cool_down_s: float,
        known: Known,
        *,
        remind_s: float | None = None,
        page_url: str | None = None,
        advice: AdviceBook | None = None,
    ) -> None:
        """Reads the secrets, touches no network. Raises ConfigError."""
        super().__init__(
            cursor_name(settings),
            f"Webhook {settings.name}",
            instance,
            cool_down_s,
            known,
            remind_s=remind_s,
            page_url=page_url,
            advice=advice,
        )
        self._settings = settings
        self._headers = {"Content-Type": "application/json", "User-Agent": "Camshaft"}
        self._key = ""
        self._read_secrets()
        context = None
        if settings.tls is not None:
            context = client_context(
                settings.tls, f"notifications.webhooks[{settings.name}].tls"
            )
        self._pool = urllib3.PoolManager(
            retries=False, timeout=settings.timeout_s, num_pools=1, ssl_context=context
        )

    def close(self) -> None:
        self._pool.clear()

    def _read_secrets(self) -> None:
        """Anew for each request: their files may have been replaced."""
        if self._settings.authorization is not None:
            secret = _header(self._settings, self._settings.authorization)
            self._headers["Authorization"] = secret
        if self._settings.routing_key is not None:
            self._key = self._settings.routing_key.read().strip()

    def _tell(self, tree: dict[str, Any]) -> Answer:
        settings = self._settings
        # a file that cannot be read now: the last secret stays in use
        with suppress(ConfigError):
            self._read_secrets()
        body = BODIES[settings.template](tree, settings.url, self._key) | settings.fields
        status, said = self._post(body)
        if 200 <= status < 300:
            if has_taken(settings.template, said):
                return Answer(True, said)
            said = f"{said[:80]!r}, which is not what {settings.template} says: is the URL right"
        elif status in REJECTED and not is_from_tls_port(said):
            return Answer(False, f"{status} {said}", is_refused=True)
        answer = f"answered {status} {said}" if status else f"gave no answer: {said}"
        return Answer(False, answer)

    def _post(self, tree: dict[str, Any]) -> tuple[int, str]:
        """Status and the beginning of the answer; (0, reason) where none came."""
        body = json.dumps(tree).encode()
        try:
            answer = self._pool.request(
                "POST",
                address(self._settings.template, self._settings.url),
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
        return answer.status, self._without_secrets(
            printable(said.decode("utf-8", "replace"))
        )

    def _without_secrets(self, said: str) -> str:
        """An answer that repeats what was asked would carry the URL's secret path into the log."""
        parts = urlsplit(self._settings.url)
        header = self._headers.get("Authorization", "")
        for secret in (
            parts.query,
            parts.path,
            header,
            header.rpartition(" ")[2],
            self._key,
        ):
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
