"""Whose maps and spectra the journal keeps. The verdict itself, with all its scores, is always
kept.
"""

from __future__ import annotations

from dataclasses import replace

from monitor.config import JournalSettings, MapsKept
from monitor.pipeline.keeping import Keeper
from monitor.records.verdict import Status, Verdict


class MapKeeper:
    """As journal.maps says: all; those of NG windows; or `changes`, by the rule of kept windows.

    Learning windows always keep theirs: commissioning needs their spectra; so does one that waits
    for its windows.
    """

    def __init__(self, settings: JournalSettings) -> None:
        self.keeps_all = False  # for now, whatever the settings say
        self._maps: MapsKept = settings.maps
        self._keeper: Keeper[Verdict] = Keeper(settings.kept_windows)

    def choose(self, verdict: Verdict) -> tuple[Verdict, list[Verdict]]:
        """The verdict as it is stored, and earlier ones whose map is worth keeping after all."""
        if self._maps == "all":
            return verdict, []
        is_kept, earlier = verdict.status in (Status.NG, Status.LEARNING), []
        if self._maps == "changes":
            for one, _ in self._keeper.keep(verdict.status, verdict):
                if one is verdict:
                    is_kept = True
                elif one.grid is not None:
                    earlier.append(one)
        is_kept = is_kept or self.keeps_all
        return verdict if is_kept else replace(verdict, keeps_maps=False), earlier
