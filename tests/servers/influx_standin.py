"""A strict stand-in for InfluxDB 2's /api/v2/write, with real sockets and threads.

It parses line protocol strictly, keeps each field's type, and can forward what it accepts to a real
InfluxDB 1.x. On command it answers with any status, hangs, resets the connection, or stores a
request and loses its answer.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from monitor.config import InfluxSettings, Secret
from tests.servers.strict_line_protocol import FieldValue, ParseError, Row, parse, type_name

TOKEN, ORG, BUCKET = "correct-horse", "plant", "vibration"
TRICKLE_S = 0.05  # a byte
Series = tuple[str, tuple[tuple[str, str], ...]]
CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    413: "request too large",
}
CODES |= {
    422: "unprocessable entity",
    429: "too many requests",
    500: "internal error",
    503: "unavailable",
}


@dataclass(frozen=True)
class Fault:
    """What becomes of one request. lose_answer stores it first, then resets the connection; trickle
    takes its time.
    """

    kind: Literal["answer", "trickle", "hang", "reset", "lose_answer"]
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None  # None: JSON as InfluxDB 2 words it


class InfluxStandIn:
    """The server. stored holds what was accepted: series, then time, then fields, later writes over
    earlier ones.
    """

    def __init__(
        self, forward: Callable[[bytes], tuple[int, str]] | None = None, port: int = 0
    ) -> None:
        self.faults: deque[Fault] = deque()
        self.max_body_bytes = 50_000_000
        self.stored: dict[Series, dict[int, dict[str, FieldValue]]] = {}
        self.statuses: list[int] = []  # answered so far
        self.n_requests = self.n_compressed = self.n_connections = 0
        self._types: dict[tuple[str, str], str] = {}
        self._forward = forward
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def settings(self, folder: Path, **changes: Any) -> InfluxSettings:
        """Settings of a service that writes here; the token lies in a file in `folder`."""
        token = folder / "influx-token"
        token.write_text(TOKEN + "\n")
        given = {
            "url": self.url,
            "org": ORG,
            "bucket": BUCKET,
            "token": Secret(file=token),
            "timeout_s": 2.0,
        }
        return InfluxSettings(**{**given, **changes})

    def rows(self, measurement: str) -> list[Row]:
        """What is stored of a measurement, ordered by series and time."""
        with self._lock:
            return [
                Row(measurement, dict(tags), dict(fields), time_ns)
                for (name, tags), times in sorted(self.stored.items())
                if name == measurement
                for time_ns, fields in sorted(times.items())
            ]

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_fault(self) -> Fault | None:
        with self._lock:
            self.n_requests += 1
            return self.faults.popleft() if self.faults else None

    def closing(self, timeout_s: float | None = None) -> bool:
        """Wait for the server's end."""
        return self._closing.wait(timeout_s)

    def write(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str]:
        """Status and message for a request. The checks come in InfluxDB 2's order."""
        query = parse_qs(urlsplit(handler.path).query)
        if handler.headers.get("Authorization") != f"Token {TOKEN}":
            return 401, "unauthorized access"
        if query.get("org") != [ORG]:
            return 404, f'organization name "{query.get("org", [""])[0]}" not found'
        if query.get("bucket") != [BUCKET]:
            return 404, f'bucket "{query.get("bucket", [""])[0]}" not found'
        if query.get("precision", ["ns"]) != ["ns"]:
            return 400, "this stand-in keeps nanoseconds only"
        if len(body) > self.max_body_bytes:
            return 413, "unable to read data: points batch is too large"
        try:
            rows = parse(body.decode("utf-8"))
        except (ParseError, UnicodeDecodeError) as error:
            return 400, str(error)  # and nothing is written
        with self._lock:
            return self._store(rows, body)

    def _store(self, rows: list[Row], body: bytes) -> tuple[int, str]:
        """Rows of a conflicting type are dropped, the others are written: a partial write."""
        conflicts = []
        for row in rows:
            if conflict := self._conflict(row):
                conflicts.append(conflict)
                continue
            self._types.update(
                {(row.measurement, name): type_name(value) for name, value in row.fields.items()}
            )
            self.stored.setdefault(row.series, {}).setdefault(row.time_ns, {}).update(row.fields)
        if self._forward is not None:
            status, said = self._forward(body)
            if (status == 204) == bool(conflicts):
                return (
                    500,
                    f"stand-in and real server disagree: {conflicts[:1]} against {status} {said}",
                )
        if conflicts:
            return (
                422,
                (
                    "failure writing points to database: partial write: field type conflict:"
                    f" {conflicts[0]} dropped={len(conflicts)}"
                ),
            )
        return 204, ""

    def _conflict(self, row: Row) -> str:
        for name, value in row.fields.items():
            known = self._types.get((row.measurement, name), type_name(value))
            if known != type_name(value):
                return (
                    f'input field "{name}" on measurement "{row.measurement}" is type'
                    f" {type_name(value)}, already exists as type {known}"
                )
        return ""


def _handler(standin: InfluxStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        # Else each answer waits 40 ms for the client's acknowledgement.
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            standin.n_connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
                standin.n_compressed += 1
            fault = standin.next_fault()
            if fault is None:
                status, message = standin.write(self, body)
                self._answer(status, _json(status, message), {})
            elif fault.kind in ("answer", "trickle"):
                said = _json(fault.status, "as told") if fault.body is None else fault.body
                self._answer(
                    fault.status, said, fault.headers, TRICKLE_S if fault.kind == "trickle" else 0.0
                )
            elif fault.kind == "hang":
                standin.closing()
                self.close_connection = True
            else:
                if fault.kind == "lose_answer":
                    standin.write(self, body)
                self._reset()

        def _answer(
            self, status: int, body: bytes, headers: Mapping[str, str], pause_s: float = 0.0
        ) -> None:
            standin.statuses.append(status)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if pause_s:
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    if standin.closing(pause_s):
                        return
            elif status != 204:
                self.wfile.write(body)

        def _reset(self) -> None:
            """Close with a TCP reset instead of a farewell."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def finish(self) -> None:
            if self.connection.fileno() >= 0:
                super().finish()

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, ValueError):  # the client, or _reset, closed the socket
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests look at statuses."""

    return Handler


def _json(status: int, message: str) -> bytes:
    return json.dumps({"code": CODES.get(status, "internal error"), "message": message}).encode()
