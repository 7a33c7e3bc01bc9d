"""Rows of `camshaft-train score`: what the monitor's own stages say of each window of a part of the
recordings, in any process.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from monitor.config_sensors import SensorSettings
from monitor.evidence.decide import Finding, conclude
from monitor.evidence.model_folder import ModelManifest
from monitor.evidence.network import Classifier
from monitor.evidence.novelty import commission
from monitor.pipeline.analysis import Analyser, Analysis
from monitor.recordings.manifest import RecordingSet, runs
from monitor.recordings.recording import Label, Recording
from monitor.records.commissioned import Baseline
from monitor.records.evidence import LOGIT, Evidence
from monitor.records.signal import Float32, Window
from monitor.records.verdict import Status
from training.dataset import Stretch, cut, label_of, stretches
from training.quiet import quiet

# Runs of one sensor, in order.
Part = tuple[tuple[Recording, ...], ...]


@dataclass(frozen=True)
class ScoredWindow:
    """One row of the file: a verdict's columns, and what the table of recordings says.

    first_sample, n_samples : in the segment. start_ns, end_ns : UTC
    logit, threshold, residual : logit units; None, as the band, where there is
        no verdict
    band_share : of the evidence for NG. contribution : logit units, (n_f, n_t)
        row by row
    """

    machine: str
    point: str
    segment: int
    first_sample: int
    n_samples: int
    start_ns: int
    end_ns: int
    status: str
    reason: str
    logit: float | None
    probability: float | None
    threshold: float
    residual: float | None
    band_low_hz: float | None
    band_high_hz: float | None
    band_share: float | None
    contribution: list[float] | None
    model_id: str
    label: Label
    group: str


TEXT, WHOLE, NUMBER = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
SCHEMA = pyarrow.schema(
    {
        "machine": TEXT,
        "point": TEXT,
        "segment": WHOLE,
        "first_sample": WHOLE,
        "n_samples": WHOLE,
        "start_ns": WHOLE,
        "end_ns": WHOLE,
        "status": TEXT,
        "reason": TEXT,
        "logit": NUMBER,
        "probability": NUMBER,
        "threshold": NUMBER,
        "residual": NUMBER,
        "band_low_hz": NUMBER,
        "band_high_hz": NUMBER,
        "band_share": NUMBER,
        "contribution": pyarrow.list_(NUMBER),
        "model_id": TEXT,
        "label": TEXT,
        "group": TEXT,
    }
)
N_SEGMENTS = b"n_segments"


@dataclass(frozen=True)
class Scoring:
    """All that a process needs to judge any part of the recordings.

    model : its folder. threshold : logit units, None for the model's own
    sample_rate_hz, channels : of what read() returns
    n_commission : windows of each sensor that commission it, where the model
        needs that; they are LEARNING
    n_threads : of the network
    """

    model: Path
    sample_rate_hz: float
    channels: tuple[str, ...]
    threshold: float | None
    n_commission: int
    n_threads: int


def parts(manifest: RecordingSet, needs_baseline: bool) -> list[Part]:
    """What can be judged by itself, in the order of its rows: a run; where a sensor's first windows
    commission it, all of its runs.
    """
    every = [
        tuple(replace(one, path=one.path.absolute()) for one in run)
        for run in runs(manifest)
    ]
    if not needs_baseline:
        return [(run,) for run in every]
    by_sensor = groupby(every, key=lambda run: run[0].sensor)
    return [tuple(of_sensor) for _, of_sensor in by_sensor]


def scored_part(scoring: Scoring, part: Part) -> bytes:
    """A Parquet file with a row for each window. Segments are counted within the part; how many it
    has stands beside the columns, since one without a window has no row.
    """
    rows, n_segments = score(scoring, part)
    table = pyarrow.Table.from_pylist([vars(row) for row in rows], SCHEMA)
    table = table.replace_schema_metadata({N_SEGMENTS: str(n_segments)})
    written = io.BytesIO()
    pyarrow.parquet.write_table(table, written)
    return written.getvalue()


def score(scoring: Scoring, part: Part) -> tuple[list[ScoredWindow], int]:
    """A row for each window, and the number of unbroken stretches.

    Raises RecordingError, ModelError, and ConfigError where rate or channels are
    not the model's.
    """
    analyser = _analyser(scoring)
    assert analyser.manifest is not None
    n_first = scoring.n_commission if analyser.manifest.needs_baseline else 0
    learner, segment = _Learner(n_first), 0
    rows: list[ScoredWindow] = []
    for run in part:
        for stretch in stretches(run):
            rows.extend(_rows(analyser, stretch, run[0].sensor, segment, learner))
            segment += 1
    return rows, segment


@lru_cache(maxsize=1)
def _analyser(scoring: Scoring) -> Analyser:
    """One for all parts of a process."""
    rule = SensorSettings(
        sample_rate_hz=scoring.sample_rate_hz,
        channels=scoring.channels,
        model="given",
        threshold=scoring.threshold,
    )
    with quiet():  # LiteRT says on which delegate it runs
        return Analyser(rule, Classifier(scoring.model, scoring.n_threads))


class _Learner:
    """Commissions a sensor with its first n_first windows, as its owner would."""

    def __init__(self, n_first: int) -> None:
        self._n_first = n_first
        self._spectra_db: list[Float32] = []
        self._baseline: Baseline | None = None

    def analyse(self, analyser: Analyser, windows: Sequence[Window]) -> list[Analysis]:
        """Any number of the sensor's next windows."""
        if self._baseline is not None or not self._n_first:
            return analyser.analyse(windows, [self._baseline] * len(windows))
        found = analyser.analyse(windows, [None] * len(windows))
        for n_seen, analysis in enumerate(found, start=1):
            if analysis.spectrum_db is not None:
                self._spectra_db.append(analysis.spectrum_db)
            if len(self._spectra_db) == self._n_first:
                self._baseline = commission(np.stack(self._spectra_db))
                return found[:n_seen] + self.analyse(analyser, windows[n_seen:])
        return found


