"""Diagnoses of alarms: the name of what is broken, or why there is none, and the spectra it rests
on. Bounded: the oldest go.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

import numpy as np

from monitor.journal.older import has_table
from monitor.records.diagnosis import Diagnosed

MAX_DIAGNOSES = 2000  # some 30 kB each

TABLE = """
CREATE TABLE IF NOT EXISTS diagnosis (
    diagnosis_id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor TEXT NOT NULL, at_ns INTEGER NOT NULL, text TEXT NOT NULL, tree TEXT NOT NULL,
    envelope BLOB NOT NULL, spectrum BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS diagnosis_by_time ON diagnosis (sensor, at_ns);
"""
_INSERT = (
    "INSERT INTO diagnosis (sensor, at_ns, text, tree, envelope, spectrum)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_FORGET = """
DELETE FROM diagnosis
WHERE diagnosis_id <= (SELECT max(diagnosis_id) FROM diagnosis) - ?
"""
_COLUMNS = (
    "SELECT sensor, at_ns, text, tree, envelope, spectrum FROM diagnosis WHERE sensor = ?"
)
_NEWEST = (
    f"{_COLUMNS} AND at_ns BETWEEN ? AND ? ORDER BY at_ns DESC, diagnosis_id DESC LIMIT 1"
)
_NEWEST_ASKED = _NEWEST.replace(
    "ORDER", "AND coalesce(json_extract(tree, '$.asked_by'), '') != '' ORDER"
)
_TOLD = f"{_COLUMNS} AND at_ns >= ? AND instr(?, text) > 0 ORDER BY at_ns LIMIT 1"


def store_diagnoses(link: sqlite3.Connection, found: Iterable[Diagnosed]) -> None:
    """Within the caller's transaction."""
    rows = [
        (
            one.sensor,
            one.at_ns,
            one.text,
            json.dumps(one.tree),
            one.envelope_db.astype("<f4").tobytes(),
            one.spectrum_db.astype("<f4").tobytes(),
        )
        for one in found
    ]
    if rows:
        link.executemany(_INSERT, rows)
        link.execute(_FORGET, (MAX_DIAGNOSES,))


def newest_diagnosis(
    link: sqlite3.Connection,
    sensor: str,
    from_ns: int,
    to_ns: int,
    is_asked: bool = False,
) -> Diagnosed | None:
    """Of a sensor's signal that ended in a span of time.

    is_asked : of those alone that somebody asked for
    """
    if not has_table(link, "diagnosis"):
        return None  # a journal that an older program wrote last
    query = _NEWEST_ASKED if is_asked else _NEWEST
    return _read(link.execute(query, (sensor, from_ns, to_ns)).fetchone())


def told_diagnosis(
    link: sqlite3.Connection, sensor: str, at_ns: int, text: str
) -> Diagnosed | None:
    """The one whose sentence an event of this text and time tells."""
    return _read(link.execute(_TOLD, (sensor, at_ns, text)).fetchone())


def _read(found: tuple[Any, ...] | None) -> Diagnosed | None:
    if found is None:
        return None
    name, at_ns, text, tree, envelope, spectrum = found
    spectra = (np.frombuffer(blob, "<f4") for blob in (envelope, spectrum))
    return Diagnosed(name, at_ns, text, json.loads(tree), *spectra)
