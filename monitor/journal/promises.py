"""What alarms with a budget need: each commissioning's reference, and where each sensor's detectors
stand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from monitor.journal.older import has_table
from monitor.records.promise import PromiseState, Reference
from monitor.records.stream import StreamUpdate

TABLES = """
CREATE TABLE IF NOT EXISTS healthy_reference (
    commissioning_id INTEGER PRIMARY KEY, fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS promise (
    sensor TEXT PRIMARY KEY, fields TEXT NOT NULL) WITHOUT ROWID;
"""


def store_reference(
    link: sqlite3.Connection, commissioning_id: int | None, reference: Reference | None
) -> None:
    """Within the caller's transaction."""
    if reference is not None:
        row = commissioning_id, reference.as_json()
        link.execute("INSERT OR REPLACE INTO healthy_reference VALUES (?, ?)", row)


def references(link: sqlite3.Connection) -> dict[int | None, Reference]:
    """By commissioning."""
    if not has_table(link, "healthy_reference"):
        return {}
    rows = link.execute("SELECT commissioning_id, fields FROM healthy_reference")
    return {number: Reference.from_json(fields) for number, fields in rows}


def store_promises(link: sqlite3.Connection, updates: Iterable[StreamUpdate]) -> None:
    """Within the caller's transaction."""
    link.executemany(
        "INSERT OR REPLACE INTO promise VALUES (?, ?)",
        [(one.sensor, one.promise.as_json()) for one in updates if one.promise is not None],
    )


def promise_states(link: sqlite3.Connection) -> dict[str, PromiseState]:
    """By sensor."""
    if not has_table(link, "promise"):
        return {}
    rows = link.execute("SELECT sensor, fields FROM promise")
    return {sensor: PromiseState.from_json(fields) for sensor, fields in rows}