def _rows(
    analyser: Analyser, stretch: Stretch, sensor: str, segment: int, learner: _Learner
) -> Iterator[ScoredWindow]:
    settings = analyser.settings
    samples = cut(stretch, settings)
    start_ns = (stretch.recordings[0].start_ns or 0) + round(
        stretch.recordings[0].offset_s * 1e9
    )
    windows = [
        Window(
            sensor=sensor,
            segment=segment,
            first_sample=i * settings.n_window,
            start_ns=start_ns
            + round(i * settings.n_window * 1e9 / settings.sample_rate_hz),
            sample_rate_hz=settings.sample_rate_hz,
            samples=one,
            n_new=settings.n_window,
        )
        for i, one in enumerate(samples)
    ]
    for window, analysis in zip(windows, learner.analyse(analyser, windows), strict=True):
        label = label_of(stretch, window.first_sample, settings.n_window)
        yield _row(analyser, window, analysis, label, stretch.recordings[0].group)


def _row(
    analyser: Analyser, window: Window, analysis: Analysis, label: Label, group: str
) -> ScoredWindow:
    assert analyser.manifest is not None
    threshold = _threshold(analyser.manifest, analyser.rule)
    found = _find(analyser, analysis, threshold)
    network = found.evidence[0] if found.evidence else None
    band = found.band
    length_ns = round(window.samples.shape[1] * 1e9 / window.sample_rate_hz)
    machine, _, point = window.sensor.rpartition("/")
    return ScoredWindow(
        machine=machine,
        point=point,
        segment=window.segment,
        first_sample=window.first_sample,
        n_samples=int(window.samples.shape[1]),
        start_ns=window.start_ns,
        end_ns=window.start_ns + length_ns,
        status=str(found.status),
        reason=found.reason,
        logit=None if network is None else network.score,
        probability=None if network is None else network.probability,
        threshold=float(threshold),
        residual=None if analysis.network is None else analysis.network.residual,
        band_low_hz=None if band is None else band.low_hz,
        band_high_hz=None if band is None else band.high_hz,
        band_share=None if band is None else band.share,
        contribution=None if network is None else network.cells.ravel().tolist(),
        model_id=analyser.model_id,
        label=label,
        group=group,
    )


def _threshold(manifest: ModelManifest, rule: SensorSettings) -> float:
    return manifest.threshold if rule.threshold is None else rule.threshold


def _find(analyser: Analyser, analysis: Analysis, threshold: float) -> Finding:
    """As the service would: a map that does not add up gives no verdict."""
    if analysis.quality.reason:
        return Finding(Status.BAD_DATA, analysis.quality.reason)
    if analysis.network is None or analyser.manifest is None:
        return conclude([], "either", analyser.grid)
    evidence = Evidence(
        kind="network",
        unit=LOGIT,
        score=analysis.network.logit,
        threshold=threshold,
        cells=analysis.network.contribution,
        bias=analyser.manifest.head.bias,
        residual=analysis.network.residual,
    )
    return conclude([evidence], "either", analyser.grid)
