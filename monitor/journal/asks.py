"""Wishes for a diagnosis: somebody wants to know of a point now, whether it is in an alarm or not.
The running service answers with the next windows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from monitor.journal.schema import connect_existing, reading, transaction
from monitor.records.diagnosis import Ask, AskAnswer

MAX_ASKS = 1000  # the latest; what was answered before stays in the events

_ADD = "INSERT INTO diagnosis_ask (sensor, at_ns, author) VALUES (?, ?, ?) RETURNING ask_id"
_FORGET = (
    "DELETE FROM diagnosis_ask WHERE ask_id <= (SELECT max(ask_id) FROM diagnosis_ask) - ?"
)
_OPEN = (
    "SELECT ask_id, sensor, at_ns, author FROM diagnosis_ask WHERE answered_ns IS NULL"
    " ORDER BY ask_id"
)
_SETTLE = (
    "UPDATE diagnosis_ask SET answered_ns = ?, answer = ?"
    " WHERE ask_id = ? AND answered_ns IS NULL"
)
_ANSWER = "SELECT answer FROM diagnosis_ask WHERE ask_id = ?"


def settle_asks(link: sqlite3.Connection, answers: Iterable[AskAnswer]) -> None:
    """Within the caller's transaction."""
    link.executemany(_SETTLE, [(one.at_ns, one.text, one.ask_id) for one in answers])


class AskStore:
    """A connection of its own, for command line, page and service. Raises JournalError."""

    def __init__(self, path: Path) -> None:
        self._link = connect_existing(path)

    def close(self) -> None:
        self._link.close()

    def ask(self, sensor: str, author: str, at_ns: int) -> int:
        """Returns the wish's number."""
        with transaction(self._link) as link:
            (ask_id,) = link.execute(_ADD, (sensor, at_ns, author)).fetchone()
            link.execute(_FORGET, (MAX_ASKS,))
        return int(ask_id)

    def open(self) -> list[Ask]:
        """Those that are not answered yet, oldest first."""
        with reading():
            return [Ask(*row) for row in self._link.execute(_OPEN)]

    def answer(self, ask_id: int) -> str | None:
        """None as long as there is none."""
        found = self._link.execute(_ANSWER, (ask_id,)).fetchone()
        return None if found is None or found[0] is None else str(found[0])
