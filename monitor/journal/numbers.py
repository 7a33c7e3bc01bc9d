"""Some numbers in few bytes, exactly: two bits say of each whether it is 0, a float32, a float64 or
missing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

ZERO, SINGLE, DOUBLE, MISSING = range(4)
SIZE = (0, 4, 8, 0)

_SINGLE, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")


def pack_numbers(values: Sequence[float | None]) -> bytes:
    kinds, parts = 0, []
    for place, value in enumerate(values):
        kind, part = _packed(value)
        kinds |= kind << 2 * place
        parts.append(part)
    return kinds.to_bytes(_n_bytes(len(values)), "little") + b"".join(parts)


def unpack_numbers(blob: bytes, n: int) -> list[float | None]:
    """Raises ValueError where the bytes are not n numbers."""
    place = _n_bytes(n)
    kinds, values = int.from_bytes(blob[:place], "little"), list[float | None]()
    for _ in range(n):
        kind = kinds & 3
        part = blob[place : place + SIZE[kind]]
        if len(part) < SIZE[kind]:
            raise ValueError(f"{len(blob)} bytes are not {n} numbers")
        values.append(_unpacked(kind, part))
        kinds >>= 2
        place += SIZE[kind]
    return values


def _packed(value: float | None) -> tuple[int, bytes]:
    if value is None:
        return MISSING, b""
    if not value:
        return ZERO, b""
    try:
        single = _SINGLE.pack(value)
    except OverflowError:
        return DOUBLE, _DOUBLE.pack(value)
    if _SINGLE.unpack(single)[0] == value:
        return SINGLE, single
    return DOUBLE, _DOUBLE.pack(value)


def _unpacked(kind: int, part: bytes) -> float | None:
    if kind == MISSING:
        return None
    if kind == ZERO:
        return 0.0
    number = _SINGLE if kind == SINGLE else _DOUBLE
    return float(number.unpack(part)[0])


def _n_bytes(n: int) -> int:
    """Of n times two bits."""
    return (n + 3) // 4
