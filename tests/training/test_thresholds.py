"""The bound by runs keeps its promise where runs are exchangeable, and refuses what it could not
keep.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.false_alarms import independent_count
from monitor.evidence.novelty import (
    NOVELTY_FLOOR,
    commission,
    commission_with_scores,
    commissioned_range,
    conformal_threshold,
    score_of_levels,
)
from monitor.signal.spectrogram import default_settings
from training import TrainingError
from training.dataset import Dataset
from training.signal_marks import no_marks
from training.thresholds import (
    DEFAULT_RATE,
    HALF,
    centre_db,
    commission_sensor,
    first_windows,
    healthy_floor,
    leave_run_out_scores,
    novelty_floor,
    novelty_scores,
    threshold_by_run,
)


@pytest.mark.parametrize(("n_runs", "rate"), [(9, 0.1), (19, 0.1), (19, 0.05)])
def test_a_window_of_a_new_run_is_a_false_alarm_no_more_often_than_promised(
    n_runs: int, rate: float
) -> None:
    random = np.random.default_rng(n_runs)
    alarms = []
    for _ in range(3000):
        lengths = random.integers(1, 12, n_runs)
        run = np.repeat(np.arange(n_runs), lengths)
        scores = np.repeat(random.normal(size=n_runs), lengths) + 0.5 * random.normal(
            size=len(run)
        )
        new = random.normal() + 0.5 * random.normal()
        alarms.append(new > threshold_by_run(scores, run, rate))
    assert np.mean(alarms) <= rate + 3 * np.sqrt(rate / 3000)
    assert np.mean(alarms) >= rate / 5  # no bound that never alarms


@given(st.lists(st.floats(-100, 100), min_size=9, max_size=40))
def test_runs_of_one_window_give_the_usual_conformal_bound(scores: list[float]) -> None:
    values = np.array(scores)
    assert threshold_by_run(values, np.arange(len(values)), 0.1) == conformal_threshold(
        values, 0.1
    )


def test_long_runs_weigh_no_more_than_short_ones() -> None:
    scores = np.concatenate([np.arange(9.0), np.full(1000, 0.5)])
    run = np.concatenate([np.arange(9), np.full(1000, 9)])
    assert threshold_by_run(scores, run, 0.2) == threshold_by_run(
        np.append(np.arange(9.0), 0.5), np.arange(10), 0.2
    )


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.05, "3 runs can show no less than 0.25; 19 runs are needed"),
        (0.24, "3 runs can show no less than 0.25; 4 runs are needed"),
        (0.0, "between 0 and 1"),
        (1.0, "between 0 and 1"),
        (1.5, "between 0 and 1"),
    ],
)
def test_an_impossible_rate_is_refused(rate: float, text: str) -> None:
    with pytest.raises(TrainingError, match=text):
        threshold_by_run(np.arange(6.0), np.array([0, 0, 1, 1, 2, 2]), rate)


@pytest.mark.parametrize(("rate", "expected"), [(0.1, 8.0), (0.2, 7.0), (0.21, 7.0)])
def test_the_threshold_is_the_lowest_that_keeps_the_rate(
    rate: float, expected: float
) -> None:
    assert threshold_by_run(np.arange(9.0), np.arange(9), rate) == expected


def made(
    machine: list[str], label: list[int], group: list[str], bad: list[str] | None = None
) -> Dataset:
    """Windows of one channel, eight bands and two columns, of the point "p" of each machine."""
    n = len(machine)
    psd_db = np.random.default_rng(n).normal(-40, 3, (n, 1, 8, 2)).astype(np.float32)
    return Dataset(
        settings=default_settings(2000.0, 1000),
        psd_db=psd_db,
        label=np.array(label, np.int8),
        columns={
            "machine": np.array(machine),
            "point": np.full(n, "p"),
            "group": np.array(group),
        },
        segment=np.zeros(n, np.int64),
        first_sample=np.arange(n, dtype=np.int64),
        start_s=np.arange(float(n)),
        bad_reason=np.array(bad or [""] * n),
        waveform=np.zeros((n, 3), np.float32),
        marks=no_marks(n),
    )


def test_the_first_windows_are_the_sensor_s_own_judged_and_not_ng() -> None:
    machine = ["A"] * 5 + ["B"] * 60
    label = [0, 1, -1, 0, 0] + [0] * 60
    bad = ["", "", "", "clipped", ""] + [""] * 60
    data = made(machine, label, ["g"] * 65, bad)
    first = {name: list(chosen) for name, chosen in first_windows(data).items()}
    assert first == {"A/p": [0, 2, 4], "B/p": list(range(5, 55))}
    of_half = first_windows(data, 2, HALF)
    assert [len(chosen) for chosen in of_half.values()] == [1, 2]


def test_a_rate_is_raised_to_what_the_runs_can_show_unless_it_must_hold() -> None:
    data = made(["A"] * 12, [0] * 12, ["g1"] * 6 + ["g2"] * 6)
    logit, used = np.arange(12.0), np.arange(12)
    by_runs = commission_sensor(data, data.psd_db, used, 0.01, logit)
    assert by_runs.rate == pytest.approx(1 / 3)
    assert by_runs.logit_threshold == 11.0
    assert by_runs.n_runs == by_runs.novelty_stated.n_independent == 2
    assert by_runs.network_stated is not None
    assert by_runs.network_stated.n_independent == 2
    with pytest.raises(TrainingError, match="2 runs can show no less"):
        commission_sensor(data, data.psd_db, used, 0.01, None, strict=True)
    by_windows = commission_sensor(data, data.psd_db, used[:6], 0.01, None)
    assert by_windows.rate == pytest.approx(1 / 7)
    assert (by_windows.logit_threshold, by_windows.network_stated) == (None, None)
    single = made(["A"] * 12, [0] * 12, ["g1"] * 12)
    usual = commission_sensor(single, data.psd_db, used, DEFAULT_RATE, None)
    assert usual.rate == 0.1


def test_a_single_run_is_worth_what_its_windows_say() -> None:
    data = made(["A"] * 12, [0] * 12, ["g1"] * 12)
    logit = np.sin(np.arange(12.0) / 3)  # neighbours resemble each other
    found = commission_sensor(data, data.psd_db, np.arange(12), 0.1, logit)
    assert found.network_stated is not None
    assert found.network_stated.n_independent == independent_count(logit)
    assert found.network_stated.rate >= 0.1


def test_what_proves_nothing_is_the_runs_used_or_in_a_run_alone_its_windows() -> None:
    data = made(["A"] * 6 + ["B"] * 6, [0] * 12, ["g1"] * 6 + ["g1"] * 3 + ["g2"] * 3)
    of_a = commission_sensor(data, data.psd_db, np.arange(3), 0.5, None)
    assert (of_a.sensor, list(of_a.excluded)) == ("A/p", [0, 1, 2])
    of_b = commission_sensor(data, data.psd_db, np.arange(6, 8), 0.5, None)
    assert (of_b.sensor, list(of_b.excluded)) == ("B/p", [6, 7, 8])
    assert list(of_b.used) == [6, 7]


def test_the_baseline_is_the_monitors(dataset: Dataset) -> None:
    sensor = "M0/spindle"
    first = first_windows(dataset, 6)[sensor]
    found = commission_sensor(dataset, dataset.psd_db, first, 0.5, np.zeros(len(dataset)))
    theirs = commission(dataset.psd_db[first])
    np.testing.assert_array_equal(found.baseline.low_db, theirs.low_db)
    np.testing.assert_array_equal(found.baseline.high_db, theirs.high_db)
    assert found.n_runs == 2
    assert found.rate == 0.5
    assert set(dataset.run[found.excluded]) == set(dataset.run[first])


def test_each_run_is_scored_against_the_others(dataset: Dataset) -> None:
    psd_db = dataset.psd_db[:24]
    level_db = psd_db.mean(axis=3, dtype=np.float64)
    alone = leave_run_out_scores(level_db, np.arange(24))
    np.testing.assert_allclose(alone, commission_with_scores(psd_db, None)[1])
    runs = np.repeat(np.arange(4), 6)
    others = commissioned_range(level_db[6:])
    by_run = leave_run_out_scores(level_db, runs)
    np.testing.assert_array_equal(by_run[:6], score_of_levels(level_db[:6], *others))


def test_levels_and_novelty_are_the_monitors(dataset: Dataset) -> None:
    healthy = commission(dataset.psd_db[:12])
    np.testing.assert_array_equal(centre_db(dataset.psd_db[:12]), healthy.centre_db)
    level_db = dataset.psd_db.mean(axis=3, dtype=np.float64)
    expected = score_of_levels(
        level_db, healthy.low_db.astype(np.float64), healthy.high_db.astype(np.float64)
    )
    found = novelty_scores(dataset.psd_db, healthy)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.max() > 0


def test_leaving_runs_out_is_no_easier_than_leaving_windows_out(dataset: Dataset) -> None:
    healthy = np.flatnonzero((dataset.label == 0) & (dataset.column("machine") == "M1"))
    level_db = dataset.psd_db[healthy].mean(axis=3, dtype=np.float64)
    alone = leave_run_out_scores(level_db, np.arange(len(healthy)))
    by_run = leave_run_out_scores(level_db, dataset.run[healthy])
    assert by_run.mean() >= alone.mean() - 0.05


def test_the_healthy_floor_weighs_each_machine_alike() -> None:
    """One that drifts, with a thousand windows, is one of twenty."""
    random = np.random.default_rng(0)
    novelty = np.concatenate(
        [random.uniform(0, 0.1, 19 * 10), random.uniform(0.5, 0.9, 1000)]
    )
    number = np.append(np.repeat(np.arange(19), 10), np.full(1000, 19))
    machine = np.array([f"M{i}" for i in number])
    assert healthy_floor(novelty, machine) <= 0.51
    # 19 are too few to tell
    assert healthy_floor(novelty[:190], machine[:190]) == NOVELTY_FLOOR


def test_labelled_faults_set_the_floor_where_it_would_miss_them(dataset: Dataset) -> None:
    """A narrow fault of steady machines lies far below what bearings reach as they run in."""
    narrow = np.where(dataset.label == 1, 0.1, 0.01)
    assert 0.01 < novelty_floor(dataset, narrow) < 0.1
    broad = np.where(dataset.label == 1, 0.6, 0.1)
    assert novelty_floor(dataset, broad) == NOVELTY_FLOOR  # nothing better beyond chance
    healthy = np.where(dataset.label == 1, np.nan, 0.01)
    assert novelty_floor(dataset, healthy) == NOVELTY_FLOOR


def test_twenty_machines_set_the_floor_that_one_window_in_twenty_exceeds() -> None:
    novelty = np.random.default_rng(1).permutation(200) / 200
    machine = np.array([f"M{i % 20}" for i in range(200)])
    assert healthy_floor(novelty, machine) == 189 / 200
    data = made([*machine, *machine[:9]], [0] * 200 + [-1] * 9, ["g"] * 209)
    with_unlabelled = np.append(novelty, np.full(9, 5.0))
    assert novelty_floor(data, with_unlabelled) == 189 / 200


def test_a_score_at_the_floor_does_not_exceed_it() -> None:
    """Most windows of twenty machines stand at it: a threshold above it is no better."""
    machine = [f"M{i % 20}" for i in range(80)]
    data = made(machine, [0] * 60 + [1] * 20, [str(i // 4) for i in range(80)])
    novelty = np.where(data.label == 1, 0.3, 0.2)
    assert novelty_floor(data, novelty) == 0.2
