"""Verdicts as plain values for JSON: /api/v1 and the topics of MQTT say the same. Pure.

Times are ISO 8601 in UTC, to the millisecond; the names are those of
page/static/openapi.json.
"""

from __future__ import annotations

import math
from typing import Any

from monitor.journal.views import Score, StoredEvent, WindowSummary
from monitor.records.verdict import Band
from monitor.times import iso

Tree = dict[str, Any]


def verdict_tree(window: WindowSummary) -> Tree:
    """One window without its map."""
    return {
        "row": window.row_id,
        **names_tree(window.sensor),
        "start": iso(window.start_ns),
        "end": iso(window.end_ns),
        "status": window.status,
        "reason": window.reason,
        "alarm": window.alarm,
        "probability": finite(window.probability),
        "evidence": [_score(score) for score in window.scores],
        "band": band_tree(window.band),
        "model_id": window.model_id,
        "undone": window.is_undone,
    }


def event_tree(event: StoredEvent) -> Tree:
    return {
        "event_id": event.event_id,
        **names_tree(event.sensor),
        "at": iso(event.at_ns),
        "kind": event.kind,
        "text": event.text,
        "model_id": event.model_id,
    }


def names_tree(sensor: str) -> Tree:
    machine, _, point = sensor.rpartition("/")
    return {"sensor": sensor, "machine": machine, "point": point}


def band_tree(band: Band | None) -> Tree | None:
    if band is None:
        return None
    return {"low_hz": band.low_hz, "high_hz": band.high_hz, "share": band.share}


def finite(value: float | None) -> float | None:
    """JSON knows no NaN and no infinity."""
    return value if value is not None and math.isfinite(value) else None


def _score(score: Score) -> Tree:
    return {
        "kind": score.kind,
        "unit": score.unit,
        "score": finite(score.score),
        "threshold": finite(score.threshold),
    }
