"""What tests of Kafka as a source share: records as `camshaft forward` writes them, and the service
that reads them.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import yaml
from confluent_kafka import Producer

from monitor.journal.schema import JournalError
from monitor.journal.views import JournalViews
from monitor.kafka.client import PARTITIONER
from monitor.kafka.record import headers_of
from monitor.records.books import Books
from monitor.records.signal import Delivery, Message
from monitor.records.verdict import Verdict
from tests.servers.child import start_child
from tests.servers.kafka import Kafka, MockKafka
from tests.servers.mosquitto import wait_until
from tests.servers.recording import Cut, Recording
from tests.servers.service import RowKey, assert_same_rows, configuration, taken


def kafka_configuration(
    brokers: str, recording: Recording, topic: str, partition: int | None, **changes: Any
) -> dict[str, Any]:
    """`changes` replace whole keys, those of kafka single ones."""
    kafka = {"brokers": brokers.split(","), "topic": topic} | changes.pop("kafka", {})
    if partition is not None:
        kafka["partition"] = partition
    found = configuration(1, recording, **changes)
    return {**found, "source": "kafka", "kafka": kafka}


ANY = -1  # the key decides


class Recorder:
    """Writes messages to a topic, each by its sensor's key."""

    def __init__(self, kafka: Kafka | MockKafka, topic: str) -> None:
        client = kafka.client(acks="all", enable_idempotence=True)
        self._producer = Producer({**client, "partitioner": PARTITIONER})
        self._topic = topic

    def send(
        self,
        cut: Cut,
        partition: int | None = None,
        *,
        packet: int | None = None,
        again: bool = False,
    ) -> None:
        """packet : MQTT's number. again : MQTT marked it as a repeat"""
        delivery = None if packet is None else Delivery(None, packet, again)
        message = Message(cut.topic, cut.payload, 0, dict(cut.properties), delivery)
        self._producer.produce(
            self._topic,
            cut.payload,
            cut.sensor,
            headers=headers_of(message),  # type: ignore[arg-type]
            partition=ANY if partition is None else partition,
        )
        self._producer.poll(0)

    def play(self, cuts: Iterable[Cut], partition: int | None = None) -> None:
        for cut in cuts:
            self.send(cut, partition)
        self.flush()

    def flush(self) -> None:
        assert self._producer.flush(30) == 0


def rows_of(path: Path) -> dict[RowKey, Verdict]:
    with closing(JournalViews(path)) as reader:
        return {
            (v.sensor, v.segment, v.first_sample, v.n_samples): v
            for v in (row.verdict for row in reader.rows())
        }


class Members:
    """Members of one group on this machine, with one folder of journals. Use it as a context
    manager.
    """

    def __init__(self, folder: Path, config: dict[str, Any], n_partitions: int) -> None:
        self.folder, self._n_partitions = folder, n_partitions
        folder.mkdir(parents=True, exist_ok=True)
        self.config_path = folder / "camshaft.yaml"
        self.config_path.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        with self.log_path(name).open("ab") as log:
            words = [sys.executable, "-m", "monitor.cli", "run"]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            command = [*words, "-c", str(self.config_of(name))]
            child = start_child(command, log, environment, has_children=True)
            self.processes[name] = child

    def config_of(self, name: str) -> Path:
        """The same of all."""
        return self.config_path

    def log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def log(self, name: str) -> str:
        path = self.log_path(name)
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def signal(self, name: str, number: int) -> None:
        self.processes[name].send_signal(number)

    def stop(self, name: str) -> int:
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(40)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait(10)

    def kill_all(self, name: str) -> None:
        """With the processes of its partitions."""
        pids = self.children(name).values()
        self.kill(name)
        for pid in pids:
            signal_child(pid, signal.SIGKILL)

    def children(self, name: str) -> dict[int, int]:
        """By partition: the process that served it last, as far as the log of the member says."""
        found = {}
        pattern = r"Partition (\d+) is served by process (\d+)"
        for partition, pid in re.findall(pattern, self.log(name)):
            found[int(partition)] = int(pid)
        return found

    def journals(self) -> Iterator[Path]:
        for partition in range(self._n_partitions):
            path = self.folder / f"camshaft-{partition}.journal"
            if path.exists():
                yield path

    def n_taken(self) -> int:
        """Samples received for the first time, in all journals."""
        return sum(
            taken(books, sensor) for books in self.books() for sensor in books.samples
        )

    def books(self) -> list[Books]:
        found = []
        for path in self.journals():
            with contextlib.suppress(JournalError), closing(JournalViews(path)) as reader:
                found.append(reader.books())
        return found

    def wait_taken(self, recording: Recording, timeout_s: float = 90.0) -> None:
        n = recording.n_samples * recording.n_sensors
        wait_until(lambda: self.n_taken() >= n, timeout_s, "all samples are taken")

    def rows(self) -> dict[RowKey, Verdict]:
        """Of all partitions; none has a row of another's sensor."""
        found: dict[RowKey, Verdict] = {}
        for path in self.journals():
            rows = rows_of(path)
            assert not rows.keys() & found.keys(), "double rows"
            found |= rows
        return found

    def check_books(self) -> None:
        for books in self.books():
            assert not books.imbalance(), f"samples do not add up: {books.imbalance()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()  # its children see the end of their pipe
            process.wait(10)


def signal_child(pid: int, number: int) -> None:
    """To a process of ours: the pids in the log of a member may be of those long gone."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"--partition" in command:
            os.kill(pid, number)


class Machines(Members):
    """Members of one group that share no storage: each has its journals in a folder of its own."""

    def __init__(self, folder: Path, config: dict[str, Any], n_partitions: int) -> None:
        super().__init__(folder, config, n_partitions)
        self._n_lost = 0

    def folder_of(self, name: str) -> Path:
        found = self.folder / name
        found.mkdir(exist_ok=True)
        return found

    def config_of(self, name: str) -> Path:
        path = self.folder_of(name) / self.config_path.name
        path.write_bytes(self.config_path.read_bytes())
        return path

    def lose(self, name: str) -> None:
        """The member is killed with all its processes, and its journals are gone. They are kept
        aside, for their rows may have been told.
        """
        self.kill_all(name)
        self.folder_of(name).rename(self.folder / f"lost-{self._n_lost}")
        self._n_lost += 1

    def journals(self) -> Iterator[Path]:
        """Those that were lost, too."""
        yield from sorted(self.folder.glob("*/camshaft-*.journal"))

    def n_taken(self) -> int:
        """The owner of now has taken over what the ones before had taken."""
        most: Counter[str] = Counter()
        for books in self.books():
            most |= Counter({sensor: taken(books, sensor) for sensor in books.samples})
        return most.total()

    def rows(self) -> dict[RowKey, Verdict]:
        """Of all journals: of one window all say the same."""
        found: dict[RowKey, Verdict] = {}
        for path in self.journals():
            rows = rows_of(path)
            both = rows.keys() & found.keys()
            assert_same_rows({k: rows[k] for k in both}, {k: found[k] for k in both})
            found |= rows
        return found
