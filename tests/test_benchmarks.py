"""The benchmark itself: its figures are of whole runs, and its table shows them. make bench
measures at full length.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monitor.evidence.model_folder import find_model
from tests.benchmarks import journal_size, map_bytes
from tests.benchmarks.__main__ import table
from tests.benchmarks.live import Plan, Trial, largest, live_figures, run_trial
from tests.benchmarks.stages import (
    kept_with_machines,
    kernel_limit,
    run_pipeline,
    stage_costs_s,
)
from tests.benchmarks.workload import Workload, make_workload
from tests.servers.mosquitto import needs_mosquitto


@pytest.fixture(scope="module")
def workload() -> Workload:
    return make_workload(find_model("simulator"), n_sensors=4, n_windows=10)


def test_every_window_comes_through_and_costs_less_than_the_limit_allows(
    workload: Workload, tmp_path: Path
) -> None:
    run = run_pipeline(workload, tmp_path)  # raises where a window is missing
    assert 0 < run.windows_per_s < kernel_limit(workload)
    assert run.max_residual < 1e-3


def test_described_machines_of_healthy_sensors_cost_little(tmp_path: Path) -> None:
    """make bench measures at full length; so few windows are all of a sensor's first."""
    many = make_workload(find_model("simulator"), n_sensors=11, n_windows=20)
    assert many.of_healthy().n_sensors == 9
    assert 0.5 < kept_with_machines(many, tmp_path) < 1.5


def test_each_stage_has_a_cost(workload: Workload) -> None:
    costs_s = stage_costs_s(workload)
    assert list(costs_s) == ["decode", "window", "quality", "spectrogram", "network", "map"]
    assert all(cost_s > 0 for cost_s in costs_s.values())


def test_the_table_shows_what_could_not_be_measured() -> None:
    figures = {
        "pipeline_windows_per_s": 2000.0,
        "n_workers": 2,
        "workers_windows_per_s": 3100.0,
        "usual_script_windows_per_s": 16.0,
        "times_faster": 125.0,
        "kernel_limit_windows_per_s": 8000.0,
        "first_cpu_us_per_window": 1500.0,
        "efficiency": 0.25,
        "kept_with_machines": 0.98,
        "startup_s": 0.5,
        "rss_mb": None,
        "stages_us": {"decode": 10.0},
        "n_sensors": 100,
        "model": "simulator",
        "model_mflop": 3.0,
        "usual_script_database": "a local HTTP server",
        "n_cores": 2,
        "load_before": 1.5,
    }
    shown = table(figures)
    assert "decode                  10.0       100,000" in shown
    assert "no Mosquitto" in shown
    assert "with machines described          98% of windows/s" in shown
    assert "The machine was busy (load 1.5 on 2 cores)" in shown


@pytest.mark.parametrize("limit", [50, 100, 333, 2000])
def test_the_search_comes_close_to_the_largest_number_that_holds(limit: int) -> None:
    tried = []

    def trial(n: int) -> Trial:
        tried.append(n)
        return Trial(n, "" if n <= limit else "p99 is 2000 ms", n)

    best = largest(trial)
    assert len(tried) <= 10
    if limit < 100:
        assert best.trouble
    else:
        assert limit / 1.1 <= best.n_sensors <= limit


def test_a_trial_that_was_given_up_has_figures_all_the_same() -> None:
    given_up = Trial(2000, "more than 4 s behind", 100)
    figures = json.loads(json.dumps(live_figures(given_up, 130.0), allow_nan=False))
    assert figures["live_sensors_two_cores"] == 0
    assert figures["p99_ms"] is figures["efficiency"] is None


@needs_mosquitto
def test_a_live_trial_loses_nothing_and_accounts_for_processor_time(
    workload: Workload,
) -> None:
    plan = Plan(n_sensors=4, n_in_window=2, warm_s=1, measured_s=1)
    trial = run_trial(workload, plan)
    assert trial.n_windows == 8
    assert not trial.trouble or trial.trouble.startswith("p99")  # on a busy machine
    assert trial.spent_us is not None
    assert trial.spent_us["service, pipeline"] > 0
    figures = live_figures(trial, kernel_us=1.0)
    assert figures["live_sensors_two_cores"] == (0 if trial.trouble else 4)
    assert 0 < trial.p50_ms <= trial.p99_ms


def test_the_bytes_of_a_window_are_told_by_table(tmp_path: Path) -> None:
    signals, source = journal_size.simulated()
    size = journal_size.measure(tmp_path / "journal", signals, 2, 3, "all")
    assert (size.n_windows, size.n_maps) == (6, 6)
    assert {"verdict_row", "map", "verdict_by_time"} <= set(size.bytes_by_table)
    assert "verdict_by_time" in journal_size.table("all", size, source)


def test_ideal_bytes_are_the_entropy() -> None:
    """Nearly: numbers that are all alike cost next to nothing, sixteen even chances four bits."""
    rng = np.random.default_rng(3)
    values = np.zeros((400, 4, 50), np.int64)
    values[:, 1] = rng.integers(0, 16, (400, 50))
    bands = np.arange(4)[:, np.newaxis]
    by_band = map_bytes.ideal_bytes(values, bands)
    assert 50 * 4 / 8 < by_band < 50 * 5 / 8
    assert map_bytes.ideal_bytes(values, np.zeros((4, 1), np.int64)) > by_band


def test_a_guess_from_neighbours_leaves_nothing_of_what_follows_from_them() -> None:
    slope = np.arange(24)[:, np.newaxis] * np.arange(1, 31)[:, np.newaxis, np.newaxis]
    values = np.broadcast_to(slope[:, np.newaxis], (30, 2, 24, 10)).astype(np.int64)
    left = map_bytes.predicted(values, np.array(["a/b"] * 30))
    assert np.abs(left).mean() < np.abs(values).mean() / 20
