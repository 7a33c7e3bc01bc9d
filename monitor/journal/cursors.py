"""How far each output has got: a named cursor over the journal's rows, and what it refused.

Any number of outputs, of one kind too. A row counts as delivered once every output that takes rows
of its kind has it or has refused it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from monitor.journal.places import ID_OF_KIND, RowKind
from monitor.journal.reader import SELECT_VERDICT, read_row
from monitor.journal.schema import connect, transaction
from monitor.journal.views import EVENT_COLUMNS, NEW_EVENTS, StoredEvent
from monitor.records.verdict import Verdict

RowKey = tuple[RowKind, int]  # kind and row_id


@dataclass(frozen=True, slots=True)
class HealthFigures:
    at_ns: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row on its way out."""

    kind: RowKind
    row_id: int
    content: Verdict | StoredEvent | HealthFigures

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
        }
        with transaction(self._link) as link:
            for kind in self._kinds:
                newest = f"(SELECT coalesce(max({ID_OF_KIND[kind]}), 0) FROM {kind})"
                start = "0" if from_start else newest
                link.execute(
                    f"INSERT OR IGNORE INTO output_cursor VALUES (?, ?, {start}, 0, 0)",
                    (output, kind),
                )

    def close(self) -> None:
        self._link.close()

    def pending(self, limit: int) -> Sequence[JournalRow]:
        """The oldest rows not yet settled, kind by kind in the order of the output's kinds."""
        rows: list[JournalRow] = []
        for kind in self._kinds:
            rows += self._read[kind](self._place(kind), limit - len(rows))
        return rows

    def settle(self, fates: Fates, at_ns: int) -> None:
        """These rows wait no longer. One transaction."""
        with transaction(self._link) as link:
            link.executemany(
                "INSERT OR IGNORE INTO dead_letter VALUES (?, ?, ?, ?, ?)",
                [(self.output, *key, at_ns, reason) for key, reason in fates.rejected.items()],
            )
            for kind in self._kinds:
                self._advance(link, kind, fates)
            link.executemany(
                "INSERT OR REPLACE INTO notified VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (self.output, sensor, n.state, n.raised_ns, n.held_event, n.n_held)
                    for sensor, n in fates.notified.items()
                ],
            )

    def _advance(self, link: sqlite3.Connection, kind: RowKind, fates: Fates) -> None:
        accepted = [row_id for found, row_id in fates.accepted if found == kind]
        rejected = [row_id for found, row_id in fates.rejected if found == kind]
        passed = [row_id for found, row_id in fates.passed if found == kind]
        settled = accepted + rejected + passed
        if not settled:
            return
        link.execute(
            "UPDATE output_cursor SET cursor = max(cursor, ?), n_accepted = n_accepted + ?,"
            " n_rejected = n_rejected + ? WHERE output = ? AND kind = ?",
            (max(settled), len(accepted), len(rejected), self.output, kind),
        )

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

    def _place(self, kind: RowKind) -> int:
        found = self._link.execute(
            "SELECT cursor FROM output_cursor WHERE output = ? AND kind = ?", (self.output, kind)
        ).fetchone()
        return int(found[0])

    def _verdicts(self, after: int, limit: int) -> list[JournalRow]:
        query = SELECT_VERDICT + "WHERE row_id > ? ORDER BY row_id LIMIT ?"
        found = self._link.execute(query, (after, limit))
        return [JournalRow("verdict", row.row_id, row.verdict) for row in map(read_row, found)]

    def _events(self, after: int, limit: int) -> list[JournalRow]:
        events = (StoredEvent(*found) for found in self._link.execute(NEW_EVENTS, (after, limit)))
        return [JournalRow("event", event.event_id, event) for event in events]

    def _health(self, after: int, limit: int) -> list[JournalRow]:
        query = (
            "SELECT health_id, at_ns, fields FROM health"
            " WHERE health_id > ? ORDER BY health_id LIMIT ?"
        )
        return [
            JournalRow("health", health_id, HealthFigures(at_ns, json.loads(fields)))
            for health_id, at_ns, fields in self._link.execute(query, (after, limit))
        ]
