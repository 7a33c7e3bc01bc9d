"""What simpler models reach on the same band levels, trained and tested on the same windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from monitor.records.signal import Float32, Float64
from training.dataset import Dataset

PEERS = ("random forest", "logistic regression")


def band_levels(dataset: Dataset) -> Float32:
    """Mean level of each channel and band in dB, shape (n, n_channels * n_bands)."""
    return np.asarray(dataset.psd_db.mean(axis=3).reshape(len(dataset), -1), np.float32)


def peer_scores(name: str, train: Dataset, test: Dataset) -> Float64:
    """Log odds of NG for each test window: 0 is a probability of one half."""
    model = _build(name).fit(band_levels(train), train.label)
    probability = np.clip(model.predict_proba(band_levels(test))[:, 1], 1e-3, 1 - 1e-3)
    return np.asarray(np.log(probability / (1 - probability)))


def _build(name: str) -> Any:
    if name == "random forest":
        return RandomForestClassifier(300, class_weight="balanced", random_state=0)
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    )
