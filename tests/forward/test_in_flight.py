"""What is on its way to Kafka is bounded, and every message ends once."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from monitor.forward.in_flight import InFlight, Pending
from monitor.records.signal import Delivery, Message
from tests.servers.mosquitto import wait_until

MAX_MESSAGES, MAX_BYTES = 3, 100


def message(n_bytes: int, is_owed: bool = True) -> Message:
    delivery = Delivery(None, 1, False) if is_owed else None
    return Message("t", bytes(n_bytes), 0, delivery=delivery)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 3), st.booleans()), max_size=30)
)
def test_bounds_hold_and_every_message_ends_once(
    steps: list[tuple[int, int, bool]],
) -> None:
    """QoS 0 alone, which never waits."""
    flight = InFlight(MAX_MESSAGES, MAX_BYTES)
    pending: list[Pending] = []
    for n_bytes, n_records, is_end in steps:
        if is_end and pending:
            one = pending.pop(0)
            ends = [flight.confirm(one) for _ in range(one.n_left)]
            assert ends == [False] * (len(ends) - 1) + [True]
        else:
            begun = flight.begin(message(n_bytes, is_owed=False), n_records)
            pending += [begun] if begun is not None else []
        assert len(flight) == len(pending) <= MAX_MESSAGES
        held = sum(one.n_bytes for one in pending)
        assert flight.n_bytes == held
        assert held <= MAX_BYTES or len(pending) == 1  # else it could never go


def test_what_is_owed_waits_for_room_and_goes_on() -> None:
    flight = InFlight(MAX_MESSAGES, MAX_BYTES)
    first = flight.begin(message(80), 1)
    assert first is not None
    found: list[Pending | None] = []
    thread = threading.Thread(target=lambda: found.append(flight.begin(message(30), 1)))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    assert not found
    assert flight.confirm(first)
    thread.join(10)
    assert found != [None]
    assert len(found) == 1


def test_who_waits_for_room_leaves_when_it_is_closed() -> None:
    flight = InFlight(MAX_MESSAGES, MAX_BYTES)
    flight.begin(message(100), 1)
    found: list[Pending | None] = []
    thread = threading.Thread(target=lambda: found.append(flight.begin(message(30), 1)))
    thread.start()
    flight.close()
    wait_until(lambda: found == [None], why="it left")
    thread.join(10)
    assert flight.begin(message(0), 1) is None


def test_the_age_is_that_of_the_oldest() -> None:
    now_s = 5.0
    flight = InFlight(MAX_MESSAGES, MAX_BYTES, lambda: now_s)
    assert flight.oldest_s == 0
    first = flight.begin(message(1), 1)
    now_s = 7.0
    flight.begin(message(1), 1)
    now_s = 8.0
    assert flight.oldest_s == 3
    assert first is not None
    flight.confirm(first)
    assert flight.oldest_s == 1


def delivered(key: int, payload: bytes, token: str, is_repeat: bool) -> Message:
    return Message("t", payload, 0, delivery=Delivery(token, key, is_repeat))


def test_what_is_delivered_again_while_it_is_on_its_way_is_acknowledged_anew() -> None:
    """Another message under the same number is another message."""
    flight = InFlight(MAX_MESSAGES, MAX_BYTES)
    first = flight.begin(delivered(7, b"a", "old", False), 1)
    assert first is not None
    assert not flight.renew(delivered(7, b"a", "new", False))
    assert not flight.renew(delivered(7, b"b", "new", True))
    assert not flight.renew(delivered(8, b"a", "new", True))
    again = delivered(7, b"a", "new", True)
    assert flight.renew(again)
    assert first.message is again
    assert len(flight) == 1
    assert flight.confirm(first)
    assert not flight.renew(again)  # Kafka has it: the acknowledgement may have been lost
