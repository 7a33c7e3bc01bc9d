"""A promise's reference, against the definitions of what it is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, rankdata

from monitor.evidence.false_alarms import independent_count
from monitor.evidence.novelty import commissioned_range, score_of_levels
from monitor.evidence.reference import (
    alarm_steps,
    block_maxima,
    drift_steps,
    half_scores,
    memory,
    reference_of,
    share_above,
)
from monitor.records.commissioned import HealthyWindows
from monitor.records.promise import Step
from monitor.records.signal import Float64

STAKED, MISS = 0.8, 0.01


def maxima(n: int, seed: int = 0) -> Float64:
    return np.sort(np.random.default_rng(seed).random(n))[::-1]


def expected(part: Float64, rank: int, n_steps: int, miss: float = MISS) -> Step:
    """n_steps : that share what is staked. The bound is Clopper and Pearson's."""
    bound = beta.ppf(1 - miss, rank, len(part) + 1 - rank)
    return Step(part[rank - 1] + 1e-4, STAKED / n_steps / bound)


def assert_same(found: list[Step], wanted: list[Step]) -> None:
    assert [one.above for one in found] == pytest.approx([one.above for one in wanted])
    assert [one.gain for one in found] == pytest.approx([one.gain for one in wanted])


@given(rank=st.integers(1, 30), n_more=st.integers(0, 100), miss=st.floats(1e-4, 0.5))
def test_the_bound_is_that_of_clopper_and_pearson(
    rank: int, n_more: int, miss: float
) -> None:
    n = rank + n_more
    assert share_above(rank, n, miss) == pytest.approx(
        beta.ppf(1 - miss, rank, n + 1 - rank)
    )


def test_an_alarm_stakes_on_the_highest_and_the_fourth_highest_of_each_part() -> None:
    one, other = maxima(20), maxima(9, seed=1)
    assert_same(
        list(alarm_steps([one, other], MISS)),
        [expected(part, rank, 4) for part in (one, other) for rank in (1, 4)],
    )


@pytest.mark.parametrize(("n_blocks", "n_steps"), [(1, 1), (3, 1), (4, 2)])
def test_of_fewer_than_four_blocks_only_the_highest_is_there(
    n_blocks: int, n_steps: int
) -> None:
    """What was staked on the fourth is not staked at all."""
    part = maxima(n_blocks)
    ranks = (1, 4)[:n_steps]
    assert_same(
        list(alarm_steps([part], MISS)), [expected(part, rank, 2) for rank in ranks]
    )


@pytest.mark.parametrize(
    ("n_blocks", "ranks"), [(20, (2, 6)), (40, (4, 12)), (3, (1, 1)), (1, (1, 1))]
)
def test_drift_stakes_on_what_a_tenth_and_three_tenths_of_the_blocks_exceed(
    n_blocks: int, ranks: tuple[int, int]
) -> None:
    part = maxima(n_blocks)
    assert_same(
        list(drift_steps([part], MISS)), [expected(part, rank, 2) for rank in ranks]
    )


@given(seed=st.integers(0, 2**32), n=st.integers(1, 200), drift=st.floats(0, 0.2))
def test_memory_is_what_neighbours_or_means_of_longer_stretches_say(
    seed: int, n: int, drift: float
) -> None:
    """By the definition: a mean of independent ones varies as one window does, by their number."""
    scores = np.random.default_rng(seed).normal(size=n) + drift * np.arange(n)
    ranks = rankdata(scores, method="ordinal")
    found = [n / independent_count(scores)]
    for k in range(1, 10):
        length, n_means = 2**k, n // 2**k
        if n_means >= 8:
            means = ranks[: n_means * length].reshape(n_means, length).mean(axis=1)
            found.append(length * means.var(ddof=1) / ranks.var())
    assert memory(scores) == pytest.approx(max(found))


def test_eight_stretches_are_enough_to_tell_that_they_differ() -> None:
    """Of 32 windows each, which hardly shows between neighbours, nor in shorter stretches."""
    random = np.random.default_rng(5)
    scores = np.repeat(0.7 * random.normal(size=8), 32) + random.normal(size=256)
    ranks = rankdata(scores, method="ordinal")
    means = ranks.reshape(8, 32).mean(axis=1)
    assert memory(scores) == pytest.approx(32 * means.var(ddof=1) / ranks.var())
    assert memory(scores[:-1]) < 0.8 * memory(scores)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=60), st.integers(1, 9))
