"""`camshaft-train score`: verdicts of whole recordings at full speed, by the monitor's own stages.

One row a window in a Parquet file, with the columns of a verdict. The table's
labels are carried along, not used.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monitor.commands.arguments import check_output_file, number, whole_number
from monitor.config_sensors import SensorSettings
from monitor.evidence.decide import Finding, conclude
from monitor.evidence.model_folder import ModelManifest, find_model
from monitor.evidence.network import Classifier
from monitor.evidence.novelty import MIN_WINDOWS, commission
from monitor.exit_codes import EXIT_OK
from monitor.pipeline.analysis import Analyser, Analysis
from monitor.recordings.manifest import RecordingSet, load_manifest, runs
from monitor.recordings.recording import Label
from monitor.records.commissioned import Baseline
from monitor.records.evidence import LOGIT, Evidence
from monitor.records.signal import Float32, Window
from monitor.records.verdict import Status
from training import TrainingError
from training.dataset import Stretch, cut, label_of, stretches
from training.progress import bar, check_is_of_model
from training.thresholds import DEFAULT_WINDOWS

EXAMPLES = (
    "camshaft-train score recordings/manifest.yaml --model models/pump --out verdicts.parquet",
)
EXIT_CODES = {
    0: "written",
    2: "refused: model or recordings cannot be used",
}


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path)
    parser.add_argument(
        "--model",
        required=True,
        help="a name in --models-folder, a bundled name, or a model folder",
    )
    parser.add_argument("--models-folder", type=Path)
    parser.add_argument(
        "--threshold", type=number(), help="logit units (default: the model's own)"
    )
    parser.add_argument(
        "--commission",
        type=whole_number(MIN_WINDOWS),
        default=DEFAULT_WINDOWS,
        metavar="N",
        help="windows of each sensor, from its first on, that are known to be healthy: for a model"
        f" that sees levels relative to the sensor's own (default {DEFAULT_WINDOWS})",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="Parquet file to write"
    )


def run(options: argparse.Namespace) -> int:
    check_output_file(options.out)
    manifest = load_manifest(options.manifest)
    classifier = Classifier(
        find_model(options.model, options.models_folder),
        n_threads=len(os.sched_getaffinity(0)),
    )
    check_is_of_model(manifest, classifier.manifest)
    with bar(f"scoring {manifest.name}", len(manifest.recordings)) as tick:
        rows = []
        for n_recordings, some in score(
            manifest, classifier, options.threshold, options.commission
        ):
            rows.extend(some)
            for _ in range(n_recordings):
                tick()
    write(rows, options.out)
    counts = Counter(row.status for row in rows)
    print(
        f"{len(rows)} windows: "
        + ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    )
    return EXIT_OK


def score(
    manifest: RecordingSet,
    classifier: Classifier,
    threshold: float | None,
    n_commission: int = DEFAULT_WINDOWS,
) -> Iterator[tuple[int, list[ScoredWindow]]]:
    """For each unbroken stretch: how many recordings it has, and a row for each window.

    n_commission : windows of each sensor that commission it, where the model
        needs that; they are LEARNING
    Raises ConfigError where rate or channels are not the model's.
    """
    rule = SensorSettings(
        sample_rate_hz=manifest.sample_rate_hz,
        channels=manifest.channels,
        model="given",
        threshold=threshold,
    )
    analyser = Analyser(rule, classifier)
    n_first = n_commission if classifier.manifest.needs_baseline else 0
    segments: Counter[str] = Counter()
    learners: defaultdict[str, _Learner] = defaultdict(lambda: _Learner(n_first))
    for members in runs(manifest):
        for stretch in stretches(members):
            sensor = members[0].sensor
            rows = _rows(analyser, stretch, sensor, segments[sensor], learners[sensor])
            yield len(stretch.recordings), list(rows)
            segments[sensor] += 1


def write(rows: list[ScoredWindow], out: Path) -> None:
    """The file is there whole or not at all."""
    import pyarrow
    import pyarrow.parquet

    if not rows:
        raise TrainingError("no recording is as long as one window of the model.")
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pylist([vars(row) for row in rows]), draft
        )
        os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)


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
