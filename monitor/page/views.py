"""What the browser gets, as plain values for JSON. Pure. Times in milliseconds: nanoseconds do not
fit its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.cam import main_bands, parts_of_sum, strongest_band
from monitor.evidence.colour import full_colour, is_signed, strongest_cell
from monitor.evidence.occlusion import patch_levels
from monitor.journal.labels import StoredLabel
from monitor.journal.mutes import Mute
from monitor.journal.reader import Row
from monitor.journal.refusals import Refusal
from monitor.journal.resend import RefusedRows
from monitor.journal.views import AlarmStory, Since, StoredEvent, WindowSummary, summary_of
from monitor.plain_values import finite
from monitor.records.books import Books
from monitor.records.commissioned import Commissioned
from monitor.records.context import Context, in_words
from monitor.records.evidence import Evidence, Grid
from monitor.records.occlusion import BESIDE_THE_MAP, Occlusion
from monitor.records.signal import Float32
from monitor.records.verdict import Verdict

NS_PER_MS = 1_000_000
N_ENVELOPE = 1500  # columns of a waveform: more than a screen has pixels for it

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a point beside its newest window.

    since : of its status. story : of its alarm, None where it never had one
    mute : that holds now. advice : its name in the book
    trouble : why it cannot be judged, and what to change, where that was said
    """

    since: Since
    story: AlarmStory | None = None
    mute: Mute | None = None
    advice: str = ""
    trouble: str = ""


def sensor_view(newest: WindowSummary, of: Standing) -> Tree:
    """One tile of the fleet, no finer than it is shown: what does not change is not sent."""
    band = None
    if newest.status == "NG" and newest.band is not None:
        band = [newest.band.low_hz, newest.band.high_hz, rounded(newest.band.share, 2)]
    return {
        "sensor": newest.sensor,
        "row": newest.row_id,
        "end_ms": newest.end_ns // NS_PER_MS,
        "status": newest.status,
        "reason": newest.reason,
        "since_ms": of.since.at_ns // NS_PER_MS,
        "since_known": of.since.known,
        **_alarm_view(newest, of.story),
        "muted": _mute_view(of.mute),
        "advice": of.advice,
        "probability": rounded(newest.probability, 2),
        **_ratio(newest, 1),
        "band": band,
        "model_id": newest.model_id,
        "trouble": of.trouble,
    }


def _alarm_view(newest: WindowSummary, story: AlarmStory | None) -> Tree:
    """raised, acknowledged, unseen or clear, with what a person asks next. The newest window says
    whether it stands: its event may be thinned, or of before the journal.
    """
    stands = newest.alarm == "raised"
    if story is None:
        return {"alarm": newest.alarm, "alarm_since_ms": None, "alarm_event": None}
    seen = story.seen is not None
    state = "acknowledged" if seen else "raised"
    if not stands:
        state = "clear" if seen else "unseen"
    return {
        "alarm": state,
        "alarm_since_ms": story.raised.at_ns // NS_PER_MS,
        "alarm_first_ms": story.first.at_ns // NS_PER_MS,
        "alarm_n": story.n_raised,
        "alarm_cleared_ms": None
        if story.cleared_ns is None
        else story.cleared_ns // NS_PER_MS,
        "alarm_event": None if seen else story.raised.event_id,
        "alarm_text": story.raised.text,
        "alarm_seen": "" if story.seen is None else story.seen.text,
    }


def _mute_view(mute: Mute | None) -> Tree | None:
    if mute is None:
        return None
    return {
        "until_ms": mute.until_ns // NS_PER_MS,
        "author": mute.author,
        "reason": mute.reason,
    }


def refusal_view(refusal: Refusal) -> Tree:
    """Messages of one topic that were refused for one reason."""
    return {
        "topic": refusal.topic,
        "sensor": refusal.sensor,
        "n": refusal.n,
        "last_ms": refusal.last_ns / NS_PER_MS,
        "detail": refusal.detail,
        "n_bytes": refusal.n_bytes,
        "first_bytes": refusal.first_bytes,
    }


