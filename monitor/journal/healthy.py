"""Signals of when machines were well: of each sensor one, what has grown since is told by it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

import numpy as np

from monitor.journal.samples import pack_samples, unpack_samples
from monitor.records.diagnosis import Healthy

TABLE = """
CREATE TABLE IF NOT EXISTS healthy_signal (
    sensor TEXT PRIMARY KEY, commissioning_id INTEGER NOT NULL, at_ns INTEGER NOT NULL,
    sample_rate_hz REAL NOT NULL, rpm REAL, lengths TEXT NOT NULL, samples BLOB NOT NULL);
"""
_STORE = "INSERT OR REPLACE INTO healthy_signal VALUES (?, ?, ?, ?, ?, ?, ?)"
_READ = (
    "SELECT sensor, commissioning_id, at_ns, sample_rate_hz, rpm, lengths, samples"
    " FROM healthy_signal WHERE sensor = ?"
)


def store_healthy(link: sqlite3.Connection, signals: Iterable[Healthy]) -> None:
    """Within the caller's transaction. A sensor's newer one replaces the older."""
    for one in signals:
        lengths = json.dumps([stretch.shape[1] for stretch in one.stretches])
        samples = pack_samples(np.concatenate(one.stretches, axis=1))
        own = one.sensor, one.commissioning_id, one.at_ns, one.sample_rate_hz, one.rpm
        link.execute(_STORE, (*own, lengths, samples))


def thin_healthy(link: sqlite3.Connection, max_bytes: int) -> int:
    """Within the caller's transaction: the oldest go until the others fit. Returns how many."""
    rows = link.execute(
        "SELECT sensor, length(samples) FROM healthy_signal ORDER BY at_ns DESC"
    ).fetchall()
    total, gone = 0, []
    for sensor, n_bytes in rows:
        total += n_bytes
        if total > max_bytes:
            gone.append((sensor,))
    if gone:
        link.executemany("DELETE FROM healthy_signal WHERE sensor = ?", gone)
    return len(gone)


def healthy_of(link: sqlite3.Connection, sensor: str) -> Healthy | None:
    found = link.execute(_READ, (sensor,)).fetchone()
    if found is None:
        return None
    name, commissioning_id, at_ns, rate_hz, rpm, lengths, blob = found
    ends = np.cumsum(json.loads(lengths))[:-1]
    stretches = tuple(np.split(unpack_samples(blob), ends, axis=1))
    return Healthy(name, commissioning_id, at_ns, rate_hz, stretches, rpm)


def kept_healthy(link: sqlite3.Connection) -> dict[str, int]:
    """The commissionings whose signals are kept, by sensor."""
    return dict(link.execute("SELECT sensor, commissioning_id FROM healthy_signal"))
