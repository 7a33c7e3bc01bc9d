"""Maps and spectra as the journal keeps them: whole numbers in few bits.

A map is whole multiples of a step that add up to its score exactly: what
rounding leaves goes, one step each, to the cells that were cut most (largest
remainders). The step is 1e-4 of the score's unit, as InfluxDB gets it; of a map
whose cells are huge or tiny, another power of ten. So every cell is read back
to less than two steps, and their sum to rounding in float32. A map that does
not add up, or is not finite, is kept as it is.

A spectrum is whole multiples of STEP_DB.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.journal import rice
from monitor.journal.rice import Whole
from monitor.records.alike import places_alike
from monitor.records.evidence import Evidence, Grid
from monitor.records.signal import Float32, Float64

STEP_DB = 0.1
AT_ONCE = 1 << 16  # cells: more at once only leave the cache
MAX_STEPS = 32_767  # of a spectrum: 3,277 dB

USUAL_EXPONENT = -4  # of ten: the step of a map
# The largest cell of a map has so many digits more than one, at least and at most.
LEAST_DIGITS, MOST_DIGITS = 1, 4
NOT_WHOLE = 127  # in place of the exponent: float32 cells follow
EXPONENTS = range(-60, 61)  # more than any float32 needs
STEPS = np.array([float(f"1e{exponent}") for exponent in EXPONENTS])


def pack_cells(evidence: Sequence[Evidence]) -> list[bytes]:
    """Each map as bytes."""
    totals = np.array([found.score - found.bias for found in evidence], np.float64)

    def pack(places: list[int], cells: Float32) -> list[bytes]:
        return _pack_alike(cells.astype(np.float64), totals[places])

    return _by_shape([found.cells for found in evidence], pack)


def unpack_cells(blob: bytes, totals: Sequence[float], grid: Grid) -> list[Float32]:
    """The maps of one window, one for each total, as pack_cells packed them one after another.

    totals : score less bias of each
    Returns float32, (n_f, n_t). Raises ValueError where the bytes are no such
    maps.
    """
    data, maps = memoryview(blob), []
    for total in totals:
        cells, used = _unpack_one(data, total, grid.shape)
        maps.append(cells)
        data = data[used:]
    return maps


def pack_spectra(spectra_db: Sequence[Float32]) -> list[bytes]:
    """Each spectrum, (n_channels, n_f, n_t), as bytes."""

    def pack(_: list[int], levels: Float32) -> list[bytes]:
        steps = np.rint(levels / STEP_DB).clip(-MAX_STEPS, MAX_STEPS)
        steps[np.isnan(steps)] = -MAX_STEPS
        # Along frequency they differ least.
        packed = rice.pack(_differences(steps.astype(np.int32).swapaxes(-1, -2)))
        return [bytes((levels.shape[1],)) + row for row in packed]

    return _by_shape(spectra_db, pack)


def unpack_spectrum(blob: bytes | None, grid: Grid | None) -> Float32 | None:
    """(n_channels, n_f, n_t) float32, dB. Raises ValueError where the bytes are no spectrum."""
    if blob is None or grid is None:
        return None
    n_f, n_t = grid.shape
    values, _ = rice.unpack(memoryview(blob)[1:], blob[0] * n_f * n_t)
    steps = _summed(values.reshape(blob[0], n_t, n_f)).swapaxes(-1, -2)
    return np.multiply(steps, STEP_DB, order="C").astype(np.float32)


def _by_shape(
    arrays: Sequence[Float32], pack: Callable[[list[int], Float32], list[bytes]]
) -> list[bytes]:
    """pack(their places, the arrays) of those that have one shape, AT_ONCE cells at a time."""
    packed = [b""] * len(arrays)
    for shape, alike in places_alike(array.shape for array in arrays).items():
        n = max(1, AT_ONCE // max(1, math.prod(shape)))
        for first in range(0, len(alike), n):
            places = alike[first : first + n]
            rows = pack(places, np.stack([arrays[place] for place in places]))
            for place, row in zip(places, rows, strict=True):
                packed[place] = row
    return packed


def _pack_alike(cells: Float64, totals: Float64) -> list[bytes]:
    """cells : (n, n_f, n_t). totals : (n,)"""
    with np.errstate(all="ignore"):  # what is not finite is seen at the end
        exponents = _exponents(cells)
        values, is_whole = _whole(cells, totals, STEPS[exponents - EXPONENTS.start])
    packed = rice.pack(_differences(values))
    return [
        exponent.to_bytes(1, signed=True) + row
        if whole
        else NOT_WHOLE.to_bytes(1) + raw.astype("<f4").tobytes()
        for exponent, row, whole, raw in zip(
            exponents.tolist(), packed, is_whole.tolist(), cells, strict=True
        )
    ]


def _exponents(cells: Float64) -> NDArray[np.int64]:
    """Of each map's step."""
    largest = np.abs(cells).max(axis=(1, 2), initial=0.0)
    digits = np.floor(np.log10(np.where((largest > 0) & (largest < np.inf), largest, 1.0)))
    chosen = np.clip(USUAL_EXPONENT, digits - MOST_DIGITS, digits - LEAST_DIGITS)
    return np.where(largest > 0, chosen, USUAL_EXPONENT).astype(np.int64)


