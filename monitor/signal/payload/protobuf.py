"""The wire format of protocol buffers: fields of a message, in their order.

So little of it is needed, for one message kind that never changes, that neither
a compiled schema nor a library is: that library's compiled schemas are tied to
its version. https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

Value = int | bytes  # varints as int; 32 and 64 bits and lengths as bytes

_VARINT, _64_BITS, _LENGTH, _32_BITS = 0, 1, 2, 5
_FIXED = {_64_BITS: 8, _32_BITS: 4}
_MAX_VARINT_BYTES = 10


class NotProtobuf(ValueError):
    """The bytes are no such message."""


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """(number, value) of each field. Raises NotProtobuf."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        value: Value
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind in (_LENGTH, *_FIXED):
            length = _FIXED.get(kind, 0)
            if kind == _LENGTH:
                length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
            if at > len(data):
                raise NotProtobuf("a field ends behind the message")
        else:
            raise NotProtobuf(f"wire type {kind} is not in use")
        if not number:
            raise NotProtobuf("a field has the number 0")
        yield number, value


def encoded(number: int, value: Value) -> bytes:
    """One field: a varint, or bytes with their length before them."""
    if isinstance(value, int):
        return _as_varint(number << 3 | _VARINT) + _as_varint(value)
    return _as_varint(number << 3 | _LENGTH) + _as_varint(len(value)) + value


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, place behind it)"""
    value = 0
    for index, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & (1 << 64) - 1, at + index + 1
    raise NotProtobuf("a number does not end")
