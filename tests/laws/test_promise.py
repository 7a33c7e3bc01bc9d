"""The alarm's budget, against the definitions that it rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.novelty import commissioned_range, score_of_levels
from monitor.evidence.promise import MIN_BLOCKS, REACH, next_statistic
from monitor.evidence.reference import (
    CONFIDENCE,
    KEPT,
    alarm_steps,
    block_maxima,
    drift_steps,
    half_scores,
    memory,
    share_above,
)
from monitor.records.promise import Step
from monitor.records.signal import Float64

MISS = (1 - CONFIDENCE) / 2  # for each of two steps


def e_values(scores: Float64, steps: tuple[Step, ...]) -> Float64:
    above = np.array([step.above for step in steps])
    gains = np.array([step.gain for step in steps])
    return np.asarray(KEPT + (scores[:, None] > above) @ gains)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
    st.integers(0, 6),
)
def test_a_step_is_passed_where_the_conformal_p_value_says_so(
    healthy: list[int], score: int
) -> None:
    """By its definition, ties counted against the alarm."""
    maxima = block_maxima(np.array(healthy, float), 1.0)
    p_value = (1 + sum(one >= score for one in healthy)) / (len(healthy) + 1)
    steps = list(alarm_steps([maxima], MISS))
    for rank, step in zip((1, 4), steps, strict=False):
        assert (score > step.above) == (p_value <= rank / (len(healthy) + 1))


@pytest.mark.parametrize("steps_of", [alarm_steps, drift_steps])
def test_given_the_reference_an_e_value_is_at_most_one_on_average(steps_of: object) -> None:
    """Exactly so for uniform scores; in 95 of 100 references at least, within three standard
    errors.
    """
    rng, n = np.random.default_rng(1), 2000
    means = []
    for _ in range(n):
        maxima = block_maxima(rng.random(40), 1.0)
        steps = tuple(steps_of([maxima], MISS))  # type: ignore[operator]
        means.append(KEPT + sum(step.gain * (1 - min(1.0, step.above)) for step in steps))
    missed = float(np.mean(np.array(means) > 1))
    assert missed <= 1 - CONFIDENCE + 3 * (0.05 * 0.95 / n) ** 0.5
    assert np.mean(means) < 1


def healthy_levels(rng: np.random.Generator, n: int) -> Float64:
    return np.asarray(rng.normal(size=(n, 1, 12)))


def shares_above(n_references: int, in_sample: bool) -> list[float]:
    """Of healthy windows, how many lie above the highest commissioning score."""
    rng = np.random.default_rng(2)
    shares = []
    for _ in range(n_references):
        levels = healthy_levels(rng, 80)
        own_range = commissioned_range(levels)
        live = score_of_levels(healthy_levels(rng, 2000), *own_range)
        halves = half_scores(levels)
        assert halves is not None
        highest = (
            score_of_levels(levels, *own_range).max() if in_sample else halves[0].max()
        )
        shares.append(float(np.mean(live > highest)))
    return shares


def test_a_half_s_scores_bound_what_the_whole_range_will_show() -> None:
    bound = share_above(1, 40, MISS)
    missed = np.mean(np.array(shares_above(200, in_sample=False)) > bound)
    assert missed <= MISS + 3 * (MISS / 200) ** 0.5


def test_scores_against_their_own_range_would_flatter() -> None:
    """Why the halves are there."""
    honest, flattered = (
        np.mean(shares_above(50, in_sample)) for in_sample in (False, True)
    )
    assert flattered > 1 / 41 > honest


def test_a_false_alarm_comes_after_at_least_so_many_blocks() -> None:
    """E-values of mean one: the worst that the bounds allow. 1,000 runs."""
    rng, limit, n = np.random.default_rng(3), 30.0, 1000
    lengths = []
    for _ in range(n):
        statistic, blocks = 0.0, 0
        while statistic < limit:
            e_value = KEPT + (rng.random() < 0.1) * (1 - KEPT) / 0.1
            statistic, blocks = next_statistic(statistic, e_value, limit), blocks + 1
        lengths.append(blocks)
    error = np.std(lengths) / n**0.5
    assert np.mean(lengths) >= limit - 3 * error


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_windows_that_resemble_each_other_make_longer_blocks(correlation: float) -> None:
    rng, scores = np.random.default_rng(4), [0.0]
    for shock in rng.normal(size=4000):
        scores.append(correlation * scores[-1] + shock)
    expected = (1 + correlation) / (1 - correlation)
    assert 0.7 * expected <= memory(np.array(scores)) <= 2.5 * expected


def test_runs_that_differ_are_the_blocks_although_neighbours_hardly_show_it() -> None:
    rng = np.random.default_rng(5)
    scores = np.repeat(0.7 * rng.normal(size=20), 50) + rng.normal(size=1000)
    assert memory(scores) > 10


@given(st.lists(st.floats(0, 1), min_size=4, max_size=60), st.floats(1, 9))
def test_block_maxima_leave_out_no_window(scores: list[float], length: float) -> None:
    found = block_maxima(np.array(scores), length)
    assert len(found) == int(len(scores) / length)
    if len(found):
        assert found[0] == max(scores)
        assert list(found) == sorted(found, reverse=True)


@pytest.mark.parametrize("per_healthy_time", [0.1, 0.5, 1.0, 2.0, 5.0])
def test_what_commissioning_did_not_show_comes_less_than_once_within_the_reach(
    per_healthy_time: float,
) -> None:
    """However rare it is; times of its coming are independent of each other (Poisson)."""
    rng = np.random.default_rng(6)
    shown = rng.poisson(per_healthy_time, 20_000)
    later = rng.poisson(REACH * per_healthy_time, 20_000)
    assert np.mean(later * (shown == 0)) < REACH / math.e + 0.03 < 0.8


@pytest.mark.parametrize(("n_blocks", "most"), [(MIN_BLOCKS, 15), (200, 5)])
def test_a_month_s_limit_is_reached_in_few_blocks_where_all_is_beyond_the_healthy(
    n_blocks: int, most: int
) -> None:
    """Of a block a minute; halves have half the blocks each."""
    rng = np.random.default_rng(7)
    parts = [block_maxima(rng.random(n_blocks // 2), 1.0) for _ in range(2)]
    e_value = KEPT + sum(step.gain for step in alarm_steps(parts, (1 - CONFIDENCE) / 4))
    statistic, n = 0.0, 0
    while statistic < 30 * 24 * 60:
        statistic, n = next_statistic(statistic, e_value, 1e9), n + 1
    assert n <= most
