"""Laws of the wire between paho and a broker: whatever the cuts, each message once and in order,
read as paho would read it; the rest is paho's, byte for byte; no acknowledgement within a packet.
"""

from __future__ import annotations

import math
import struct
import tracemalloc
from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.sources.mqtt.packets import Published, packet_at, read_publish
from monitor.sources.mqtt.paho_client import user_properties
from monitor.sources.mqtt.wire import BUFFER_BYTES, Wire

PINGRESP, SUBACK = b"\xd0\0", b"\x90\x04\0\x01\0\x01"
IMPOSSIBLE = b"\x30\xff\xff\xff\xff\xff"  # a length of five bytes: paho ends the connection
CONTENT_TYPE = b"\x03\0\x01x"  # a property that is left to paho


def length(n: int) -> bytes:
    """MQTT's variable byte integer."""
    found = b""
    while n > 127:
        found += bytes([n & 127 | 128])
        n >>= 7
    return found + bytes([n])


def packet(first_byte: int, body: bytes) -> bytes:
    return bytes([first_byte]) + length(len(body)) + body


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def encoded(message: Published, is_five: bool, more: bytes = b"") -> bytes:
    """more : further properties"""
    body = text(message.topic)
    if message.qos:
        body += struct.pack(">H", message.packet_id)
    if is_five:
        pairs = message.properties.items()
        properties = b"".join(b"\x26" + text(name) + text(value) for name, value in pairs)
        body += length(len(properties + more)) + properties + more
    flags = message.is_again << 3 | message.qos << 1 | message.retained
    return packet(0x30 | flags, body + message.payload)


texts = st.text(
    st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"]), max_size=9
)


@st.composite
def messages(draw: st.DrawFn, is_five: bool = True) -> Published:
    qos = draw(st.integers(0, 1))
    size = draw(st.sampled_from([0, 1, 9, 120, 200, 17_000]))
    return Published(
        topic=draw(texts.filter(bool)),
        payload=bytes([draw(st.integers(0, 255))]) * size,
        properties=draw(st.dictionaries(texts, texts, max_size=3)) if is_five else {},
        qos=qos,
        packet_id=draw(st.integers(1, 65_535)) if qos else 0,
        is_again=draw(st.booleans()),
        retained=draw(st.booleans()),
    )


class Pieces:
    """A socket on which these bytes come one after the other, at arrive(); then it is closed."""

    def __init__(self, pieces: Iterable[bytes], room: Iterable[int] = ()) -> None:
        """room : how many bytes it takes at a time; 0: it would block. Then all"""
        self._coming, self._room = list(pieces), list(room)
        self._here, self._is_closed = b"", False
        self.sent = b""

    @property
    def is_readable(self) -> bool:
        """As select() sees it."""
        return bool(self._here) or self._is_closed

    def arrive(self) -> None:
        self._is_closed = not self._coming
        self._here = self._coming.pop(0) if self._coming else b""

    def recv(self, n: int) -> bytes:
        into = bytearray(n)
        n_bytes = self.recv_into(memoryview(into))
        return bytes(into[:n_bytes])

    def recv_into(self, into: memoryview) -> int:
        if not self.is_readable:
            raise BlockingIOError
        piece, self._here = self._here[: len(into)], self._here[len(into) :]
        into[: len(piece)] = piece
        return len(piece)

    def send(self, data: bytes) -> int:
        room = self._room.pop(0) if self._room else len(data)
        if not room:
            raise BlockingIOError
        self.sent += data[:room]
        return min(room, len(data))

    def setblocking(self, flag: bool) -> None:
        """It never waits."""

    def close(self) -> None:
        """Nothing is open."""


def read_as_paho(wire: Wire, log: list[object]) -> bool:
    """One packet, in paho's steps. False at the end."""
    found = wire.recv(1)
    if not found:
        return False
    while len(found) < 6:
        found += wire.recv(1)
        if found[-1] < 128:
            break
    whole = packet_at(memoryview(found + bytes(BUFFER_BYTES)))
    n_body = 0 if whole is None else whole[1] - whole[0]
    while n_body > 0:
        found += (some := wire.recv(n_body))
        n_body -= len(some)
    log.append(found)
    return True