def _whole(
    cells: Float64, totals: Float64, steps: Float64
) -> tuple[Whole, NDArray[np.bool_]]:
    """Each map in whole steps that add up to its total, and whether it can be; else zeros."""
    n_cells = cells[0].size
    scaled = cells.reshape(len(cells), n_cells) / steps[:, np.newaxis]
    lower = np.floor(scaled)
    missing = np.rint(totals / steps) - lower.sum(axis=1)
    each = np.floor(missing / max(1, n_cells))
    is_whole = np.isfinite(lower).all(axis=1) & (np.abs(each) <= 1)
    n_more = np.where(is_whole, missing - each * n_cells, 0).astype(np.int64)
    whole = lower + each[:, np.newaxis] + _most_cut(scaled - lower, n_more)
    whole[~is_whole] = 0
    return whole.astype(np.int32).reshape(cells.shape), is_whole


def _most_cut(cut: Float64, n_more: Whole) -> NDArray[np.bool_]:
    """Of each row (n, n_cells) the n_more cells that lost most; of equal ones the first."""
    if not cut.shape[1]:
        return np.zeros(cut.shape, np.bool_)
    # In 16 bits they are sorted many times more quickly.
    left = (65_535 - 65_535 * cut).astype(np.uint16)
    last = np.maximum(n_more - 1, 0)[:, np.newaxis]
    limit = np.take_along_axis(np.sort(left, axis=1), last, axis=1)
    more, equal = left < limit, left == limit
    n_equal = n_more - np.count_nonzero(more, axis=1)
    more |= equal & (equal.cumsum(axis=1, dtype=np.int32) <= n_equal[:, np.newaxis])
    return more


def _unpack_one(
    data: memoryview, total: float, shape: tuple[int, int]
) -> tuple[Float32, int]:
    """A map, and how many bytes it took."""
    if not data:
        raise ValueError("a map is missing")
    n_cells = math.prod(shape)
    if data[0] == NOT_WHOLE:
        cells = np.frombuffer(data, "<f4", n_cells, 1)
        return cells.reshape(shape), 1 + cells.nbytes
    values, used = rice.unpack(data[1:], n_cells)
    whole = _summed(values.reshape(shape))
    step = STEPS[int.from_bytes(data[:1], signed=True) - EXPONENTS.start]
    exact = whole * step
    if n_cells:
        # The score is no whole number of steps: half of one at most, where it shows least.
        exact.flat[np.abs(whole).argmax()] += total - int(whole.sum()) * step
    return exact.astype(np.float32), 1 + used


def _differences(values: Whole) -> Whole:
    """Along the last axis; of its beginnings, along the axis before. Returns (n, n_values)."""
    found = values.copy()
    found[..., 1:] -= values[..., :-1]
    found[..., 1:, 0] -= values[..., :-1, 0]
    return found.reshape(len(values), -1)


def _summed(differences: Whole) -> Whole:
    """What _differences was of."""
    found = differences.copy()
    found[..., 0] = differences[..., 0].cumsum(axis=-1)
    return found.cumsum(axis=-1)
