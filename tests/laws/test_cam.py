"""Laws of the activation map: contributions and bias add up to the logit, and shares to one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.cam import activation_maps, strongest_band


@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 5),
    n_f=st.integers(1, 24),
    n_t=st.integers(1, 12),
    n_maps=st.integers(1, 64),
)
def test_contributions_and_bias_add_up_to_the_logit(
    seed: int, n: int, n_f: int, n_t: int, n_maps: int
) -> None:
    random = np.random.default_rng(seed)
    features = random.gamma(1, 3, (n, n_f, n_t, n_maps)).astype(np.float32)
    weights, bias = (
        random.standard_normal(n_maps).astype(np.float32),
        float(random.standard_normal()),
    )
    logit = (features.mean(axis=(1, 2), dtype=np.float64) @ weights + bias).astype(
        np.float32
    )
    contribution, residual = activation_maps(features, weights, bias, logit)
    assert contribution.shape == (n, n_f, n_t)
    assert contribution.dtype == np.float32
    np.testing.assert_allclose(
        contribution.sum(axis=(1, 2), dtype=np.float64) + bias, logit, atol=2e-4
    )
    assert (residual < 2e-4).all()


@given(seed=st.integers(0, 2**32), n_f=st.integers(1, 24))
def test_the_strongest_band_holds_what_its_rows_hold(seed: int, n_f: int) -> None:
    """And no more: neighbours are taken together, each row once."""
    contribution = np.random.default_rng(seed).standard_normal((n_f, 10)).astype(np.float32)
    edges = tuple(float(edge) for edge in range(n_f + 1))
    band = strongest_band(contribution, edges)
    evidence = np.maximum(contribution, 0).sum(axis=1, dtype=np.float64)
    if evidence.sum() == 0:
        assert band is None
        return
    assert band is not None
    inside = evidence[int(band.low_hz) : int(band.high_hz)]
    assert band.share == pytest.approx(inside.sum() / evidence.sum())
    assert band.share >= evidence.max() / evidence.sum() - 1e-9
    assert band.share >= 1 / n_f - 1e-9
