"""How far a numbered source is settled, stored with the verdicts in one transaction; and the fence
between two processes that both hold themselves for the journal's only writer.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from monitor.journal.schema import connect, connect_read_only, transaction
from monitor.records.position import Resumed, SourcePosition


class SupersededError(Exception):
    """Another process has taken the journal over; str() is one sentence that says so."""


def next_generation(path: Path) -> int:
    """Take the journal over for a process still to be started: from now on every older one is
    refused. Raises JournalError.
    """
    with closing(connect(path, lambda: None)) as link, transaction(link):
        generation = _generation(link) + 1
        link.execute("INSERT OR REPLACE INTO fence VALUES (1, ?)", (generation,))
    return generation


def check_generation(link: sqlite3.Connection, generation: int) -> None:
    """Within the caller's transaction. Raises SupersededError."""
    newest = _generation(link)
    if newest != generation:
        raise SupersededError(
            f"Another process has taken this partition's journal over (generation {newest},"
            f" ours is {generation}): nothing more is stored here."
        )


def store_position(link: sqlite3.Connection, position: SourcePosition | None) -> None:
    """And forget the digests of records that cannot come again."""
    if position is None:
        return
    epoch = -1 if position.leader_epoch is None else position.leader_epoch
    row = (position.topic, position.partition, position.n_partitions, position.offset)
    link.execute(
        "INSERT OR REPLACE INTO source_position VALUES (?, ?, ?, ?, ?)", (*row, epoch)
    )
    link.execute(
        "DELETE FROM delivered WHERE delivery_key BETWEEN 0 AND ?", (position.offset - 1,)
    )


def stored_position(path: Path) -> SourcePosition | None:
    """Raises JournalError."""
    with closing(connect_read_only(path)) as link:
        return resumed(link).position


def resumed(link: sqlite3.Connection) -> Resumed:
    """A journal serves one partition."""
    row = link.execute(
        "SELECT topic, partition, n_partitions, next_offset, leader_epoch FROM source_position"
    ).fetchone()
    if row is None:
        return Resumed(None, 0)
    topic, partition, n_partitions, offset, epoch = row
    (last,) = link.execute("SELECT max(delivery_key) FROM delivered").fetchone()
    known_epoch = None if epoch < 0 else epoch
    position = SourcePosition(topic, partition, n_partitions, offset, known_epoch)
    return Resumed(position, max(position.offset, 0 if last is None else last + 1))


def _generation(link: sqlite3.Connection) -> int:
    row = link.execute("SELECT generation FROM fence").fetchone()
    return 0 if row is None else int(row[0])
