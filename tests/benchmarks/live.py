"""The real service, live through Mosquitto: how many sensors this machine carries.

One trial: N sensors send a window a second each. A window's latency runs from
its last sample, which is when its last message is due, to its row in the
journal, as another process sees it. A trial holds if p99 is at most a second,
no window is lost, and the books close.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from monitor.records.signal import Float64
from tests.benchmarks.daemon import JOURNAL, config
from tests.benchmarks.processor_time import since, spent_s
from tests.benchmarks.publisher import Job
from tests.benchmarks.workload import Workload, topic, windows_of
from tests.servers.child import dying_with_us
from tests.servers.mosquitto import Mosquitto
from tests.servers.service import Service, resident_mb

WARM_S = 10  # a sensor's first messages are looked at closely
MEASURED_S = 12
LEAD_NS = 500_000_000
DRAIN_S = 20.0
MAX_P99_MS = 1000.0
GIVE_UP_S = 4.0  # so far behind, it never comes back: the broker's memory is spared
TOO_MANY = f"more than {GIVE_UP_S:g} s behind"
LOOK_S = 0.005  # how often the journal is looked at: as sure a latency is
N_PUBLISHERS = 2
FIRST_N = 100
CLOSE_ENOUGH = 1.1  # between the largest number that holds and the smallest that does not
BROKER = "max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true"


@dataclass(frozen=True)
class Plan:
    """n_in_window : messages that hold one window together. n_workers : None: as the service
    has it. warm_s : not measured.
    """

    n_sensors: int
    n_in_window: int = 1
    n_workers: int | None = None
    warm_s: int = WARM_S
    measured_s: int = MEASURED_S

    @property
    def n_windows(self) -> int:
        """Of each sensor."""
        return self.warm_s + self.measured_s


@dataclass(frozen=True)
class Trial:
    """spent_us : processor time a window, by process and thread. trouble : why it does not hold."""

    n_sensors: int
    trouble: str
    n_windows: int
    p50_ms: float = float("nan")
    p99_ms: float = float("nan")
    cores_used: float = float("nan")
    rss_mb: float = float("nan")
    late_publishers_ms: float = float("nan")
    publishers_us: float = float("nan")
    spent_us: dict[str, float] | None = None

    @property
    def cpu_us(self) -> float:
        """Of service and broker, a window."""
        return sum((self.spent_us or {}).values())

    def efficiency(self, kernel_us: float) -> float:
        return kernel_us / self.cpu_us if self.cpu_us else float("nan")


def largest(trial: Callable[[int], Trial], first: int = FIRST_N) -> Trial:
    """The trial with most sensors that holds, or the first one if none does."""
    best, n, failed = trial(first), first, 0
    if best.trouble:
        return best
    while not failed or failed > CLOSE_ENOUGH * best.n_sensors:
        n = round((failed * best.n_sensors) ** 0.5) if failed else 2 * n
        found = trial(n)
        if found.trouble:
            failed = n
        else:
            best = found
    return best


def live_figures(trial: Trial, kernel_us: float) -> dict[str, object]:
    """kernel_us : processor time of a window's Fourier transforms and network alone

    None for what a trial that was given up cannot tell.
    """
    figures = {
        "live_sensors_two_cores": 0 if trial.trouble else trial.n_sensors,
        "p50_ms": trial.p50_ms,
        "p99_ms": trial.p99_ms,
        "cpu_us_per_window": round(trial.cpu_us, 1),
        "efficiency": round(trial.efficiency(kernel_us), 3),
        "cores_used": trial.cores_used,
        "kernel_us_per_window": round(kernel_us, 1),
        "rss_mb": trial.rss_mb,
        "n_cores": os.cpu_count(),
    }
    return {name: None if value != value else value for name, value in figures.items()}


def live_table(trial: Trial, kernel_us: float) -> str:
    spent_us = trial.spent_us or {}
    return "\n".join(
        [
            "",
            f"{'processor time, ' + str(trial.n_sensors) + ' sensors':<34}{'µs a window':>14}",
            *(f"{name:<34}{us:>14.1f}" for name, us in spent_us.items() if us >= 0.1),
            f"{'all of service and broker':<34}{trial.cpu_us:>14.1f}",
            f"{'only Fourier transforms and network':<34}{kernel_us:>13.1f}",
            f"{'efficiency':<34}{trial.efficiency(kernel_us):>14.2f}",
            f"{'(the publishers, not counted)':<34}{trial.publishers_us:>14.1f}",
        ]
    )


def trial_line(trial: Trial) -> str:
    return (
        f"{trial.n_sensors:>6} sensors: {trial.trouble or 'holds':<24} p50 {trial.p50_ms:g} ms,"
        f" p99 {trial.p99_ms:g} ms, {trial.cores_used:g} cores, {trial.rss_mb:g} MiB,"
        f" publishers late by {trial.late_publishers_ms:g} ms at most"
    )


def run_trial(workload: Workload, plan: Plan) -> Trial:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Mosquitto(folder / "broker", extra=BROKER) as broker:
            settings = config(workload, broker.port, Path(JOURNAL))
            settings["workers"] = plan.n_workers
            with Service(folder / "service", settings) as service:
                service.start()
                payloads = folder / "payloads"
                payloads.write_bytes(b"".join(workload.payloads))
                job = _job(workload, broker.port, payloads, plan)
                publishers = [_publisher(job, first) for first in range(N_PUBLISHERS)]
                try:
                    start_ns = _begin(publishers)
                    return _watched(plan, start_ns, broker, service, publishers)
                finally:
                    for publisher in publishers:
                        publisher.kill()
                        publisher.wait()


def _job(workload: Workload, port: int, payloads: Path, plan: Plan) -> Job:
    n = plan.n_in_window
    return Job(
        port=port,
        topics=[topic(sensor) for sensor in range(plan.n_sensors)],
        windows=[windows_of(sensor) for sensor in range(plan.n_sensors)],
        payloads=str(payloads),
        n_bytes=len(workload.payloads[0]) // n,
        n_in_window=n,
        n_messages=n * plan.n_windows,
        period_ns=round(workload.window_s * 1e9 / n),
        first=0,
        step=N_PUBLISHERS,
    )


def _publisher(job: Job, first: int) -> subprocess.Popen[str]:
    command = [*dying_with_us(), sys.executable, "-m", "tests.benchmarks.publisher"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    _say(process, json.dumps(asdict(job) | {"first": first}))
    return process


def _begin(publishers: Sequence[subprocess.Popen[str]]) -> int:
    """When the first windows begin, on the host's clock in ns: soon after all are connected."""
    for publisher in publishers:
        assert publisher.stdout is not None
        if publisher.stdout.readline() != "ready\n":
            raise AssertionError("a publisher could not connect")
    start_ns = time.time_ns() + LEAD_NS
    for publisher in publishers:
        _say(publisher, str(start_ns))
    return start_ns


