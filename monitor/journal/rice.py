"""Whole numbers in few bits: Rice codes (R. F. Rice and J. R. Plaunt, IEEE Transactions on
Communication Technology 19, 1971), for many rows of one length at once.

A number is folded to be positive (0, -1, 1, -2 become 0, 1, 2, 3) and cut in
two: its lowest bits as they are, as many for each number of a row, and the rest
as so many zeros and a one. Numbers that scatter about zero, as differences of
neighbours do, take little more than their entropy, without a table of codes
that would be as long as the row itself.

A row: a byte, the number of low bits; the rests, filled up to a byte; the low
bits, likewise.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.signedinteger[Any]]  # int32 takes half the time of int64

MAX_WIDTH = 62
AT_ONCE = 1 << 15  # numbers: more at once only leave the cache
# The width is log2 of the mean, less this: of two-sided exponential scatter the best.
MEAN_TO_WIDTH = float(np.log(2))


def pack(values: Whole) -> list[bytes]:
    """Each row of (m, n) as bytes. values : of a quarter of their type's range; n may be 0"""
    folded = (values << 1) ^ (values >> (8 * values.itemsize - 1))
    widths = _widths(folded)
    packed = [b""] * len(values)
    n_rows = max(1, AT_ONCE // max(1, values.shape[1]))
    for width in np.unique(widths).tolist():
        alike = np.flatnonzero(widths == width)
        for rows in np.split(alike, range(n_rows, len(alike), n_rows)):
            chosen = folded[rows]
            rests, lows = _rests(chosen >> width), _lows(chosen, width)
            for row, rest, low in zip(rows.tolist(), rests, lows, strict=True):
                packed[row] = bytes((width,)) + rest + low
    return packed


def unpack(data: memoryview, n: int) -> tuple[Whole, int]:
    """n numbers, and how many bytes they took. Raises ValueError where that is no such row."""
    if not data or data[0] > MAX_WIDTH:
        raise ValueError("no row of whole numbers")
    width = data[0]
    bits = np.unpackbits(np.frombuffer(data, np.uint8, offset=1))
    ones = np.flatnonzero(bits)[:n]
    start = 8 * ((int(ones[-1]) + 8) // 8) if n and len(ones) else 0
    if len(ones) < n or len(bits) < start + n * width:
        raise ValueError("a row of whole numbers ends too soon")
    rests = np.diff(ones, prepend=-1) - 1
    folded = rests << width | _together(bits[start : start + n * width].reshape(n, width))
    return (folded >> 1) ^ -(folded & 1), 1 + (start + n * width + 7) // 8


def _widths(folded: Whole) -> Whole:
    """Each row's number of low bits."""
    if not folded.shape[1]:
        return np.zeros(len(folded), np.int64)
    mean = folded.mean(axis=1) * MEAN_TO_WIDTH
    widths: Whole = np.log2(np.maximum(mean, 1)).astype(np.int64)
    return widths


def _rests(rests: Whole) -> list[bytes]:
    """Each row's rests: so many zeros and a one."""
    ends = np.cumsum(rests + 1, axis=1)
    n_bits = ends[:, -1:] if ends.shape[1] else np.zeros((len(ends), 1), np.int64)
    borders = np.append(0, np.cumsum((n_bits + 7) // 8))
    bits = np.zeros(8 * int(borders[-1]), np.uint8)
    ends += 8 * borders[:-1, np.newaxis] - 1
    bits[ends] = 1
    data = np.packbits(bits).tobytes()
    return [data[first:end] for first, end in pairwise(borders.tolist())]


def _lows(folded: Whole, width: int) -> list[bytes]:
    """Each row's low bits, the highest first."""
    if not width:
        return [b""] * len(folded)
    if width > 8:
        return _wide_lows(folded, width)
    n_rows, n = folded.shape
    words = np.zeros((n_rows, (n + 7) // 8 * 8), np.uint64)
    words[:, :n] = folded & ((1 << width) - 1)
    # Two in one, three times: eight numbers fill as many whole bytes as each has bits.
    for n_together in (1, 2, 4):
        words = words[:, ::2] << np.uint64(n_together * width) | words[:, 1::2]
    bytes_of = words.astype(">u8").view(np.uint8).reshape(n_rows, -1, 8)
    data = bytes_of[..., 8 - width :].reshape(n_rows, -1)
    return [row.tobytes() for row in data[:, : (n * width + 7) // 8]]


def _wide_lows(folded: Whole, width: int) -> list[bytes]:
    n_bytes = _n_bytes(width)
    cut = folded.astype(f">u{n_bytes}").view(np.uint8).reshape(*folded.shape, n_bytes)
    bits = np.unpackbits(cut, axis=-1)[..., 8 * n_bytes - width :]
    data = np.packbits(bits.reshape(len(folded), -1), axis=1)
    return [row.tobytes() for row in data]


def _together(lows: NDArray[np.uint8]) -> Whole:
    """The numbers that (n, width) bits make, the highest first."""
    n_bytes = _n_bytes(lows.shape[1])
    bits = np.zeros((len(lows), 8 * n_bytes), np.uint8)
    bits[:, 8 * n_bytes - lows.shape[1] :] = lows
    return np.packbits(bits).view(f">u{n_bytes}").astype(np.int64)


def _n_bytes(width: int) -> int:
    """Of the smallest number that has so many bits."""
    return next(size for size in (1, 2, 4, 8) if 8 * size >= width)
