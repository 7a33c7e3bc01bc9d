"""Repairs that a person noted, and whether they helped, once that is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monitor.journal.schema import connect, connect_read_only, transaction
from monitor.records.labels import signed

NOTED, CHECKED = "repair_noted", "repair_checked"  # kinds of events
MAX_REPAIRS = 10_000  # the latest; what was noted before stays in the events

_REPLACE = "UPDATE repair SET checked_ns = ? WHERE sensor = ? AND checked_ns IS NULL"
_ADD = "INSERT INTO repair (sensor, at_ns, author, done) VALUES (?, ?, ?, ?)"
_FORGET = "DELETE FROM repair WHERE repair_id <= (SELECT max(repair_id) FROM repair) - ?"
_OPEN = (
    "SELECT repair_id, sensor, at_ns, author, done FROM repair WHERE checked_ns IS NULL"
    " ORDER BY repair_id"
)
_SETTLE = "UPDATE repair SET checked_ns = ? WHERE repair_id = ? AND checked_ns IS NULL"
_EVENT = "INSERT INTO event (at_ns, sensor, kind, text, model_id) VALUES (?, ?, ?, ?, '')"


@dataclass(frozen=True, slots=True)
class Repair:
    """done : what was done, in the author's words"""

    repair_id: int
    sensor: str
    at_ns: int
    author: str
    done: str


class RepairStore:
    """A connection of its own, for command line, page and service. Raises JournalError."""

    def __init__(self, path: Path) -> None:
        # Refuses a journal that is not there, before connect would make one.
        connect_read_only(path).close()
        self._link = connect(path)

    def close(self) -> None:
        self._link.close()

    def note(self, sensor: str, at_ns: int, author: str, done: str) -> None:
        """An earlier repair that was not checked yet is replaced: what helped could not be told."""
        with transaction(self._link) as link:
            link.execute(_REPLACE, (at_ns, sensor))
            link.execute(_ADD, (sensor, at_ns, author, done))
            link.execute(_FORGET, (MAX_REPAIRS,))
            link.execute(
                _EVENT, (at_ns, sensor, NOTED, signed("repair noted", author, done))
            )

    def open(self) -> list[Repair]:
        """Those that are not checked yet, oldest first."""
        return [Repair(*row) for row in self._link.execute(_OPEN)]

    def settle(self, repair: Repair, at_ns: int, text: str) -> bool:
        """Say whether it helped. False where somebody noted another one meanwhile."""
        with transaction(self._link) as link:
            settled = link.execute(_SETTLE, (at_ns, repair.repair_id)).rowcount
            if settled:
                link.execute(_EVENT, (at_ns, repair.sensor, CHECKED, text))
        return bool(settled)
