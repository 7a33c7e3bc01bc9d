"""What InfluxDB has yet to get: a cursor over the journal's rows. Implements influx.Outbox."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from monitor.journal.reader import SELECT_VERDICT, read_row
from monitor.journal.schema import connect, transaction
from monitor.outputs.influx.line_protocol import event_line, health_line, verdict_lines
from monitor.outputs.retry import OutboxRow, RowKey
from monitor.records.verdict import Status

ID_OF_KIND = {"verdict": "row_id", "event": "event_id", "health": "health_id"}


class JournalOutbox:
    """A connection of its own, for the sender's thread. maps: "all", or "ng" for the maps of NG
    windows only.
    """

    def __init__(self, path: Path, instance: str, maps: str) -> None:
        self._link = connect(path)
        self._instance = instance
        self._maps = maps
        self._kinds = {"verdict": self._verdicts, "event": self._events, "health": self._health}

    def close(self) -> None:
        self._link.close()

    def pending(self, limit: int) -> Sequence[OutboxRow]:
        """Verdicts first, then events, then health; each kind oldest first."""
        cursors = dict(self._link.execute("SELECT kind, cursor FROM delivery").fetchall())
        rows: list[OutboxRow] = []
        for kind, read in self._kinds.items():
            rows += read(cursors[kind], limit - len(rows))
        return rows

    def settle(self, accepted: Sequence[RowKey], rejected: Mapping[RowKey, str]) -> None:
        with transaction(self._link) as link:
            link.executemany(
                "INSERT OR IGNORE INTO parked VALUES (?, ?, ?, ?)",
                [
                    (kind, row_id, time.time_ns(), reason)
                    for (kind, row_id), reason in rejected.items()
                ],
            )
            for kind in ID_OF_KIND:
                done = [row_id for found, row_id in accepted if found == kind]
                refused = [row_id for found, row_id in rejected if found == kind]
                if done or refused:
                    link.execute(
                        "UPDATE delivery SET cursor = max(cursor, ?), n_accepted = n_accepted + ?, "
                        "n_rejected = n_rejected + ? WHERE kind = ?",
                        (max(done + refused), len(done), len(refused), kind),
                    )

    def _verdicts(self, cursor: int, limit: int) -> list[OutboxRow]:
        found = self._link.execute(
            SELECT_VERDICT + "WHERE row_id > ? ORDER BY row_id LIMIT ?", (cursor, limit)
        )
        rows = []
        for row in map(read_row, found):
            maps = self._maps == "all" or row.verdict.status is Status.NG
            rows.append(OutboxRow("verdict", row.row_id, verdict_lines(row.verdict, maps)))
        return rows

    def _events(self, cursor: int, limit: int) -> list[OutboxRow]:
        columns = "event_id, sensor, kind, at_ns, text, model_id"
        query = f"SELECT {columns} FROM event WHERE event_id > ? ORDER BY event_id LIMIT ?"
        return [
            OutboxRow("event", event_id, [event_line(sensor, kind, at_ns, text, model_id)])
            for event_id, sensor, kind, at_ns, text, model_id in self._link.execute(
                query, (cursor, limit)
            )
        ]

    def _health(self, cursor: int, limit: int) -> list[OutboxRow]:
        query = (
            "SELECT health_id, at_ns, fields FROM health WHERE health_id > ? ORDER BY health_id"
            " LIMIT ?"
        )
        return [
            OutboxRow("health", health_id, [health_line(self._instance, json.loads(fields), at_ns)])
            for health_id, at_ns, fields in self._link.execute(query, (cursor, limit))
        ]
