"""Which raw windows are kept."""

from __future__ import annotations

from monitor.config import KeptWindowSettings
from monitor.pipeline.keeping import Keeper
from monitor.records.batch import KeptWindow
from monitor.records.signal import Window
from monitor.records.verdict import Verdict


class WindowKeeper:
    """Chooses the raw windows worth keeping, as journal.kept_windows says."""

    def __init__(self, settings: KeptWindowSettings) -> None:
        self._keeper: Keeper[Window] = Keeper(settings)

    def keep(self, verdict: Verdict, window: Window) -> list[KeptWindow]:
        return [
            _kept(chosen, why) for chosen, why in self._keeper.keep(verdict.status, window)
        ]


def _kept(window: Window, why: str) -> KeptWindow:
    key = (window.sensor, window.segment, window.first_sample)
    return KeptWindow(*key, window.sample_rate_hz, window.samples, why)
