"""Records as forward writes them, and as others do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.kafka.record import headers_of
from monitor.records.signal import Delivery, Message
from monitor.sources.kafka.records import message_of

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    topic=texts,
    payload=st.binary(max_size=20),
    properties=st.dictionaries(texts, texts, max_size=3),
    retained=st.booleans(),
    packet=st.none() | st.integers(1, 65535),
    dup=st.booleans(),
)
def test_a_message_is_the_same_after_kafka(
    topic: str,
    payload: bytes,
    properties: dict[str, str],
    retained: bool,
    packet: int | None,
    dup: bool,
) -> None:
    delivery = None if packet is None else Delivery(object(), packet, dup)
    sent = Message(topic, payload, 5, properties, delivery, retained)
    found = message_of(b"m/p", payload, headers_of(sent), 5, 88, "token", False)
    assert found is not None
    assert (found.topic, found.payload, found.received_ns) == (topic, payload, 5)
    assert (found.properties, found.retained) == (properties, retained)
    is_again = dup and packet is not None
    key = None if packet is None else -1 - packet
    assert found.delivery == Delivery("token", 88, is_again, key, is_again)


def test_a_record_of_another_producer_has_its_topic_as_key() -> None:
    found = message_of(b"vibration/m/p", b"x", [("trace", b"\xff")], 5, 1, 1, True)
    assert found is not None
    assert found.topic == "vibration/m/p"
    assert found.delivery == Delivery(1, 1, True)


def test_a_record_without_topic_and_key_is_none() -> None:
    for key in (None, b"", b"\xff"):
        assert message_of(key, b"x", [("topic", None)], 5, 1, 1, False) is None
