"""Another machine's page over HTTP: one request a connection, bounded in time and size. The token
goes to the configured address alone: no redirection is followed.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from monitor.config_connections import TlsSettings
from monitor.config_page import InstanceSettings
from monitor.page.remote_views import parsed
from monitor.settings import ConfigError
from monitor.text import printable
from monitor.tls import client_context, explain

CONNECT_S = 5.0
ANSWER_S = 20.0  # for a whole answer
SILENT_S = 10.0  # a page that is heard says something every 3 s
MAX_BYTES = 32 << 20  # of an answer, or of one message of the stream
PIECE_BYTES = 1 << 16
MAX_SENTENCE = 300
TOO_LATE = "no answer in time"


class RemoteError(Exception):
    """No answer that can be used; str() is one clause.

    status : of HTTP, what the browser gets for it
    """

    def __init__(self, text: str, status: int = 502) -> None:
        super().__init__(text)
        self.status = status

    def of(self, name: str) -> str:
        """A sentence for whoever asked."""
        said = name if self.status < 500 else f"{name} does not answer"
        return f"{said}: {str(self).removesuffix('.')}."


class RemotePage:
    """Asks. Safe for many threads."""

    def __init__(self, settings: InstanceSettings) -> None:
        """Raises ConfigError: the token or a file of tls cannot be read."""
        assert settings.url is not None
        assert settings.token is not None  # the settings have checked both
        self.url = settings.url.rstrip("/") + "/"
        self._token = settings.token
        self._authorization()
        parts = urlsplit(self.url)
        self._host, self._port, self._path = parts.hostname or "", parts.port, parts.path
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            section = f"page.instances[{settings.name}].tls"
            self._context = client_context(settings.tls or TlsSettings(), section)

    def ask(self, address: str) -> tuple[str, bytes]:
        """The kind of an answer, and its bytes. Raises RemoteError."""
        with self._asked(address, ANSWER_S, ANSWER_S) as answer:
            body = bytearray()
            while piece := answer.read1(PIECE_BYTES):
                body += piece
                _check_size(body)
            if answer.length:
                raise RemoteError("its answer broke off")
            return answer.headers.get_content_type(), bytes(body)

    def messages(self, address: str) -> Iterator[tuple[str, bytes]]:
        """Server-sent events as they come, by name, until it ends. Raises RemoteError, also where
        nothing whole was heard for SILENT_S.
        """
        with self._asked(address, SILENT_S, None) as answer:
            if answer.headers.get_content_type() != "text/event-stream":
                raise RemoteError("its answer is no stream of events")
            heard_s, waiting = time.monotonic(), bytearray()
            while piece := answer.read1(PIECE_BYTES):
                waiting += piece
                if b"\n\n" in waiting[-len(piece) - 1 :]:
                    *whole, rest = bytes(waiting).split(b"\n\n")
                    heard_s, waiting = time.monotonic(), bytearray(rest)
                    yield from map(_message, whole)
                _check_size(waiting)
                if time.monotonic() - heard_s > SILENT_S:
                    raise RemoteError("no whole message in time")

    @contextmanager
    def _asked(
        self, address: str, head_s: float, body_s: float | None
    ) -> Iterator[HTTPResponse]:
        """head_s, body_s : until its head, and until all of it, must have come"""
        link = self._link()
        limit = _Limit(head_s if body_s is None else body_s)
        try:
            link.connect()
            limit.begin(link.sock)
            head = {"Authorization": self._authorization()}
            link.request("GET", self._path + address, headers=head)
            with link.getresponse() as answer:
                _check_status(answer)
                if body_s is None:
                    limit.cancel()
                yield answer
        except (HTTPException, OSError, ValueError) as error:
            why = TOO_LATE if limit.is_over else _why(error)
            raise RemoteError(why, 504) from error
        except ConfigError as error:
            raise RemoteError(f"its token cannot be read: {error}") from error
        finally:
            limit.cancel()
            link.close()
        if limit.is_over:
            raise RemoteError(TOO_LATE, 504)

    def _authorization(self) -> str:
        """Read at each request: a token that is replaced counts at once. Raises ConfigError."""
        text = self._token.read().strip()
        if not (text.isascii() and text.isprintable()):
            raise ConfigError("page.instances: a token must be printable ASCII text.")
        return f"Bearer {text}"

    def _link(self) -> HTTPConnection:
        if self._context is None:
            return HTTPConnection(self._host, self._port, timeout=CONNECT_S)
        return HTTPSConnection(
            self._host, self._port, timeout=CONNECT_S, context=self._context
        )


class _Limit:
    """Ends a connection after a time, however slowly something still comes."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self.is_over = seconds, False
        self._timer: threading.Timer | None = None

    def begin(self, sock: socket.socket) -> None:
        sock.settimeout(min(self._seconds, SILENT_S))
        self._timer = threading.Timer(self._seconds, self._end, (sock,))
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, sock: socket.socket) -> None:
        self.is_over = True
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def _check_size(waiting: bytearray) -> None:
    if len(waiting) > MAX_BYTES:
        raise RemoteError(f"its answer has more than {MAX_BYTES >> 20} MiB")


def _check_status(answer: HTTPResponse) -> None:
    if answer.status == 200:
        return
    if answer.status in (401, 403):
        raise RemoteError(f"it refuses the token: {_sentence(answer)}")
    if answer.status in (400, 404):
        raise RemoteError(_sentence(answer), answer.status)
    raise RemoteError(f"it answers {answer.status}: {_sentence(answer)}")


def _sentence(answer: HTTPResponse) -> str:
    """Why it refuses, if it says so."""
    try:
        tree = parsed(answer.read(PIECE_BYTES))
    except ValueError:
        return f"status {answer.status}"
    said = tree.get("error") if isinstance(tree, dict) else None
    return printable(said[:MAX_SENTENCE]) if isinstance(said, str) else "no sentence"


def _message(text: bytes) -> tuple[str, bytes]:
    """Of "event: NAME" and "data: JSON", as page.feed writes them."""
    event, _, data = text.partition(b"\n")
    if not event.startswith(b"event: ") or not data.startswith(b"data: ") or b"\n" in data:
        raise RemoteError("its stream of events cannot be read")
    return event[7:].decode("ascii", "replace"), data[6:]


def _why(error: Exception) -> str:
    if isinstance(error, HTTPException):
        return "its answer is no HTTP"
    return printable(explain(error))
