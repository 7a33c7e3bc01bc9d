"""The last windows of a sensor as unbroken signals. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from monitor.records.context import Value
from monitor.records.signal import Float32, Window


@dataclass(frozen=True, slots=True)
class _Piece:
    """New samples of a window, and what was told with it.

    is_next : it goes on where the one before ended
    """

    samples: Float32
    is_next: bool
    told: Value | None


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
    def n_bytes(self) -> int:
        return sum(piece.samples.nbytes for piece in self._pieces)

    @property
    def told(self) -> list[Value | None]:
        """What was told with each window."""
        return [piece.told for piece in self._pieces]

    def add(self, window: Window, told: Value | None) -> None:
        n = window.samples.shape[1]
        start = window.first_sample + n - window.n_new
        is_next = self._end == (window.segment, start)
        samples = window.samples[:, n - window.n_new :] if is_next else window.samples
        self._end = window.segment, window.first_sample + n
        self._pieces.append(_Piece(samples, is_next, told))
        while len(self._pieces) > 1 and self.seconds > self.longest_s:
            self._pieces.popleft()

    def whole(self) -> tuple[Float32, ...]:
        """Unbroken signals, float32, shape (n_channels, n) each."""
        runs: list[list[Float32]] = []
        for piece in self._pieces:
            if piece.is_next and runs:
                runs[-1].append(piece.samples)
            else:
                runs.append([piece.samples])
        return tuple(np.concatenate(run, axis=1) for run in runs)
