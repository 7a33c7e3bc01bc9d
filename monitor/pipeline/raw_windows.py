"""Which raw windows are kept."""

from __future__ import annotations

from collections import deque

from monitor.config import KeptWindowSettings
from monitor.records.batch import KeptWindow
from monitor.records.signal import Window
from monitor.records.verdict import Status, Verdict


class WindowKeeper:
    """Chooses the raw windows worth keeping: every NG, those around a change of status, one OK in
    every so many.
    """

    def __init__(self, settings: KeptWindowSettings) -> None:
        self._settings = settings
        self._before: deque[Window] = deque(maxlen=settings.around_change)
        self._n_after = 0
        self._n_ok = 0
        self._last: Status | None = None

    def keep(self, verdict: Verdict, window: Window) -> list[KeptWindow]:
        changed = self._last is not None and verdict.status is not self._last
        self._last = verdict.status
        kept = [_kept(earlier, "change") for earlier in self._before] if changed else []
        if changed:
            self._n_after = self._settings.around_change + 1
        if why := self._why(verdict):
            kept.append(_kept(window, why))
            self._before.clear()
        else:
            self._before.append(window)
        return kept

    def _why(self, verdict: Verdict) -> str:
        self._n_after = max(0, self._n_after - 1) if (near := self._n_after > 0) else 0
        if verdict.status is Status.NG:
            return "ng"
        if near:
            return "change"
        if verdict.status is Status.OK:
            self._n_ok += 1
            return (
                "sample"
                if self._n_ok % self._settings.ok_every == 1 % self._settings.ok_every
                else ""
            )
        return ""


def _kept(window: Window, why: str) -> KeptWindow:
    key = (window.sensor, window.segment, window.first_sample)
    return KeptWindow(*key, window.sample_rate_hz, window.samples, why)