def difference(old: Tree, new: Tree) -> Tree:
    """The sensor and those of its fields that changed."""
    return {
        key: value for key, value in new.items() if key == "sensor" or old.get(key) != value
    }


def summary_view(window: WindowSummary) -> Tree:
    """One window of a time line."""
    return {
        "row": window.row_id,
        "start_ms": window.start_ns / NS_PER_MS,
        "end_ms": window.end_ns / NS_PER_MS,
        "status": window.status,
        "reason": window.reason,
        "undone": window.is_undone,
        "alarm": window.alarm,
        "probability": rounded(window.probability, 4),
        "threshold": rounded(window.probability_threshold, 4),
        **_ratio(window, 3),
        "model_id": window.model_id,
    }


def row_view(
    row: Row,
    has_kept_window: bool,
    labels: Sequence[StoredLabel],
    context: Context,
    indicators: Mapping[str, float],
    channels: Sequence[str] = (),
    occlusion: Occlusion | None = None,
) -> Tree:
    """One window whole: figures, all evidence with its map, labels.

    channels : their names. occlusion : of a window that raised an alarm
    """
    v = row.verdict
    return summary_view(summary_of(row)) | {
        "summary": summary_view(summary_of(row)),
        "sensor": v.sensor,
        "machine": v.machine,
        "point": v.point,
        "n_samples": v.n_samples,
        "channels": list(channels),
        "probability": v.probability,
        "residual": v.residual,
        "running": v.running,
        "continuity": v.continuity,
        "context": in_words(context),
        "band": None if v.band is None else [v.band.low_hz, v.band.high_hz, v.band.share],
        "quality": {name: finite(value) for name, value in v.quality.items()},
        "indicators": {name: finite(value) for name, value in indicators.items()},
        "has_kept_window": has_kept_window,
        "labels": [label_view(label) for label in labels],
        "evidence": [evidence_view(e, v.grid) for e in v.evidence],
        "maps": None if v.grid is None else _maps(v.grid, v.spectrum_db),
        "occlusion": None if occlusion is None else _occlusion(occlusion, v),
    }


def evidence_view(evidence: Evidence, grid: Grid | None) -> Tree:
    """One kind of evidence: its sum, and, where it was kept, its map and how it is drawn."""
    score = _score_view(evidence)
    return score if grid is None else score | _map_view(evidence, grid)


def _score_view(evidence: Evidence) -> Tree:
    return {
        "kind": evidence.kind,
        "unit": evidence.unit,
        "score": finite(evidence.score),
        "threshold": finite(evidence.threshold),
        "bias": finite(evidence.bias),
        "residual": finite(evidence.residual),
        "decides": evidence.decides,
    }


def _map_view(evidence: Evidence, grid: Grid) -> Tree:
    return {
        "signed": is_signed(evidence),
        "full_colour": full_colour(evidence),
        "cells": numbers(evidence.cells),
        "bands": band_sums(evidence.cells),
        "parts": parts_of_sum(evidence.cells),
        "strongest": _strongest(evidence, grid),
    }


def _strongest(evidence: Evidence, grid: Grid) -> Tree | None:
    """The main bands, the largest share first, and the strongest cell; None where nothing speaks
    for NG.
    """
    band, edges_hz = strongest_band(evidence.cells, grid.f_edges_hz), grid.f_edges_hz
    cell = strongest_cell(evidence)
    if band is None or cell is None:
        return None
    return {
        "band_hz": [band.low_hz, band.high_hz],
        "share": band.share,
        "main": [
            {"band_hz": [edges_hz[first], edges_hz[last + 1]], "share": share}
            for first, last, share in main_bands(evidence.cells)
        ],
        "cell_hz": list(grid.f_edges_hz[cell.band : cell.band + 2]),
        "cell_s": list(grid.t_edges_s[cell.column : cell.column + 2]),
        "value": cell.value,
    }


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


