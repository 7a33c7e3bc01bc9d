"""MQTT packets, the part that we read ourselves: where one ends, and what a PUBLISH says. Pure.

Whatever is not as the standard has it, or seldom, is not read here but by paho.
"""

from __future__ import annotations

from typing import NamedTuple

PUBLISH, PUBACK = 0x30, 0x40  # the upper half of a packet's first byte
MAX_LENGTH_BYTES = 4
USER_PROPERTY = 0x26


class Published(NamedTuple):
    """A PUBLISH of QoS 0 or 1. packet_id : 0 with QoS 0. is_again : it may have come before"""

    topic: str
    payload: bytes
    properties: dict[str, str]
    qos: int
    packet_id: int
    is_again: bool
    retained: bool


def packet_at(data: memoryview) -> tuple[int, int] | None:
    """Where the body of the first packet begins and ends in these bytes; None while it is not
    whole. With an impossible length it ends where that is seen.
    """
    n_body = 0
    for at, byte in enumerate(data[1 : 1 + MAX_LENGTH_BYTES]):
        n_body |= (byte & 127) << 7 * at
        if byte < 128:
            begin = at + 2
            return (begin, begin + n_body) if begin + n_body <= len(data) else None
    end = 2 + MAX_LENGTH_BYTES
    return (end, end) if len(data) >= end else None


def read_publish(first_byte: int, body: memoryview, is_five: bool) -> Published | None:
    """What a packet says. None where that is for paho to read: no PUBLISH of QoS 0 or 1, a
    property that is not the user's, or nothing that the standard allows.

    is_five : MQTT 5, which has properties
    """
    qos = first_byte >> 1 & 3
    if first_byte & 0xF0 != PUBLISH or qos > 1:
        return None
    try:
        topic, at = _text(body, 0)
        packet_id = 0
        if qos:
            packet_id, at = body[at] << 8 | body[at + 1], at + 2
        properties, at = _properties(body, at) if is_five else ({}, at)
    except (IndexError, ValueError):
        return None
    if not topic or properties is None:
        return None
    return Published(
        topic,
        bytes(body[at:]),
        properties,
        qos,
        packet_id,
        bool(first_byte & 8),
        bool(first_byte & 1),
    )


def _text(data: memoryview, at: int) -> tuple[str, int]:
    """The text there, and where it ends. Raises IndexError or ValueError."""
    begin = at + 2
    end = begin + (data[at] << 8 | data[at + 1])
    if end > len(data):
        raise IndexError
    return str(data[begin:end], "utf-8"), end


def _properties(body: memoryview, at: int) -> tuple[dict[str, str] | None, int]:
    """The user's properties, and where all end; None where others are among them. Raises
    IndexError or ValueError.
    """
    n_bytes = body[at]
    at += 1
    if n_bytes > 127:
        n_bytes, at = n_bytes & 127 | body[at] << 7, at + 1
        if n_bytes >> 14:  # so many that it takes a third byte
            return None, at
    found = {}
    end = at + n_bytes
    properties = body[:end]
    while at < end:
        if properties[at] != USER_PROPERTY:
            return None, at
        name, at = _text(properties, at + 1)
        value, at = _text(properties, at)
        if "\0" in (both := name + value) or "\ufeff" in both:  # paho: malformed
            return None, at
        found[name] = value
    return found, at
