"""Laws of novelty: the map adds up to the score, and commissioning keeps the false-alarm rate it
promises.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.evidence.novelty import (
    SCALE_DB,
    commission,
    commission_with_scores,
    commissioned_range,
    conformal_threshold,
    lowest_rate,
    novelty_map,
    score_of_levels,
)
from monitor.records.commissioned import Baseline
from monitor.records.signal import Float32


def spectra(seed: int, n: int, n_channels: int = 1, n_f: int = 6, n_t: int = 4) -> Float32:
    """Exchangeable windows: each has a level of its own and cells that scatter about it."""
    random = np.random.default_rng(seed)
    level = random.normal(-50, 1.0, (n, n_channels, n_f, 1))
    return (level + random.normal(0, 2.0, (n, n_channels, n_f, n_t))).astype(np.float32)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 4), n_channels=st.integers(1, 3))
def test_the_map_adds_up_to_the_mean_share_outside_the_range(
    seed: int, n: int, n_channels: int
) -> None:
    random = np.random.default_rng(seed)
    x = spectra(seed, n, n_channels)
    low = random.normal(-51, 3, (n_channels, 6)).astype(np.float32)
    high = low + random.uniform(0, 4, (n_channels, 6)).astype(np.float32)
    shares = novelty_map(x, Baseline(low, high, 0.1))
    assert shares.shape == (n, 6, 4)
    assert (shares >= 0).all()
    level = x.mean(axis=3, dtype=np.float64)
    outside = np.maximum(np.maximum(level - high, low - level), 0)
    expected = (outside**2 / (outside**2 + SCALE_DB**2)).mean(axis=(1, 2))
    np.testing.assert_allclose(shares.sum(axis=(1, 2)), expected, rtol=1e-4, atol=1e-7)
    assert (shares.sum(axis=(1, 2)) < 1).all()


@given(
    seed=st.integers(0, 2**32),
    column=st.integers(0, 3),
    change_db=st.sampled_from([-40, 40]),
)
def test_the_map_says_when(seed: int, column: int, change_db: int) -> None:
    x = spectra(seed, 40)
    baseline = commission(x[:-1])
    changed = x[-1:].copy()
    changed[:, :, :, column] += change_db
    assert novelty_map(changed, baseline)[0].sum(axis=0).argmax() == column


@given(seed=st.integers(0, 2**32), n=st.integers(3, 110))
@settings(deadline=None, max_examples=30)
def test_leave_one_out_means_that_no_window_is_in_its_own_baseline(
    seed: int, n: int
) -> None:
    """The closed form equals commissioning without each window in turn and scoring it, also where
    windows are alike and where a new fifty begins.
    """
    x = np.round(spectra(seed, n, 2, n_f=3, n_t=2))
    scores = []
    for i in range(n):
        levels = x.mean(axis=3, dtype=np.float64)
        low, high = commissioned_range(np.delete(levels, i, axis=0))
        scores.append(score_of_levels(levels[i : i + 1], low, high)[0])
    assert commission(x, 1 / (n + 1)).threshold == pytest.approx(max(scores), rel=1e-5)
    assert commission(x, 0.5).threshold == pytest.approx(
        sorted(scores)[int(np.ceil((n + 1) / 2)) - 1], rel=1e-5
    )


def test_one_odd_window_of_fifty_changes_little() -> None:
    """A dropout or a blow among the commissioning windows blinds nobody."""
    x = spectra(0, 60)
    clean = commission(x[:50])
    for change_db in (-40, 40):
        odd = x[:50].copy()
        odd[7] += change_db
        found = commission(odd)
        np.testing.assert_allclose(found.low_db, clean.low_db, atol=1.5)
        np.testing.assert_allclose(found.high_db, clean.high_db, atol=1.5)
        assert found.threshold < 0.3


@given(seed=st.integers(0, 2**32), shift=st.floats(-30, 30))
def test_a_change_of_gain_moves_the_baseline_only(seed: int, shift: float) -> None:
    x = spectra(seed, 8)
    plain, shifted = commission(x), commission(x + np.float32(shift))
    np.testing.assert_allclose(shifted.low_db, plain.low_db + shift, atol=1e-3)
    np.testing.assert_allclose(shifted.high_db, plain.high_db + shift, atol=1e-3)
    assert shifted.threshold == pytest.approx(plain.threshold, rel=1e-2)


@given(seed=st.integers(0, 2**32))
def test_an_operation_between_two_others_that_were_heard_is_not_new(seed: int) -> None:
    """Three speeds are a wide range, not a mean far from each of them."""
    x = spectra(seed, 30)
    x[:10] -= 12
    x[20:] += 12
    baseline = commission(x)
    assert novelty_map(x, baseline).sum() == pytest.approx(0, abs=1e-5)
    assert novelty_map(x[:1] - 20, baseline).sum() > 0.5


def test_the_promised_false_alarm_rate_is_kept_on_exchangeable_windows() -> None:
    """400 commissionings with 39 windows for 1 in 20, each tried on 50 new windows:
    20,000 trials.
    """
    passed = []
    for seed in range(400):
        x = spectra(seed, 89, n_f=8)
        baseline = commission(x[:39], 0.05)
        passed.append(
            np.mean(novelty_map(x[39:], baseline).sum(axis=(1, 2)) > baseline.threshold)
        )
    assert np.mean(passed) == pytest.approx(0.05, abs=0.01)


@given(
    seed=st.integers(0, 2**32),
    band=st.integers(0, 5),
    change_db=st.sampled_from([-25.0, 25.0]),
)
def test_louder_and_quieter_are_alike(seed: int, band: int, change_db: float) -> None:
    x = spectra(seed, 40)
    baseline = replace(commission(x[:-1]), threshold=0.0)
    changed = x[-1:].copy()
    changed[:, :, band] += np.float32(change_db)
    shares = novelty_map(changed, baseline)[0]
    assert shares.sum(axis=1).argmax() == band


@given(seed=st.integers(0, 2**32), n=st.integers(3, 210))
@settings(max_examples=30)
def test_where_nobody_asks_for_a_rate_it_is_the_lowest_that_so_many_windows_show(
    seed: int, n: int
) -> None:
    scores = np.random.default_rng(seed).random(n)
    assert lowest_rate(n) == (n // 50 + 1) / (n + 1)
    assert conformal_threshold(scores) == conformal_threshold(scores, lowest_rate(n))


@given(seed=st.integers(0, 2**32), n=st.integers(3, 60))
@settings(max_examples=30)
def test_an_unasked_threshold_stands_a_quarter_above_the_highest_that_is_no_odd_one(
    seed: int, n: int
) -> None:
    """From 50 windows on one may be odd: it counts up to three times the one below it."""
    x = spectra(seed, n)
    x[0] += np.float32(seed % 40)
    baseline, scores = commission_with_scores(x, None)
    ordered = np.sort(scores)
    below = ordered[-1] if n < 50 else ordered[-2]
    assert baseline.threshold == pytest.approx(1.25 * min(ordered[-1], 3 * below))
    assert not baseline.rate_was_asked


def test_a_rate_that_was_asked_is_remembered_and_may_be_high() -> None:
    x = spectra(3, 20)
    baseline, scores = commission_with_scores(x, 0.99)
    assert baseline.rate_was_asked
    assert baseline.threshold == scores.min()
    assert conformal_threshold(np.arange(20.0), 0.99) == 0.0  # the lowest, and no lower


@given(seed=st.integers(0, 2**32))
def test_cells_that_lie_within_the_range_have_no_share(seed: int) -> None:
    x = spectra(seed, 40)
    baseline = commission(x[:-1])
    changed = x[-1:].copy()
    changed[:, :, 2, 1] += 60
    share = novelty_map(changed, baseline)[0]
    inside = (changed[0, 0] >= baseline.low_db[0][:, None]) & (
        changed[0, 0] <= baseline.high_db[0][:, None]
    )
    assert (share[inside] == 0).all()
    assert share[2, 1] > 0
