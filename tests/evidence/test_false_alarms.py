"""What is stated of false alarms against what is seen when the rest of a sensor's life is drawn
from the same law.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import rankdata

from monitor.evidence.commissioning import commission_sensor, describe_rates
from monitor.evidence.false_alarms import independent_count, stated_rate
from monitor.evidence.novelty import conformal_threshold
from monitor.records.commissioned import HealthyWindows


@given(rate=st.floats(0.001, 0.9), n_independent=st.floats(1, 1000))
def test_the_stated_rate_lies_in_its_interval_and_is_no_lower_than_so_many_windows_can_show(
    rate: float, n_independent: float
) -> None:
    stated = stated_rate(rate, n_independent)
    assert 0 <= stated.low <= stated.rate <= stated.high <= 1
    assert stated.rate >= 1 / (n_independent + 1)


@pytest.mark.parametrize(("n_windows", "rate"), [(20, 0.1), (50, 0.1), (99, 0.02)])
def test_the_interval_holds_what_independent_windows_show(
    n_windows: int, rate: float
) -> None:
    random = np.random.default_rng(5)
    stated = stated_rate(rate, n_windows)
    shown = [
        1 - ndtr(conformal_threshold(random.normal(size=n_windows), rate))
        for _ in range(1000)
    ]
    inside = np.mean([stated.low <= one <= stated.high for one in shown])
    assert 0.92 <= inside <= 0.98
    assert np.mean(shown) <= rate + 3 * np.std(shown) / np.sqrt(1000)


@pytest.mark.parametrize(
    ("memory", "least", "most"), [(0.0, 40, 50), (0.5, 12, 24), (0.9, 1, 7)]
)
def test_windows_that_resemble_their_neighbours_are_worth_fewer(
    memory: float, least: float, most: float
) -> None:
    random = np.random.default_rng(6)
    found = [independent_count(_series(random, memory, 50)) for _ in range(200)]
    assert least <= np.mean(found) <= most


def test_a_drift_is_worth_one_window() -> None:
    assert independent_count(np.arange(50.0)) == 1.0
    assert independent_count(np.full(50, 3.0)) == 1.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_windows_are_worth_between_one_and_their_number(scores: list[float]) -> None:
    assert 1.0 <= independent_count(np.array(scores)) <= len(scores)


def _series(
    random: np.random.Generator, memory: float, n: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """First-order autoregressive, after it forgot its start."""
    values = random.normal(size=n + 200)
    for i in range(1, len(values)):
        values[i] += memory * values[i - 1]
    return values[200:]


def test_a_commissioning_says_what_to_expect_in_words() -> None:
    random = np.random.default_rng(7)
    spectra_db = random.normal(-50, 2, (50, 1, 24, 10)).astype(np.float32)
    edges = tuple(float(edge) for edge in range(25))
    windows = HealthyWindows(
        "m/p", edges, spectra_db, _series(random, 0.95, 50), np.ones(50), "model"
    )
    rates = commission_sensor(windows, 0.1, 0).rates
    assert rates["novelty"].n_independent > 30
    assert rates["logit"].n_independent < 10  # its neighbours resemble each other
    assert rates["logit"].high > rates["novelty"].high
    said = describe_rates(rates)
    assert "expect above the novelty threshold 10 % of healthy windows (" in said
    assert "independent ones" in said


def test_equal_scores_are_no_drift() -> None:
    """Most windows lie within the range of the others: their scores are 0."""
    random = np.random.default_rng(3)
    scores = np.where(random.random(200) < 0.7, 0.0, random.random(200))
    assert independent_count(scores) > 120
    assert independent_count(np.zeros(50)) == 1


def test_a_dropout_does_not_unlearn_what_standing_still_is() -> None:
    rms_ms2 = np.full(50, 2.0)
    rms_ms2[12] = 0.0
    spectra_db = np.random.default_rng(1).normal(-50, 1, (50, 1, 4, 5)).astype(np.float32)
    windows = HealthyWindows(
        "m/p", (0.0, 1.0, 2.0, 3.0, 4.0), spectra_db, None, rms_ms2, ""
    )
    assert commission_sensor(
        windows, None, 0
    ).commissioned.running_limit_ms2 == pytest.approx(0.2)


@given(st.lists(st.integers(0, 9), min_size=3, max_size=40))
def test_the_effective_sample_size_is_bartlett_s_of_the_ranks(scores: list[int]) -> None:
    """By its definition; equal scores share the mean of their ranks."""
    n = len(scores)
    ranks = rankdata(scores) - (n + 1) / 2
    if not ranks.any():
        assert independent_count(np.array(scores, float)) == 1.0
        return
    correlation = float(ranks[1:] @ ranks[:-1] / (ranks @ ranks))
    unbiased = min(1.0, max(0.0, correlation + (1 + 3 * correlation) / n))
    expected = max(1.0, n * (1 - unbiased) / (1 + unbiased))
    assert independent_count(np.array(scores, float)) == pytest.approx(expected)


def test_two_windows_say_nothing_of_how_neighbours_resemble_each_other() -> None:
    assert independent_count(np.array([0.0, 1.0])) == 1.0
    assert independent_count(np.array([0.0, 1.0, 0.5])) > 1.0


@given(n=st.integers(1, 400))
def test_above_the_highest_of_n_scores_the_interval_has_a_closed_form(n: int) -> None:
    """The share above the highest is Beta(1, n): its quantile q is 1 - (1 - q)^(1/n)."""
    stated = stated_rate(1 / (n + 1), n)
    assert stated.low == pytest.approx(1 - 0.975 ** (1 / n), rel=1e-6)
    assert stated.high == pytest.approx(1 - 0.025 ** (1 / n), rel=1e-6)
