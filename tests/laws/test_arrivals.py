"""Laws of the rate by arrival: what is wrong is found in time, nothing right is called wrong."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.signal.arrivals import Arrivals, RateEstimate

RATE_HZ = 3_333.0
START_NS = 1_700_000_000_137_259_731


def measured(n: int, n_each: int, rate_hz: float) -> np.ndarray:
    """When each of n messages is complete, in s."""
    return np.arange(1, n + 1) * n_each / rate_hz


def found(
    at_s: Iterable[float], n_each: int, **how: bool
) -> tuple[RateEstimate | None, float]:
    """The first finding and when it was made, in s since the first arrival."""
    arrivals = Arrivals()
    arrivals.begin(**how)
    first_s = None
    for second in at_s:
        first_s = second if first_s is None else first_s
        arrivals.add(START_NS + round(second * 1e9), n_each, RATE_HZ)
        if arrivals.wrong is not None:
            return arrivals.wrong, second - first_s
    return None, 0.0


def delayed(at_s: np.ndarray, jitter_s: float, seed: int) -> np.ndarray:
    """Late by anything up to jitter_s; nothing overtakes."""
    late = np.random.default_rng(seed).uniform(0, jitter_s, len(at_s))
    return np.maximum.accumulate(at_s + late)


RIGHT = st.floats(0.975, 1.025)  # of the declared rate
MESSAGE = st.integers(40, 5_000)  # samples: 12 ms to 1.5 s
SEED = st.integers(0, 10**6)


@pytest.mark.parametrize(
    ("share", "within_s"), [(0.5, 15), (2.0, 15), (0.95, 300), (1.05, 300), (1.2, 60)]
)
@pytest.mark.parametrize("n_each", [833, 3_333])
def test_a_wrong_rate_is_found_in_time(share: float, within_s: float, n_each: int) -> None:
    """50 %, 95 %, 120 % of the declared rate, float32 read as int16, two channels as one: all were
    LEARNING without a word.
    """
    rate_hz = share * RATE_HZ
    for seed in range(5):
        at_s = delayed(measured(round(400 * rate_hz / n_each), n_each, rate_hz), 0.2, seed)
        wrong, after_s = found(at_s, n_each)
        assert wrong is not None
        assert after_s < within_s
        assert wrong.low_hz <= rate_hz <= wrong.high_hz


@given(RIGHT, MESSAGE, st.floats(0, 3), SEED)
@hypothesis_settings(deadline=None, max_examples=60)
def test_jitter_makes_no_wrong_rate(
    share: float, n_each: int, jitter_s: float, seed: int
) -> None:
    n = min(3_000, round(700 * RATE_HZ / n_each))
    at_s = delayed(measured(n, n_each, share * RATE_HZ), jitter_s, seed)
    assert found(at_s, n_each)[0] is None


@given(RIGHT, st.integers(2, 60), st.floats(0, 0.3), SEED)
@hypothesis_settings(deadline=None, max_examples=40)
def test_a_sensor_that_sends_in_bursts_is_right(
    share: float, n_in_burst: int, jitter_s: float, seed: int
) -> None:
    """Its messages wait for each other."""
    n_each = 833
    at_s = measured(2_400, n_each, share * RATE_HZ)
    waiting = at_s[
        np.minimum(
            len(at_s) - 1, np.arange(len(at_s)) // n_in_burst * n_in_burst + n_in_burst - 1
        )
    ]
    assert found(delayed(waiting, jitter_s, seed), n_each)[0] is None


@given(RIGHT, MESSAGE, st.floats(0, 60), st.floats(1, 900), st.floats(5.5, 500), SEED)
@hypothesis_settings(deadline=None, max_examples=60)
def test_a_backlog_after_an_outage_is_no_wrong_rate(
    share: float, n_each: int, before_s: float, outage_s: float, speed: float, seed: int
) -> None:
    """QoS 1: what the broker held comes at many times the rate, then all is as before."""
    n = min(4_000, round((before_s + outage_s + 600) * RATE_HZ / n_each))
    at_s = measured(n, n_each, share * RATE_HZ)
    back_s = before_s + outage_s
    drained = back_s + np.maximum(0, at_s - before_s) / speed
    arrived = np.where(at_s < before_s, at_s, np.maximum(at_s, drained))
    assert found(delayed(arrived, 0.1, seed), n_each)[0] is None


@given(RIGHT, st.floats(1, 400), st.floats(1.1, 3.0), SEED)
@hypothesis_settings(deadline=None, max_examples=30)
def test_nor_is_a_slow_one_where_it_may_be_one(
    share: float, outage_s: float, speed: float, seed: int
) -> None:
    n_each = 833
    n = round((outage_s + 400) * RATE_HZ / n_each)
    at_s = measured(n, n_each, share * RATE_HZ)
    arrived = np.maximum(at_s, outage_s + at_s / speed)
    assert found(delayed(arrived, 0.1, seed), n_each, may_be_backlog=True)[0] is None


@given(RIGHT, st.floats(2, 60), st.floats(1, 600), SEED)
@hypothesis_settings(deadline=None, max_examples=30)
def test_a_pause_that_lost_messages_is_no_wrong_rate(
    share: float, before_s: float, pause_s: float, seed: int
) -> None:
    n_each = 833
    at_s = measured(2_000, n_each, share * RATE_HZ)
    arrived = np.where(at_s > before_s, at_s + pause_s, at_s)
    assert found(delayed(arrived, 0.1, seed), n_each)[0] is None


@pytest.mark.parametrize("share", [2.2, 4.0, 8.0])
def test_what_comes_too_fast_for_long_is_no_backlog(share: float) -> None:
    """Also where one was to be expected."""
    at_s = measured(round(1_500 * share * 4), 833, share * RATE_HZ)
    wrong, after_s = found(at_s, 833, may_be_backlog=True)
    assert wrong is not None
    assert 1_200 < after_s < 1_250


def test_a_rate_that_was_put_right_is_right_again() -> None:
    arrivals = Arrivals()
    arrivals.begin()
    wrong_s, right_s = measured(1_000, 833, 0.5 * RATE_HZ), measured(4_000, 833, RATE_HZ)
    for at_s in wrong_s:
        arrivals.add(START_NS + round(at_s * 1e9), 833, RATE_HZ)
    assert arrivals.wrong is not None
    for at_s in right_s + wrong_s[-1]:
        arrivals.add(START_NS + round(at_s * 1e9), 833, RATE_HZ)
    assert arrivals.wrong is None
