"""The clock that finds silent sensors: it counts the seconds in which we could have heard one."""

from __future__ import annotations

MOST_S = 0.5  # the most that one look adds


class ListeningClock:
    """Stands still without a connection, and while a full disk or a stopped process held us up: no
    sensor fell silent then. When a connection comes back, it continues from
    where it stopped.
    """

    def __init__(self, now_s: float) -> None:
        """now_s : a clock that never jumps"""
        self.listened_s = 0.0
        self._looked_s = now_s

    def look(self, now_s: float, is_connected: bool) -> float:
        """Seconds spent listening so far. Called with every turn of the pipeline."""
        if is_connected:
            self.listened_s += min(now_s - self._looked_s, MOST_S)
        self._looked_s = now_s
        return self.listened_s
