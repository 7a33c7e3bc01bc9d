"""The real service as a child process: configured, started, watched through its journal, stopped,
killed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import yaml

from monitor.journal.commissioning import CommissioningStore, Request
from monitor.journal.schema import JournalError
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.records.books import Books
from monitor.records.commissioned import Commissioned
from monitor.records.verdict import Status, Verdict
from tests.servers.child import run_child, start_child
from tests.servers.influx_standin import BUCKET, ORG, TOKEN
from tests.servers.mosquitto import wait_until
from tests.servers.recording import TOPIC, Recording

RowKey = tuple[str, int, int, int]  # sensor, segment, first sample, number of samples
START_S = 30.0
NEVER_S = 3600.0  # an expected period that no test waits for

# Recordings are of 2023. By default hours are kept for three years: since November 2026 no more.
KEPT_EVER = {"ten_minutes_days": 36_500, "hours_days": 36_500}


def configuration(port: int, recording: Recording, **changes: Any) -> dict[str, Any]:
    """A configuration for raw float32 messages of the recording's sensors; `changes` replace whole
    keys.
    """
    mqtt = {"port": port, "keep_alive_s": 5} | changes.pop("mqtt", {})
    rule = {
        "sample_rate_hz": recording.sample_rate_hz,
        "window_s": recording.window_s,
        "expected_period_s": NEVER_S,
    } | changes.pop("rule", {})
    return {
        "mqtt": mqtt,
        "subscriptions": [
            {"topic": TOPIC, "payload": {"format": "raw", "dtype": "float32"}}
        ],
        "sensors": [rule],
        "journal": {"path": "camshaft.journal", "trends": KEPT_EVER},
        **changes,
    }


def influx_part(url: str, folder: Path, **changes: Any) -> dict[str, Any]:
    """The influx part of a configuration for the stand-in at `url`."""
    token = folder / "influx-token"
    token.write_text(TOKEN + "\n", encoding="utf-8")
    return {
        "url": url,
        "org": ORG,
        "bucket": BUCKET,
        "token": {"file": str(token)},
        "timeout_s": 5.0,
        **changes,
    }


class Service:
    """One service and its folder. Use it as a context manager; start, kill and start again as the
    test needs.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        prefix: Sequence[str] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._reader: JournalViews | None = None
        self.config_path = folder / "camshaft.yaml"
        self.configure(config)
        self.log_path = folder / "service.log"
        self._n_connects_before = 0
        self._prefix = list(prefix)
        inherited = {
            name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"
        }
        self._environment = {**inherited, "OMP_NUM_THREADS": "1", **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    # -- life -------------------------------------------------------------------------------------

    def configure(self, config: dict[str, Any]) -> None:
        """Write the configuration; a running service reads it again at reload()."""
        self.close_reader()
        self.config = config
        self.config_path.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.journal_path = self.folder / config["journal"]["path"]

    def move(self, folder: Path) -> None:
        """Take its files to another folder while it is stopped."""
        self.close_reader()
        shutil.copytree(self.folder, folder)
        self.folder, self.config_path = folder, folder / self.config_path.name
        self.configure(self.config)

    def start(self, online: bool = True) -> None:
        """Start it; with `online` wait until it is connected and subscribed."""
        self._n_connects_before = self._n_connects()
        with self.log_path.open("ab") as log:
            command = [
                *self._prefix,
                sys.executable,
                "-m",
                "monitor.cli",
                "run",
                "-c",
                str(self.config_path),
            ]
            self.process = start_child(command, log, self._environment)
        if online:
            self.wait_connected()

    def wait_connected(self) -> None:
        """Until the process started last is connected and subscribed."""
        self.wait(
            lambda: self._n_connects() > self._n_connects_before,
            START_S,
            "the service is connected",
        )
        # The subscription leaves before the line is logged, on a connection that the broker reads
        # in order.
        time.sleep(0.05)

    def stop(self) -> tuple[int, float]:
        """SIGTERM. Returns exit code and seconds."""
        assert self.process is not None
        begin_s = time.monotonic()
        self.process.terminate()
        code = self.process.wait(30)
        self.process = None
        return code, time.monotonic() - begin_s

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def reload(self) -> None:
        """SIGHUP, and wait for what the service says of it."""
        assert self.process is not None
        n_before = self._n_reloads()
        self.process.send_signal(signal.SIGHUP)
        self.wait(
            lambda: self._n_reloads() > n_before,
            why="the service has reloaded or refused to",
        )

    def run_to_end(self) -> tuple[int, str]:
        """Start it where it must refuse. Returns exit code and what it said."""
        self.start(online=False)
        assert self.process is not None
        code = self.process.wait(30)
        self.process = None
        return code, self.log()

    def command(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Another camshaft command with this configuration."""
        words = [
            sys.executable,
            "-m",
            "monitor.cli",
            name,
            "-c",
            self.config_path,
            *arguments,
        ]
        return run_child(list(map(str, words)), self._environment)

    # -- what it says and did ---------------------------------------------------------------------

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def reader(self) -> JournalViews:
        if self._reader is None:
            self._reader = JournalViews(self.journal_path)
        return self._reader

    def event_kinds(self) -> list[str]:
        return [event.kind for event in self.reader().new_events(0, -1)]

    def close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def wait(
        self, what: Callable[[], object], timeout_s: float = 30.0, why: str = ""
    ) -> None:
        """Poll until it is so; fails at once, with the end of the log, if the service ends
        meanwhile.
        """

        def checked() -> object:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(
                    f"the service ended with {self.process.returncode}:\n{self.log()[-3000:]}"
                )
            with contextlib.suppress(JournalError):
                return what()
            return False

        wait_until(checked, timeout_s, why)

    def wait_count(
        self, count: Callable[[], int], n: int, why: str, stall_s: float = 60.0
    ) -> None:
        """Until count() has come to n; fails once it stands still for stall_s, however long the way
        is.
        """
        last, since_s = -1, time.monotonic()

        def arrived() -> bool:
            nonlocal last, since_s
            now = count()
            if now > last:
                last, since_s = now, time.monotonic()
            stood_s = time.monotonic() - since_s
            assert stood_s < stall_s, (
                f"{why}: {now:,} of {n:,}, and no more for {stall_s:g} s"
            )
            return now >= n

        self.wait(arrived, math.inf, why)

    def wait_taken(
        self,
        recording: Recording,
        timeout_s: float = 60.0,
        sensors: Iterable[str] | None = None,
    ) -> None:
        """Until every sample of these sensors (all) is in the books, and InfluxDB has every
        verdict.
        """
        names = list(recording.sensors if sensors is None else sensors)
        self.wait(
            lambda: all(
                taken(self.reader().books(), name) >= recording.n_samples for name in names
            ),
            timeout_s,
            f"all {recording.n_samples} samples of each sensor are taken",
        )
        if "influx" in self.config:
            self.wait_delivered(timeout_s)

    def wait_delivered(self, timeout_s: float = 60.0) -> None:
        self.wait(
            lambda: self.reader().books().rows(["influx"])["verdict"][2] == 0,
            timeout_s,
            "InfluxDB has every verdict",
        )

    def rows(self) -> dict[RowKey, Verdict]:
        """Every verdict but NO_DATA, which tells of the clock and not of the recording."""
        found: dict[RowKey, Verdict] = {}
        for row in self.reader().rows():
            v = row.verdict
            if v.status is Status.NO_DATA:
                continue
            key = (v.sensor, v.segment, v.first_sample, v.n_samples)
            assert key not in found, f"double row {key}"
            found[key] = v
        return found

    def check_books(self) -> Books:
        """Both ledgers close: samples, and rows for InfluxDB."""
        books = self.reader().books()
        assert not books.imbalance(), f"samples do not add up: {books.imbalance()}"
        if "influx" in self.config:
            counts = self.reader().counts()
            n_rows = sum(n for by_status in counts.values() for n in by_status.values())
            n_told = sum(books.rows(["influx"])["verdict"])
            assert n_told == n_rows, (
                f"{n_rows} verdicts, of which InfluxDB's books have {n_told}"
            )
        return books

    def commission(self, commissioned: Iterable[Commissioned]) -> None:
        """Put baselines into the journal before the service sees a sample."""
        Journal(self.journal_path).close()
        store = CommissioningStore(self.journal_path)
        for one in commissioned:
            wish = Request(
                one.sensor, one.n_windows, false_alarm_rate=1 / (one.n_windows + 1)
            )
            store.record(wish, one, None, one.at_ns)
        store.close()

    def status(self) -> dict[str, Any]:
        found = self.command("status", "--json")
        assert found.returncode in (0, 1), found.stderr
        summary: dict[str, Any] = json.loads(found.stdout)
        return summary

    def _n_connects(self) -> int:
        return self.log().count("Connected to broker")

    def _n_reloads(self) -> int:
        return self.log().count("reloaded.") + self.log().count("Reload refused")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
        self.close_reader()


def resident_mb(pid: int) -> float:
    """Resident memory of a process (Linux)."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def taken(books: Books, sensor: str) -> int:
    """Samples received for the first time."""
    book = books.samples.get(sensor, {})
    return book.get(("received", ""), 0) - book.get(("dropped", "duplicate"), 0)


def assert_same_rows(found: dict[RowKey, Verdict], expected: dict[RowKey, Verdict]) -> None:
    """Borders, times and statuses alike; figures to 1e-5."""
    assert found.keys() == expected.keys()
    for key, v in found.items():
        other = expected[key]
        assert (v.start_ns, v.end_ns, v.status, v.reason) == (
            other.start_ns,
            other.end_ns,
            other.status,
            other.reason,
        )
        assert [e.kind for e in v.evidence] == [e.kind for e in other.evidence]
        for ours, theirs in zip(v.evidence, other.evidence, strict=True):
            assert ours.score == pytest.approx(theirs.score, abs=1e-5)
            np.testing.assert_allclose(ours.cells, theirs.cells, atol=1e-5)
        assert (v.spectrum_db is None) == (other.spectrum_db is None)
        if v.spectrum_db is not None and other.spectrum_db is not None:
            np.testing.assert_allclose(v.spectrum_db, other.spectrum_db, atol=1e-5)
