"""Where max_lag_s is set: which windows are too old to be judged, and when such a time begins and
ends. Pure.
"""

from __future__ import annotations

from monitor.records.batch import Event
from monitor.records.signal import Window


class Overload:
    """The same limit holds for all sensors, so they shed in turn. Lag is message time against our
    clock.
    """

    def __init__(self) -> None:
        self._n_shed = 0  # since it began
        self._n_lately = 0  # since the last tick

    def sheds(self, window: Window, max_lag_s: float | None, now_ns: int) -> bool:
        """True for a window that ended more than max_lag_s ago.
        It must then be counted as dropped.
        """
        if max_lag_s is None:
            return False
        end_ns = window.start_ns + round(window.samples.shape[1] / window.sample_rate_hz * 1e9)
        late = bool(now_ns - end_ns > max_lag_s * 1e9)
        self._n_lately += late
        return late

    def tick(self, now_ns: int) -> Event | None:
        """Called about once a second: the event of its beginning, or of its end once a second sheds
        nothing.
        """
        lately, self._n_lately = self._n_lately, 0
        before, self._n_shed = self._n_shed, self._n_shed + lately if lately else 0
        if lately and not before:
            return Event(
                now_ns,
                "",
                "overload",
                "windows older than max_lag_s are dropped: more comes than can be judged",
            )
        if before and not lately:
            return Event(now_ns, "", "overload_over", f"{before} windows were dropped")
        return None
