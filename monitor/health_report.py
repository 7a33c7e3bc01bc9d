"""The service's own figures, gathered for the row of monitor_health."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor.health import Latencies, book_fields, rss_bytes
from monitor.journal.reader import JournalReader


class HealthReport:
    """path : the journal's. databases : outputs that take verdicts. started_s : monotonic, as every
    now_s
    """

    def __init__(
        self, path: Path, reader: JournalReader, databases: Sequence[str], started_s: float
    ) -> None:
        self._path, self._reader, self._databases = path, reader, databases
        self._started_s = started_s
        self._then_s, self._then_n = started_s, 0
        self.latencies = Latencies()

    def fields(
        self, now_s: float, n_sensors: int, others: Mapping[str, Any]
    ) -> dict[str, Any]:
        """others : figures of the source and the outputs"""
        oldest_s = self._reader.oldest_waiting_age_s(time.time_ns(), self._databases)
        return {
            **book_fields(self._reader.books(), self._databases),
            **others,
            **self.latencies.percentiles(),
            "windows_per_s": self._windows_per_s(now_s),
            "journal_bytes": self._path.stat().st_size,
            "oldest_row_age_s": oldest_s,
            "sensors": n_sensors,
            "uptime_s": now_s - self._started_s,
            "rss_bytes": rss_bytes(),
        }

    def _windows_per_s(self, now_s: float) -> float:
        """Since the last report."""
        then_s, then_n = self._then_s, self._then_n
        self._then_s, self._then_n = now_s, self.latencies.n_windows
        return (self._then_n - then_n) / max(now_s - then_s, 1e-9)
