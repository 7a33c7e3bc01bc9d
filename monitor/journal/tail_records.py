"""From which records of a numbered source the samples of unfinished windows can be read again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from monitor.records.stream import Piece, StreamUpdate, TailRecords

TABLE = """
CREATE TABLE IF NOT EXISTS tail_record (
    sensor TEXT PRIMARY KEY, newest INTEGER NOT NULL,
    n_samples INTEGER NOT NULL, pieces TEXT NOT NULL) WITHOUT ROWID;
"""


def store_records(link: sqlite3.Connection, updates: Iterable[StreamUpdate]) -> None:
    """Within the caller's transaction."""
    link.executemany(
        "INSERT OR REPLACE INTO tail_record VALUES (?, ?, ?, ?)",
        [
            (one.sensor, found.newest, found.n_samples, json.dumps(found.pieces))
            for one in updates
            if (found := one.records) is not None
        ],
    )


def tail_records(link: sqlite3.Connection) -> dict[str, TailRecords]:
    """By sensor."""
    rows = link.execute("SELECT sensor, newest, n_samples, pieces FROM tail_record")
    return {
        sensor: TailRecords(
            newest, n_samples, tuple(Piece(*piece) for piece in json.loads(pieces))
        )
        for sensor, newest, n_samples, pieces in rows
    }


def forget_records(link: sqlite3.Connection) -> None:
    """Within the caller's transaction."""
    link.execute("DELETE FROM tail_record")
