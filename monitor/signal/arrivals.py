"""The sample rate as estimated from arrival times, and how sure that is. For streams without
message times. Pure.

Every message arrives after an unknown delay, so two arrivals give the rate only
as precisely as their delays agree. How far delays differ is seen from all
arrivals in between: from their scatter about the straight line through the first
and the last. A multiple of that scatter also covers a pause, and the burst of a
backlog of any length: the kink in the line is as large as the error it causes.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.signal.rates import RATE_LIMIT

MIN_MESSAGES = 8
MIN_SCATTER_S = 0.25  # jitter of the network that this span happens not to show
CERTAINTY = 4.0  # so many times the scatter
# What comes faster is taken for a backlog, unless it lasts. So a backlog at five times the rate or
# more is never mistaken for a rate, not even together with what follows it.
BACKLOG = 2.5
# likewise for anything too fast, while a backlog is to be expected
PATIENCE_S = 1200.0
N_POINTS = 64  # arrivals to remember
SPAN_S = 600.0  # then a new measurement begins
RENEWED_S = 60.0  # until then, the finding of the previous span stands


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """low_hz, high_hz : between which it must lie; high_hz may be infinite."""

    rate_hz: float
    low_hz: float
    high_hz: float


class Arrivals:
    """Of one unbroken stream. wrong : its rate, where that is certainly not the declared one."""

    def __init__(self) -> None:
        self.wrong: RateEstimate | None = None
        self._may_be_backlog = False
        self._held_since_ns: int | None = None
        self._points: list[tuple[int, int]] = []  # arrival, samples since the first
        self._n_messages, self._n_samples = 0, 0
        self._longest_s = 0.0
        self._spacing_ns = 0

    def begin(self, may_be_backlog: bool = False) -> None:
        """A stream begins, or continues after a time in which nothing could be measured.

        may_be_backlog : what comes first may have been held on the way
        """
        self.wrong = None
        self._may_be_backlog = may_be_backlog
        self._held_since_ns = None
        self._restart()

    def add(self, received_ns: int, n_samples: int, declared_hz: float) -> None:
        """A message of n_samples has arrived."""
        self._n_messages += 1
        self._longest_s = max(self._longest_s, n_samples / declared_hz)
        if not self._points:  # its samples were measured before it arrived
            self._points.append((received_ns, 0))
            return
        if received_ns < self._points[-1][0]:  # our own clock has stepped back
            self._restart()
            return
        self._n_samples += n_samples
        if received_ns - self._points[-1][0] < self._spacing_ns:
            return
        self._points.append((received_ns, self._n_samples))
        self._judge(declared_hz)
        if len(self._points) >= N_POINTS:
            self._thin_out()

    def estimate(self) -> RateEstimate | None:
        """None while there is too little to go by."""
        (first_ns, _), (last_ns, n) = self._points[0], self._points[-1]
        span_s = (last_ns - first_ns) / 1e9
        if self._n_messages < MIN_MESSAGES or span_s <= 0:
            return None
        unsure_s = CERTAINTY * self._scatter_s()
        high_hz = n / (span_s - unsure_s) if span_s > unsure_s else float("inf")
        return RateEstimate(n / span_s, n / (span_s + unsure_s), high_hz)

    @property
    def span_s(self) -> float:
        """Seconds between the arrivals that are compared."""
        return (self._points[-1][0] - self._points[0][0]) / 1e9 if self._points else 0.0

    def _restart(self) -> None:
        self._points = []
        self._n_messages, self._n_samples = 0, 0
        self._longest_s = 0.0
        self._spacing_ns = 0

    def _judge(self, declared_hz: float) -> None:
        found = self.estimate()
        if found is not None and self._is_wrong(found, declared_hz):
            self.wrong = found
        elif self.span_s > RENEWED_S:
            self.wrong = None
        if self.span_s > SPAN_S:
            self._restart()

    def _is_wrong(self, found: RateEstimate, declared_hz: float) -> bool:
        if found.low_hz > declared_hz * (1 + RATE_LIMIT):
            is_expected = self._may_be_backlog or found.rate_hz > BACKLOG * declared_hz
            return not (is_expected and self._is_held_for_backlog())
        if self.span_s > RENEWED_S:
            self._may_be_backlog, self._held_since_ns = False, None
        return found.high_hz < declared_hz * (1 - RATE_LIMIT)

    def _is_held_for_backlog(self) -> bool:
        now_ns = self._points[-1][0]
        if self._held_since_ns is None:
            self._held_since_ns = now_ns
        return now_ns - self._held_since_ns < PATIENCE_S * 1e9

    def _scatter_s(self) -> float:
        """Of the arrivals about the line through the first and the last; at least one message."""
        (first_ns, _), (last_ns, n) = self._points[0], self._points[-1]
        ns_per_sample = (last_ns - first_ns) / n
        off_ns = [at_ns - first_ns - ns_per_sample * count for at_ns, count in self._points]
        seen_s = float(max(off_ns) - min(off_ns)) / 1e9
        return max(seen_s, self._longest_s, MIN_SCATTER_S)

    def _thin_out(self) -> None:
        """Keep every second one, and the first: the span must not shrink."""
        self._points = [self._points[0], *self._points[1::2]]
        self._spacing_ns = (self._points[-1][0] - self._points[0][0]) // N_POINTS
