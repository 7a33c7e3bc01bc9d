"""What makes a window unfit to be judged."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.signal import Float32
from monitor.signal.quality import assess, rate_reason
from monitor.signal.rates import is_same_rate


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
    assert is_same_rate(103.0, 100.0)
    assert is_same_rate(97.0, 100.0)
    assert not is_same_rate(103.1, 100.0)
    assert rate_reason(25_600, None, 25_610) == ""
    assert rate_reason(25_600, None, 25_700) == "rate_mismatch"
    assert rate_reason(25_600, 25_000, 25_600) == ""  # 2.3 % off: reported, not refused
    assert rate_reason(25_600, 24_000, 25_600) == "rate_mismatch"


def peak_of(*values: float) -> float:
    """Of a window that rests, but for single samples."""
    samples = np.tile(np.array([0.01, -0.01], np.float32), 500)[None, None, :].copy()
    samples[0, 0, 5 : 5 + len(values)] = values
    return assess(samples, None)[0].peak_ms2


def test_the_peak_is_the_highest_or_the_lowest_sample() -> None:
    assert peak_of(3.0, -1.0) == pytest.approx(3.0, rel=1e-2)
    assert peak_of(1.0, -3.0) == pytest.approx(3.0, rel=1e-2)


def test_values_too_large_to_square_are_not_finite() -> None:
    (quality,) = assess(noise() * np.float32(1e30), None)
    assert (quality.reason, quality.rms_ms2, quality.peak_ms2) == ("not_finite", 0.0, 0.0)


def test_a_channel_may_rest_for_less_than_a_tenth_of_the_window() -> None:
    samples = noise()
    samples[0, 0, 410:490] = samples[0, 0, 410]
    assert assess(samples, None)[0].reason == ""


@pytest.mark.parametrize(("n_at_the_limit", "reason"), [(10, ""), (11, "clipped")])
@pytest.mark.parametrize("level", [2.0, -2.0, 0.999 * 2.0])
def test_one_sample_in_a_hundred_may_reach_full_scale(
    n_at_the_limit: int, reason: str, level: float
) -> None:
    """In any channel; a converter's last steps count as full scale."""
    samples = np.clip(noise(), -1, 1)
    samples[0, 1, :n_at_the_limit] = level
    assert assess(samples, 2.0)[0].reason == reason


def test_a_declared_rate_may_be_off_by_a_thousandth() -> None:
    assert rate_reason(1001.0, None, 1000.0) == ""
    assert rate_reason(1001.1, None, 1000.0) == "rate_mismatch"
    assert rate_reason(998.9, None, 1000.0) == "rate_mismatch"
