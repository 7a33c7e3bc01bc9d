"""Condition indicators of windows. Their names are stored once for all windows that have the same,
their values as float32.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping

import numpy as np

from monitor.journal.older import has_table

TABLE = """
CREATE TABLE IF NOT EXISTS indicator_names (
    names_id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS window_indicators (
    row_id INTEGER PRIMARY KEY REFERENCES verdict,
    names_id INTEGER NOT NULL REFERENCES indicator_names, figures BLOB NOT NULL);
"""
_READ = (
    "SELECT row_id, names, figures FROM window_indicators JOIN indicator_names USING (names_id)"
    " WHERE row_id IN (SELECT value FROM json_each(?))"
)


def store_indicators(
    link: sqlite3.Connection, row_id: int, found: Mapping[str, float], known: dict[str, int]
) -> None:
    """Within the caller's transaction. known : ids of names, grows; void after a rollback"""
    if not found:
        return
    names = "\n".join(found)
    names_id = known.get(names)
    if names_id is None:
        names_id = known[names] = _names_id(link, names)
    figures = np.fromiter(found.values(), "<f4").tobytes()
    row = (row_id, names_id, figures)
    link.execute("INSERT OR IGNORE INTO window_indicators VALUES (?, ?, ?)", row)


def _names_id(link: sqlite3.Connection, names: str) -> int:
    link.execute("INSERT OR IGNORE INTO indicator_names (names) VALUES (?)", (names,))
    query = "SELECT names_id FROM indicator_names WHERE names = ?"
    return int(link.execute(query, (names,)).fetchone()[0])


def indicators_of(
    link: sqlite3.Connection, row_ids: Iterable[int]
) -> dict[int, dict[str, float]]:
    """Of these windows, where there are any."""
    if not has_table(link, "window_indicators"):
        return {}  # a journal that an older program wrote last
    found = link.execute(_READ, (json.dumps(list(row_ids)),))
    return {
        row_id: dict(
            zip(names.split("\n"), np.frombuffer(figures, "<f4").tolist(), strict=True)
        )
        for row_id, names, figures in found
    }
