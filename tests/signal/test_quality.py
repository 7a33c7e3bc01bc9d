"""What makes a window unfit to be judged."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.signal import Float32
from monitor.signal.quality import assess, rate_reason


def noise(n_channels: int = 2, n: int = 1000) -> Float32:
    return np.random.default_rng(0).normal(size=(1, n_channels, n)).astype(np.float32)


def test_a_good_window_has_no_reason_and_its_figures() -> None:
    samples = noise() + np.float32(9.81)  # gravity is not vibration
    (quality,) = assess(samples, None)
    assert quality.reason == ""
    assert quality.rms_ms2 == pytest.approx(samples.std(axis=2).max(), rel=1e-4)
    assert quality.peak_ms2 == pytest.approx(
        np.abs(samples - samples.mean(axis=2, keepdims=True)).max(), rel=1e-3
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 500, 999])
def test_one_value_that_is_not_finite_is_enough(value: float, place: int) -> None:
    samples = noise(n=1003)
    samples[0, 1, place] = value
    assert assess(samples, None)[0].reason == "not_finite"


def test_a_channel_stuck_for_a_fifth_of_the_window_is_a_flat_line() -> None:
    samples = noise()
    samples[0, 0, 400:600] = samples[0, 0, 400]
    assert assess(samples, None)[0].reason == "flat_line"


def test_clipping_needs_a_known_full_scale() -> None:
    samples = np.clip(noise(), -1, 1)
    assert assess(samples, None)[0].reason == ""
    assert assess(samples, 1.0)[0].reason == "clipped"
    assert assess(samples, 1.1)[0].reason == ""


def test_each_window_is_judged_by_itself() -> None:
    samples = np.concatenate([noise(), noise(), noise()])
    samples[1, 0, 3] = np.nan
    assert [quality.reason for quality in assess(samples, None)] == ["", "not_finite", ""]


def test_rates() -> None:
    assert rate_reason(25_600, None, 25_610) == ""
    assert rate_reason(25_600, None, 25_700) == "rate_mismatch"
    assert rate_reason(25_600, 25_000, 25_600) == ""  # 2.3 % off: reported, not refused
    assert rate_reason(25_600, 24_000, 25_600) == "rate_mismatch"
