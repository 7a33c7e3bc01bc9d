"""Notices of alarms by HTTP POST of JSON, tried until the receiver has them.

2xx: accepted. 400, 413, 415, 422: rejected for what it holds, counted and
logged. Anything else, no answer, a redirection and plain HTTP to a TLS port
included: it waits in the journal and is tried again, at growing intervals.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import urllib3

from monitor.config_connections import Secret
from monitor.config_outputs import WebhookSettings
from monitor.outputs.notices import Answer, Known, NoticeRules, Notices
from monitor.outputs.templates import BODIES, address, has_taken
from monitor.settings import ConfigError
from monitor.text import printable
from monitor.tls import client_context, is_from_tls_port, why_no_answer

MAX_ANSWER_BYTES = 4096
REJECTED = (400, 413, 415, 422)


class Webhook(Notices):
    """Posts notices to one address."""

    def __init__(self, settings: WebhookSettings, known: Known, rules: NoticeRules) -> None:
        """Reads the secrets, touches no network. Raises ConfigError."""
        super().__init__(cursor_name(settings), f"Webhook {settings.name}", known, rules)
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
