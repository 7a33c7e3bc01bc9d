from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.cam import (
    FEW_ROWS,
    MAX_ALONE,
    activation_maps,
    main_bands,
    parts_of_sum,
    strongest_band,
)
from monitor.records.verdict import Band


def test_the_strongest_band_counts_positive_evidence_only() -> None:
    contribution = np.array([[0.5, -9.0], [5.0, 4.0], [0.0, 0.5]], np.float32)
    assert strongest_band(contribution, (10.0, 20.0, 40.0, 80.0)) == Band(20.0, 40.0, 0.9)


def test_neighbours_are_one_band() -> None:
    contribution = np.array([[5.0], [2.0], [0.0], [3.0]], np.float32)
    assert strongest_band(contribution, (1, 2, 3, 4, 5)) == Band(1.0, 3.0, 0.7)


def test_where_all_are_weak_the_strongest_row_is_named() -> None:
    contribution = np.full((40, 1), 1.0, np.float32)
    contribution[7] = 1.1
    found = strongest_band(contribution, tuple(range(41)))
    assert found is not None
    assert (found.low_hz, found.high_hz) == (7.0, 8.0)


def test_a_band_is_worth_a_name_from_a_tenth_of_the_evidence_on() -> None:
    """However little all of it is."""
    contribution = np.array([[0.0625], [0.0], [0.5625]], np.float32)
    assert main_bands(contribution) == [(2, 2, 0.9), (0, 0, 0.1)]
    contribution[0] = 0.0624
    assert [first for first, _, _ in main_bands(contribution)] == [2]
    assert main_bands(-contribution) == []


def test_28_rows_stand_below_each_other_and_of_29_the_loud_ones() -> None:
    """Those of twelve that hold more than a hundredth."""
    quiet = np.full((29, 1), 1e-6, np.float32)
    assert len(parts_of_sum(quiet[:28])) == 28
    for n_loud, n_parts in ((1, 3), (12, 25), (13, 25)):
        loud = quiet.copy()
        loud[1 : 2 * n_loud + 1 : 2] = 1.0
        assert len(parts_of_sum(loud)) == n_parts
    for size, n_parts in ((1.0, 3), (1.5, 5)):
        loud = np.zeros((29, 1), np.float32)
        loud[1], loud[3] = 99.0, size
        assert len(parts_of_sum(loud)) == n_parts


def test_no_positive_evidence_names_no_band() -> None:
    assert strongest_band(np.full((3, 2), -1, np.float32), (1, 2, 3, 4)) is None
    assert strongest_band(np.zeros((3, 2), np.float32), (1, 2, 3, 4)) is None


def test_a_head_of_another_network_shows_as_residual() -> None:
    features = np.ones((1, 2, 2, 3), np.float32)
    _, residual = activation_maps(
        features, np.ones(3, np.float32), 0.5, np.array([4.0], np.float32)
    )
    assert residual[0] == pytest.approx(0.5)


@given(st.integers(1, 80), st.integers(0, 2**32 - 1), st.floats(0.0, 3.0))
def test_parts_hold_each_row_once_and_are_few(
    n_rows: int, seed: int, spread: float
) -> None:
    random = np.random.default_rng(seed)
    contribution = random.normal(size=(n_rows, 4)) * np.exp(
        spread * random.normal(size=(n_rows, 1))
    )
    parts = parts_of_sum(contribution.astype(np.float32))
    assert [row for first, last in parts for row in range(first, last + 1)] == list(
        range(n_rows)
    )
    assert len(parts) <= max(FEW_ROWS, 2 * MAX_ALONE + 1)
    size = np.abs(contribution.sum(axis=1))
    if n_rows > FEW_ROWS and size.max() > 0.02 * size.sum():
        loudest = int(size.argmax())
        assert (loudest, loudest) in parts
