"""Whether bytes are one whole item of CBOR (RFC 8949) or MessagePack that names things: a map with
keys of text, or a list of such maps. Only the frame of the items is read, so no
library is needed, and bytes that are neither are told within a few steps.

https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from collections.abc import Callable

MIN_BYTES = 16
MAX_DEPTH = 8

Skip = Callable[[bytes, int, int], int]  # bytes, place, depth: the place behind the item


class _NoItem(Exception):
    """The bytes are no such item."""


def is_cbor(data: bytes) -> bool:
    return _is_whole(data, range(0x80, 0xC0), _skip_cbor)


def is_message_pack(data: bytes) -> bool:
    return _is_whole(data, (*range(0x80, 0xA0), *range(0xDC, 0xE0)), _skip_message_pack)


def _is_whole(data: bytes, firsts: range | tuple[int, ...], skip: Skip) -> bool:
    """Whether the item is as long as the data, and begins as a map or a list."""
    if len(data) < MIN_BYTES or data[0] not in firsts:
        return False
    try:
        return skip(data, 0, 0) == len(data)
    except (_NoItem, IndexError):
        return False


def _skip_cbor(data: bytes, at: int, depth: int) -> int:
    kind, more = data[at] >> 5, data[at] & 31
    value, at = _cbor_number(data, at, more)
    if kind in (0, 1, 7):
        return at
    if kind in (2, 3):
        return _behind(data, at, value, is_text=kind == 3)
    if kind == 6:
        return _skip_cbor(data, at, _deeper(depth))
    return _entries(data, at, value, kind == 5, depth, _skip_cbor)


def _cbor_number(data: bytes, at: int, more: int) -> tuple[int, int]:
    """The number in an item's head, and the place behind it."""
    if more < 24:
        return more, at + 1
    if more > 27:
        raise _NoItem
    end = at + 1 + (1 << more - 24)
    return int.from_bytes(data[at + 1 : end], "big"), end


def _skip_message_pack(data: bytes, at: int, depth: int) -> int:
    first = data[at]
    if first < 0x80 or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
        return at + 1
    if first in _FIXED:
        return at + 1 + _FIXED[first]
    n, at = _message_pack_length(data, at)
    if first < 0xA0 or first >= 0xDC:
        is_map = first < 0x90 or first >= 0xDE
        return _entries(data, at, n, is_map, depth, _skip_message_pack)
    return _behind(data, at, n, is_text=first < 0xC0 or 0xD9 <= first <= 0xDB)


# Bytes behind the first: numbers, and extensions of a fixed length.
_FIXED = {
    0xCA: 4,
    0xCB: 8,
    0xCC: 1,
    0xCD: 2,
    0xCE: 4,
    0xCF: 8,
    0xD0: 1,
    0xD1: 2,
    0xD2: 4,
    0xD3: 8,
}
_FIXED |= {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
# Bytes of the length: of binary data and extensions, text, lists, maps.
_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_LENGTHS |= {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}


def _message_pack_length(data: bytes, at: int) -> tuple[int, int]:
    """The length in an item's head, and the place behind it."""
    first = data[at]
    if first < 0xC0:
        return first & (31 if first >= 0xA0 else 15), at + 1
    if first not in _LENGTHS:
        raise _NoItem
    end = at + 1 + _LENGTHS[first]
    is_extension = 0xC7 <= first <= 0xC9
    return int.from_bytes(data[at + 1 : end], "big") + is_extension, end


def _behind(data: bytes, at: int, n: int, is_text: bool) -> int:
    end = at + n
    if end > len(data) or (is_text and not _is_text(data[at:end])):
        raise _NoItem
    return end


def _is_text(piece: bytes) -> bool:
    try:
        return piece.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _entries(data: bytes, at: int, n: int, is_map: bool, depth: int, skip: Skip) -> int:
    """The place behind a list or a map. At the top a list holds maps, and keys are text."""
    if n > len(data) - at:
        raise _NoItem
    for _ in range(n):
        if is_map:
            _check_key(data, at, skip)
            at = skip(data, at, _deeper(depth))
        elif depth == 0:
            _check_map(data, at, skip)
        at = skip(data, at, _deeper(depth))
    return at


def _check_key(data: bytes, at: int, skip: Skip) -> None:
    is_cbor_item = skip is _skip_cbor
    is_text = data[at] >> 5 == 3 if is_cbor_item else data[at] >> 5 == 5 or data[at] == 0xD9
    if not is_text:
        raise _NoItem


def _check_map(data: bytes, at: int, skip: Skip) -> None:
    is_map = (
        data[at] >> 5 == 5 if skip is _skip_cbor else data[at] >> 4 == 8 or data[at] >= 0xDE
    )
    if not is_map:
        raise _NoItem


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise _NoItem
    return depth + 1
