"""A second kind of source, known to this file alone: a folder of messages, one file each.

    python -m tests.toy_source CONFIG FOLDER

runs the real service on it. A message that is settled is deleted; what is left
is delivered again to the next process, in order. So a kill -9 at any moment
must lose nothing and double nothing.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from monitor.config import Config
from monitor.config_file import load_config
from monitor.records.signal import Delivery, Message
from monitor.records.topic import TopicFilter
from monitor.service import Service
from monitor.sources.base import Callbacks, Connection


def write_message(folder: Path, number: int, message: Message) -> None:
    """Put a message into the folder, whole or not at all."""
    head = {"topic": message.topic, "properties": dict(message.properties)}
    body = json.dumps(head).encode() + b"\n" + message.payload
    part = folder / f"{number:06d}.part"
    part.write_bytes(body)
    part.rename(folder / f"{number:06d}.message")


class FolderSource:
    """A source (sources.base.Source) without any network."""

    def __init__(self, folder: Path, callbacks: Callbacks) -> None:
        self._folder, self._callbacks = folder, callbacks
        self._lock = threading.Lock()
        self._settled: set[str] = set()
        self._order: list[str] = []  # delivered and not yet deleted
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stopping.set()
        self._thread.join(timeout_s)

    def listen(self, topics: Sequence[TopicFilter]) -> None:
        """Everything in the folder is wanted."""

    def renew(self) -> None:
        """It has no secrets."""

    def settle(self, tokens: Sequence[object]) -> None:
        """Files go in the order of delivery, as PUBACKs do."""
        with self._lock:
            self._settled.update(token for token in tokens if isinstance(token, str))
            while self._order and self._order[0] in self._settled:
                (self._folder / self._order.pop(0)).unlink()

    @property
    def is_connected(self) -> bool:
        return True

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def connection(self) -> Connection:
        return Connection(1, is_resumed=True)

    @property
    def remembered(self) -> frozenset[str]:
        return frozenset()

    def health(self) -> Mapping[str, int | bool]:
        return {"folder_messages": len(self._order), "broker_connected": True}

    def _run(self) -> None:
        try:
            for path in self._new_files():
                self._callbacks.deliver(self._message(path))
        except Exception as error:
            self._callbacks.fail(error)

    def _new_files(self) -> Iterator[Path]:
        while not self._stopping.is_set():
            known = set(self._order) | self._settled
            fresh = [
                p for p in sorted(self._folder.glob("*.message")) if p.name not in known
            ]
            for path in fresh:
                with self._lock:
                    self._order.append(path.name)
                yield path
            if not fresh:
                self._stopping.wait(0.01)

    def _message(self, path: Path) -> Message:
        head, _, payload = path.read_bytes().partition(b"\n")
        facts = json.loads(head)
        mark = path.with_suffix(".seen")
        redelivered = mark.exists()
        mark.touch()
        delivery = Delivery(path.name, int(path.stem), redelivered)
        received_ns = time.time_ns()
        return Message(facts["topic"], payload, received_ns, facts["properties"], delivery)


def main(config: str, folder: str) -> int:
    def make(
        settings: Config, callbacks: Callbacks, remembered: frozenset[str]
    ) -> FolderSource:
        return FolderSource(Path(folder), callbacks)

    path = Path(config)
    return Service(path, load_config(path), make).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
