"""The last windows of a sensor as unbroken signals. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.records.context import Value
from monitor.records.signal import Float32, Window

WHOLE_SHARE = 0.9  # of the longest: another window might be too long to fit


@dataclass(frozen=True, slots=True)
class _Piece:
    """New samples of a window, and what was told with it.

    is_next : it goes on where the one before ended
    received_ns : when it was whole, by the host's clock
    """

    samples: Float32
    is_next: bool
    told: Value | None
    received_ns: int


@dataclass(frozen=True, slots=True)
class Timed:
    """When an unbroken signal began, by the host's clock, as far as its arrival tells.

    unsteady_s : how far its windows came earlier or later than their samples say
    """

    start_ns: int
    seconds: float
    unsteady_s: float


@dataclass(slots=True)
class Stretches:
    """At most so many seconds of signal: the oldest windows go.

    longest_s : the newest window stays, whatever its length
    """

    sample_rate_hz: float
    longest_s: float
    _pieces: deque[_Piece] = field(default_factory=deque)
    # Segment and sample at which the last window ended.
    _end: tuple[int, int] | None = None

    @property
    def seconds(self) -> float:
        n: int = sum(piece.samples.shape[1] for piece in self._pieces)
        return n / self.sample_rate_hz

    @property
    def is_whole(self) -> bool:
        """There is as much signal as is kept, give or take a window."""
        return self.seconds >= WHOLE_SHARE * self.longest_s

    @property
    def n_bytes(self) -> int:
        return sum(piece.samples.nbytes for piece in self._pieces)

    @property
    def told(self) -> list[Value | None]:
        """What was told with each window."""
        return [piece.told for piece in self._pieces]

    def add(self, window: Window, told: Value | None, received_ns: int = 0) -> None:
        """received_ns : when the window was whole, by the host's clock"""
        n = window.samples.shape[1]
        start = window.first_sample + n - window.n_new
        is_next = self._end == (window.segment, start)
        samples = window.samples[:, n - window.n_new :] if is_next else window.samples
        self._end = window.segment, window.first_sample + n
        self._pieces.append(_Piece(samples, is_next, told, received_ns))
        while len(self._pieces) > 1 and self.seconds > self.longest_s:
            self._pieces.popleft()

    def whole(self) -> tuple[Float32, ...]:
        """Unbroken signals, float32, shape (n_channels, n) each."""
        return tuple(
            np.concatenate([piece.samples for piece in run], axis=1) for run in self._runs()
        )

    def timed(self) -> tuple[Timed, ...]:
        """When each of the unbroken signals was."""
        return tuple(_timed(run, self.sample_rate_hz) for run in self._runs())

    def _runs(self) -> list[list[_Piece]]:
        runs: list[list[_Piece]] = []
        for piece in self._pieces:
            if piece.is_next and runs:
                runs[-1].append(piece)
            else:
                runs.append([piece])
        return runs


def _timed(run: Sequence[_Piece], rate_hz: float) -> Timed:
    ends = np.cumsum([piece.samples.shape[1] for piece in run]) / rate_hz
    starts_ns = np.array([piece.received_ns for piece in run]) - np.rint(ends * 1e9)
    start_ns = float(np.median(starts_ns))
    unsteady_s = float(np.abs(starts_ns - start_ns).max()) / 1e9
    return Timed(round(start_ns), float(ends[-1]), unsteady_s)
