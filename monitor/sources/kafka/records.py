"""From a record of Kafka to a message. Pure.

A record of `camshaft forward` has MQTT's topic in a header. One of another
producer may go without headers: its key is the topic.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.kafka.record import carried
from monitor.records.signal import Delivery, Message

# What MQTT's packet numbers become as delivery keys, which offsets, from 0 on, are too.
FIRST_SENDER_KEY = -1


def message_of(
    key: bytes | None,
    value: bytes,
    headers: Sequence[tuple[str, bytes | None]],
    received_ns: int,
    offset: int,
    token: object,
    is_known: bool,
) -> Message | None:
    """None where neither header nor key names a topic.

    is_known : the record may have been settled by an earlier process
    """
    found = carried(headers, value, received_ns, None, _text(key))
    if found is None:
        return None
    sender_key = None if found.packet is None else FIRST_SENDER_KEY - found.packet
    delivery = Delivery(
        token,
        offset,
        is_known or found.is_repeat,
        sender_key,
        found.is_repeat,
    )
    message = found.message
    return Message(
        message.topic,
        value,
        received_ns,
        message.properties,
        delivery,
        message.retained,
    )


def _text(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None
