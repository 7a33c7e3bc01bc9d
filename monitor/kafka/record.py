"""A message of MQTT as a record of Kafka, and back. Pure: no client of Kafka is needed for it.

key : what must stay in order together: the sensor's name, or what the sender
    has in its place (forward.routing)
value : the payload, unchanged
time : when the message was received, in milliseconds
headers : `topic`, always; `retain` is 1 where MQTT had kept it from some
    earlier time; `dup` is 1 where MQTT may have delivered it before, and
    `packet` is the number under which it did, so that a reader can tell a
    repeat; `user:NAME` for each user property of MQTT 5

Text is UTF-8. A lone surrogate, which no UTF-8 has, cannot come from MQTT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.records.signal import Delivery, Message

TOPIC, RETAIN, DUP, PACKET, USER = "topic", "retain", "dup", "packet", "user:"
YES = b"1"
MAX_DIGITS = 19  # of a packet's number

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Carried:
    """A message as a record brought it. packet : MQTT's number of it, None of QoS 0"""

    message: Message
    packet: int | None
    is_repeat: bool


def headers_of(message: Message) -> Headers:
    headers: Headers = [(TOPIC, message.topic.encode())]
    if message.retained:
        headers.append((RETAIN, YES))
    delivery = message.delivery
    if delivery is not None and delivery.key is not None:
        headers.append((PACKET, str(delivery.key).encode()))
        if delivery.redelivered:
            headers.append((DUP, YES))
    headers += [(USER + name, text.encode()) for name, text in message.properties.items()]
    return headers


def carried(
    headers: Sequence[tuple[str, bytes | None]],
    value: bytes,
    received_ns: int,
    delivery: Delivery | None,
    topic: str | None = None,
) -> Carried | None:
    """What headers_of had made a record of. Headers of others are passed over, and what is not
    UTF-8. None where no topic is told.

    topic : where no header names one
    delivery : of the record, not of the message
    """
    named = {name: _text(text) for name, text in headers}
    topic = named.get(TOPIC) or topic
    if not topic:
        return None
    properties = {
        name.removeprefix(USER): text
        for name, text in named.items()
        if name.startswith(USER) and text is not None
    }
    is_retained = named.get(RETAIN) == YES.decode()
    message = Message(topic, value, received_ns, properties, delivery, is_retained)
    return Carried(message, _number(named.get(PACKET)), named.get(DUP) == YES.decode())


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _number(text: str | None) -> int | None:
    is_number = text is not None and text.isascii() and text.isdigit()
    return int(text) if text and is_number and len(text) <= MAX_DIGITS else None
