"""Messages that come in parts, or that others explain: parts by a user property are joined, and
metrics of Sparkplug get the names that their birth certificate gives them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from monitor.records.series import Part
from monitor.records.signal import Message
from monitor.signal.payload import sparkplug_message
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.birth import Birth
from monitor.signal.payload.parts import joined_message, part_of
from monitor.signal.payload.protobuf import NotProtobuf, encoded, fields
from monitor.signal.payload.sparkplug_topic import BIRTHS, DATA, SparkplugTopic

MAX_BYTES = 4 << 20  # of one message, compressed or not
_METRIC, _NAME, _ALIAS, _DATATYPE = 2, 1, 2, 4
Parts = dict[int, Message]


def gathered(messages: Sequence[Message]) -> list[Message]:
    """messages : in order of arrival. Births, deaths and commands of edge nodes are left out."""
    return list(_named(_joined(messages)))


# -- parts ----------------------------------------------------------------------------------------


def _joined(messages: Sequence[Message]) -> Iterator[Message]:
    """A series that stays incomplete is left out: listening began or ended in it."""
    waiting: dict[tuple[str, str], tuple[Parts, Part]] = {}
    for message in messages:
        try:
            part = part_of(message.properties)
        except PayloadError:
            continue
        if part is None:
            yield message
            continue
        key = (message.topic, part.series)
        found, head = waiting.setdefault(key, ({}, part))
        found[part.index] = message
        if part.count is not None:
            head = part
            waiting[key] = found, head
        if len(found) == head.count:
            del waiting[key]
            with suppress(PayloadError):
                yield joined_message([found[k] for k in sorted(found)], head.checksum)


# -- Sparkplug ------------------------------------------------------------------------------------


def _named(messages: Iterator[Message]) -> Iterator[Message]:
    births: dict[tuple[tuple[str, str, str], str], Birth] = {}
    for message in messages:
        topic = SparkplugTopic.parse(message.topic)
        if topic is None:
            yield message
        elif topic.kind in BIRTHS:
            with suppress(PayloadError):
                content = sparkplug_message.read(message.payload, MAX_BYTES)
                births[topic.node, topic.device] = sparkplug_message.birth_of(content)
        elif topic.kind in DATA:
            birth = births.get((topic.node, topic.device))
            yield message if birth is None else _with_names(message, birth)


def _with_names(message: Message, birth: Birth) -> Message:
    try:
        whole = list(fields(sparkplug_message.unpacked(message.payload, MAX_BYTES)))
        payload = b"".join(
            encoded(number, _metric(value, birth) if _is_metric(number, value) else value)
            for number, value in whole
        )
    except (NotProtobuf, PayloadError):
        return message  # refused where it is read
    return replace(message, payload=payload)


def _is_metric(number: int, value: int | bytes) -> bool:
    return number == _METRIC and isinstance(value, bytes)


def _metric(data: int | bytes, birth: Birth) -> bytes:
    """With the name and the type that its alias stands for, where it has none of its own."""
    assert isinstance(data, bytes)
    held: Mapping[int, int | bytes] = dict(fields(data))
    name, alias = held.get(_NAME), held.get(_ALIAS)
    if name is None and isinstance(alias, int) and alias in birth.names:
        name = birth.names[alias].encode()
        data += encoded(_NAME, name)
    if isinstance(name, bytes) and _DATATYPE not in held:
        datatype = birth.datatypes.get(name.decode("utf-8", "replace"), 0)
        data += encoded(_DATATYPE, datatype) if datatype else b""
    return data
