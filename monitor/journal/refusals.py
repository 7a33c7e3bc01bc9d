"""What was refused: the messages that could not be used, by topic and reason, with their count, the
last sentence and the first bytes. Bounded: a hostile publisher may invent
topics.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from monitor.journal.older import has_table
from monitor.records.batch import BadPayload
from monitor.text import first_bytes

MAX_REFUSALS = 1000  # the latest topics and reasons

TABLE = """
CREATE TABLE IF NOT EXISTS refusal (
    topic TEXT NOT NULL, reason TEXT NOT NULL, sensor TEXT NOT NULL, n INTEGER NOT NULL,
    first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
    detail TEXT NOT NULL, n_bytes INTEGER NOT NULL, head BLOB NOT NULL,
    PRIMARY KEY (topic, reason)) WITHOUT ROWID;
"""
_COUNT = (
    "INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n +"
    " excluded.n, sensor = excluded.sensor, last_ns = excluded.last_ns, detail = excluded.detail,"
    " n_bytes = excluded.n_bytes, head = excluded.head"
)
_FORGET = (
    "DELETE FROM refusal WHERE (topic, reason) IN (SELECT topic, reason FROM refusal ORDER BY"
    " last_ns DESC LIMIT -1 OFFSET ?)"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """n : messages since first_ns. sensor : '' where the topic names none. The rest is of the last
    message.
    """

    topic: str
    reason: str
    sensor: str
    n: int
    first_ns: int
    last_ns: int
    detail: str
    n_bytes: int
    head: bytes

    @property
    def first_bytes(self) -> str:
        return first_bytes(self.head)


def count_refusals(link: sqlite3.Connection, refused: Iterable[BadPayload]) -> None:
    """Within the caller's transaction."""
    by_key: dict[tuple[str, str], list[BadPayload]] = {}
    for one in refused:
        by_key.setdefault((one.topic, one.reason), []).append(one)
    for (topic, reason), alike in by_key.items():
        first, last = alike[0], alike[-1]
        times = first.received_ns, last.received_ns
        seen = last.detail, last.n_bytes, last.head
        link.execute(_COUNT, (topic, reason, last.sensor, len(alike), *times, *seen))
    if by_key:
        link.execute(_FORGET, (MAX_REFUSALS,))


def refusals(link: sqlite3.Connection, since_ns: int, limit: int) -> list[Refusal]:
    """Those that came last after a time, newest first."""
    if not has_table(link, "refusal"):
        return []  # a journal that an older program wrote last
    query = "SELECT * FROM refusal WHERE last_ns > ? ORDER BY last_ns DESC LIMIT ?"
    return [Refusal(*row) for row in link.execute(query, (since_ns, limit))]
