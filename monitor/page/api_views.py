"""What /api/v1 answers with beside plain verdicts (monitor/plain_values.py). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.journal.labels import StoredLabel
from monitor.journal.reader import Row
from monitor.journal.views import StoredEvent, WindowSummary
from monitor.page.views import Tree, band_sums, numbers
from monitor.plain_values import band_tree, finite, names_tree, verdict_tree
from monitor.plain_values import event_tree as plain_event_tree
from monitor.records.context import Context
from monitor.records.evidence import Evidence
from monitor.records.occlusion import Occlusion
from monitor.records.trend import Spread, TrendRow
from monitor.times import iso

NS_PER_S = 10**9


def point_tree(newest: WindowSummary, is_acknowledged: bool) -> Tree:
    """A point by its newest verdict."""
    is_seen = newest.alarm == "raised" and is_acknowledged
    return {
        **names_tree(newest.sensor),
        "status": newest.status,
        "reason": newest.reason,
        "alarm": "acknowledged" if is_seen else newest.alarm,
        "at": iso(newest.end_ns),
        "newest": newest.row_id,
        "probability": finite(newest.probability),
        "band": band_tree(newest.band),
        "model_id": newest.model_id,
    }


def whole_verdict_tree(
    window: WindowSummary, row: Row, labels: Sequence[StoredLabel], context: Context
) -> Tree:
    """With what else is known of the window."""
    v = row.verdict
    return verdict_tree(window) | {
        "n_samples": v.n_samples,
        "running": v.running,
        "continuity": v.continuity,
        "quality": _figures(v.quality),
        "indicators": _figures(v.indicators),
        "context": {name: _context(value) for name, value in context.items()},
        "has_map": v.grid is not None,
        "labels": [_label(label) for label in labels],
    }


def map_tree(row: Row, occlusion: Occlusion | None) -> Tree | None:
    """The maps and the spectrum on their grid; None where they were not kept."""
    v = row.verdict
    if v.grid is None:
        return None
    spectrum = None if v.spectrum_db is None else numbers(v.spectrum_db)
    return {
        "row": row.row_id,
        **names_tree(v.sensor),
        "f_edges_hz": list(v.grid.f_edges_hz),
        "t_edges_s": list(v.grid.t_edges_s),
        "evidence": [_map(evidence) for evidence in v.evidence],
        "spectrum_db": spectrum,
        "occlusion": None if occlusion is None else _occlusion(occlusion),
    }


def trend_tree(row: TrendRow) -> Tree:
    """A stretch of a point's time, with the spread of each quantity in it."""
    return {
        "start": iso(row.start_ns),
        "end": iso(row.end_ns),
        "windows": dict(row.windows),
        "seconds": {status: ns / NS_PER_S for status, ns in row.span_ns.items()},
        "worst": row.worst_row,
        "quantities": {name: _spread(spread) for name, spread in row.spreads.items()},
    }


def event_tree(event: StoredEvent, unacknowledged: Mapping[str, int]) -> Tree:
    is_open = unacknowledged.get(event.sensor) == event.event_id
    return {**plain_event_tree(event), "open": is_open}


def _map(evidence: Evidence) -> Tree:
    return {
        "kind": evidence.kind,
        "unit": evidence.unit,
        "score": finite(evidence.score),
        "threshold": finite(evidence.threshold),
        "bias": finite(evidence.bias),
        "cells": numbers(evidence.cells),
        "bands": band_sums(evidence.cells),
    }


def _occlusion(found: Occlusion) -> Tree:
    return {
        "t_edges_s": list(found.grid.t_edges_s),
        "falls": numbers(found.falls),
        "without_bands": [
            {"low_hz": one.low_hz, "high_hz": one.high_hz, "logit": one.logit}
            for one in found.bands
        ],
    }


def _spread(spread: Spread) -> Tree:
    return {
        "n": spread.n,
        "mean": finite(spread.mean),
        "low": finite(spread.low),
        "high": finite(spread.high),
        "median": finite(spread.quantile(0.5)),
        "p95": finite(spread.quantile(0.95)),
        "threshold": finite(spread.threshold),
    }


def _figures(values: Mapping[str, float]) -> dict[str, Any]:
    return {name: finite(value) for name, value in values.items()}


def _context(value: float | str) -> float | str | None:
    return value if isinstance(value, str) else finite(value)


def _label(stored: StoredLabel) -> Tree:
    label = stored.label
    return {
        "at": iso(stored.at_ns),
        "word": label.word,
        "failure_mode": label.failure_mode,
        "author": label.author,
        "comment": label.comment,
    }