def everything(
    pieces: Sequence[bytes], is_five: bool, show_s: float = math.inf
) -> list[object]:
    """What comes of these bytes: messages that were taken, and packets that paho read."""
    log: list[object] = []
    connection = Pieces(pieces)
    wire = Wire(cast(Any, connection), is_five, log.append, show_s, gather_s=0)
    while True:
        while not connection.is_readable and not wire.pending():
            assert_nothing_held_back(wire, log)
            connection.arrive()
        try:
            if not read_as_paho(wire, log):
                return log
        except BlockingIOError:
            assert not wire.pending()  # else paho would ask again at once, for ever


def assert_nothing_held_back(wire: Wire, log: Sequence[object]) -> None:
    n_before = len(log)
    with pytest.raises(BlockingIOError):
        wire.recv(1)
    assert len(log) == n_before


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def test_paho_gets_a_message_now_and_then_in_its_place() -> None:
    """It looks whether the connection lives by what it reads itself."""
    data = encoded(SMALL, is_five=True)
    assert everything([data * 3], is_five=True, show_s=0.0) == [data] * 3


@given(st.data(), st.booleans())
def test_however_bytes_come_each_packet_goes_where_it_belongs_in_order(
    data: st.DataObject, is_five: bool
) -> None:
    sent: list[bytes] = []
    expected: list[object] = []
    for kind in data.draw(st.lists(st.sampled_from("mmmpsc"), max_size=9)):
        message = data.draw(messages(is_five))
        if kind == "m":
            sent.append(encoded(message, is_five))
            expected.append(message)
            continue
        # In MQTT 3.1.1 a message has no properties: of QoS 2 it is paho's, too.
        special = encoded(message, is_five, CONTENT_TYPE) if is_five else packet(0x34, b"")
        sent.append({"p": PINGRESP, "s": SUBACK, "c": special}[kind])
        expected.append(sent[-1])
    places = data.draw(st.lists(st.integers(0, 1 << 20), max_size=12))
    assert everything(cut(b"".join(sent), places), is_five) == expected


SMALL = Published("a/b", b"y", {}, 1, 7, False, False)
LARGE = SMALL._replace(payload=b"x" * (5 * BUFFER_BYTES))


def test_a_large_message_comes_whole() -> None:
    data = b"".join(encoded(one, is_five=True) for one in (SMALL, LARGE, SMALL, SMALL))
    pieces = [data[at : at + 1500] for at in range(0, len(data), 1500)]
    assert everything(pieces, is_five=True) == [SMALL, LARGE, SMALL, SMALL]


def test_behind_a_large_message_memory_is_free_again() -> None:
    connection = Pieces([encoded(one, is_five=True) for one in (LARGE, SMALL)])
    wire = Wire(
        cast(Any, connection), True, lambda message: None, show_s=math.inf, gather_s=0
    )
    tracemalloc.start()
    try:
        for _ in range(2):
            connection.arrive()
            while connection.is_readable:
                with pytest.raises(BlockingIOError):
                    wire.recv(1)
        assert tracemalloc.get_traced_memory()[0] < 2 * BUFFER_BYTES
    finally:
        tracemalloc.stop()


def test_of_an_impossible_length_paho_gets_as_much_as_shows_it() -> None:
    log: list[object] = []
    connection = Pieces([IMPOSSIBLE + b"more"])
    connection.arrive()
    wire = Wire(cast(Any, connection), True, log.append, show_s=math.inf, gather_s=0)
    assert b"".join(wire.recv(1) for _ in range(6)) == IMPOSSIBLE
    assert log == []


