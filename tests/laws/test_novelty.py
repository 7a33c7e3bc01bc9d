"""Laws of novelty: the map adds up to the score, and commissioning keeps the false-alarm rate it
promises.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.evidence.novelty import MIN_STD_DB, commission, novelty_map
from monitor.records.commissioned import Baseline
from monitor.records.signal import Float32


def spectra(seed: int, n: int, n_channels: int = 1, n_f: int = 6, n_t: int = 4) -> Float32:
    """Exchangeable windows: each has a level of its own and cells that scatter about it."""
    random = np.random.default_rng(seed)
    level = random.normal(-50, 1.0, (n, n_channels, n_f, 1))
    return (level + random.normal(0, 2.0, (n, n_channels, n_f, n_t))).astype(np.float32)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 4), n_channels=st.integers(1, 3))
def test_the_map_adds_up_to_the_mean_squared_standardised_difference(
    seed: int, n: int, n_channels: int
) -> None:
    random = np.random.default_rng(seed)
    x = spectra(seed, n, n_channels)
    mean = random.normal(-50, 5, (n_channels, 6)).astype(np.float32)
    std = random.uniform(0.5, 4, (n_channels, 6)).astype(np.float32)
    shares = novelty_map(x, Baseline(mean, std, 1.0))
    assert shares.shape == (n, 6, 4)
    assert (shares >= 0).all()
    expected = np.mean(
        ((x - mean[:, :, None]) / std[:, :, None]) ** 2, axis=(1, 2, 3), dtype=np.float64
    )
    np.testing.assert_allclose(shares.sum(axis=(1, 2)), expected, rtol=1e-4)


@given(seed=st.integers(0, 2**32), n=st.integers(3, 12))
@settings(deadline=None)
def test_leave_one_out_means_that_no_window_is_in_its_own_baseline(seed: int, n: int) -> None:
    """The closed form equals commissioning without each window in turn and scoring it."""
    x = spectra(seed, n, 2)
    scores = []
    for i in range(n):
        others = np.delete(x, i, axis=0).astype(np.float64)
        mean, std = others.mean(axis=(0, 3)), np.maximum(others.std(axis=(0, 3)), MIN_STD_DB)
        scores.append(np.mean(((x[i] - mean[:, :, None]) / std[:, :, None]) ** 2))
    assert commission(x).threshold == pytest.approx(max(scores), rel=1e-5)
    assert commission(x, 0.5).threshold == pytest.approx(
        sorted(scores)[int(np.ceil((n + 1) / 2)) - 1], rel=1e-5
    )


@given(seed=st.integers(0, 2**32), shift=st.floats(-30, 30))
def test_a_change_of_gain_moves_the_baseline_only(seed: int, shift: float) -> None:
    x = spectra(seed, 8)
    plain, shifted = commission(x), commission(x + np.float32(shift))
    np.testing.assert_allclose(shifted.mean_db, plain.mean_db + shift, atol=1e-3)
    np.testing.assert_allclose(shifted.std_db, plain.std_db, atol=1e-3)
    assert shifted.threshold == pytest.approx(plain.threshold, rel=1e-2)


def test_the_promised_false_alarm_rate_is_kept_on_exchangeable_windows() -> None:
    """400 commissionings with 39 windows for 1 in 20, each tried on 50 new windows:
    20,000 trials.
    """
    passed = []
    for seed in range(400):
        x = spectra(seed, 89, n_f=8)
        baseline = commission(x[:39], 0.05)
        passed.append(np.mean(novelty_map(x[39:], baseline).sum(axis=(1, 2)) > baseline.threshold))
    assert np.mean(passed) == pytest.approx(0.05, abs=0.01)


@given(seed=st.integers(0, 2**32), band=st.integers(0, 5), change_db=st.sampled_from([-25.0, 25.0]))
def test_louder_and_quieter_are_alike(seed: int, band: int, change_db: float) -> None:
    x = spectra(seed, 40)
    baseline = replace(commission(x[:-1]), threshold=0.0)
    changed = x[-1:].copy()
    changed[:, :, band] += np.float32(change_db)
    shares = novelty_map(changed, baseline)[0]
    assert shares.sum(axis=1).argmax() == band
