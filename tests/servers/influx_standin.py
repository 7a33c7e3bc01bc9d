"""A strict stand-in for InfluxDB 2's /api/v2/write, with real sockets and threads.

It parses line protocol strictly, keeps each field's type, and can forward what it accepts to a real
InfluxDB 1.x. It refuses as the servers do: malformed lines, a field of another type and rows beyond
the retention, in the words of 2.7 (v1/coordinator/points_writer.go, http/write_handler.go), of
2.7.12, of 1.8, or of 3 (influxdb3_server, http.rs). On command it answers with any status, hangs,
resets the connection, or stores a request and loses its answer.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from monitor.config_connections import Secret
from monitor.config_outputs import InfluxSettings
from tests.servers.strict_line_protocol import FieldValue, ParseError, Row, parse, type_name

TOKEN, ORG, BUCKET = "correct-horse", "plant", "vibration"
TRICKLE_S = 0.05  # a byte
Dialect = Literal["2.7", "2.7.12", "1.8", "3"]
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
        self,
        forward: Callable[[bytes], tuple[int, str]] | None = None,
        port: int = 0,
        dialect: Dialect = "2.7",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """tls : speak HTTPS by it. oldest_ns : the retention's bound; what is older is dropped."""
        self.dialect: Dialect = dialect
        self.oldest_ns: int | None = None
        self.token = TOKEN
        self.prefix = ""  # of its path, behind a proxy
        self.faults: deque[Fault] = deque()
        self.max_body_bytes = 50_000_000
        self.stored: dict[Series, dict[int, dict[str, FieldValue]]] = {}
        self.statuses: list[int] = []  # answered so far
        self.n_requests = self.n_compressed = self.n_connections = 0
        self._types: dict[tuple[str, str], str] = {}
        self._forward = forward
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", port), type("Handler", (_Handler,), {"standin": self})
        )
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

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

    def write(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to a request. The checks come in InfluxDB 2's order."""
        if refused := self._refused(handler, body):
            return refused[0], _json(*refused)
        try:
            rows = dict(enumerate(parse(body.decode("utf-8")), 1))
            faults: dict[int, tuple[str, str]] = {}
        except (ParseError, UnicodeDecodeError):
            rows, faults = _parse_lines(body.decode("utf-8", "replace"))
        if faults and self.dialect.startswith("2"):
            return 400, _json(400, _unparsable(faults))  # and nothing is written
        with self._lock:
            return self._store(rows, faults, body)

    def _refused(
        self, handler: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, str] | None:
        url = urlsplit(handler.path)
        query = parse_qs(url.query)
        if handler.headers.get("Authorization") != f"Token {self.token}":
            return 401, "unauthorized access"
        if url.path != f"{self.prefix}/api/v2/write":
            return 404, "path not found"
        if "org" not in query:
            return 400, "Please provide either orgID or org"
        if query["org"] != [ORG]:
            return 404, f'organization name "{query["org"][0]}" not found'
        if query.get("bucket") != [BUCKET]:
            return 404, f'bucket "{query.get("bucket", [""])[0]}" not found'
        if query.get("precision", ["ns"]) != ["ns"]:
            return 400, "this stand-in keeps nanoseconds only"
        if len(body) > self.max_body_bytes:
            return 413, "unable to read data: points batch is too large"
        return None

    def _store(
        self, rows: Mapping[int, Row], faults: Mapping[int, tuple[str, str]], body: bytes
    ) -> tuple[int, bytes]:
        """A partial write: what is beyond the retention, of a conflicting type or malformed is
        dropped, the other rows are stored. rows, faults : by number of the
            line, from 1.
        """
        too_old, conflicts, kept = [], {}, {}
        for number, row in rows.items():
            if self.oldest_ns is not None and row.time_ns < self.oldest_ns:
                too_old.append(row)
            elif conflict := self._conflict(row):
                conflicts[number] = conflict
            else:
                kept[number] = row
                self.keep(row)
        if self._forward is not None:
            lines = body.decode().split("\n")
            fresh = [
                line
                for line, row in zip(lines, rows.values(), strict=True)
                if row not in too_old
            ]
            status, said = self._forward("\n".join(fresh).encode()) if fresh else (204, "")
            if (status == 204) == bool(conflicts):
                told = f"{list(conflicts)[:1]} against {status} {said}"
                return 500, _json(500, f"stand-in and real server disagree: {told}")
        if self.dialect == "3":
            return _partial_write_of_3(rows, faults, conflicts, body)
        if conflicts:
            return self._partial_write(next(iter(conflicts.values())).words, len(conflicts))
        if too_old and self.dialect == "2.7.12":
            return self._partial_write(
                _retention(too_old, self.oldest_ns or 0), len(too_old)
            )
        if too_old:
            return self._partial_write("points beyond retention policy", len(too_old))
        if faults:
            return self._partial_write(_unparsable(faults), 0)
        return 204, b""

    def _partial_write(self, reason: str, n_dropped: int) -> tuple[int, bytes]:
        words = f"partial write: {reason} dropped={n_dropped}"
        if self.dialect == "1.8":
            return 400, json.dumps({"error": words}).encode()
        if self.dialect == "2.7.12":
            words += " for database: 9f282d63c7d3a5c0 for retention policy: autogen"
        return 422, _json(422, f"failure writing points to database: {words}")

    def keep(self, row: Row) -> None:
        """Store a row, and the types of its fields."""
        self._types.update(
            {
                (row.measurement, name): type_name(value)
                for name, value in row.fields.items()
            }
        )
        self.stored.setdefault(row.series, {}).setdefault(row.time_ns, {}).update(
            row.fields
        )

    def forget_types(self) -> None:
        """As in a new shard."""
        self._types.clear()

    def _conflict(self, row: Row) -> Conflict | None:
        for name, value in row.fields.items():
            known = self._types.get((row.measurement, name), type_name(value))
            if known != type_name(value):
                return Conflict(row.measurement, name, type_name(value), known)
        return None


@dataclass(frozen=True)
class Conflict:
    measurement: str
    field: str
    sent: str
    stored: str

    @property
    def words(self) -> str:
        return (
            f'field type conflict: input field "{self.field}" on measurement "{self.measurement}"'
            f" is type {self.sent}, already exists as type {self.stored}"
        )

    @property
    def words_of_3(self) -> str:
        kind = "iox::column_type::field::"
        return (
            f"invalid column type for column '{self.field}', expected {kind}{self.stored},"
            f" got {kind}{self.sent}"
        )


def _parse_lines(body: str) -> tuple[dict[int, Row], dict[int, tuple[str, str]]]:
    """Rows, and lines that are none with the reason, by number from 1."""
    rows, faults = {}, {}
    for number, line in enumerate(body.split("\n"), 1):
        try:
            (rows[number],) = parse(line)
        except ParseError as error:
            faults[number] = line, str(error).rpartition(": ")[2]
    return rows, faults


def _unparsable(faults: Mapping[int, tuple[str, str]]) -> str:
    return "\n".join(f"unable to parse '{line}': {why}" for line, why in faults.values())


def _partial_write_of_3(
    rows: Mapping[int, Row],
    faults: Mapping[int, tuple[str, str]],
    conflicts: Mapping[int, Conflict],
    body: bytes,
) -> tuple[int, bytes]:
    refused = {number: why for number, (_, why) in faults.items()}
    refused |= {number: conflict.words_of_3 for number, conflict in conflicts.items()}
    if not refused:
        return 204, b""
    lines = body.decode("utf-8", "replace").split("\n")
    data = [
        {
            "original_line": lines[number - 1][:64],
            "line_number": number,
            "error_message": why,
        }
        for number, why in sorted(refused.items())
    ]
    said = {"error": "partial write of line protocol occurred", "data": data}
    return 400, json.dumps(said).encode()


def _retention(dropped: list[Row], oldest_ns: int) -> str:
    """In the words of 2.7.12."""

    def told(which: str, row: Row) -> str:
        tags = "".join(f",{key}={text}" for key, text in sorted(row.tags.items()))
        return (
            f"{which} point {row.measurement}{tags} at {_go_time(row.time_ns)} dropped because it"
            f" violates a Retention Policy Lower Bound at {_go_time(oldest_ns)}"
        )

    ends = sorted(dropped, key=lambda row: row.time_ns)
    return (
        f"dropped {len(dropped)} points outside retention policy of duration 72h0m0s -"
        f" {told('oldest', ends[0])}, {told('newest', ends[-1])}"
    )


def _go_time(time_ns: int) -> str:
    """RFC 3339 as Go writes it: the fraction's last zeros are cut."""
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    fraction = f".{time_ns % 10**9:09d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


class _Handler(BaseHTTPRequestHandler):
    standin: InfluxStandIn  # of the subclass that each stand-in makes
    protocol_version = "HTTP/1.1"
    timeout = 30
    # Else each answer waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.standin.n_connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
            self.standin.n_compressed += 1
        fault = self.standin.next_fault()
        if fault is None:
            status, said = self.standin.write(self, body)
            self._answer(status, said, {})
        elif fault.kind in ("answer", "trickle"):
            said = _json(fault.status, "as told") if fault.body is None else fault.body
            pause_s = TRICKLE_S if fault.kind == "trickle" else 0.0
            self._answer(fault.status, said, fault.headers, pause_s)
        elif fault.kind == "hang":
            self.standin.closing()
            self.close_connection = True
        else:
            if fault.kind == "lose_answer":
                self.standin.write(self, body)
            self._reset()

    def _answer(
        self, status: int, body: bytes, headers: Mapping[str, str], pause_s: float = 0.0
    ) -> None:
        self.standin.statuses.append(status)
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
                if self.standin.closing(pause_s):
                    return
        elif status != 204:
            self.wfile.write(body)

    def _reset(self) -> None:
        """Close with a TCP reset instead of a farewell."""
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
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


def _json(status: int, message: str) -> bytes:
    return json.dumps(
        {"code": CODES.get(status, "internal error"), "message": message}
    ).encode()