def _say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _watched(
    plan: Plan,
    start_ns: int,
    broker: Mosquitto,
    service: Service,
    publishers: Sequence[subprocess.Popen[str]],
) -> Trial:
    assert service.process is not None
    processes = {"service": service.process.pid, "broker": broker.pid}
    rows, n_sensors = _Rows(service.journal_path), plan.n_sensors
    warm_ns = start_ns + plan.warm_s * 10**9
    end_ns = warm_ns + plan.measured_s * 10**9
    if not rows.follow(n_sensors, start_ns, warm_ns):
        return Trial(n_sensors, TOO_MANY, rows.n)
    before, n_before = spent_s(processes), rows.n
    if not rows.follow(n_sensors, start_ns, end_ns):
        return Trial(n_sensors, TOO_MANY, rows.n)
    spent, n_measured = since(before, spent_s(processes)), rows.n - n_before
    rss_mb = resident_mb(service.process.pid)
    n_lost = rows.drain(n_sensors * plan.n_windows)
    sent = [json.loads(publisher.communicate()[0]) for publisher in publishers]
    p50_ms, p99_ms = np.percentile(rows.latencies_ms(warm_ns), [50, 99])
    return Trial(
        n_sensors=n_sensors,
        trouble=_trouble(service, p99_ms, n_lost),
        n_windows=rows.n,
        p50_ms=round(float(p50_ms), 1),
        p99_ms=round(float(p99_ms), 1),
        cores_used=round(sum(spent.values()) / plan.measured_s, 2),
        rss_mb=round(rss_mb, 1),
        late_publishers_ms=round(max(one["worst_late_ms"] for one in sent), 1),
        publishers_us=round(1e6 * sum(one["cpu_s"] for one in sent) / rows.n, 1),
        spent_us={name: round(1e6 * s / n_measured, 1) for name, s in spent.items()},
    )


def _trouble(service: Service, p99_ms: float, n_lost: int) -> str:
    if n_lost:
        return f"{n_lost} windows are missing"
    if imbalance := service.reader().books().imbalance():
        return f"the books do not close: {imbalance}"
    return f"p99 is {p99_ms:.0f} ms" if p99_ms > MAX_P99_MS else ""


class _Rows:
    """Rows of the journal as they come, each with the moment at which it was seen."""

    def __init__(self, path: Path) -> None:
        self._link = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        self._last = self._version = 0
        self._end_ns: list[int] = []
        self._seen_ns: list[int] = []

    @property
    def n(self) -> int:
        return len(self._end_ns)

    def look(self) -> None:
        """Take what is new; a pause where nothing is."""
        version = self._link.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            time.sleep(LOOK_S)
            return
        self._version = version
        query = "SELECT row_id, end_ns FROM verdict WHERE row_id > ? AND n_samples > 0"
        with closing(self._link.execute(query, (self._last,))) as found:
            rows = found.fetchall()
        seen_ns = time.time_ns()
        for row_id, end_ns in rows:
            self._last = max(self._last, row_id)
            self._end_ns.append(end_ns)
            self._seen_ns.append(seen_ns)

    def follow(self, n_sensors: int, start_ns: int, until_ns: int) -> bool:
        """Look until then. False as soon as there is no hope that they catch up."""
        while (now_ns := time.time_ns()) < until_ns:
            self.look()
            n_due = ((now_ns - start_ns) / 1e9 - 1) * n_sensors
            if n_due - self.n > GIVE_UP_S * n_sensors:
                return False
        return True

    def drain(self, n_expected: int) -> int:
        """How many rows are missing in the end."""
        deadline_s = time.monotonic() + DRAIN_S
        while self.n < n_expected and time.monotonic() < deadline_s:
            self.look()
        return n_expected - self.n

    def latencies_ms(self, after_ns: int) -> Float64:
        """Of windows that ended after that moment."""
        end_ns, seen_ns = np.array(self._end_ns), np.array(self._seen_ns)
        latency_ms: Float64 = (seen_ns - end_ns)[end_ns > after_ns] / 1e6
        return latency_ms
