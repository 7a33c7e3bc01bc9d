"""The topic filters that the broker's session holds: one that leaves the configuration meanwhile is
unsubscribed.
"""

from __future__ import annotations

from pathlib import Path

from monitor.journal.schema import connect, transaction


class SubscriptionStore:
    """Used by one thread at a time. filters: as last kept, also by an earlier process."""

    def __init__(self, path: Path) -> None:
        self._link = connect(path)
        with transaction(self._link) as link:
            self.filters = frozenset(
                topic for (topic,) in link.execute("SELECT topic_filter FROM subscription")
            )

    def close(self) -> None:
        self._link.close()

    def keep(self, filters: frozenset[str]) -> None:
        """Remember these and no others. Raises JournalError."""
        if filters == self.filters:
            return
        with transaction(self._link) as link:
            link.execute("DELETE FROM subscription")
            link.executemany(
                "INSERT INTO subscription VALUES (?)",
                [(topic,) for topic in sorted(filters)],
            )
        self.filters = filters
