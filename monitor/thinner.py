"""Keeps the journal within its limits."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from monitor.config import JournalSettings
from monitor.journal.schema import JournalError
from monitor.journal.writer import Journal

log = logging.getLogger(__name__)


class Thinner:
    """databases : outputs that take verdicts: rows that they have go first"""

    def __init__(
        self, journal: Journal, settings: JournalSettings, databases: Sequence[str]
    ) -> None:
        self._journal, self._settings, self._databases = journal, settings, databases
        self.is_busy = False  # the journal is over a limit: another step soon

    def step(self) -> None:
        """A bounded one."""
        limits = self._settings.max_bytes, self._settings.kept_windows.max_bytes
        try:
            taken = self._journal.thin(*limits, self._databases)
        except JournalError as error:
            log.error("%s", error)
            return
        self.is_busy = taken.total() > 0
        if taken["undelivered_rows"]:
            log.error(
                "The journal is full: %d rows that InfluxDB never got were thinned.",
                taken["undelivered_rows"],
            )
