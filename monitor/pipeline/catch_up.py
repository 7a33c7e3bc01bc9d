"""Records that an earlier owner of the partition has already taken are skipped, except those of
unfinished windows, which are read again. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.records.signal import Float32
from monitor.records.stream import Piece, StoredStream


class _Tail:
    """An unfinished window's samples, as they come again."""

    def __init__(self, stored: StoredStream) -> None:
        assert stored.records is not None  # else nothing is missing
        self.stored = stored
        self._wanted = list(stored.records.pieces)
        self._found: list[Float32] = []

    @property
    def last_record(self) -> int:
        return self._wanted[-1].record if self._wanted else -1

    @property
    def samples(self) -> Float32 | None:
        """None while some are missing."""
        return None if self._wanted else np.concatenate(self._found, axis=1)

    def take(self, record: int, samples: Float32) -> bool:
        """Whether the samples are the next piece."""
        n = samples.shape[1]
        if not self._wanted or not _fits(self._wanted[0], record, n):
            return False
        del self._wanted[0]
        self._found.append(samples)
        return True


class CatchUp:
    """By sensor: what its stored stream holds already, and what is still to be read again."""

    def __init__(self, streams: Mapping[str, StoredStream]) -> None:
        self._newest = {
            name: stored.records.newest
            for name, stored in streams.items()
            if stored.records is not None
        }
        self._tails = {
            name: _Tail(stored) for name, stored in streams.items() if stored.misses_tail
        }

    def __contains__(self, name: str) -> bool:
        """Whether the sensor's unfinished window is still to be read again."""
        return name in self._tails

    def is_known(self, name: str, record: int) -> bool:
        """Whether the sensor's stream holds the record."""
        return record <= self._newest.get(name, -1)

    def take(self, name: str, record: int, samples: Float32) -> bool:
        """Whether these samples, as they came, are of the unfinished window."""
        tail = self._tails.get(name)
        return tail is not None and tail.take(record, samples)

    def whole(self, name: str) -> tuple[StoredStream, Float32] | None:
        """The sensor's stream and the samples of its unfinished window, once; None while some are
        missing.
        """
        samples = self._tails[name].samples
        return None if samples is None else (self._tails.pop(name).stored, samples)

    def give_up(self, name: str) -> StoredStream:
        """The rest will not come."""
        return self._tails.pop(name).stored

    def passed(self, record: int) -> list[str]:
        """Sensors whose missing samples lie before a record that nothing comes from before."""
        return [name for name, tail in self._tails.items() if tail.last_record < record]

    def forget(self) -> list[str]:
        """The records are others than before. Returns the sensors that miss samples."""
        self._newest.clear()
        return list(self._tails)


def _fits(piece: Piece, record: int, n_samples: int) -> bool:
    return (piece.record, piece.n_samples) == (record, n_samples)
