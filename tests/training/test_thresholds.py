"""The bound by runs keeps its promise where runs are exchangeable, and refuses what it could not
keep.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.novelty import NOVELTY_FLOOR, commission, conformal_threshold
from training import TrainingError
from training.dataset import Dataset
from training.thresholds import (
    commission_sensor,
    first_windows,
    healthy_floor,
    leave_run_out_scores,
    novelty_floor,
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
        (1.5, "between 0 and 1"),
    ],
)
def test_an_impossible_rate_is_refused(rate: float, text: str) -> None:
    with pytest.raises(TrainingError, match=text):
        threshold_by_run(np.arange(6.0), np.array([0, 0, 1, 1, 2, 2]), rate)


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
