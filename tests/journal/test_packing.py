"""What the journal packs comes back: whole numbers and samples exactly, maps that add up, spectra
to half a step.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.journal import rice
from monitor.journal.maps import (
    NOT_WHOLE,
    STEP_DB,
    pack_cells,
    pack_spectra,
    unpack_cells,
    unpack_spectrum,
)
from monitor.journal.numbers import pack_numbers, unpack_numbers
from monitor.journal.samples import pack_samples, scale_of, unpack_samples
from monitor.records.evidence import Evidence, Grid, measured_residual
from monitor.records.signal import Float32

GRID = Grid(tuple(map(float, range(25))), tuple(map(float, range(11))))
RNG = np.random.default_rng(13)
SIZES = [1e-38, 1e-12, 1e-6, 1e-4, 0.05, 1.0, 300.0, 1e4, 1e9, 1e30]


def evidence(cells: Float32, bias: float = 0.0, missed: float = 0.0) -> Evidence:
    score = float(cells.sum(dtype=np.float64)) + bias + missed
    return Evidence("network", "logit", score, None, cells, bias)


def there_and_back(found: Evidence) -> tuple[bytes, Float32]:
    (packed,) = pack_cells([found])
    (cells,) = unpack_cells(packed, [found.score - found.bias], GRID)
    return packed, cells


@given(st.lists(st.lists(st.integers(-(2**60), 2**60), min_size=7, max_size=7), min_size=1))
def test_whole_numbers_come_back(rows: list[list[int]]) -> None:
    values = np.array(rows, np.int64)
    for row, packed in zip(values, rice.pack(values), strict=True):
        found, used = rice.unpack(memoryview(packed + b"\xff\x01"), 7)
        assert (found.tolist(), used) == (row.tolist(), len(packed))
        # One huge number among small ones costs each of them its width, never more.
        assert len(packed) <= 3 + 7 * (4 + int(np.abs(row).max()).bit_length()) / 8 + 1


@pytest.mark.parametrize("data", [b"", b"\x3f\x01", b"\x00\x00", b"\x05\xff"])
def test_bytes_that_are_no_whole_numbers_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        rice.unpack(memoryview(data), 9)


@pytest.mark.parametrize("n", [1, 7, 8, 241])
@pytest.mark.parametrize("width", range(1, 9))
def test_low_bits_by_eights_are_low_bits_one_by_one(width: int, n: int) -> None:
    folded = np.random.default_rng([width, n]).integers(0, 1 << (width + 3), (3, n))
    assert rice._lows(folded, width) == rice._wide_lows(folded, width)


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False))))
def test_numbers_come_back(values: list[float | None]) -> None:
    assert unpack_numbers(pack_numbers(values), len(values)) == values


def test_zeros_and_short_numbers_take_little() -> None:
    assert len(pack_numbers([0.0, None, 1.5, 0.1])) == 1 + 4 + 8
    with pytest.raises(ValueError, match="are not 2 numbers"):
        unpack_numbers(pack_numbers([1.5, 0.1])[:-1], 2)
    (nan,) = unpack_numbers(pack_numbers([math.nan]), 1)
    assert nan is not None
    assert math.isnan(nan)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_map_adds_up_whatever_its_size(size: float, share: float) -> None:
    """Novelty of 1e4 and logits of 1e-6: no cell overflows, and the sum is not lost."""
    dense = RNG.normal(size=GRID.shape) * size * (RNG.random(GRID.shape) < share)
    found = evidence(dense.astype(np.float32))
    packed, cells = there_and_back(found)
    largest = float(np.abs(found.cells).max())
    assert packed[0] != NOT_WHOLE
    assert np.abs(cells - found.cells).max() <= max(
        2e-4 if largest < 10 else 0, largest / 5
    )
    rounding = 240 * largest * np.finfo(np.float32).eps
    assert measured_residual(cells, found.bias, found.score) <= rounding
    if largest > 0.1:
        assert np.abs(cells - found.cells).max() < 2e-3 * largest


@given(st.floats(-50, 50), st.floats(-1e-3, 1e-3), st.integers(0, 2**32))
def test_every_cell_is_within_two_steps_and_the_sum_exact(
    bias: float, missed: float, seed: int
) -> None:
    """Also of a map that misses its score by as much as a verdict may."""
    rng = np.random.default_rng(seed)
    found = evidence((rng.normal(size=GRID.shape) * 0.05).astype(np.float32), bias, missed)
    _, cells = there_and_back(found)
    assert np.abs(cells - found.cells).max() < 2e-4
    assert measured_residual(cells, bias, found.score) < 1e-6


def test_what_cannot_be_whole_is_kept_as_it_is() -> None:
    cells = RNG.normal(size=GRID.shape).astype(np.float32)
    broken = cells.copy()
    broken[3, 4] = np.nan
    endless = cells.copy()
    endless[0, 0] = np.inf
    for found in (evidence(broken), evidence(cells, missed=500.0), evidence(endless)):
        packed, back = there_and_back(found)
        assert packed[0] == NOT_WHOLE
        np.testing.assert_array_equal(back, found.cells)


def test_maps_of_many_windows_are_packed_as_one_by_one() -> None:
    shapes = [(24, 10), (4, 4), (24, 10), (1, 1)]
    found = [evidence(RNG.normal(size=shape).astype(np.float32)) for shape in shapes]
    assert pack_cells(found) == [pack_cells([one])[0] for one in found]
    spectra = [RNG.normal(-40, 9, (n, 24, 10)).astype(np.float32) for n in (1, 3, 1)]
    assert pack_spectra(spectra) == [pack_spectra([one])[0] for one in spectra]


def test_a_missing_map_is_refused() -> None:
    found = evidence(np.ones(GRID.shape, np.float32))
    (packed,) = pack_cells([found])
    with pytest.raises(ValueError, match="a map is missing"):
        unpack_cells(packed, [found.score, found.score], GRID)


def test_a_spectrum_comes_back_to_half_a_step() -> None:
    levels = RNG.normal(-40, 12, (3, *GRID.shape)).astype(np.float32)
    back = unpack_spectrum(pack_spectra([levels])[0], GRID)
    assert back is not None
    assert back.dtype == np.float32
    assert np.abs(back - levels).max() < STEP_DB / 2 + 1e-5


def test_levels_that_are_no_numbers_overflow_nothing() -> None:
    levels = np.full((1, *GRID.shape), -np.inf, np.float32)
    levels[0, 0, 0], levels[0, 1, 1] = np.nan, np.inf
    back = unpack_spectrum(pack_spectra([levels])[0], GRID)
    assert back is not None
    assert back.min() == pytest.approx(-3276.7)
    assert back.max() == pytest.approx(3276.7)


@pytest.mark.parametrize("scale", [1e-3, 9.80665e-3, -2.5e-4, 1 / 3, 1.0])
@pytest.mark.parametrize("spread", [3, 400, 5000])
@pytest.mark.parametrize("offset", [0, 9810, -2000])
def test_samples_that_came_as_whole_numbers_are_kept_as_such(
    scale: float, spread: int, offset: int
) -> None:
    """Of few numbers far from zero, such as gravity at rest, every tenth draw was missed."""
    random = np.random.default_rng(13)
    counts = np.rint(random.normal(offset, spread, (40, 5_000))).clip(-32_768, 32_767)
    samples = counts.astype(np.int16).astype(np.float32) * np.float32(scale)
    packed = pack_samples(samples)
    np.testing.assert_array_equal(unpack_samples(packed), samples)
    assert len(packed) < 0.55 * samples.nbytes


def test_short_decimals_are_whole_numbers_too() -> None:
    samples = np.round(RNG.normal(size=(1, 5000)), 3).astype(np.float32)
    assert scale_of(samples[0]) == 1e-3
    np.testing.assert_array_equal(unpack_samples(pack_samples(samples)), samples)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((2, 100)),
        np.full((1, 100), 3.7),
        np.zeros((1, 0)),
        np.zeros((0, 5)),
        np.ones((1, 1)),
        np.array([[1.0, np.nan, np.inf]]),
        np.array([[3e38, -3e38, 1e-45]]),
        np.array([[0.0, -0.0, 1.0]]),
        RNG.normal(size=(3, 4000)),
        np.cumsum(np.rint(RNG.normal(size=(1, 4000)))),
    ],
)
def test_any_samples_come_back(samples: Float32) -> None:
    given_samples = np.atleast_2d(samples.astype(np.float32))
    back = unpack_samples(pack_samples(given_samples))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, given_samples)


def test_damaged_samples_are_refused() -> None:
    packed = pack_samples(RNG.normal(size=(1, 100)).astype(np.float32))
    for damaged in (packed[:-5], packed[:10], b"", packed[:30] + bytes(len(packed) - 30)):
        with pytest.raises(ValueError, match="no samples"):
            unpack_samples(damaged)
