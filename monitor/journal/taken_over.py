"""What a journal knows of the one that its partition was taken over from."""

from __future__ import annotations

import sqlite3

from monitor.journal.older import has_table

TABLES = """
CREATE TABLE IF NOT EXISTS journal_name (
    one INTEGER PRIMARY KEY, name TEXT NOT NULL, taken_ns INTEGER, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS judged_before (
    sensor TEXT PRIMARY KEY, model_id TEXT, geometry_id TEXT) WITHOUT ROWID;
"""

JudgedBy = tuple[
    str | None, str | None
]  # model and geometry; None where nothing was judged


def judged_before(link: sqlite3.Connection) -> dict[str, JudgedBy]:
    """Of the last verdict before the partition was taken over, by sensor."""
    rows = link.execute("SELECT sensor, model_id, geometry_id FROM judged_before")
    return {sensor: (model_id, geometry_id) for sensor, model_id, geometry_id in rows}


def taken_over(link: sqlite3.Connection) -> str:
    """What was taken over and what was not, one sentence; '' where nothing was."""
    if not has_table(link, "journal_name"):  # an older program wrote it last
        return ""
    row = link.execute("SELECT text FROM journal_name").fetchone()
    return "" if row is None else str(row[0])
