"""Laws of settlement: once, not before the samples are stored, and none held for ever."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from monitor.pipeline.settlement import Settlement
from monitor.records.signal import Delivery

SENSORS = ("a", "b", "c")


@dataclass(frozen=True)
class Take:
    """A message that brings so many samples of some sensors."""

    samples: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Store:
    """A batch that stores these sensors' streams as far as they have come."""

    sensors: tuple[str, ...]


takes = st.builds(
    Take,
    st.lists(
        st.tuples(st.sampled_from(SENSORS), st.integers(1, 9)),
        max_size=3,
        unique_by=lambda pair: pair[0],
    ).map(tuple),
)
stores = st.builds(
    Store, st.lists(st.sampled_from(SENSORS), unique=True, max_size=3).map(tuple)
)


@given(st.lists(st.one_of(takes, stores), max_size=40))
def test_settled_once_when_all_is_stored_and_not_before(steps: list[Take | Store]) -> None:
    settlement = Settlement({})
    received, stored = dict.fromkeys(SENSORS, 0), dict.fromkeys(SENSORS, 0)
    marks: dict[int, dict[str, int]] = {}
    settled: list[int] = []
    for step in [*steps, Store(SENSORS)]:
        if isinstance(step, Take):
            for sensor, n in step.samples:
                received[sensor] += n
            number = len(marks) + 1
            marks[number] = {sensor: received[sensor] for sensor, _ in step.samples}
            settlement.note(Delivery(number, number, False), marks[number], number, 0.0)
            continue
        for sensor in step.sensors:
            stored[sensor] = received[sensor]
            settlement.stored(sensor, stored[sensor])
        due = [receipt.delivery.key for receipt in settlement.settle()]
        assert due == sorted(key for key in due if key is not None)  # in order of receipt
        for key in due:
            assert key is not None
            assert all(n <= stored[sensor] for sensor, n in marks[key].items())
            settled.append(key)
        ready = {
            key for key, m in marks.items() if all(n <= stored[s] for s, n in m.items())
        }
        assert ready <= set(settled)  # nothing that could go is kept
    assert sorted(settled) == sorted(marks)  # every message, and each of them once
    assert settlement.n_pending == 0


@given(
    known=st.dictionaries(st.integers(1, 9), st.integers(0, 5)),
    key=st.integers(1, 9),
    digest=st.integers(0, 5),
    redelivered=st.booleans(),
)
def test_only_the_same_message_under_the_same_key_was_seen_before(
    known: dict[int, int], key: int, digest: int, redelivered: bool
) -> None:
    found = Settlement(known).seen_before(Delivery("t", key, redelivered), digest)
    assert (found is not None) == (redelivered and known.get(key) == digest)


def test_one_seen_before_waits_for_what_the_first_brought() -> None:
    settlement = Settlement({})
    settlement.note(Delivery("first", 7, False), {"a": 100}, 3, at := 5.0)
    marks = settlement.seen_before(Delivery("second", 7, True), 3)
    assert marks == {"a": 100}
    settlement.note(Delivery("second", 7, True), marks, 3, at)
    settlement.stored("a", 99)
    assert settlement.settle() == []
    assert settlement.waited_s(at + 2) == 2
    settlement.stored("a", 100)
    assert [receipt.delivery.token for receipt in settlement.settle()] == [
        "first",
        "second",
    ]


def test_a_source_that_begins_its_keys_anew_delivers_nothing_twice() -> None:
    settlement = Settlement({7: 3})
    settlement.forget()
    assert settlement.seen_before(Delivery("t", 7, True), 3) is None


@given(
    keys=st.sets(st.integers(-3, 9)),
    before=st.integers(0, 10),
)
def test_keys_before_a_position_cannot_come_again_and_a_sender_s_own_can(
    keys: set[int], before: int
) -> None:
    """A sender's keys are negative."""
    settlement = Settlement(dict.fromkeys(keys, 3))
    settlement.forget_before(before)
    kept = {
        key
        for key in keys
        if settlement.seen_before(Delivery("t", key, True), 3) is not None
    }
    assert kept == {key for key in keys if not 0 <= key < before}


def test_a_sender_s_key_counts_where_it_may_have_sent_the_message_before() -> None:
    settlement = Settlement({-5: 3})
    for sent_again in (True, False):
        delivery = Delivery("t", 7, True, sender_key=-5, sent_again=sent_again)
        assert (settlement.seen_before(delivery, 3) is not None) == sent_again


def test_the_oldest_message_tells_how_long_they_wait() -> None:
    settlement = Settlement({})
    assert settlement.waited_s(9.0) == 0.0
    settlement.note(Delivery("first", 1, False), {"a": 1}, 1, 5.0)
    settlement.note(Delivery("second", 2, False), {"a": 2}, 2, 8.0)
    assert settlement.settle() == []  # one sample is enough to wait for
    assert settlement.waited_s(9.0) == 4.0
