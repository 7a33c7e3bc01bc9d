"""Journals that an older program wrote last."""

from __future__ import annotations

import sqlite3


def has_table(link: sqlite3.Connection, name: str) -> bool:
    """Not where the program that wrote the journal last did not know of it."""
    query = "SELECT 1 FROM sqlite_schema WHERE name = ?"
    return link.execute(query, (name,)).fetchone() is not None
