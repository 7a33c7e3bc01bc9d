"""What simpler ways reach on the same windows: two models trained on the same band levels, and four
figures that need no training but a threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from monitor.evidence.novelty import MIN_WINDOWS
from monitor.records.signal import Float64
from training.dataset import NG, OK, Dataset
from training.metrics import best_threshold
from training.waveform import NAMES as OF_WAVEFORM

TRAINED = ("random forest", "logistic regression")
BAND_DISTANCE = "band distance"  # needs a sensor's own first windows
N_TREES = 300  # of the random forest
HEALTHY_BELOW = 0.95  # of first windows, where no labels tell a threshold

FirstWindows = dict[str, NDArray[np.intp]]


def trained_scores(train: Dataset, test: Dataset) -> dict[str, Float64]:
    """Log odds of NG for each test window: 0 is a probability of one half. {} where `train` lacks a
    class.
    """
    if not {OK, NG} <= set(train.label):
        return {}
    train = train.select(train.label >= 0)
    levels, tried = train.band_levels_db, test.band_levels_db
    found = {}
    for name in TRAINED:
        probability = _build(name).fit(levels, train.label).predict_proba(tried)[:, 1]
        inside = np.clip(probability, 1e-3, 1 - 1e-3)
        found[name] = np.asarray(np.log(inside / (1 - inside)))
    return found


def simple_figures(dataset: Dataset, first: FirstWindows) -> dict[str, Float64]:
    """Each figure of each window, (n,).

    first : the windows that commission a sensor; NaN is the distance of a
        sensor without
    """
    of_waveform = dataset.waveform.T.astype(np.float64)
    return {
        **dict(zip(OF_WAVEFORM, of_waveform, strict=True)),
        BAND_DISTANCE: _band_distance(dataset, first),
    }


def simple_thresholds(
    figures: dict[str, Float64], label: NDArray[np.int8], first: FirstWindows
) -> dict[str, float]:
    """Best on these windows' labels; without both classes what 5 % of the first windows exceed. NaN
    where there is neither.
    """
    return {name: _threshold(value, label, first) for name, value in figures.items()}


def _threshold(value: Float64, label: NDArray[np.int8], first: FirstWindows) -> float:
    known = ~np.isnan(value)
    labelled = known & (label >= 0)
    if {OK, NG} <= set(label[labelled]):
        return best_threshold(label[labelled], value[labelled])
    used = [index[known[index]] for index in first.values()]
    healthy = value[np.concatenate(used)] if used else np.empty(0)
    return float(np.quantile(healthy, HEALTHY_BELOW)) if len(healthy) else float("nan")


def _band_distance(dataset: Dataset, first: FirstWindows) -> Float64:
    """Root mean square over channels and bands of the dB from the sensor's commissioned mean."""
    levels, distance = dataset.band_levels_db, np.full(len(dataset), np.nan)
    for sensor, used in first.items():
        if len(used) < MIN_WINDOWS:
            continue
        inside = dataset.sensor == sensor
        away = levels[inside] - levels[used].mean(axis=0)
        distance[inside] = np.sqrt(np.square(away).mean(axis=1))
    return distance


def _build(name: str) -> Any:
    if name == "random forest":
        return RandomForestClassifier(N_TREES, class_weight="balanced", random_state=0)
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    )
