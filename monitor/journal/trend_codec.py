"""Rows of trends as bytes, many in one: numbers column by column, so that they compress well.

A body is groups of rows that have the same statuses, quantities and bands. Of
each: its head, the rows' numbers and the counts of their sketches.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain, islice
from operator import sub
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.records.alike import places_alike
from monitor.records.signal import Float32
from monitor.records.trend import BandSums, FEdges, Float64, Spread, TrendRow

_PLAIN, _COMPRESSED = b"\0", b"\1"
# Bytes of the head; rows; exact numbers and measures a row; counts of all; bytes a measure.
_SIZES = struct.Struct("<IIIIII")
_MAX_BYTES = 64 << 20  # of a body, uncompressed
# Of the 23 bits of a float's fraction, those that a closed row keeps. Sums: a part in a hundred
# thousand; the smallest and largest value: half a part in a thousand; bands: four parts in a
# thousand, 0.02 dB.
_SUM_BITS, _EXTREME_BITS, _BAND_BITS = 16, 10, 7
_NONE = float("nan")
_compact = json.JSONEncoder(separators=(",", ":")).encode

Counts = npt.NDArray[np.int32]
# Statuses, quantities, edges and kinds of each set of bands, whether windows came late.
Head = tuple[list[str], list[str], list[tuple[list[float], list[str]]], bool]


def encode_open(rows: Sequence[TrendRow]) -> list[bytes]:
    """Each row by itself, to the last bit, and quickly: they are written at every commit."""
    bodies: dict[int, bytes] = {}
    for head, places in places_alike(map(_head, rows)).items():
        bodies.update(
            zip(places, _bodies(head, [rows[place] for place in places]), strict=True)
        )
    return [bodies[place] for place in range(len(rows))]


def _bodies(head: bytes, rows: Sequence[TrendRow]) -> Iterator[bytes]:
    """_group of each row that has this head."""
    exact = np.array([_exact(row) for row in rows], "<f8")
    measures = np.array([_measures(row) for row in rows], "<f8")
    n_exact, n_measures = exact.shape[1], measures.shape[1]
    # All rows' bytes in order at once.
    both = zip(rows, *map(_planes, (exact, measures)), strict=True)
    for row, own, measured in both:
        counts = np.array(_sketches(row.spreads.values()), "<i4")
        n_numbers = n_exact, n_measures, len(counts), measures.itemsize
        sizes = _SIZES.pack(len(head), 1, *n_numbers)
        yield b"".join((_PLAIN, sizes, head, own, measured, _shuffled(counts)))


def _planes(rows: Float64) -> Iterator[bytes]:
    """_shuffled of each row."""
    parts = rows.view(np.uint8).reshape(*rows.shape, rows.itemsize)
    for part in np.ascontiguousarray(parts.swapaxes(1, 2)):
        yield part.tobytes()


def encode_closed(rows: Iterable[TrendRow]) -> bytes:
    """Rows that hardly change any more, in little room. Their counts are exact, their measures
    rounded once: those of a row that still grows, window by late window, stay
    to the last bit.
    """
    groups: dict[tuple[bytes, bool], list[TrendRow]] = {}
    for row in rows:
        groups.setdefault((_head(row), row.is_late), []).append(row)
    raw = b"".join(
        _group(head, alike, None if is_late else _bits(alike[0]))
        for (head, is_late), alike in groups.items()
    )
    return _COMPRESSED + zlib.compress(raw)


def decode(body: bytes, tier_s: int) -> list[TrendRow]:
    """Raises ValueError where the body is damaged."""
    raw = body[1:]
    if body[:1] == _COMPRESSED:
        try:
            raw = zlib.decompressobj().decompress(raw, _MAX_BYTES)
        except zlib.error as error:
            raise ValueError(f"a row of trends is damaged: {error}") from error
    try:
        return list(_decoded(io.BytesIO(raw), tier_s))
    except (struct.error, StopIteration, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"a row of trends is damaged: {error}") from error


def _decoded(left: io.BytesIO, tier_s: int) -> Iterator[TrendRow]:
    while sizes := left.read(_SIZES.size):
        n_head, n_rows, n_exact, n_measures, n_counts, itemsize = _SIZES.unpack(sizes)
        head = json.loads(left.read(n_head))
        exact = _unshuffled(left, n_exact * n_rows, "<f8").reshape(n_exact, n_rows)
        measures = _unshuffled(left, n_measures * n_rows, f"<f{itemsize}")
        numbers = np.concatenate((exact, measures.reshape(n_measures, n_rows)))
        yield from _rows(head, tier_s, numbers.T, _unshuffled(left, n_counts, "<i4"))


def _head(row: TrendRow) -> bytes:
    bands = tuple((f_edges, tuple(sums.cells)) for f_edges, sums in row.bands.items())
    return _written_head(tuple(row.windows), tuple(row.spreads), bands, row.is_late)


@lru_cache(maxsize=256)  # rows are written at every commit, and their heads hardly change
def _written_head(
    statuses: tuple[str, ...],
    names: tuple[str, ...],
    bands: tuple[tuple[FEdges, tuple[str, ...]], ...],
    is_late: bool,
) -> bytes:
    return _compact([statuses, names, bands, is_late]).encode()


def _group(head: bytes, rows: Sequence[TrendRow], bits: list[int] | None = None) -> bytes:
    """bits : kept of each measure; None: all"""
    exact = np.array([_exact(row) for row in rows], "<f8").T
    measures = np.array([_measures(row) for row in rows], "<f8").T
    if bits is not None:
        measures = _rounded(measures.astype("<f4"), np.array(bits, "<i4"))
    spreads = [spread for row in rows for spread in row.spreads.values()]
    counts = np.array(_sketches(spreads), "<i4")
    n_numbers = len(exact), len(measures), len(counts)
    sizes = _SIZES.pack(len(head), len(rows), *n_numbers, measures.itemsize)
    return b"".join((sizes, head, *map(_shuffled, (exact, measures, counts))))


def _exact(row: TrendRow) -> list[float]:
    """Whole numbers, far below 2**53."""
    return [
        row.start_ns // (row.tier_s * 10**9),
        _NONE if row.worst_row is None else row.worst_row,
        *chain.from_iterable((n, row.span_ns[status]) for status, n in row.windows.items()),
        *(spread.n for spread in row.spreads.values()),
        *(sums.n for sums in row.bands.values()),
    ]


def _measures(row: TrendRow) -> list[float]:
    found = [_NONE if row.worst_excess is None else row.worst_excess]
    for spread in row.spreads.values():
        threshold = _NONE if spread.threshold is None else spread.threshold
        found += (spread.total, spread.low, spread.high, threshold)
    for sums in row.bands.values():
        found += sums.power.tolist()
        for cells in sums.cells.values():
            found += cells.tolist()
    return found


def _bits(row: TrendRow) -> list[int]:
    """How many each of _measures keeps."""
    n_cells = sum((1 + len(sums.cells)) * len(sums.power) for sums in row.bands.values())
    of_spread = (_SUM_BITS, _EXTREME_BITS, _EXTREME_BITS, _SUM_BITS)
    return [_SUM_BITS, *(of_spread * len(row.spreads)), *([_BAND_BITS] * n_cells)]


def _sketches(spreads: Iterable[Spread]) -> list[int]:
    """Of each sketch: how many buckets, and how far each is from the one before. Then of each
    bucket: how many values.
    """
    buckets: list[int] = []
    counts: list[int] = []
    for spread in spreads:
        places = sorted(spread.buckets)
        buckets.append(len(places))
        buckets += map(sub, places, [0, *places])
        counts += map(spread.buckets.__getitem__, places)
    return buckets + counts


def _rows(head: Head, tier_s: int, numbers: Float64, counts: Counts) -> Iterator[TrendRow]:
    rows = [_row(head, tier_s, one) for one in numbers.tolist()]
    spreads = [spread for row in rows for spread in row.spreads.values()]
    left = iter(counts.tolist())
    buckets = [list(accumulate(islice(left, next(left)))) for _ in spreads]
    for spread, found in zip(spreads, buckets, strict=True):
        spread.buckets = dict(zip(found, islice(left, len(found)), strict=True))
    yield from rows


def _row(head: Head, tier_s: int, numbers: list[float]) -> TrendRow:
    """A row without its sketches."""
    statuses, names, bands, is_late = head
    left = iter(numbers)
    row = TrendRow(tier_s, int(next(left)) * tier_s * 10**9, is_late=is_late)
    worst_row = next(left)
    for status in statuses:
        row.windows[status], row.span_ns[status] = int(next(left)), int(next(left))
    for name in names:
        row.spreads[name] = Spread(n=int(next(left)))
    n_of_bands = [int(next(left)) for _ in bands]
    worst_excess = next(left)
    if worst_row == worst_row:  # it is a number
        row.worst_excess, row.worst_row = worst_excess, int(worst_row)
    for spread in row.spreads.values():
        _fill_spread(spread, left)
    for n, (f_edges, kinds) in zip(n_of_bands, bands, strict=True):
        n_f = len(f_edges) - 1
        power = _take(left, n_f)
        row.bands[tuple(f_edges)] = BandSums(
            n, power, {kind: _take(left, n_f) for kind in kinds}
        )
    return row


def _fill_spread(spread: Spread, numbers: Iterator[float]) -> None:
    spread.total, spread.low, spread.high = next(numbers), next(numbers), next(numbers)
    threshold = next(numbers)
    spread.threshold = threshold if threshold == threshold else None


def _take(numbers: Iterator[float], n: int) -> Float64:
    return np.array([next(numbers) for _ in range(n)], np.float64)


def _rounded(numbers: Float32, kept_bits: Counts) -> Float32:
    """Shape (n_measures, n_rows). The rest of the fraction is 0, which takes no room once it is
    compressed.
    """
    n_dropped = (23 - kept_bits)[:, np.newaxis]
    bits = np.ascontiguousarray(numbers).view("<i4")
    kept = (bits + (1 << (n_dropped - 1))) & -(1 << n_dropped)
    return np.where(np.isfinite(numbers), kept.astype("<i4").view("<f4"), numbers)


def _shuffled(numbers: npt.NDArray[Any]) -> bytes:
    """All first bytes, all second bytes, ...: neighbours are alike."""
    flat = np.ascontiguousarray(numbers).reshape(-1)
    return flat.view(np.uint8).reshape(-1, flat.itemsize).T.tobytes()


def _unshuffled(left: io.BytesIO, n: int, kind: str) -> npt.NDArray[Any]:
    itemsize = np.dtype(kind).itemsize
    found = np.frombuffer(left.read(itemsize * n), np.uint8).reshape(itemsize, n)
    return np.ascontiguousarray(found.T).reshape(-1).view(kind)
