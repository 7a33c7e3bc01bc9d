"""Where max_lag_s is set: which windows are too old to be judged, when such a time begins and ends,
and which sensors it leaves without any verdict. Pure.
"""

from __future__ import annotations

from monitor.records.batch import Event
from monitor.records.signal import Window

N_TICKS = (
    2  # after so many without a judged window a sensor counts as left without verdicts
)


class Overload:
    """The same limit holds for all sensors, so they shed in turn. Lag is message time against our
    clock.
    """

    def __init__(self) -> None:
        self._n_shed = 0  # since it began
        self._n_lately = 0  # since the last tick
        self._oldest_s = 0.0  # since the last tick
        # Sensors whose newest window was shed: its first sample, and ticks since the first such.
        self._unjudged: dict[str, tuple[int, int]] = {}

    def sheds(self, window: Window, max_lag_s: float | None, now_ns: int) -> bool:
        """True for a window that ended more than max_lag_s ago.
        It must then be counted as dropped.
        """
        if max_lag_s is None:
            return False
        end_ns = window.start_ns + round(
            window.samples.shape[1] / window.sample_rate_hz * 1e9
        )
        late_s = (now_ns - end_ns) / 1e9
        if late_s <= max_lag_s:
            self._unjudged.pop(window.sensor, None)
            return False
        self._n_lately += 1
        self._oldest_s = max(self._oldest_s, late_s)
        _, n_ticks = self._unjudged.get(window.sensor, (0, 0))
        self._unjudged[window.sensor] = window.first_sample, n_ticks
        return True

    def tick(self, now_ns: int) -> Event | None:
        """Called about once a second: the event of its beginning, or of its end once a second sheds
        nothing.
        """
        lately, self._n_lately = self._n_lately, 0
        oldest_s, self._oldest_s = self._oldest_s, 0.0
        before, self._n_shed = self._n_shed, self._n_shed + lately if lately else 0
        if lately and not before:
            text = (
                f"windows older than max_lag_s are dropped, the oldest by {oldest_s:.0f} s: more"
                " comes than can be judged, or a sensor's clock is behind"
            )
            return Event(now_ns, "", "overload", text)
        if before and not lately:
            return Event(now_ns, "", "overload_over", f"{before} windows were dropped")
        return None

    def unjudged(self) -> list[tuple[str, int]]:
        """Called with every tick: sensors that nothing is judged of any more, each once, with the
        first sample of the newest window.
        """
        found = []
        for sensor, (first_sample, n_ticks) in self._unjudged.items():
            if n_ticks == N_TICKS:
                found.append((sensor, first_sample))
            self._unjudged[sensor] = first_sample, n_ticks + 1
        return found
