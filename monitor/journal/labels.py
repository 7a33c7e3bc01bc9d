"""Labels and acknowledgements in the journal. Each also becomes an event, and so a mark in
InfluxDB.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from monitor.journal.events import store_events
from monitor.journal.schema import (
    NEWEST_FIRST,
    JournalError,
    connect_existing,
    connect_read_only,
    transaction,
)
from monitor.records.batch import Event
from monitor.records.labels import Label, LabelRequest
from monitor.records.notes import NoteError, signed

ACKNOWLEDGED = "alarm_acknowledged"


@dataclass(frozen=True, slots=True)
class StoredLabel:
    label_id: int
    row_id: int
    at_ns: int
    label: Label

    def fields(self) -> dict[str, Any]:
        label = self.label
        return {
            "label_id": self.label_id,
            "row_id": self.row_id,
            "at_ns": self.at_ns,
            "word": label.word,
            "failure_mode": label.failure_mode,
            "author": label.author,
            "comment": label.comment,
        }


class LabelStore:
    """Writes labels from any process, a running service beside it or not. Raises JournalError."""

    def __init__(self, path: Path) -> None:
        self._link = connect_existing(path)

    def close(self) -> None:
        self._link.close()

    def add(self, request: LabelRequest) -> int:
        """Store one label. Returns the row it is on. Raises NoteError where there is no such
        window.
        """
        with transaction(self._link) as link:
            row_id = store_label(link, request)
        if row_id is None:
            raise NoteError(f"There is no window {request.window} in the journal.")
        return row_id

    def acknowledge(self, event_id: int, author: str, comment: str, at_ns: int) -> None:
        """Note that somebody has seen an alarm: the newest one of its point. Raises NoteError."""
        with transaction(self._link) as link:
            found = link.execute(
                "SELECT sensor, kind, model_id FROM event WHERE event_id = ?", (event_id,)
            ).fetchone()
            if found is None or found[1] != "alarm_raised":
                raise NoteError(f"event_id = {event_id}: the journal has no such alarm.")
            sensor, _, model_id = found
            later = link.execute(
                "SELECT kind, text FROM event WHERE sensor = ? AND event_id > ? AND kind IN"
                " ('alarm_raised', ?) LIMIT 1",
                (sensor, event_id, ACKNOWLEDGED),
            ).fetchone()
            if later is not None:
                what = (
                    "acknowledged already" + _by(later[1])
                    if later[0] == ACKNOWLEDGED
                    else "followed by a newer alarm of its point"
                )
                raise NoteError(f"event_id = {event_id}: is {what}.")
            text = signed("acknowledged", author, comment)
            store_events(link, Event(at_ns, sensor, ACKNOWLEDGED, text, model_id))


def _by(text: str) -> str:
    """Whose acknowledgement it was: " by Ann"."""
    return text.partition(":")[0].removeprefix("acknowledged")


def store_label(link: sqlite3.Connection, request: LabelRequest) -> int | None:
    """Store a label and its event within a transaction. None where there is no such window."""
    window = _window(link, request)
    if window is None:
        return None
    label = request.label
    link.execute(
        "INSERT INTO label (row_id, at_ns, word, failure_mode, author, comment) VALUES (?, ?, ?, ?,"
        " ?, ?)",
        (
            window.row_id,
            request.at_ns,
            label.word,
            label.failure_mode,
            label.author,
            label.comment,
        ),
    )
    where = window.end_ns, window.sensor
    store_events(link, Event(*where, "label", label.text, window.model_id))
    return window.row_id


def labels_of(link: sqlite3.Connection, row_ids: Iterable[int]) -> list[StoredLabel]:
    """All labels on these rows, oldest first: the last one on a row holds."""
    rows = []
    for row_id in row_ids:
        rows += link.execute(
            "SELECT label_id, row_id, at_ns, word, failure_mode, author, comment FROM label WHERE"
            " row_id = ?",
            (row_id,),
        ).fetchall()
    return [_stored(row) for row in sorted(rows)]


def labelled(path: Path) -> list[StoredLabel]:
    """The label that holds on each labelled row, in the order of the rows. Raises JournalError."""
    link = connect_read_only(path)
    try:
        rows = link.execute(
            "SELECT max(label_id), row_id, at_ns, word, failure_mode, author, comment FROM label "
            "GROUP BY row_id ORDER BY row_id"
        ).fetchall()
    except sqlite3.Error as error:
        raise JournalError(f"the journal cannot be read: {error}.") from error
    finally:
        link.close()
    return [_stored(row) for row in rows]


def _stored(row: tuple[Any, ...]) -> StoredLabel:
    label_id, row_id, at_ns, *rest = row
    return StoredLabel(label_id, row_id, at_ns, Label(*rest))


class _Window(NamedTuple):
    row_id: int
    sensor: str
    end_ns: int
    model_id: str


def _window(link: sqlite3.Connection, request: LabelRequest) -> _Window | None:
    """The window that a request means."""
    values: list[int | str] = [request.sensor]
    if request.row_id is not None:
        where, values = "row_id = ?", [request.row_id]
    elif request.time_ns is None:
        where = f"sensor = ? AND n_samples > 0 {NEWEST_FIRST} LIMIT 1"
    else:
        where = "sensor = ? AND end_ns > ? ORDER BY end_ns LIMIT 1"
        values.append(request.time_ns)
    query = f"SELECT row_id, sensor, end_ns, model_id, start_ns FROM verdict WHERE {where}"
    found = link.execute(query, values).fetchone()
    if found is None or (request.time_ns is not None and found[4] > request.time_ns):
        return None
    return _Window(*found[:4])