def test_a_block_counts_by_its_highest_window(scores: list[int], length: int) -> None:
    """Windows beyond the last whole block belong to it."""
    n_blocks = len(scores) // length
    blocks = [scores[i * length : (i + 1) * length] for i in range(n_blocks)]
    if blocks:
        blocks[-1] = scores[(n_blocks - 1) * length :]
    found = block_maxima(np.array(scores, float), float(length))
    assert list(found) == sorted((max(one) for one in blocks), reverse=True)


def levels(n: int, seed: int = 0) -> Float64:
    return np.random.default_rng(seed).normal(size=(n, 2, 5))


@pytest.mark.parametrize("n", [4, 49, 50, 101])
def test_each_half_is_scored_against_the_other_with_the_odd_windows_of_the_whole(
    n: int,
) -> None:
    level_db = levels(n)
    halves = half_scores(level_db)
    assert halves is not None
    first, second = level_db[: n // 2], level_db[n // 2 :]
    for part, other, found in ((first, second, halves[0]), (second, first, halves[1])):
        own_range = commissioned_range(other, n // 50)
        np.testing.assert_array_equal(found, score_of_levels(part, *own_range))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_windows_cannot_be_halved(n: int) -> None:
    assert half_scores(levels(n)) is None


def healthy(
    n: int, logits: Float64 | None, rms_ms2: Float64 | None = None
) -> HealthyWindows:
    spectra_db = np.repeat(levels(n)[..., None], 3, axis=3).astype(np.float32)
    spectra_db[..., 0] += 3
    spectra_db[..., 2] -= 3
    rms = np.random.default_rng(3).random(n) if rms_ms2 is None else rms_ms2
    return HealthyWindows("m/p", tuple(map(float, range(6))), spectra_db, logits, rms, "")


def test_a_reference_says_what_it_was_learned_from() -> None:
    found = reference_of(healthy(200, None), n_runs=3, stride=2.5, window_s=4.0)
    assert found is not None
    assert (found.n_windows, found.n_runs) == (200, 3)
    assert found.healthy_s == 200 * 2.5 * 4.0
    assert found.block_s == found.block * 4.0
    assert set(found.alarm) == set(found.drift) == {"novelty"}
    assert reference_of(healthy(3, None), 1, 1.0, 1.0) is None


def series(persistence: float, n: int) -> Float64:
    random, found = np.random.default_rng(4), [0.0]
    for shock in random.normal(size=n - 1):
        found.append(persistence * found[-1] + shock)
    return np.array(found)


@pytest.mark.parametrize("which", ["novelty alone", "logits", "rms"])
@pytest.mark.parametrize("stride", [1.0, 7.5])
def test_blocks_are_as_long_as_the_longest_memory_of_all_that_was_heard(
    which: str, stride: float
) -> None:
    """In windows of the running machine, of which every stride-th was taken."""
    slow = series(0.9, 200)
    windows = healthy(
        200,
        slow if which == "logits" else None,
        slow if which == "rms" else None,
    )
    halves = half_scores(windows.spectra_db.mean(axis=3, dtype=np.float64))
    assert halves is not None
    heard = [memory(np.concatenate(halves)), memory(windows.rms_ms2)]
    if windows.logits is not None:
        heard.append(memory(windows.logits))
    found = reference_of(windows, 1, stride, 1.0)
    assert found is not None
    assert found.n_blocks == int(200 / max(heard))
    assert found.block == np.ceil(max(heard) * stride)
    assert (found.block > 5 * stride) == (which != "novelty alone")


def test_a_block_is_one_window_at_least() -> None:
    found = reference_of(healthy(200, None), 1, 1e-3, 1.0)
    assert found is not None
    assert found.block == 1


def test_all_steps_together_miss_in_one_reference_of_twenty() -> None:
    """Each of two on both halves of novelty, and on the logits, has a sixth of the chance."""
    logits = np.random.default_rng(5).normal(size=200)
    windows = healthy(200, logits)
    found = reference_of(windows, 1, 1.0, 1.0)
    assert found is not None
    halves = half_scores(windows.spectra_db.mean(axis=3, dtype=np.float64))
    assert halves is not None
    length = max(memory(one) for one in (np.concatenate(halves), windows.rms_ms2, logits))
    for kind, parts in (("network", [logits]), ("novelty", list(halves))):
        blocks = [block_maxima(part, length) for part in parts]
        wanted = list(alarm_steps(blocks, 0.05 / 6))
        assert_same(list(found.alarm[kind]), wanted)
        assert_same(list(found.drift[kind]), list(drift_steps(blocks, 0.05 / 6)))
