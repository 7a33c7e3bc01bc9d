"""A journal in which alarms happen, one receiver of notices, and a clock that tests turn."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from monitor.journal.cursors import Cursor
from monitor.journal.labels import LabelStore
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.outputs.base import Output
from monitor.outputs.runner import Runner
from monitor.records.batch import Batch, Event

SENSOR = "mill 2/spindle"
START_S = 1_700_000_000.0


class AlarmPlant:
    """make : the output, from its cursor"""

    def __init__(self, path: Path, name: str, make: Callable[[Cursor], Output]) -> None:
        self.path, self.now_s = path, START_S
        self._name, self._make = name, make
        self.journal = Journal(path)
        self.restart()

    def restart(self) -> None:
        self.cursor = Cursor(self.path, self._name, ["event"], from_start=False)
        self.output = self._make(self.cursor)
        self.runner = Runner(self.output, self.cursor, jitter=lambda: 1.0)

    def happen(self, *kinds: str, sensor: str = SENSOR, text: str = "network") -> None:
        at_ns = round(self.now_s * 1e9)
        events = [Event(at_ns, sensor, kind, text, "5e3a") for kind in kinds]
        self.journal.commit(Batch(events=events))

    def acknowledge(self) -> None:
        views, store = JournalViews(self.path), LabelStore(self.path)
        (alarm,) = views.unacknowledged().values()
        store.acknowledge(alarm, "Ann", "", round(self.now_s * 1e9))
        views.close()
        store.close()

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, step by step, until nothing is due."""
        end_s = self.now_s + seconds
        while True:
            delay_s = self.runner.step(self.now_s, round(self.now_s * 1e9))
            if self.now_s + delay_s > end_s:
                self.now_s = end_s
                return
            self.now_s += delay_s

    def close(self) -> None:
        self.output.close()
        self.cursor.close()
        self.journal.close()


@dataclass
class HttpReceiver:
    """A real HTTP server that answers as it is told, and keeps what it accepts.

    n_asked : what it did not accept included
    """

    address: str = ""
    status: int = 200
    says: bytes = b"ok"
    paths: list[str] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    n_asked: int = 0


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    found = HttpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.n_asked += 1
            if 200 <= found.status < 300:
                found.got.append(json.loads(body))
                found.paths.append(self.path)
                found.headers.append(dict(self.headers))
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(found.says)))
            self.end_headers()
            self.wfile.write(found.says)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()
