"""What the journal remembers for messages to come: births of edge nodes, parts of series, speeds
and tools told, whose healthy signals are kept.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from monitor.journal.healthy import kept_healthy
from monitor.records.batch import Batch
from monitor.records.context import ContextKey, Told
from monitor.records.remembered import Remembered
from monitor.records.series import Part, PartKey
from monitor.records.signal import Message


def remembered(link: sqlite3.Connection) -> Remembered:
    return Remembered(_births(link), _parts(link), _context(link), kept_healthy(link))


def store(link: sqlite3.Connection, batch: Batch) -> None:
    """What a batch changes."""
    _store_births(link, batch.births)
    _store_parts(link, batch.parts)
    _store_context(link, batch.context)


def _births(link: sqlite3.Connection) -> dict[str, bytes]:
    """Sparkplug's birth certificates that hold, by topic."""
    return dict(link.execute("SELECT topic, payload FROM birth"))


def _store_births(link: sqlite3.Connection, changed: Mapping[str, bytes | None]) -> None:
    for topic, payload in changed.items():
        if payload is None:
            link.execute("DELETE FROM birth WHERE topic = ?", (topic,))
        else:
            link.execute("INSERT OR REPLACE INTO birth VALUES (?, ?)", (topic, payload))


def _parts(link: sqlite3.Connection) -> dict[PartKey, tuple[Part, Message]]:
    """Parts whose series were not complete, in their order of arrival."""
    rows = link.execute("SELECT * FROM part ORDER BY received_ns, number")
    found: dict[PartKey, tuple[Part, Message]] = {}
    for topic, series, number, count, checksum, received_ns, properties, payload in rows:
        message = Message(topic, payload, received_ns, json.loads(properties))
        found[topic, series, number] = Part(series, number, count, checksum), message
    return found


def _store_parts(
    link: sqlite3.Connection, changed: Mapping[PartKey, tuple[Part, Message] | None]
) -> None:
    for key, stored in changed.items():
        if stored is None:
            link.execute("DELETE FROM part WHERE (topic, series, number) = (?, ?, ?)", key)
            continue
        part, message = stored
        properties = json.dumps(dict(message.properties))
        row = (
            *key,
            part.count,
            part.checksum,
            message.received_ns,
            properties,
            message.payload,
        )
        link.execute("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def _context(link: sqlite3.Connection) -> dict[ContextKey, Told]:
    """What was told last of machines and points."""
    rows = link.execute("SELECT * FROM told_context")
    return {
        (name, machine, point): Told(json.loads(value), at_ns, valid_ns)
        for name, machine, point, value, at_ns, valid_ns in rows
    }


def _store_context(link: sqlite3.Connection, told: Mapping[ContextKey, Told]) -> None:
    link.executemany(
        "INSERT OR REPLACE INTO told_context VALUES (?, ?, ?, ?, ?, ?)",
        [
            (*key, json.dumps(one.value), one.at_ns, one.valid_ns)
            for key, one in told.items()
        ],
    )
