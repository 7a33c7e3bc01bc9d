"""What was announced on retained topics, so that it can be taken back: also by a later process,
with another configuration.
"""

from __future__ import annotations

from pathlib import Path

from monitor.journal.schema import connect, transaction


class Announced:
    """Used by one thread. Raises JournalError."""

    def __init__(self, path: Path) -> None:
        self._link = connect(path)

    def close(self) -> None:
        self._link.close()

    def topics(self) -> dict[str, str]:
        """Each topic's payload."""
        return dict(self._link.execute("SELECT topic, payload FROM announced").fetchall())

    def keep(self, topic: str, payload: str) -> None:
        with transaction(self._link) as link:
            link.execute("INSERT OR REPLACE INTO announced VALUES (?, ?)", (topic, payload))

    def forget(self, topic: str) -> None:
        with transaction(self._link) as link:
            link.execute("DELETE FROM announced WHERE topic = ?", (topic,))
