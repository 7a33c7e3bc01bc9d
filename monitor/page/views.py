"""What the browser gets, as plain values for JSON. Pure. Times in milliseconds: nanoseconds do not
fit its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.journal.labels import StoredLabel
from monitor.journal.reader import Row
from monitor.journal.views import Glance, Since, StoredEvent
from monitor.records.signal import Float32
from monitor.records.verdict import Grid, Verdict

NS_PER_MS = 1_000_000
N_ENVELOPE = 1500  # columns of a waveform: more than a screen has pixels for it

Tree = dict[str, Any]


def sensor_view(newest: Glance, since: Since, acknowledged: bool) -> Tree:
    """One tile of the fleet, no finer than it is shown: what does not change is not sent."""
    band = None
    if newest.status == "NG" and newest.band_low_hz is not None:
        band = [newest.band_low_hz, newest.band_high_hz, rounded(newest.band_share, 2)]
    return {
        "sensor": newest.sensor,
        "row": newest.row_id,
        "status": newest.status,
        "reason": newest.reason,
        "since_ms": since.at_ns // NS_PER_MS,
        "since_known": since.known,
        "alarm": "acknowledged" if newest.alarm == "raised" and acknowledged else newest.alarm,
        "probability": rounded(newest.probability, 2),
        "novelty_ratio": rounded(_ratio(newest.novelty, newest.novelty_threshold), 1),
        "band": band,
        "model_id": newest.model_id,
    }


def difference(old: Tree, new: Tree) -> Tree:
    """The sensor and those of its fields that changed."""
    return {key: value for key, value in new.items() if key == "sensor" or old.get(key) != value}


def glance_view(glance: Glance) -> Tree:
    """One window of a time line."""
    return {
        "row": glance.row_id,
        "start_ms": glance.start_ns / NS_PER_MS,
        "end_ms": glance.end_ns / NS_PER_MS,
        "status": glance.status,
        "reason": glance.reason,
        "alarm": glance.alarm,
        "probability": rounded(glance.probability, 4),
        "threshold": None if glance.threshold is None else rounded(sigmoid(glance.threshold), 4),
        "novelty_ratio": _ratio(glance.novelty, glance.novelty_threshold),
        "model_id": glance.model_id,
    }


def row_view(row: Row, has_evidence: bool, labels: Sequence[StoredLabel]) -> Tree:
    """One window whole: figures, maps, what each band adds, labels."""
    v = row.verdict
    tree = {name: getattr(v, name) for name in FIGURES}
    return tree | {
        "row": row.row_id,
        "start_ms": v.start_ns / NS_PER_MS,
        "end_ms": v.end_ns / NS_PER_MS,
        "status": v.status.value,
        "band": None if v.band is None else [v.band.low_hz, v.band.high_hz, v.band.share],
        "quality": {name: finite(value) for name, value in v.quality.items()},
        "has_evidence": has_evidence,
        "labels": [label_view(label) for label in labels],
        "maps": None if v.grid is None else _maps(v, v.grid),
    }


FIGURES = (
    "sensor",
    "machine",
    "point",
    "n_samples",
    "reason",
    "logit",
    "probability",
    "bias",
    "threshold",
    "residual",
    "novelty",
    "novelty_threshold",
    "alarm",
    "running",
    "model_id",
    "continuity",
)


def band_sums(cells: Float32) -> list[float]:
    """What each band adds to the sum of a map. cells : (n_f, n_t)."""
    return [float(value) for value in cells.sum(axis=1, dtype=np.float64)]


def label_view(label: StoredLabel) -> Tree:
    return label.fields() | {"at_ms": label.at_ns // NS_PER_MS}


def event_view(event: StoredEvent, unacknowledged: Mapping[str, int]) -> Tree:
    return {
        "event_id": event.event_id,
        "at_ms": event.at_ns / NS_PER_MS,
        "sensor": event.sensor,
        "kind": event.kind,
        "text": event.text,
        "model_id": event.model_id,
        "open": unacknowledged.get(event.sensor) == event.event_id,
    }


def waveform_view(samples: Float32, sample_rate_hz: float, n_columns: int = N_ENVELOPE) -> Tree:
    """Samples for a plot: as they are, or the lowest and highest of each of n_columns.

    samples : (n_channels, n), m/s²
    """
    n = samples.shape[1]
    n_each = max(1, math.ceil(n / n_columns))
    whole = samples[:, : n - n % n_each].reshape(len(samples), -1, n_each)
    low, high = whole.min(axis=2), whole.max(axis=2)
    return {
        "sample_rate_hz": sample_rate_hz,
        "n_samples": n,
        "step_s": n_each / sample_rate_hz,
        "low": _numbers(low),
        "high": _numbers(high),
        "rms_ms2": [
            float(value) for value in np.sqrt(np.mean(samples.astype(np.float64) ** 2, axis=1))
        ],
    }


def sigmoid(logit: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * logit))


def finite(value: float | None) -> float | None:
    """JSON knows no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None


def rounded(value: float | None, n_digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, n_digits)


def _ratio(value: float | None, limit: float | None) -> float | None:
    return None if value is None or not limit else rounded(value / limit, 3)


def _maps(v: Verdict, grid: Grid) -> Tree:
    tree: Tree = {"f_edges_hz": grid.f_edges_hz, "t_edges_s": grid.t_edges_s}
    for name, cells in (("contribution", v.contribution), ("novelty", v.novelty_map)):
        tree[name] = (
            None if cells is None else {"cells": _numbers(cells), "bands": band_sums(cells)}
        )
    tree["spectrum_db"] = (
        None if v.spectrum_db is None else np.round(v.spectrum_db.astype(float), 1).tolist()
    )
    return tree


def _numbers(values: NDArray[np.float32]) -> Any:
    """Nested lists of the shortest decimals that give the same float32 again."""
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return (
        [float(str(x)) for x in values] if values.ndim == 1 else [_numbers(part) for part in values]
    )
