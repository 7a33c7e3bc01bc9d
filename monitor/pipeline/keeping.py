"""Which of a sensor's windows are worth keeping."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from monitor.config import KeptWindowSettings
from monitor.records.verdict import Status

T = TypeVar("T")


class Keeper(Generic[T]):
    """Chooses every NG, those around a change of status, and one OK in every so many."""

    def __init__(self, settings: KeptWindowSettings) -> None:
        self._settings = settings
        # None in the place of one that is kept already
        self._before: deque[T | None] = deque(maxlen=settings.around_change)
        self._n_after = 0
        self._n_ok = 0
        self._last: Status | None = None

    def keep(self, status: Status, item: T) -> list[tuple[T, str]]:
        """What of a window, and of those before it, is worth keeping; each with the reason."""
        changed = self._last is not None and status is not self._last
        self._last = status
        kept: list[tuple[T, str]] = []
        if changed:
            kept += [(one, "change") for one in self._before if one is not None]
            self._before.clear()
            self._n_after = self._settings.around_change + 1
        why = self._why(status)
        if why:
            kept.append((item, why))
        self._before.append(None if why else item)
        return kept

    def _why(self, status: Status) -> str:
        near = self._n_after > 0
        self._n_after = max(0, self._n_after - 1)
        if status is Status.NG:
            return "ng"
        if near:
            return "change"
        if status is Status.OK:
            self._n_ok += 1
            every = self._settings.ok_every
            return "sample" if self._n_ok % every == 1 % every else ""
        return ""
