"""Speeds as they were told from moment to moment, beside the signal of a sensor. Pure.

A window keeps the one value that held when it was whole; within ten seconds of
windows a speed may be told a hundred times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from monitor.pipeline.stretches import Timed
from monitor.records.context import ContextKey, Told, keys_for
from monitor.records.diagnosis import ToldSpeed

N_KEPT = 256  # values of each speed
MAX_SPEEDS = 2000
RARE_S = 2.0  # told more rarely, or begun later than this, it is no course
STEADY_ARRIVAL_S = 0.5  # windows that come in a burst bear no time of a speed


class SpeedHistory:
    """Of the contexts that some machine's shaft is told by."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._told: dict[ContextKey, deque[Told]] = {}

    @property
    def n_kept(self) -> int:
        return sum(map(len, self._told.values()))

    def want(self, name: str) -> None:
        """Keep what this context tells from now on. "" is none."""
        if name:
            self._names.add(name)

    def note(self, told: Mapping[ContextKey, Told]) -> None:
        for key, one in told.items():
            if key[0] not in self._names:
                continue
            if key in self._told or len(self._told) < MAX_SPEEDS:
                self._told.setdefault(key, deque(maxlen=N_KEPT)).append(one)

    def courses(
        self, sensor: str, name: str, signal: Sequence[Timed]
    ) -> tuple[ToldSpeed, ...]:
        """The speed's course over each stretch of signal; none where one of them has none."""
        told = next((key for key in keys_for(sensor, name) if key in self._told), None)
        if told is None:
            return ()
        found = [_course(self._told[told], one) for one in signal]
        known = tuple(one for one in found if one is not None)
        return known if len(known) == len(found) else ()


def _course(told: Sequence[Told], over: Timed) -> ToldSpeed | None:
    """None where the speed was not told often enough, or the signal came in bursts."""
    if over.unsteady_s > STEADY_ARRIVAL_S:
        return None
    values = [one.value for one in told]
    if not all(isinstance(value, float) and value > 0 for value in values):
        return None
    at_s = np.array([(one.at_ns - over.start_ns) / 1e9 for one in told])
    hz = np.array(values, np.float64) / 60
    first = max(int(np.searchsorted(at_s, 0.0, "right")) - 1, 0)
    end = int(np.searchsorted(at_s, over.seconds, "right")) + 1
    at_s, hz = at_s[first:end], hz[first:end]
    gaps = np.diff(np.concatenate([[0.0], np.clip(at_s, 0, over.seconds), [over.seconds]]))
    if len(at_s) < 2 or gaps.max() > RARE_S:
        return None
    return ToldSpeed(at_s, hz)
