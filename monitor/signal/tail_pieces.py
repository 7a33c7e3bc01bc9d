"""Which records the newest samples of a stream came in. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from monitor.records.stream import Piece


class TailPieces:
    """Pieces in the order of their samples."""

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self._pieces = deque(pieces)
        self.n_samples = sum(piece.n_samples for piece in self._pieces)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._pieces)

    def add(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self.n_samples += piece.n_samples

    def keep(self, n_samples: int) -> None:
        """Forget the pieces that hold none of the last n_samples samples."""
        while self._pieces and self.n_samples - self._pieces[0].n_samples >= n_samples:
            self.n_samples -= self._pieces.popleft().n_samples
