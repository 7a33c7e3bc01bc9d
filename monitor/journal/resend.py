"""Rows that an output refused, and rows to be sent to it again.

What is to be sent again is a queue in the journal: it is filled whole or not at
all, from any process, and the running service works it off beside its new rows
(cursors.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from monitor.journal.events import store_events
from monitor.journal.places import ID_OF_KIND, TABLE_OF_KIND, RowKind
from monitor.journal.schema import (
    END_NS,
    connect_existing,
    connect_read_only,
    reading,
    transaction,
)
from monitor.journal.trend_changes import count_all, note_all
from monitor.records.batch import Event
from monitor.records.notes import signed

MAX_REASONS = 50  # of a kind of row, that are told
KIND = "resend"  # of the event that says who asked
TIME_OF_KIND: dict[RowKind, str] = {
    "verdict": "end_ns",
    "event": "at_ns",
    "health": "at_ns",
    "trend": "start_ns",
}


class ResendError(Exception):
    """Nothing can be sent again so; str() is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """Rows of one kind that one output refused for one reason. Times are the rows' own."""

    output: str
    kind: RowKind
    reason: str
    n_rows: int
    n_gone: int  # of these, no longer in the journal
    first_ns: int | None
    last_ns: int | None


@dataclass(frozen=True, slots=True)
class ResendRequest:
    """Which rows to send again: those whose time lies in from_ns <= t <= to_ns.

    refused_only : only those that the output refused, else accepted ones too
    """

    output: str
    from_ns: int = 0
    to_ns: int = END_NS
    refused_only: bool = False


@dataclass(frozen=True, slots=True)
class ResendPlan:
    """What a request comes to. n_rows by kind, and how many of all were refused before."""

    n_rows: dict[RowKind, int]
    n_refused: int
    first_ns: int | None
    last_ns: int | None

    @property
    def n_all(self) -> int:
        return sum(self.n_rows.values())

    @property
    def text(self) -> str:
        """Such as '1,200 verdict rows and 3 event rows (60 of them refused before)'."""
        parts = [
            f"{n:,} {kind} row{'s' * (n != 1)}" for kind, n in self.n_rows.items() if n
        ]
        *most, last = parts or ["no rows"]
        counted = f"{', '.join(most)} and {last}" if most else last
        return counted + (
            f" ({self.n_refused:,} of them refused before)" * bool(self.n_refused)
        )


class ResendStore:
    """Used from any process, a running service beside it or not. Raises JournalError."""

    def __init__(self, path: Path) -> None:
        self._link = connect_existing(path)

    def close(self) -> None:
        self._link.close()

    def plan(self, request: ResendRequest) -> ResendPlan:
        """What would be sent, without sending it. Raises ResendError for an unknown output."""
        with transaction(self._link) as link:
            return _plan(link, request)

    def order(
        self, request: ResendRequest, author: str, comment: str, at_ns: int
    ) -> ResendPlan:
        """Have these rows sent again, all of them or none, with an event that says who asked.

        Rows that wait for the output anyway are not ordered. Raises ResendError
        where no row is left, or the output is unknown.
        """
        with transaction(self._link) as link:
            plan = _plan(link, request)
            if not plan.n_all:
                raise ResendError(
                    f"{request.output}: no row of this span is to be sent again."
                )
            for kind in plan.n_rows:
                if _notes_trends(request, kind):
                    note_all(link, request.from_ns, request.to_ns)
                    continue
                rows, values = _rows(request, kind)
                link.execute(
                    f"INSERT OR IGNORE INTO resend SELECT ?, ?, row_id FROM ({rows})",
                    (request.output, kind, *values),
                )
            text = signed(
                f"{request.output} gets {plan.text} again, asked for", author, comment
            )
            store_events(link, Event(at_ns, "", KIND, text))
        return plan


def refused_rows(path: Path) -> list[RefusedRows]:
    """What every output refused, by reason, the most frequent first. Raises JournalError."""
    with closing(connect_read_only(path)) as link, reading():
        found = [row for kind in ID_OF_KIND for row in _refused(link, kind)]
    return sorted(found, key=lambda row: (row.output, -row.n_rows))


def _refused(link: sqlite3.Connection, kind: RowKind) -> list[RefusedRows]:
    key, time = ID_OF_KIND[kind], TIME_OF_KIND[kind]
    rows = link.execute(
        f"SELECT output, d.reason, count(*), sum(r.{key} IS NULL), min(r.{time}), max(r.{time})"
        f" FROM dead_letter d LEFT JOIN {TABLE_OF_KIND[kind]} r ON r.{key} = d.row_id"
        " WHERE d.kind = ? GROUP BY output, d.reason ORDER BY count(*) DESC LIMIT ?",
        (kind, MAX_REASONS),
    )
    return [RefusedRows(output, kind, *rest) for output, *rest in rows]


def _plan(link: sqlite3.Connection, request: ResendRequest) -> ResendPlan:
    n_rows: dict[RowKind, int] = {}
    n_refused, times = 0, []
    for kind in _kinds(link, request.output):
        if _notes_trends(request, kind):
            n_rows[kind], *span = count_all(link, request.from_ns, request.to_ns)
            times += span if n_rows[kind] else []
            continue
        rows, values = _rows(request, kind)
        n, refused, first, last = link.execute(
            f"SELECT count(*), total(refused), min(time), max(time) FROM ({rows})", values
        ).fetchone()
        n_rows[kind] = n
        n_refused += int(refused)
        times += [time for time in (first, last) if time is not None]
    return ResendPlan(n_rows, n_refused, min(times, default=None), max(times, default=None))


def _notes_trends(request: ResendRequest, kind: RowKind) -> bool:
    """Notes of trends that an output has read are gone: they are made anew, for every output. Those
    that it refused are still there.
    """
    return kind == "trend" and not request.refused_only


def _kinds(link: sqlite3.Connection, output: str) -> Sequence[RowKind]:
    found = link.execute(
        "SELECT kind FROM output_cursor WHERE output = ?", (output,)
    ).fetchall()
    if not found:
        raise ResendError(
            f"output {output!r}: the journal knows no such output; has it run yet?"
        )
    taken = {kind for (kind,) in found}
    return [kind for kind in ID_OF_KIND if kind in taken]


def _rows(request: ResendRequest, kind: RowKind) -> tuple[str, tuple[object, ...]]:
    """A query for row_id, time and refused of the rows meant, those up to the output's cursor."""
    key, time = ID_OF_KIND[kind], TIME_OF_KIND[kind]
    # The index on verdicts begins with the sensor.
    by_index = " AND sensor_id IN (SELECT sensor_id FROM sensor)" * (kind == "verdict")
    only = " AND d.row_id IS NOT NULL" if request.refused_only else ""
    query = (
        f"SELECT r.{key} AS row_id, r.{time} AS time, d.row_id IS NOT NULL AS refused"
        f" FROM {TABLE_OF_KIND[kind]} r LEFT JOIN dead_letter d"
        f" ON d.output = ? AND d.kind = ? AND d.row_id = r.{key}"
        f" WHERE r.{time} BETWEEN ? AND ? AND r.{key} <="
        f" (SELECT cursor FROM output_cursor WHERE output = ? AND kind = ?){by_index}{only}"
    )
    span = (request.from_ns, request.to_ns)
    return query, (request.output, kind, *span, request.output, kind)
