"""Moments are what NumPy makes of each window by itself, in float64."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.records.signal import Float64
from monitor.signal.moments import moments


def blocks_of(channel: Float64) -> list[Float64]:
    """Ten equal parts; the last takes what is left over."""
    n = max(len(channel) // 10, 1)
    starts = range(0, n * min(10, len(channel)), n)
    return [channel[at : at + n if at != starts[-1] else None] for at in starts]


@settings(max_examples=30)
@given(
    n_windows=st.integers(1, 18),
    n_channels=st.integers(1, 2),
    n_window=st.integers(1, 49),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_window_has_its_own_whatever_its_scale_and_length(
    n_windows: int, n_channels: int, n_window: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    scales = 10.0 ** random.choice([-12, -3, 0, 3, 12], (n_windows, n_channels, 1))
    samples = scales * random.normal(0.5, 1, (n_windows, n_channels, n_window))
    found = moments(samples.astype(np.float32))
    for window, channel in np.ndindex(n_windows, n_channels):
        one = samples[window, channel]
        blocks = blocks_of(one)
        assert np.allclose(found.low[window, channel], [b.min() for b in blocks])
        assert np.allclose(found.high[window, channel], [b.max() for b in blocks])
        centred = one - one.mean()
        scale = np.abs(one).max()
        for name, expected in {
            "mean": one.mean(),
            "rms": one.std(),
            "peak": np.abs(centred).max(),
            "peak_to_peak": np.ptp(one),
        }.items():
            error = abs(getattr(found, name)[window, channel] - expected)
            assert error <= 1e-5 * scale, name
        if one.std() > 0.1 * scale:  # else float32 knows too little of it
            kurtosis = np.mean(centred**4) / np.mean(centred**2) ** 2
            assert np.isclose(found.kurtosis[window, channel], kurtosis, rtol=0.01)
