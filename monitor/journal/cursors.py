"""How far each output has got: a named cursor over the journal's rows, and what it refused.

Any number of outputs, of one kind too. A row counts as delivered once every
output that takes rows of its kind has it or has refused it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from monitor.journal.diagnoses import told_diagnosis
from monitor.journal.indicators import indicators_of
from monitor.journal.mutes import standing
from monitor.journal.named import named_since
from monitor.journal.places import ID_OF_KIND, RowKind
from monitor.journal.reader import SELECT_VERDICT, Row, read_row
from monitor.journal.schema import connect, one_moment, transaction
from monitor.journal.trend_changes import changes, has_gap, note_all
from monitor.journal.views import ALARM_KINDS, EVENT_COLUMNS, NEW_EVENTS, StoredEvent
from monitor.journal.window_context import context_of
from monitor.journal.writer import POINTS
from monitor.records.context import NO_CONTEXT
from monitor.records.diagnosis import DIAGNOSED
from monitor.records.trend import ChangedTrends
from monitor.records.verdict import Verdict

RowKey = tuple[RowKind, int]  # kind and row_id
DIAGNOSED_KINDS = ("alarm_raised", DIAGNOSED)
# of a batch, a quarter is for rows to be sent again: new ones go on meanwhile
RESEND_SHARE = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HealthFigures:
    """points : each point's status and whether its alarm stands; of some reports all, else some"""

    at_ns: int
    fields: Mapping[str, Any]
    points: Mapping[str, tuple[str, bool]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row on its way out."""

    kind: RowKind
    row_id: int
    content: Verdict | StoredEvent | HealthFigures | ChangedTrends

    @property
    def key(self) -> RowKey:
        return self.kind, self.row_id


@dataclass(frozen=True, slots=True)
class Notified:
    """What an output has told of one point's alarm, and what it has not told yet.

    state : raised or cleared, as last told
    raised_ns : when it last told of a raised alarm, None if never
    held_event : the newest event held back, None where nothing is
    n_held : events held back since it last told
    """

    state: str = "cleared"
    raised_ns: int | None = None
    held_event: int | None = None
    n_held: int = 0


class Fates(Protocol):
    """What became of rows: outputs.base.Step says more.

    rejected : the reason, printable and short; the row becomes a dead letter
    passed : settled without being counted
    notified : what the output has now told of each sensor
    """

    @property
    def accepted(self) -> Sequence[RowKey]: ...

    @property
    def passed(self) -> Sequence[RowKey]: ...

    @property
    def rejected(self) -> Mapping[RowKey, str]: ...

    @property
    def notified(self) -> Mapping[str, Notified]: ...


@dataclass(frozen=True, slots=True)
class _Settled:
    """Rows of one kind, by what became of them."""

    accepted: list[int]
    rejected: list[int]
    passed: list[int]

    @classmethod
    def of(cls, kind: RowKind, fates: Fates) -> _Settled:
        return cls(
            *(
                [row_id for found, row_id in keys if found == kind]
                for keys in (fates.accepted, fates.rejected, fates.passed)
            )
        )

    def within(self, row_ids: set[int]) -> _Settled:
        return self._those(lambda row_id: row_id in row_ids)

    def without(self, row_ids: set[int]) -> _Settled:
        return self._those(lambda row_id: row_id not in row_ids)

    def _those(self, chosen: Callable[[int], bool]) -> _Settled:
        lists = (self.accepted, self.rejected, self.passed)
        return _Settled(*([row_id for row_id in one if chosen(row_id)] for one in lists))


class Cursor:
    """One output's place in the journal. A connection of its own, for the output's thread.

    Raises JournalError where the journal cannot be written.
    """

    def __init__(
        self, path: Path, output: str, kinds: Sequence[RowKind], from_start: bool = True
    ) -> None:
        """from_start : a new output gets all that the journal holds, else what comes from now on.
        An output that was configured before goes on where it stood.
        """
        self._link = connect(path)
        self.output = output
        self._kinds = tuple(kinds)
        self._read: dict[RowKind, Callable[[int, int], list[JournalRow]]] = {
            "verdict": self._verdicts,
            "event": self._events,
            "health": self._health,
            "trend": self._trends,
        }
        with transaction(self._link) as link:
            for kind in self._kinds:
                newest = f"(SELECT coalesce(max({ID_OF_KIND[kind]}), 0) FROM {kind})"
                start = "0" if from_start else newest
                is_new = link.execute(
                    f"INSERT OR IGNORE INTO output_cursor VALUES (?, ?, {start}, 0, 0)",
                    (output, kind),
                ).rowcount
                if kind == "trend" and from_start:
                    self._catch_up_on_trends(link, bool(is_new))

    def close(self) -> None:
        self._link.close()

    def pending(self, limit: int) -> Sequence[JournalRow]:
        """The oldest rows not yet settled, kind by kind in the order of the output's kinds; where
        rows are to be sent again, some of these before.
        """
        rows = self._again(max(1, limit // RESEND_SHARE))
        for kind in self._kinds:
            rows += self._read[kind](self._place(kind), limit - len(rows))
        return rows

    def settle(self, fates: Fates, at_ns: int) -> None:
        """These rows wait no longer. One transaction."""
        with transaction(self._link) as link:
            for kind in self._kinds:
                settled = _Settled.of(kind, fates)
                self._advance(link, kind, self._settle_again(link, kind, settled))
            link.executemany(
                "INSERT OR REPLACE INTO dead_letter VALUES (?, ?, ?, ?, ?)",
                [
                    (self.output, *key, at_ns, reason)
                    for key, reason in fates.rejected.items()
                ],
            )
            link.executemany(
                "INSERT OR REPLACE INTO notified VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (self.output, sensor, n.state, n.raised_ns, n.held_event, n.n_held)
                    for sensor, n in fates.notified.items()
                ],
            )

    def _advance(self, link: sqlite3.Connection, kind: RowKind, settled: _Settled) -> None:
        last = max((*settled.accepted, *settled.rejected, *settled.passed), default=None)
        if last is None:
            return
        link.execute(
            "UPDATE output_cursor SET cursor = max(cursor, ?), n_accepted = n_accepted + ?,"
            " n_rejected = n_rejected + ? WHERE output = ? AND kind = ?",
            (last, len(settled.accepted), len(settled.rejected), self.output, kind),
        )

    def _settle_again(
        self, link: sqlite3.Connection, kind: RowKind, settled: _Settled
    ) -> _Settled:
        """Settle the rows that were sent again; returns the others.

        A row is accepted or rejected, by its last answer, and is counted once.
        """
        ids = json.dumps([*settled.accepted, *settled.rejected, *settled.passed])
        found = link.execute(
            "SELECT row_id FROM resend WHERE output = ? AND kind = ?"
            " AND row_id IN (SELECT value FROM json_each(?))",
            (self.output, kind, ids),
        )
        waiting = {row_id for (row_id,) in found}
        if not waiting:
            return settled
        again = settled.within(waiting)
        for row_id in again.accepted:
            self._recount(link, kind, self._forgive(link, kind, row_id))
        for row_id in again.rejected:
            self._recount(link, kind, -(not self._is_refused(link, kind, row_id)))
        self._leave_queue(link, kind, [*again.accepted, *again.rejected, *again.passed])
        return settled.without(waiting)

    def _forgive(self, link: sqlite3.Connection, kind: RowKind, row_id: int) -> int:
        """The row's dead letter goes. Returns how many there were."""
        return link.execute(
            "DELETE FROM dead_letter WHERE output = ? AND kind = ? AND row_id = ?",
            (self.output, kind, row_id),
        ).rowcount

    def _is_refused(self, link: sqlite3.Connection, kind: RowKind, row_id: int) -> bool:
        found = link.execute(
            "SELECT 1 FROM dead_letter WHERE output = ? AND kind = ? AND row_id = ?",
            (self.output, kind, row_id),
        )
        return found.fetchone() is not None

    def _recount(self, link: sqlite3.Connection, kind: RowKind, n: int) -> None:
        """n rows that counted as rejected count as accepted."""
        link.execute(
            "UPDATE output_cursor SET n_accepted = n_accepted + ?, n_rejected = n_rejected - ?"
            " WHERE output = ? AND kind = ?",
            (n, n, self.output, kind),
        )

    def _again(self, limit: int) -> list[JournalRow]:
        """The oldest rows to be sent again, at most so many."""
        rows: list[JournalRow] = []
        for kind in self._kinds:
            wanted = self._waiting_again(kind, limit - len(rows))
            if not wanted:
                continue
            found = [row for row_id in wanted for row in self._row(kind, row_id)]
            self._drop_gone(kind, set(wanted) - {row.row_id for row in found})
            rows += found
        return rows

    def _row(self, kind: RowKind, row_id: int) -> list[JournalRow]:
        """The row, [] where it is gone."""
        return [row for row in self._read[kind](row_id - 1, 1) if row.row_id == row_id]

    def _waiting_again(self, kind: RowKind, limit: int) -> list[int]:
        found = self._link.execute(
            "SELECT row_id FROM resend WHERE output = ? AND kind = ? ORDER BY row_id LIMIT ?",
            (self.output, kind, limit),
        )
        return [row_id for (row_id,) in found]

    def _leave_queue(
        self, link: sqlite3.Connection, kind: RowKind, row_ids: Iterable[int]
    ) -> None:
        link.executemany(
            "DELETE FROM resend WHERE output = ? AND kind = ? AND row_id = ?",
            [(self.output, kind, row_id) for row_id in row_ids],
        )

    def _drop_gone(self, kind: RowKind, row_ids: set[int]) -> None:
        """Rows that left the journal before they could be sent again."""
        if not row_ids:
            return
        with transaction(self._link) as link:
            self._leave_queue(link, kind, row_ids)
        text = "%s: %d %s rows to be sent again are no longer in the journal."
        log.warning(text, self.output, len(row_ids), kind)

    def counts(self) -> tuple[int, int]:
        """Rows accepted and rejected so far, of all kinds."""
        found = self._link.execute(
            "SELECT total(n_accepted), total(n_rejected) FROM output_cursor WHERE output = ?",
            (self.output,),
        ).fetchone()
        return int(found[0]), int(found[1])

    def notified(self, sensor: str) -> Notified:
        found = self._link.execute(
            "SELECT state, raised_ns, held_event, n_held FROM notified"
            " WHERE output = ? AND sensor = ?",
            (self.output, sensor),
        ).fetchone()
        return Notified() if found is None else Notified(*found)

    def held(self) -> list[tuple[Notified, StoredEvent]]:
        """What is held back, oldest first."""
        found = self._link.execute(
            f"SELECT state, raised_ns, held_event, n_held, {EVENT_COLUMNS} FROM notified"
            " JOIN event ON event.event_id = notified.held_event"
            " WHERE output = ? ORDER BY held_event",
            (self.output,),
        )
        return [(Notified(*row[:4]), StoredEvent(*row[4:])) for row in found]

    def unanswered(self, before_ns: int, now_ns: int) -> list[tuple[Notified, StoredEvent]]:
        """Alarms of which this output told last before a time, that stand, and that nobody has
        acknowledged; each with the event that raised it. What was told in the
        future was told by a clock that has been set back.
        """
        told = self._link.execute(
            "SELECT state, raised_ns, held_event, n_held, sensor FROM notified WHERE output = ?"
            " AND state = 'raised' AND (raised_ns <= ? OR raised_ns > ?) ORDER BY raised_ns",
            (self.output, before_ns, now_ns),
        ).fetchall()
        newest = (
            f"SELECT {EVENT_COLUMNS} FROM event WHERE sensor = ? AND kind IN (?, ?, ?)"
            " ORDER BY event_id DESC LIMIT 1"
        )
        found = []
        for *fields, sensor in told:
            for event in self._link.execute(newest, (sensor, *ALARM_KINDS)):
                if event[3] == "alarm_raised":
                    found.append((Notified(*fields), StoredEvent(*event)))
        return found

    def named_since(self, event: StoredEvent) -> tuple[str, str]:
        """What was named of an alarm since this event of it: journal.named."""
        return named_since(self._link.execute, event.sensor, event.at_ns)

    def muted(self, now_ns: int) -> Container[str]:
        """The sensors whose alarms are not to be told now."""
        return standing(self._link, now_ns)

    def _place(self, kind: RowKind) -> int:
        found = self._link.execute(
            "SELECT cursor FROM output_cursor WHERE output = ? AND kind = ?",
            (self.output, kind),
        ).fetchone()
        return int(found[0])

    def _verdicts(self, after: int, limit: int) -> list[JournalRow]:
        query = SELECT_VERDICT + "WHERE row_id > ? ORDER BY row_id LIMIT ?"
        found = self._link.execute(query, (after, limit))
        return self._whole([read_row(one) for one in found])

    def _whole(self, rows: Sequence[Row]) -> list[JournalRow]:
        """With what stands in tables of its own."""
        row_ids = [row.row_id for row in rows]
        known = indicators_of(self._link, row_ids)
        told = context_of(self._link, row_ids)
        return [
            JournalRow(
                "verdict",
                row.row_id,
                replace(
                    row.verdict,
                    indicators=known.get(row.row_id, {}),
                    context=told.get(row.row_id, NO_CONTEXT),
                ),
            )
            for row in rows
        ]

    def _events(self, after: int, limit: int) -> list[JournalRow]:
        events = (
            StoredEvent(*found) for found in self._link.execute(NEW_EVENTS, (after, limit))
        )
        return [
            JournalRow("event", one.event_id, self._with_diagnosis(one)) for one in events
        ]

    def _with_diagnosis(self, event: StoredEvent) -> StoredEvent:
        if event.kind not in DIAGNOSED_KINDS:
            return event
        found = told_diagnosis(self._link, event.sensor, event.at_ns, event.text)
        return replace(event, diagnosis=found)

    def _trends(self, after: int, limit: int) -> list[JournalRow]:
        with one_moment(self._link):
            found = list(changes(self._link, after, limit))
        return [JournalRow("trend", change_id, rows) for change_id, rows in found]

    def _catch_up_on_trends(self, link: sqlite3.Connection, is_new: bool) -> None:
        """Other outputs get these rows once more, which changes nothing."""
        if is_new or has_gap(link, self._place("trend")):
            note_all(link)

    def _health(self, after: int, limit: int) -> list[JournalRow]:
        query = (
            "SELECT health_id, at_ns, fields FROM health"
            " WHERE health_id > ? ORDER BY health_id LIMIT ?"
        )
        return [
            JournalRow("health", health_id, _health_figures(at_ns, json.loads(fields)))
            for health_id, at_ns, fields in self._link.execute(query, (after, limit))
        ]


def _health_figures(at_ns: int, fields: dict[str, Any]) -> HealthFigures:
    points = fields.pop(POINTS, {})
    return HealthFigures(
        at_ns, fields, {sensor: tuple(state) for sensor, state in points.items()}
    )
