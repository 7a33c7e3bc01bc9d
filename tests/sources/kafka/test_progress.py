"""Laws of the position of a partition: never beyond a record that is not settled, and never behind
without need.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.kafka.progress import Progress

offsets = st.lists(st.integers(0, 60), unique=True, max_size=25).map(sorted)


@given(offsets, st.data())
def test_position_is_the_lowest_offset_that_is_not_settled(
    delivered: list[int], data: st.DataObject
) -> None:
    start = delivered[0] if delivered else 5
    progress = Progress(start)
    order = data.draw(st.permutations(delivered))
    n_ahead = data.draw(st.integers(0, len(delivered)))
    for offset in delivered[:n_ahead]:
        progress.deliver(offset, offset // 10)
    waiting, settled = delivered[n_ahead:], set[int]()
    for offset in order:
        while offset not in delivered[: len(delivered) - len(waiting)]:
            progress.deliver(waiting[0], waiting[0] // 10)
            waiting = waiting[1:]
        progress.settle([offset])
        settled.add(offset)
        out = delivered[: len(delivered) - len(waiting)]
        unsettled = [one for one in out if one not in settled]
        before = [one for one in out if not unsettled or one < unsettled[0]]
        assert progress.offset == (before[-1] + 1 if before else start)
        assert progress.epoch == (before[-1] // 10 if before else None)
        assert progress.n_unsettled == len(unsettled)


def test_a_record_settled_before_it_is_next_is_remembered_once() -> None:
    progress = Progress(7)
    for offset in (7, 9, 12):
        progress.deliver(offset, None)
    progress.settle([12])
    progress.settle([9])
    assert progress.offset == 7
    progress.settle([7])
    assert (progress.offset, progress.next_offset) == (13, 13)
    assert progress.n_unsettled == 0