def database_view(
    name: str, books: Books, again: Mapping[str, int], refused: Sequence[RefusedRows]
) -> Tree:
    counts = books.rows([name]).values()
    return {
        "name": name,
        "accepted": sum(one.accepted for one in counts),
        "rejected": sum(one.rejected for one in counts),
        "waiting": sum(one.waiting for one in counts),
        "sending_again": again.get(name, 0),
        "refused": [_refused_view(row) for row in refused if row.output == name],
    }


def _refused_view(row: RefusedRows) -> Tree:
    first_ns, last_ns = row.first_ns, row.last_ns
    return {
        "kind": row.kind,
        "reason": row.reason,
        "n_rows": row.n_rows,
        "n_gone": row.n_gone,
        "first_ms": None if first_ns is None else first_ns / NS_PER_MS,
        "last_ms": None if last_ns is None else last_ns / NS_PER_MS,
    }


def spectrum_view(step_hz: float, level_db: Float32) -> Tree:
    """A line spectrum in tenths of a decibel. level_db : (n_channels, n_lines)"""
    return {
        "step_hz": step_hz,
        "level_tenth_db": np.round(level_db * 10).astype(int).tolist(),
    }


def baseline_view(commissioned: Commissioned) -> Tree:
    """The range of levels that a sensor was commissioned with, by band."""
    base = commissioned.baseline
    low, high = (
        np.round(level.astype(float), 1).tolist() for level in (base.low_db, base.high_db)
    )
    return {"f_edges_hz": commissioned.f_edges_hz, "low_db": low, "high_db": high}


def waveform_view(
    samples: Float32, sample_rate_hz: float, n_columns: int = N_ENVELOPE
) -> Tree:
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
        "low": numbers(low),
        "high": numbers(high),
        "rms_ms2": [
            float(value)
            for value in np.sqrt(np.mean(samples.astype(np.float64) ** 2, axis=1))
        ],
    }


def rounded(value: float | None, n_digits: int) -> float | None:
    known = finite(value)
    return None if known is None else round(known, n_digits)


def _ratio(window: WindowSummary, n_digits: int) -> Tree:
    """The first score that is told as a multiple of its threshold, and its kind."""
    score = window.over_threshold
    if score is None:
        return {"ratio": None, "ratio_of": None}
    return {"ratio": rounded(score.ratio, n_digits), "ratio_of": score.kind}


def _maps(grid: Grid, spectrum_db: Float32 | None) -> Tree:
    """The grid, and the spectrum on it."""
    levels = None if spectrum_db is None else np.round(spectrum_db.astype(float), 1)
    return {
        "f_edges_hz": grid.f_edges_hz,
        "t_edges_s": grid.t_edges_s,
        "spectrum_db": None if levels is None else levels.tolist(),
    }


def _occlusion(found: Occlusion, v: Verdict) -> Tree | None:
    """As the map is drawn, on a grid of its own; None where its network's evidence is missing."""
    network, levels_db = v.of_kind("network"), None
    if network is None:
        return None
    if v.grid is not None and v.spectrum_db is not None:
        levels_db = patch_levels(v.spectrum_db, v.grid, found.grid)
    return {
        "maps": _maps(found.grid, levels_db),
        "cells": numbers(found.falls),
        "full_colour": full_colour(network),
        "logit": network.score,
        "threshold": finite(network.threshold) if network.judges else None,
        "bands": [
            {"band_hz": [band.low_hz, band.high_hz], "logit": band.logit}
            for band in found.bands
        ],
        "beside_the_map": BESIDE_THE_MAP,
    }


def numbers(values: NDArray[np.float32]) -> Any:
    """Nested lists of the shortest decimals that give the same float32 again."""
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return (
        [float(str(x)) for x in values]
        if values.ndim == 1
        else [numbers(part) for part in values]
    )
