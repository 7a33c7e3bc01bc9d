"""Thresholds of one sensor from windows its owner declares healthy, for a stated rate of false
alarms.

Windows of one run resemble each other, so runs are what is exchangeable here:
the bound of Lee, Barber and Willett (Distribution-free inference with
hierarchical data, 2023) holds for a window of a new run. With one run, or where
every window is a run of its own, it is the usual split conformal bound over
windows; their effective sample size is told from how far neighbours in time
resemble each other (monitor.evidence.false_alarms).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.false_alarms import StatedRate, independent_count, stated_rate
from monitor.evidence.novelty import (
    NOVELTY_FLOOR,
    commissioned_range,
    novelty_map,
    score_of_levels,
)
from monitor.records.commissioned import Baseline
from monitor.records.signal import Float32, Float64
from training import TrainingError
from training.dataset import NG, OK, Dataset, Text
from training.metrics import (
    accuracy_of_score,
    as_score,
    balanced_accuracy,
    best_threshold,
    interval,
    resampled,
)

DEFAULT_RATE = 0.1
DEFAULT_WINDOWS = 50
MIN_RUNS = 2  # with fewer, windows stand for runs
HALF = 0.5
# Of fewer machines 5 % of the windows are those of the one that drifts most.
MIN_MACHINES = 20
HEALTHY_ABOVE = 0.05


@dataclass(frozen=True)
class Commissioning:
    """One sensor's thresholds and where they came from.

    used : indices of the windows they came from. excluded : those and all
        others of the same runs, which prove nothing
    rate : false alarms per healthy window that each threshold is set for
    network_stated, novelty_stated : what it may be with so little to go by,
        with its interval
    """

    sensor: str
    used: NDArray[np.intp]
    excluded: NDArray[np.intp]
    n_runs: int
    rate: float
    baseline: Baseline
    logit_threshold: float | None
    network_stated: StatedRate | None
    novelty_stated: StatedRate


def threshold_by_run(scores: NDArray[Any], runs: NDArray[Any], rate: float) -> float:
    """The score that a healthy window of a new run exceeds with probability `rate` at most.

    Assumes that runs are exchangeable: the new one is like those given. Each
    run weighs the same, however long. Raises TrainingError for a rate below 1 /
    (number of runs + 1), naming how many runs it would need.
    """
    if not 0 < rate < 1:
        raise TrainingError(
            f"false_alarm_rate = {rate:g}: must lie between 0 and 1 per window."
        )
    names, place, counts = np.unique(runs, return_inverse=True, return_counts=True)
    n_runs = len(names)
    if rate < 1 / (n_runs + 1) - 1e-9:
        raise TrainingError(
            f"false_alarm_rate = {rate:g} per window: {n_runs} runs can show no less than"
            f" {1 / (n_runs + 1):.3g}; {math.ceil(1 / rate - 1e-9) - 1} runs are needed."
        )
    weights = 1 / ((n_runs + 1) * counts[place])
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    index = int(np.searchsorted(reached, 1 - rate - 1e-9))
    return float(np.asarray(scores)[order[min(index, len(order) - 1)]])


def centre_db(spectra_db: Float32) -> Float32:
    """Of the range of levels, as a baseline has it. spectra_db : (n, n_channels, n_f, n_t)"""
    low_db, high_db = commissioned_range(spectra_db.mean(axis=3, dtype=np.float64))
    return Baseline(low_db.astype(np.float32), high_db.astype(np.float32), 0.0).centre_db


def lowest_rate(runs: NDArray[Any]) -> float:
    return 1 / (len(np.unique(runs)) + 1)


def first_windows(
    dataset: Dataset, n_windows: int = DEFAULT_WINDOWS, share: float = 1.0
) -> dict[str, NDArray[np.intp]]:
    """For each sensor its first windows, in the manifest's order of time, that are not labelled ng.

    share : at most so much of them, so that some are left to judge
    """
    first = {}
    for sensor in dict.fromkeys(dataset.sensor):
        candidates = np.flatnonzero(
            (dataset.sensor == sensor) & (dataset.label != NG) & (dataset.bad_reason == "")
        )
        first[str(sensor)] = candidates[: min(n_windows, int(share * len(candidates)))]
    return first


def commission_sensor(
    dataset: Dataset,
    spectra_db: Float32,
    used: NDArray[np.intp],
    rate: float,
    logit: NDArray[Any] | None,
    strict: bool = False,
) -> Commissioning:
    """Baseline and thresholds from the windows `used` of one sensor.

    spectra_db : float32, shape (n, n_channels, n_f, n_t), of the whole dataset
        on the map's grid
    logit : shape (n,)
    strict : a rate lower than so many runs can show raises TrainingError; else
        the rate is raised to the lowest that they can
    """
    run = dataset.run[used]
    unit = run if len(np.unique(run)) >= MIN_RUNS else np.arange(len(used))
    rate = rate if strict else max(rate, lowest_rate(unit))
    level_db = spectra_db[used].mean(axis=3, dtype=np.float64)
    low_db, high_db = commissioned_range(level_db)
    scores = leave_run_out_scores(level_db, unit)
    baseline = Baseline(
        low_db.astype(np.float32),
        high_db.astype(np.float32),
        threshold_by_run(scores, unit, rate),
    )
    alone = len(np.unique(dataset.run[dataset.sensor == dataset.sensor[used[0]]])) == 1
    return Commissioning(
        sensor=str(dataset.sensor[used[0]]),
        used=used,
        excluded=used if alone else np.flatnonzero(np.isin(dataset.run, run)),
        n_runs=len(np.unique(run)),
        rate=rate,
        baseline=baseline,
        logit_threshold=None
        if logit is None
        else threshold_by_run(logit[used], unit, rate),
        network_stated=None if logit is None else _stated(rate, logit[used], run),
        novelty_stated=_stated(rate, scores, run),
    )


def _stated(rate: float, scores: NDArray[Any], run: NDArray[Any]) -> StatedRate:
    return stated_rate(rate, _effective_sample_size(scores, run))


def _effective_sample_size(scores: NDArray[Any], run: NDArray[Any]) -> float:
    """One for each run; in a single run by how neighbours resemble each other."""
    n_runs = len(np.unique(run))
    return float(n_runs) if n_runs >= MIN_RUNS else independent_count(scores)


def leave_run_out_scores(level_db: Float64, runs: NDArray[Any]) -> Float64:
    """Novelty of each window against the range of the other runs.

    level_db : shape (n_windows, n_channels, n_f)
    """
    scores = np.empty(len(level_db))
    for name in np.unique(runs):
        inside = runs == name
        scores[inside] = score_of_levels(
            level_db[inside], *commissioned_range(level_db[~inside])
        )
    return scores


def novelty_scores(spectra_db: Float32, baseline: Baseline) -> Float64:
    """Shape (n,)."""
    return np.asarray(novelty_map(spectra_db, baseline).sum(axis=(1, 2), dtype=np.float64))


def novelty_floor(dataset: Dataset, novelty: Float64) -> float:
    """What no sensor's novelty threshold should lie below, by what these machines show.

    What they exceed in 5 % of their healthy windows, or NOVELTY_FLOOR where
    they are too few to tell; unless the threshold that best parts their faulty
    windows from the healthy ones does so better beyond chance.
    novelty : shape (n,), NaN for windows that prove nothing
    """
    known = dataset.select(~np.isnan(novelty) & (dataset.label >= 0))
    novelty = novelty[~np.isnan(novelty) & (dataset.label >= 0)]
    is_healthy = known.label == OK
    usual = healthy_floor(novelty[is_healthy], known.column("machine")[is_healthy])
    if len(np.unique(known.label)) < 2:
        return usual
    best = best_threshold(known.label, novelty)
    if is_better(known.run, known.label, novelty > best, novelty > usual):
        return best
    return usual


def is_better(
    run: NDArray[Any],
    label: NDArray[np.int8],
    ng: NDArray[np.bool_],
    other: NDArray[np.bool_],
) -> bool:
    """By balanced accuracy on the same windows, beyond chance: the paired 95 % interval by run
    lies above 0.
    """
    one, two = (
        resampled(run, label, as_score(called), accuracy_of_score) for called in (ng, other)
    )
    value = balanced_accuracy(label, ng) - balanced_accuracy(label, other)
    return interval(value, one - two).low > 0


def healthy_floor(novelty: Float64, machine: Text) -> float:
    """Each machine weighs the same."""
    names, place, counts = np.unique(machine, return_inverse=True, return_counts=True)
    if len(names) < MIN_MACHINES:
        return NOVELTY_FLOOR
    order = np.argsort(novelty)
    reached = np.cumsum(1 / (len(names) * counts[place][order]))
    index = np.searchsorted(reached, 1 - HEALTHY_ABOVE - 1e-9)
    return float(novelty[order[index]])
