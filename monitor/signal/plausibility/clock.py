"""Whether a sensor's clock stands still, or keeps another zone's time. What is off by years is told
by timeline.py: one message is enough for that.
"""

from __future__ import annotations

from monitor.records.signal import Chunk
from monitor.signal import troubles
from monitor.signal.timeline import duration_ns

SECOND_NS = 10**9
STILL_NS = 10 * SECOND_NS  # clocks may count in whole seconds
ZONE_NS = 1800 * SECOND_NS  # zones differ by whole half hours, nearly all
ZONE_OFF_NS = 60 * SECOND_NS  # a message may be late by as much
STEADY_NS = 60 * SECOND_NS  # no backlog stays equally late for so long
MIN_MESSAGES = 4

STANDS_STILL = (
    "message time stands still: its windows are BAD_DATA; set payload.time to what counts on, or to"
    " none: then arrival counts"
)


class Clock:
    """Of one sensor."""

    def __init__(self) -> None:
        self._time_ns: int | None = None
        self._still_ns = self._zone_ns = 0  # arrival of the first message alike
        self._n_still = self._n_zone = 0
        self._n_halves = 0  # half hours ahead

    def look(self, chunk: Chunk) -> str:
        """A chunk has come. One sentence, or ''."""
        if chunk.start_ns is None:
            return ""
        if self._stands_still(chunk, chunk.start_ns):
            return STANDS_STILL
        off_ns = chunk.start_ns + round(duration_ns(chunk)) - chunk.received_ns
        return troubles.zone_trouble(off_ns) if self._is_zone(chunk, off_ns) else ""

    def _stands_still(self, chunk: Chunk, start_ns: int) -> bool:
        if start_ns != self._time_ns:
            self._time_ns, self._still_ns, self._n_still = start_ns, chunk.received_ns, 0
        self._n_still += not chunk.redelivered
        return (
            self._n_still >= MIN_MESSAGES and chunk.received_ns - self._still_ns >= STILL_NS
        )

    def _is_zone(self, chunk: Chunk, off_ns: int) -> bool:
        n_halves = round(off_ns / ZONE_NS)
        is_near = abs(off_ns - n_halves * ZONE_NS) <= ZONE_OFF_NS
        if not is_near or n_halves != self._n_halves:
            self._n_halves = n_halves if is_near else 0
            self._zone_ns, self._n_zone = chunk.received_ns, 0
        self._n_zone += 1
        is_steady = chunk.received_ns - self._zone_ns >= STEADY_NS
        return bool(self._n_halves) and self._n_zone >= MIN_MESSAGES and is_steady
