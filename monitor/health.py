"""The service's own figures: how much passed, how long it took, what waits. Plain numbers out, no
I/O of its own.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np

from monitor.records.books import Books
from monitor.records.verdict import Verdict

N_LATENCIES = 10_000
NS_PER_MS = 1e6
ALL_POINTS_S = 60.0


class Latencies:
    """From the arrival of a window's last message to the commit of its verdict:
    the latest 10,000.
    """

    def __init__(self) -> None:
        self._ms: deque[float] = deque(maxlen=N_LATENCIES)
        self.n_windows = 0  # since the process began

    def add(self, received_ns: Iterable[int], committed_ns: int) -> None:
        for arrival_ns in received_ns:
            self._ms.append((committed_ns - arrival_ns) / NS_PER_MS)
            self.n_windows += 1

    def percentiles(self) -> dict[str, float]:
        """latency_p50_ms, latency_p95_ms, latency_p99_ms; empty before the first window."""
        if not self._ms:
            return {}
        p50, p95, p99 = np.percentile(np.fromiter(self._ms, float), (50, 95, 99))
        return {
            "latency_p50_ms": float(p50),
            "latency_p95_ms": float(p95),
            "latency_p99_ms": float(p99),
        }


class PointStates:
    """Each point's last word, for reports by the host's clock: a sensor's own may be days off."""

    def __init__(self, raised: Mapping[str, bool]) -> None:
        """raised : whether each known point's alarm stands, from the journal"""
        self._now = {sensor: ("", alarm) for sensor, alarm in raised.items()}
        self._changed = dict(self._now)
        self._all_s = float("-inf")

    def note(self, verdicts: Iterable[Verdict]) -> None:
        for verdict in verdicts:
            state = (verdict.status.value, verdict.alarm == "raised")
            if self._now.get(verdict.sensor) != state:
                self._now[verdict.sensor] = self._changed[verdict.sensor] = state

    def report(self, now_s: float) -> dict[str, tuple[str, bool]]:
        """Status and alarm of the points that changed since the last report; of all once a minute.

        The status of a point that has had no window since the service began is
        ''.
        """
        if now_s - self._all_s >= ALL_POINTS_S:
            self._all_s, self._changed = now_s, dict(self._now)
        changed, self._changed = self._changed, {}
        return changed


def book_fields(books: Books, outputs: Iterable[str]) -> dict[str, int | float | bool]:
    """The ledgers as fields of monitor_health: samples by fate, windows by status, messages, rows
    by fate.
    """
    fields: dict[str, int | float | bool] = {
        "received_samples": books.total("received"),
        "analysed_samples": books.total("analysed"),
        "judged_bad_samples": books.total("judged_bad"),
        "dropped_samples": books.total("dropped"),
        "waiting_samples": sum(books.waiting.values()),
        "unbalanced_sensors": len(books.imbalance()),
        "received_messages": books.counters.get("messages_received", 0),
        "bad_payloads": sum(
            n for name, n in books.counters.items() if name.startswith("bad_payloads.")
        ),
    }
    for name, n in books.counters.items():
        if name.startswith("windows."):
            fields[f"windows_{name.removeprefix('windows.').lower()}"] = n
    rows = books.rows(outputs).values()
    return fields | {
        "accepted_rows": sum(counts.accepted for counts in rows),
        "rejected_rows": sum(counts.rejected for counts in rows),
        "backlog_rows": sum(counts.waiting for counts in rows),
    }


def rss_bytes() -> int:
    """Resident memory of this process (Linux, /proc/self/statm)."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