class Replayed(paho.Client):
    """Paho as it is, on these bytes."""

    def __init__(self, data: bytes, is_five: bool) -> None:
        version = paho.MQTTv5 if is_five else paho.MQTTv311
        super().__init__(CallbackAPIVersion.VERSION2, protocol=version)
        self.connection = Pieces([data])
        self.taken: list[Published] = []
        self.on_message = lambda client, data, message: self.taken.append(
            Published(
                message.topic,
                bytes(message.payload),
                user_properties(message),
                message.qos,
                message.mid,
                message.dup,
                message.retain,
            )
        )
        self.connect_async("nowhere")
        self.reconnect()
        self.connection.arrive()
        while self.connection.is_readable and not self.loop_read():
            pass

    def _create_socket(self) -> Any:
        return self.connection


def spoilt(message: Published, is_five: bool, changes: Iterable[tuple[int, int]]) -> bytes:
    """Its packet with other bytes (place, byte) behind the packet's length."""
    data = bytearray(encoded(message, is_five))
    first = 1 + len(length(len(data) - 1))
    for place, byte in changes:
        data[first + place % (len(data) - first)] = byte
    return bytes(data)


odd_texts = st.text("a\0\ufeff\u20ac", max_size=3)
ONE_PROPERTY = SMALL._replace(properties={"ab": "cd"})


@given(
    st.one_of(
        messages(),
        st.builds(
            lambda odd: SMALL._replace(properties=odd),
            st.dictionaries(odd_texts, odd_texts, max_size=2),
        ),
    ),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=3),
)
@example(SMALL._replace(properties={"a": "\ufeff"}), True, [])
@example(SMALL._replace(properties={"a": "\0"}), True, [])
@example(SMALL._replace(topic="\0"), True, [])
@example(ONE_PROPERTY, True, [(7, 8)])  # they are said to be shorter
@example(ONE_PROPERTY, True, [(7, 11)])  # longer
@example(ONE_PROPERTY, True, [(7, 200)])  # longer than the packet
@example(ONE_PROPERTY, True, [(13, 3)])  # a value longer than they are
def test_what_is_read_here_is_what_paho_reads(
    message: Published, is_five: bool, changes: Sequence[tuple[int, int]]
) -> None:
    """Also of packets that are not as they should be."""
    data = spoilt(message, is_five, changes)
    found = everything([data], is_five)
    ours = [one for one in found if isinstance(one, Published)]
    if ours:
        assert Replayed(data, is_five).taken == ours


@given(
    st.lists(
        st.one_of(
            st.integers(1, 65_535),  # an acknowledgement
            st.binary(min_size=1, max_size=9).map(lambda body: packet(0xC0, body)),
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 12), max_size=40),
)
def test_acknowledgements_leave_in_order_and_never_within_a_packet(
    work: list[int | bytes], room: list[int]
) -> None:
    """Those of before a packet leave before it, however few bytes the connection takes."""
    connection = Pieces([], room)
    wire = Wire(
        cast(Any, connection), True, lambda message: None, show_s=math.inf, gather_s=0
    )
    expected = b""
    for item in [*work, PINGRESP]:
        if isinstance(item, int):
            wire.acknowledge([item])
            expected += struct.pack(">BBH", 0x40, 2, item)
            continue
        expected += item
        rest = item
        while rest:
            try:
                rest = rest[wire.send(rest) :]
            except BlockingIOError:
                continue
    assert connection.sent == expected


def test_acknowledgements_that_come_while_a_packet_leaves_wait_for_its_end() -> None:
    connection = Pieces([], room=[2])
    wire = Wire(
        cast(Any, connection), True, lambda message: None, show_s=math.inf, gather_s=0
    )
    assert wire.send(b"abcd") == 2
    wire.acknowledge([1, 2])
    assert wire.send(b"cd") == 2
    assert wire.send(PINGRESP) == 2
    assert connection.sent == b"abcd" + b"@\2\0\1" + b"@\2\0\2" + PINGRESP


def test_other_packets_are_no_messages() -> None:
    assert read_publish(0x34, memoryview(b"\0\x01a\0\x01\0"), True) is None  # QoS 2
    assert read_publish(0xD0, memoryview(b""), True) is None
    assert packet_at(memoryview(b"\x30\x05abc")) is None
