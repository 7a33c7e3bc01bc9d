"""What a person should know of a sensor's stream, said once each. Pure."""

from __future__ import annotations

from monitor.records.batch import Event

AGAIN_S = 3600.0  # a trouble that came back is told again, but not more often
ALIKE = 0.2  # two pauses that differ by less, in parts, show a period


class Remarks:
    """Of one sensor. Times in seconds spent listening."""

    def __init__(self, sensor: str) -> None:
        self._sensor = sensor
        self._said_s: dict[str, float] = {}
        self._standing: set[str] = set()
        self._pause_s = 0.0  # before the sensor was back last

    def note(self, kind: str, text: str, at_ns: int, now_s: float) -> list[Event]:
        """A trouble: an event where it is news. text : '' where it is over"""
        if not text:
            self._standing.discard(kind)
            return []
        was_standing = kind in self._standing
        self._standing.add(kind)
        if was_standing or now_s < self._said_s.get(kind, -AGAIN_S) + AGAIN_S:
            return []
        self._said_s[kind] = now_s
        return [Event(at_ns, self._sensor, kind, text)]

    def period_s(self, pause_s: float) -> float | None:
        """The sensor's own period, where it is silent for as long each time it is back."""
        before_s, self._pause_s = self._pause_s, pause_s
        is_alike = before_s > 0 and abs(pause_s - before_s) <= ALIKE * pause_s
        return pause_s if is_alike else None
