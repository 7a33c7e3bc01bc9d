"""Every event as a line of syslog (RFC 5424): a datagram each (RFC 5426), or framed by its length
on a stream (RFC 6587), encrypted (RFC 5425) or not.

Syslog answers nothing: a line counts as accepted once it is handed to the
network.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from monitor.config_connections import TlsSettings
from monitor.config_outputs import SYSLOG_PORTS, SyslogSettings
from monitor.journal.cursors import JournalRow, RowKey
from monitor.journal.places import RowKind
from monitor.journal.views import StoredEvent
from monitor.outputs.base import Step
from monitor.records.batch import TROUBLES
from monitor.text import printable
from monitor.times import iso
from monitor.tls import client_context, explain

FACILITIES = {"user": 1, "daemon": 3} | {f"local{n}": 16 + n for n in range(8)}
ERROR, WARNING, NOTICE = 3, 4, 5
MAX_BYTES = 2048  # every receiver should take messages of this length (RFC 5424, 6.1)
MAX_TEXT_CHARS = 1800
BOM = "\ufeff"  # says that the text is UTF-8


class Syslog:
    """One server, as an output (outputs.base.Output)."""

    kinds: Sequence[RowKind] = ("event",)
    from_start = False
    batch_rows = 100
    rejection = ""  # it refuses nothing
    log_period_s = 3600.0

    def __init__(self, settings: SyslogSettings) -> None:
        """Touches no network. Raises ConfigError."""
        self.name = f"syslog.{settings.name}"
        self.title = f"Syslog {settings.name}"
        self._settings = settings
        self._scheme = urlsplit(settings.address).scheme
        self._context: ssl.SSLContext | None = None
        if self._scheme == "tls":
            section = f"notifications.syslog[{settings.name}].tls"
            self._context = client_context(settings.tls or TlsSettings(), section)
        self._link: socket.socket | None = None

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """All rows, until one cannot be sent."""
        accepted: list[RowKey] = []
        for row in rows:
            if isinstance(row.content, StoredEvent):
                try:
                    self._send(line(row.content, self._settings.facility))
                except OSError as error:
                    self.close()
                    return self._stopped(accepted, error)
            accepted.append(row.key)
        return Step(accepted=accepted)

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _stopped(self, accepted: Sequence[RowKey], error: OSError) -> Step:
        why = (
            f"{self.title} cannot be reached: {printable(explain(error))}. Its events wait."
        )
        return Step(accepted=accepted, trouble=why, level=logging.WARNING)

    def _send(self, message: bytes) -> None:
        """Raises OSError."""
        if self._link is not None and self._has_gone(self._link):
            self.close()
        if self._link is None:
            self._link = self._connect()
        if self._scheme in ("tcp", "tls"):
            message = b"%d %b" % (len(message), message)
        self._link.sendall(message)

    def _has_gone(self, link: socket.socket) -> bool:
        """Whether a stream's other end has closed: what is sent then is lost without a word."""
        if self._scheme not in ("tcp", "tls"):
            return False
        link.setblocking(False)
        try:
            return link.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            link.settimeout(self._settings.timeout_s)

    def _connect(self) -> socket.socket:
        parts = urlsplit(self._settings.address)
        if self._scheme == "unix":
            return _datagrams(socket.AF_UNIX, parts.path)
        host, port = parts.hostname or "", parts.port or SYSLOG_PORTS[self._scheme]
        if self._scheme == "udp":
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            return _datagrams(found[0][0], found[0][4])
        link = socket.create_connection((host, port), self._settings.timeout_s)
        if self._context is None:
            return link
        return self._context.wrap_socket(link, server_hostname=host)


def _datagrams(family: int, where: Any) -> socket.socket:
    link = socket.socket(family, socket.SOCK_DGRAM)
    try:
        link.connect(where)
    except OSError:
        link.close()
        raise
    return link


def line(event: StoredEvent, facility: str) -> bytes:
    """One message. Control characters cannot begin another."""
    priority = FACILITIES[facility] * 8 + severity(event.kind)
    host = printable(socket.gethostname(), 255).replace(" ", "-") or "-"
    header = f"<{priority}>1 {iso(event.at_ns)} {host} camshaft {os.getpid()} {event.kind[:32]} -"
    whose = f"{event.sensor} " if event.sensor else ""
    text = printable(f"{whose}{event.kind}: {event.text}", MAX_TEXT_CHARS)
    message = f"{header} {BOM}{text}".encode()
    return message[:MAX_BYTES].decode("utf-8", "ignore").encode()


def severity(kind: str) -> int:
    if kind == "alarm_raised":
        return ERROR
    return WARNING if kind in TROUBLES else NOTICE
