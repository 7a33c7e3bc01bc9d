"""The tail's pieces: in order, counted, and none that is needed is forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.records.stream import Piece
from monitor.signal.tail_pieces import TailPieces

lengths = st.lists(st.integers(1, 9), max_size=12)


def pieces(sizes: list[int]) -> list[Piece]:
    return [Piece(at, at, n) for at, n in enumerate(sizes)]


@given(lengths, st.integers(0, 12), st.integers(0, 40))
def test_the_last_samples_stay_and_no_piece_without_one(
    sizes: list[int], n_first: int, n_kept: int
) -> None:
    every = pieces(sizes)
    tail = TailPieces(every[:n_first])
    for one in every[n_first:]:
        tail.add(one)
    assert (list(tail), tail.n_samples) == (every, sum(sizes))
    tail.keep(n_kept)
    after = [sum(sizes[at + 1 :]) for at in range(len(sizes))]
    assert list(tail) == [one for one in every if after[one.first] < n_kept]
    assert tail.n_samples == sum(one.n_samples for one in tail)
