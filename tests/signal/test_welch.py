"""Mean power density, against scipy.signal.welch."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from monitor.signal.welch import mean_density


@pytest.mark.parametrize(("resolution_hz", "n_averaged"), [(1.0, 15), (2.0, 31)])
def test_it_is_scipy_s(resolution_hz: float, n_averaged: int) -> None:
    samples = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    density, n = mean_density([samples], 1000.0, resolution_hz)
    n_segment = round(1000 / resolution_hz)
    _, known = welch(
        samples.astype(np.float64), 1000.0, "hann", n_segment, detrend="constant"
    )
    assert n == n_averaged
    np.testing.assert_allclose(density[1:-1], known[1:-1], rtol=1e-6)


def test_stretches_that_are_too_short_are_left_out_and_all_of_them_refused() -> None:
    samples = np.random.default_rng(0).standard_normal(3000).astype(np.float32)
    _, n = mean_density([samples[:500], samples], 1000.0, 1.0)
    assert n == 5
    assert mean_density([samples[:1000]], 1000.0, 1.0)[1] == 1
    with pytest.raises(ValueError, match="no stretch has 1000 samples"):
        mean_density([samples[:500]], 1000.0, 1.0)
