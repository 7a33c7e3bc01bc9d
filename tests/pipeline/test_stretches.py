"""Windows become unbroken signals again: each sample once, gaps between them, the oldest gone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.pipeline.stretches import Stretches
from monitor.records.signal import Window

RATE_HZ, N = 10.0, 10
SECOND_NS = 10**9


def window(first_sample: int, n_new: int, segment: int = 1) -> Window:
    """Its samples are their own numbers."""
    numbers = np.arange(first_sample, first_sample + N, dtype=np.float32)
    samples = np.stack([numbers, -numbers])
    return Window("m/p", segment, first_sample, 0, RATE_HZ, samples, n_new)


@given(
    hops=st.lists(st.integers(1, N), min_size=1, max_size=15),
    lost=st.sets(st.integers(0, 14)),
    longest_s=st.sampled_from([0.5, 1.0, 2.0, 3.1, 20.0]),
)
def test_they_are_the_signal_that_was_cut(
    hops: list[int], lost: set[int], longest_s: float
) -> None:
    """lost : windows that never came here"""
    kept, first = Stretches(RATE_HZ, longest_s), 0
    pieces: list[tuple[int, list[int]]] = []  # the run that each is of, and its numbers
    for place, hop in enumerate(hops):
        n_new = hop if place else N
        first += hop if place else 0
        if place in lost:
            continue
        kept.add(window(first, n_new), place)
        is_next = bool(pieces) and place - 1 not in lost
        run = pieces[-1][0] if is_next else place
        pieces.append((run, list(range(first + N - (n_new if is_next else N), first + N))))
        while len(pieces) > 1 and sum(len(one) for _, one in pieces) > longest_s * RATE_HZ:
            pieces.pop(0)
    wanted = [
        [number for run, one in pieces if run == wanted_run for number in one]
        for wanted_run in dict.fromkeys(run for run, _ in pieces)
    ]
    assert [list(one[0]) for one in kept.whole()] == wanted
    assert [list(-one[1]) for one in kept.whole()] == wanted
    assert kept.seconds == sum(map(len, wanted)) / RATE_HZ
    assert kept.n_bytes == 2 * 4 * sum(map(len, wanted))
    assert len(kept.told) == len(pieces)


def test_another_segment_is_another_stretch() -> None:
    kept = Stretches(RATE_HZ, 20.0)
    kept.add(window(0, N), None)
    kept.add(window(N, N, segment=2), None)
    assert len(kept.whole()) == 2


def test_when_it_was_is_told_by_the_middle_of_the_arrivals() -> None:
    kept = Stretches(RATE_HZ, 20.0)
    for place, late_s in enumerate([0.0, 0.3, 0.1]):
        received_ns = round((place + 1 + late_s) * SECOND_NS)
        kept.add(window(place * N, N), None, received_ns)
    (found,) = kept.timed()
    assert (found.start_ns, found.seconds) == (round(0.1 * SECOND_NS), 3.0)
    assert found.unsteady_s == pytest.approx(0.2)
