"""The inbox: bounded, fair, and a flood costs the flooding sensor only."""

from __future__ import annotations

import threading
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from monitor.pipeline.inbox import Inbox
from monitor.records.signal import Delivery, Message

MIB = 1 << 20


def message(topic: str, number: int = 0, qos: int = 0, n_bytes: int = 4) -> Message:
    delivery = Delivery(number + 1, number + 1, redelivered=False) if qos else None
    return Message(
        topic, number.to_bytes(4, "little") + b"x" * (n_bytes - 4), 0, delivery=delivery
    )


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(1, 20))
def test_order_holds_within_a_topic_and_topics_take_turns(
    topics: list[str], limit: int
) -> None:
    inbox = Inbox(100, MIB)
    for number, topic in enumerate(topics):
        assert inbox.put(message(topic, number)) is None
    taken = []
    while part := inbox.take(limit, 0.0):
        assert len(part) <= limit
        taken += part
    assert Counter(m.topic for m in taken) == Counter(topics)
    for topic in set(topics):
        own = [int.from_bytes(m.payload, "little") for m in taken if m.topic == topic]
        assert own == sorted(own)


@given(
    steps=st.lists(
        st.one_of(st.tuples(st.sampled_from("abc"), st.integers(4, 60)), st.integers(1, 3)),
        max_size=60,
    ),
    most=st.integers(1, 6),
)
@example([("a", 20), ("b", 20), 1, ("a", 20), 1, ("a", 20)], 1)
@example([("a", 60), 1, ("a", 60), ("b", 40)], 9)
@example([("a", 40), ("b", 60), ("c", 60)], 9)  # to lose the second is enough
@example([("a", 60), ("b", 40), ("c", 100), 2, ("c", 20)], 9)
@example([("a", 60), ("b", 40), ("c", 60), 1, ("a", 40)], 9)
def test_nothing_is_dropped_but_for_room_and_the_next_of_its_topic_says_so(
    steps: list[tuple[str, int] | int], most: int
) -> None:
    """A step puts a message of so many bytes, or takes so many messages."""
    inbox, max_bytes = Inbox(most, 100), 100
    held: dict[int, Message] = {}
    before: dict[int, int | None] = {}  # by number, the one before on its topic
    last: dict[str, int] = {}
    gone: set[int] = set()

    def has_room(incoming: Message, without: int | None = None) -> bool:
        sizes = [len(one.payload) for at, one in held.items() if at != without]
        n_bytes = sum(sizes) + len(incoming.payload)
        return not sizes or (len(sizes) < most and n_bytes <= max_bytes)

    for number, step in enumerate([*steps, 100]):
        if isinstance(step, int):
            for one in inbox.take(step, 0.0):
                at = int.from_bytes(one.payload[:4], "little")
                assert one.after_loss == (before[at] in gone)
                del held[at]
            assert len(inbox) == len(held)
            continue
        topic, n_bytes = step
        sent = message(topic, number, n_bytes=n_bytes)
        before[number], last[topic] = last.get(topic), number
        dropped = inbox.put(sent)
        if dropped is None:
            assert has_room(sent)
            held[number] = sent
            continue
        assert not has_room(sent)
        at = int.from_bytes(dropped.payload[:4], "little")
        gone.add(at)
        assert has_room(sent, at) or not any(has_room(sent, one) for one in held)
        if at != number:
            del held[at]
            held[number] = sent
    assert not held


def test_who_takes_from_an_empty_inbox_waits_for_one_message() -> None:
    inbox, taken = Inbox(10, MIB), list[Message]()
    waiting = threading.Thread(target=lambda: taken.extend(inbox.take(5, 30.0)))
    waiting.start()
    waiting.join(0.02)
    assert waiting.is_alive()
    inbox.put(message("a"))
    waiting.join(5.0)
    assert [one.topic for one in taken] == ["a"]


def test_topics_of_one_edge_node_stay_in_order() -> None:
    """A death before the data that it ends is another story."""
    inbox = Inbox(4, MIB)
    kinds = ["NBIRTH/e", "DBIRTH/e/d", "DDATA/e/d", "DDATA/e/f", "NDEATH/e"]
    topics = [f"spBv1.0/g/{kind}" for kind in kinds]
    dropped = [
        inbox.put(message(topic, number)) for number, topic in enumerate([*topics[1:]])
    ]
    inbox.put(message("other", 9))  # costs the fullest place its oldest
    assert dropped == [None] * 4
    taken = inbox.take(9, 0.0)
    assert [one.topic for one in taken if one.topic != "other"] == topics[2:]
    inbox.put(message(topics[1], 7))
    assert [one.after_loss for one in inbox.take(1, 0.0)] == [True]


