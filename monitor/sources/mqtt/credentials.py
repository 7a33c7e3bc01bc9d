"""Login and TLS towards the broker, read again before every connection: whoever rotates a password
or a certificate changes files, and does not restart us.
"""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho

from monitor.config import MqttSettings
from monitor.config_connections import TlsSettings
from monitor.tls import client_context


class RenewableContext(ssl.SSLContext):
    """paho takes one context for good. This one wraps each socket by the newest."""

    current: ssl.SSLContext

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        return self.current.wrap_socket(*arguments, **options)


class Credentials:
    """What the configuration names, as last read. Raises ConfigError where it cannot be used."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._password = _password(settings)
        self._digest = _files_digest(settings.tls)
        self._context: RenewableContext | None = None
        if settings.tls is not None:
            self._context = RenewableContext(ssl.PROTOCOL_TLS_CLIENT)
            self._context.current = client_context(settings.tls)

    def renew(self) -> list[str]:
        """Read everything again. Returns what has changed, by its key in the configuration.

        Raises ConfigError where a file cannot be used; what was read before
        then stays.
        """
        changed = []
        password = _password(self._settings)
        if password != self._password:
            self._password = password
            changed.append("mqtt.password")
        digest = _files_digest(self._settings.tls)
        if self._settings.tls is not None and digest != self._digest:
            assert self._context is not None
            self._context.current = client_context(self._settings.tls)
            self._digest = digest
            changed.append("mqtt.tls")
        return changed

    def give(self, client: paho.Client) -> None:
        """Let the client use them at its next connection."""
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._password)

    def secure(self, client: paho.Client) -> None:
        """Let the client use TLS where it is configured. Once for each client."""
        if self._context is not None:
            client.tls_set_context(self._context)


def _password(settings: MqttSettings) -> str | None:
    return settings.password.read() if settings.password else None


def _files_digest(tls: TlsSettings | None) -> bytes:
    """Of the files' contents: a file that was only touched is no news."""
    digest = hashlib.sha256()
    if tls is not None:
        for path in (tls.ca_file, tls.certificate_file, tls.key_file):
            digest.update(_content(path))
    return digest.digest()


def _content(path: Path | None) -> bytes:
    """b"" where it cannot be read: the context says why."""
    try:
        return b"" if path is None else path.read_bytes()
    except OSError:
        return b""
