"""Keeps the journal within its limits."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from monitor.config import JournalSettings
from monitor.journal.schema import JournalError
from monitor.journal.writer import Journal
from monitor.records.trend import DAY_S, HOUR_S, TEN_MINUTES_S

TIER_WORDS = {"ten_minutes": "ten minutes", "hours": "hours"}

log = logging.getLogger(__name__)


class Thinner:
    """databases : outputs that take verdicts: rows that they have go first"""

    def __init__(
        self, journal: Journal, settings: JournalSettings, databases: Sequence[str]
    ) -> None:
        self._journal, self._settings, self._databases = journal, settings, databases
        self._kept_s = {
            TEN_MINUTES_S: settings.trends.ten_minutes_days * DAY_S,
            HOUR_S: settings.trends.hours_days * DAY_S,
        }
        self.is_busy = False  # the journal is over a limit: another step soon

    def step(self, now_ns: int) -> None:
        """A bounded one."""
        limits = self._settings.max_bytes, self._settings.kept_windows.max_bytes
        try:
            taken = self._journal.thin(*limits, self._databases)
            old = self._journal.thin_trends(self._kept_s, now_ns)
        except JournalError as error:
            log.error("%s", error)
            return
        self.is_busy = taken.total() + old.total() > 0
        for tier, n_rows in sorted(old.items()):
            if n_rows:
                log.info(
                    "Trends: %d rows of %s were older than kept.", n_rows, TIER_WORDS[tier]
                )
        if taken["undelivered_rows"]:
            log.error(
                "The journal is full: %d rows that InfluxDB never got were thinned.",
                taken["undelivered_rows"],
            )
