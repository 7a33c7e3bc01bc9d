"""Repairs that a person noted, and whether they helped, once that is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monitor.journal.events import store_events
from monitor.journal.schema import connect_existing, transaction
from monitor.records.batch import Event
from monitor.records.notes import signed

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
        self._link = connect_existing(path)

    def close(self) -> None:
        self._link.close()

    def note(self, sensor: str, at_ns: int, author: str, done: str) -> None:
        """An earlier repair that was not checked yet is replaced: what helped could not be told."""
        with transaction(self._link) as link:
            link.execute(_REPLACE, (at_ns, sensor))
            link.execute(_ADD, (sensor, at_ns, author, done))
            link.execute(_FORGET, (MAX_REPAIRS,))
            text = signed("repair noted", author, done)
            store_events(link, Event(at_ns, sensor, NOTED, text))

    def open(self) -> list[Repair]:
        """Those that are not checked yet, oldest first."""
        return [Repair(*row) for row in self._link.execute(_OPEN)]

    def settle(self, repair: Repair, at_ns: int, text: str) -> bool:
        """Say whether it helped. False where somebody noted another one meanwhile."""
        with transaction(self._link) as link:
            settled = link.execute(_SETTLE, (at_ns, repair.repair_id)).rowcount
            if settled:
                store_events(link, Event(at_ns, repair.sensor, CHECKED, text))
        return bool(settled)