def test_no_topic_waits_behind_a_flood() -> None:
    inbox = Inbox(100, MIB)
    for number in range(50):
        inbox.put(message("flood", number))
    inbox.put(message("quiet"))
    assert "quiet" in [m.topic for m in inbox.take(2, 0.0)]


def test_a_full_inbox_drops_the_oldest_of_the_largest_topic() -> None:
    inbox = Inbox(10, MIB)
    for number in range(9):
        inbox.put(message("flood", number))
    inbox.put(message("quiet"))
    dropped = inbox.put(message("quiet", 1))
    assert dropped is not None
    assert (dropped.topic, int.from_bytes(dropped.payload, "little")) == ("flood", 0)
    assert len(inbox) == 10


def test_a_qos_1_message_is_never_dropped_for_another() -> None:
    inbox = Inbox(2, MIB)
    inbox.put(message("a", 0, qos=1))
    inbox.put(message("a", 1, qos=1))
    late = message("b")
    assert inbox.put(late) is late
    assert [m.delivery.key for m in inbox.take(9, 0.0) if m.delivery] == [1, 2]


def test_a_qos_1_message_waits_for_room() -> None:
    inbox = Inbox(1, MIB)
    inbox.put(message("a", 0, qos=1))
    waiting = threading.Thread(target=inbox.put, args=(message("b", 1, qos=1),))
    waiting.start()
    waiting.join(0.02)
    assert waiting.is_alive()  # whatever the time, nothing but room lets it go on
    taken = inbox.take(1, 5.0)
    waiting.join(5.0)
    assert not waiting.is_alive()
    assert [m.topic for m in taken + inbox.take(1, 5.0)] == ["a", "b"]


def test_bytes_are_bounded_but_one_large_message_always_fits() -> None:
    inbox = Inbox(100, 1000)
    assert inbox.put(message("a", n_bytes=5000)) is None
    small = message("b")
    assert inbox.put(small) is not None
    inbox.take(1, 0.0)
    assert inbox.put(small) is None


def test_a_loss_is_remembered_for_ten_thousand_topics() -> None:
    """A hostile publisher may invent more."""
    inbox = Inbox(10, MIB)
    for number in range(10_001):
        inbox.note_loss(f"t{number}")
    inbox.put(message("t9999"))
    inbox.put(message("t10000"))
    assert [one.after_loss for one in inbox.take(2, 0.0)] == [True, False]


def test_closing_wakes_who_waits_to_put_and_who_waits_to_take() -> None:
    full, empty = Inbox(1, MIB), Inbox(1, MIB)
    full.put(message("a", 0, qos=1))
    waiting = [
        threading.Thread(target=full.put, args=(message("b", 1, qos=1),)),
        threading.Thread(target=empty.take, args=(1, 30.0)),
    ]
    for one in waiting:
        one.start()
    for inbox in (full, empty):
        inbox.close()
    for one in waiting:
        one.join(5.0)
        assert not one.is_alive()


def test_the_message_after_a_dropped_one_says_so() -> None:
    inbox = Inbox(3, MIB)
    for number in range(4):
        inbox.put(message("a", number))  # the fourth costs the first
    inbox.note_loss("a")  # one too large never came here
    inbox.put(message("a", 4))
    taken = inbox.take(10, 0.0)
    assert [(m.payload[0], m.after_loss) for m in taken] == [
        (2, True),
        (3, False),
        (4, True),
    ]


def test_an_inbox_full_of_bytes_loses_no_message_that_it_does_not_name() -> None:
    """A message that was taken out and made too little room vanished without a count."""
    inbox = Inbox(10, 100)
    put = [
        message("a", 0, n_bytes=10),
        message("b", 1, n_bytes=80),
        message("c", 2, n_bytes=95),
    ]
    dropped = [inbox.put(one) for one in put]
    kept = inbox.take(10, 0.0)
    assert len(kept) + sum(one is not None for one in dropped) == len(put)
