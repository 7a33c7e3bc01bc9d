"""How far each webhook has been told, and what was held back, in the journal: a restart forgets and
repeats nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitor.journal.schema import connect, transaction
from monitor.journal.views import ALARM_KINDS, EVENT_COLUMNS, StoredEvent
from monitor.outputs.notify import Told


class NoticeStore:
    """A connection of its own, for the thread that notifies. Raises JournalError where it cannot
    write.
    """

    def __init__(self, path: Path, webhooks: Sequence[str]) -> None:
        """A webhook seen for the first time begins with what happens from now on."""
        self._link = connect(path)
        with transaction(self._link) as link:
            for name in webhooks:
                link.execute(
                    "INSERT OR IGNORE INTO webhook SELECT ?, coalesce(max(event_id), 0), 0, 0 FROM"
                    " event",
                    (name,),
                )

    def close(self) -> None:
        self._link.close()

    def next_event(self, webhook: str) -> StoredEvent | None:
        """The oldest event of an alarm that the webhook has not yet been asked to take."""
        found = self._link.execute(
            f"SELECT {EVENT_COLUMNS} FROM event WHERE event_id > (SELECT cursor FROM webhook WHERE"
            " name = ?) AND kind IN (?, ?, ?) ORDER BY event_id LIMIT 1",
            (webhook, *ALARM_KINDS),
        ).fetchone()
        return None if found is None else StoredEvent(*found)

    def told(self, webhook: str, sensor: str) -> Told:
        query = (
            "SELECT state, raised_ns, held_event, n_held FROM told WHERE webhook = ? AND sensor = ?"
        )
        found = self._link.execute(query, (webhook, sensor)).fetchone()
        return Told() if found is None else Told(*found)

    def held(self, webhook: str) -> list[tuple[Told, StoredEvent]]:
        """What is held back for a webhook, oldest first."""
        columns = ", ".join(f"event.{name}" for name in EVENT_COLUMNS.split(", "))
        found = self._link.execute(
            f"SELECT state, raised_ns, held_event, n_held, {columns} FROM told "
            "JOIN event ON event.event_id = told.held_event WHERE webhook = ? ORDER BY held_event",
            (webhook,),
        )
        return [(Told(*row[:4]), StoredEvent(*row[4:])) for row in found]

    def settle(
        self, webhook: str, event: StoredEvent, told: Told, *, accepted: int = 0, rejected: int = 0
    ) -> None:
        """An event has its fate: sent, refused for good, or held back."""
        with transaction(self._link) as link:
            link.execute(
                "UPDATE webhook SET cursor = max(cursor, ?), n_accepted = n_accepted + ?,"
                " n_rejected = n_rejected + ? WHERE name = ?",
                (event.event_id, accepted, rejected, webhook),
            )
            link.execute(
                "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?, ?, ?)",
                (webhook, event.sensor, told.state, told.raised_ns, told.held_event, told.n_held),
            )

    def counts(self, webhook: str) -> tuple[int, int]:
        """Notices accepted and rejected."""
        query = "SELECT n_accepted, n_rejected FROM webhook WHERE name = ?"
        accepted, rejected = self._link.execute(query, (webhook,)).fetchone()
        return int(accepted), int(rejected)
