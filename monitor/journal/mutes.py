"""Mutes: spans of time in which a point's alarms are not told. Its windows go on being judged and
kept; what still stands at the end is told then.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from monitor.journal.events import store_events
from monitor.journal.older import has_table
from monitor.journal.schema import connect_existing, transaction
from monitor.records.batch import Event
from monitor.records.notes import signed

MUTED, UNMUTED = "muted", "unmuted"  # kinds of events
MAX_MUTES = 10_000  # the latest; what was muted before stays in the events

_ADD = "INSERT INTO mute (sensor, at_ns, until_ns, author, reason) VALUES (?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM mute WHERE mute_id <= (SELECT max(mute_id) FROM mute) - ?"
_STANDING = (
    "SELECT sensor, at_ns, until_ns, author, reason FROM mute WHERE ended_ns IS NULL"
    " AND at_ns <= ? AND until_ns > ? ORDER BY mute_id"
)
_END = "UPDATE mute SET ended_ns = ? WHERE sensor = ? AND ended_ns IS NULL AND until_ns > ?"


@dataclass(frozen=True, slots=True)
class Mute:
    """sensor : "machine/point". until_ns : its end, nanoseconds since 1970; it always has one"""

    sensor: str
    at_ns: int
    until_ns: int
    author: str
    reason: str


def standing(link: sqlite3.Connection, now_ns: int) -> dict[str, Mute]:
    """The mutes that hold, by sensor; of several the last one set."""
    if not has_table(link, "mute"):
        return {}  # a journal that an older program wrote last
    return {row[0]: Mute(*row) for row in link.execute(_STANDING, (now_ns, now_ns))}


class MuteStore:
    """Sets and ends mutes from any process. Raises JournalError."""

    def __init__(self, path: Path) -> None:
        self._link = connect_existing(path)

    def close(self) -> None:
        self._link.close()

    def standing(self, now_ns: int) -> dict[str, Mute]:
        return standing(self._link, now_ns)

    def mute(self, mute: Mute, until: str) -> None:
        """until : its end in words, for the event. A mute that holds already is replaced."""
        text = signed(f"muted until {until}", mute.author, mute.reason)
        with transaction(self._link) as link:
            link.execute(_END, (mute.at_ns, mute.sensor, mute.at_ns))
            values = (mute.sensor, mute.at_ns, mute.until_ns, mute.author, mute.reason)
            link.execute(_ADD, values)
            link.execute(_FORGET, (MAX_MUTES,))
            store_events(link, Event(mute.at_ns, mute.sensor, MUTED, text))

    def unmute(self, sensor: str, author: str, now_ns: int) -> bool:
        """End a sensor's mute before its time. False where none holds."""
        with transaction(self._link) as link:
            ended = link.execute(_END, (now_ns, sensor, now_ns)).rowcount
            if ended:
                text = signed("unmuted", author, "")
                store_events(link, Event(now_ns, sensor, UNMUTED, text))
        return bool(ended)
