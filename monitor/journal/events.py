"""Events, as the journal stores them."""

from __future__ import annotations

import sqlite3

from monitor.records.batch import Event

_ADD = "INSERT INTO event (at_ns, sensor, kind, text, model_id) VALUES (?, ?, ?, ?, ?)"


def store_events(link: sqlite3.Connection, *events: Event) -> None:
    """In order, within the caller's transaction."""
    link.executemany(
        _ADD, [(one.at_ns, one.sensor, one.kind, one.text, one.model_id) for one in events]
    )
