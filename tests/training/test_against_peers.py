"""Simpler ways beside our scores: where one wins, the first line says so."""

from __future__ import annotations

import numpy as np
import pytest

from training.against_peers import advice, compare
from training.dataset import Dataset
from training.peers import BAND_DISTANCE, simple_figures, simple_thresholds, trained_scores
from training.thresholds import first_windows
from training.waveform import waveform_figures

RUN = np.repeat(np.arange(20), 5)
LABEL = np.repeat(np.arange(20) % 2, 5).astype(np.int8)


def scores(shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=100) + shift * (LABEL - 0.5)


def test_a_peer_that_wins_comes_first() -> None:
    found = compare(LABEL, RUN, {"status": scores(0.5, 0)}, {"raw RMS": scores(6, 1)})
    first, *others = found.lines()
    assert first.startswith(
        "A simple peer wins: on the same windows the status is behind raw RMS"
    )
    assert len(others) == 2
    assert found.status_leads["raw RMS"].auc.high < 0


def test_a_peer_that_is_no_better_than_chance_tells_does_not_win() -> None:
    found = compare(LABEL, RUN, {"status": scores(3, 0)}, {"raw RMS": scores(3, 1)})
    assert advice("status", found.status_leads) == ""
    assert next(iter(found.lines())).startswith("status")


@pytest.mark.parametrize(("n_runs", "is_few"), [(15, True), (16, False)])
def test_few_runs_are_said_beside_their_intervals(n_runs: int, is_few: bool) -> None:
    """Three runs that are told apart give an interval from 1 to 1."""
    some = n_runs > RUN
    found = compare(LABEL[some], RUN[some], {"status": scores(9, 0)[some]}, {})
    assert found.scores["status"].auc.low > 0.999
    said = found.caution.startswith(
        f"Few runs are judged, 8 healthy and {n_runs - 8} faulty"
    )
    assert said == is_few
    assert (found.caution in list(found.lines())) == is_few


def test_the_interval_is_paired() -> None:
    """Two scores that err alike differ by nothing, however far each figure is from certain."""
    same = scores(1, 0)
    found = compare(LABEL, RUN, {"status": same}, {"raw RMS": same.copy()}).status_leads[
        "raw RMS"
    ]
    assert (found.auc.low, found.auc.high) == (0, 0)
    assert not found.is_behind


def test_windows_that_one_of_the_two_lacks_are_left_out() -> None:
    lacking = scores(6, 1)
    lacking[LABEL == 1] = np.nan
    found = compare(LABEL, RUN, {"status": scores(1, 0)}, {"band distance": lacking})
    assert np.isnan(found.status_leads["band distance"].auc.value)
    assert advice("status", found.status_leads) == ""


def test_figures_of_the_waveform() -> None:
    t = np.arange(2000) / 2000
    sine = 3 * np.sin(2 * np.pi * 50 * t) + 9.81  # gravity is no vibration
    strikes = np.zeros(2000)
    strikes[::500] = 4
    flat = np.full(2000, 1.0)
    windows = np.stack([sine, strikes, flat])[:, None].astype(np.float32)
    rms_db, crest, kurtosis = waveform_figures(windows).T
    assert rms_db[0] == pytest.approx(10 * np.log10(4.5), abs=1e-2)
    assert crest[0] == pytest.approx(2**0.5, rel=1e-3)
    assert kurtosis[0] == pytest.approx(1.5, rel=1e-3)
    assert crest[1] > 10
    assert kurtosis[1] > 100
    assert (crest[2], kurtosis[2]) == (0, 0)


def test_band_distance_needs_the_sensor_s_own_first_windows(dataset: Dataset) -> None:
    first = first_windows(dataset, 6)
    del first["M0/spindle"]
    figures = simple_figures(dataset, first)
    is_m0 = dataset.column("machine") == "M0"
    assert np.isnan(figures[BAND_DISTANCE][is_m0]).all()
    distance, label = figures[BAND_DISTANCE][~is_m0], dataset.label[~is_m0]
    assert distance[label == 1].min() > distance[label == 0].max()


def test_thresholds_without_labels_are_what_first_windows_seldom_exceed(
    dataset: Dataset,
) -> None:
    first = first_windows(dataset, 6)
    figures = simple_figures(dataset, first)
    used = np.concatenate(list(first.values()))
    unlabelled = np.full(len(dataset), -1, np.int8)
    limits = simple_thresholds(figures, unlabelled, first)
    assert (figures["raw RMS"][used] > limits["raw RMS"]).sum() == 1  # of 18
    assert np.isnan(simple_thresholds(figures, unlabelled, {})["raw RMS"])
    assert simple_thresholds(figures, dataset.label, {})["raw RMS"] > limits["raw RMS"] - 3
    assert trained_scores(dataset.select(dataset.label == 0), dataset) == {}
