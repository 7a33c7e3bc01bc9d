"""`camshaft-train calibrate`: what `camshaft commission` would set for each sensor, from
recordings.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.commands.arguments import check_output_file, number, whole_number
from monitor.evidence.model_folder import find_model
from monitor.evidence.network import Classifier
from monitor.exit_codes import EXIT_OK
from monitor.recordings.manifest import load_manifest
from monitor.records.signal import Float32
from monitor.signal.spectrogram import to_grid
from training.alarms import interval_of, share_by_run
from training.dataset import OK, Dataset
from training.levels import as_seen
from training.metrics import Interval, interval_text
from training.plain import plain
from training.progress import read_for_model
from training.thresholds import (
    Commissioning,
    commission_sensor,
    first_windows,
    novelty_scores,
)

ASSUMPTION = (
    "Assumes that later runs of a sensor are like the commissioned ones, in any order. A machine"
    " that drifts breaks it."
)


EXAMPLES = (
    "camshaft-train calibrate models/pump recordings/manifest.yaml --windows 50 --rate 0.1",
)
EXIT_CODES = {
    0: "printed",
    2: "refused: too few runs for this rate, or model or recordings cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", help="a name in --models-folder, a bundled name, or a model folder"
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--models-folder", type=Path)
    parser.add_argument(
        "--windows",
        type=whole_number(1),
        default=50,
        metavar="N",
        help="first windows of each sensor (default 50)",
    )
    parser.add_argument(
        "--rate",
        type=number(above=0, below=1),
        default=0.1,
        metavar="P",
        help="false alarms per window (default 0.1)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the thresholds as JSON"
    )


def run(options: argparse.Namespace) -> int:
    if options.out is not None:
        check_output_file(options.out)
    classifier = Classifier(find_model(options.model, options.models_folder))
    manifest = load_manifest(options.manifest)
    dataset = read_for_model(manifest, classifier.manifest)
    rows = calibrate(classifier, dataset, options.windows, options.rate)
    for row in rows:
        print(row)
    print(ASSUMPTION)
    if options.out is not None:
        options.out.write_text(
            json.dumps({"assumption": ASSUMPTION, "sensors": plain(rows)}, indent=1) + "\n",
            encoding="utf-8",
        )
    return EXIT_OK


@dataclass(frozen=True)
class CalibratedSensor:
    """One sensor's thresholds (logit units; novelty) and false alarms per healthy window.

    windows, runs : that commissioned it. rate : that the thresholds are set for
    network_stated, novelty_stated : what it may be with so little to go by
    network_seen, novelty_seen : on the healthy windows outside; None where
        there are none
    """

    sensor: str
    windows: int
    runs: int
    rate: float
    logit_threshold: float
    novelty_threshold: float
    healthy_windows: int
    network_stated: Interval
    novelty_stated: Interval
    network_seen: Interval | None
    novelty_seen: Interval | None

    def __str__(self) -> str:
        return (
            f"{self.sensor}: logit threshold {self.logit_threshold:.3f}, novelty threshold"
            f" {self.novelty_threshold:.3f} for {self.rate:.3g} false alarms per window, from"
            f" {self.windows} windows of {self.runs} runs; on {self.healthy_windows} others:"
            f" network {self.network_stated} stated, {interval_text(self.network_seen)} seen;"
            f" novelty {self.novelty_stated} stated, {interval_text(self.novelty_seen)} seen"
        )


def calibrate(
    classifier: Classifier, dataset: Dataset, n_windows: int, rate: float
) -> list[CalibratedSensor]:
    """Thresholds of each sensor, and the rate seen on its labelled healthy windows outside
    commissioning.

    Raises TrainingError where the rate is below what so many runs can show.
    """
    dataset = dataset.select(dataset.bad_reason == "")
    manifest = classifier.manifest
    n_t = manifest.map_grid.shape[1]
    logit, _ = classifier.predict(as_seen(dataset, manifest.levels, n_t, n_windows).psd_db)
    spectra_db = to_grid(dataset.psd_db, n_t)
    rows = []
    for sensor, first in first_windows(dataset, n_windows).items():
        one = commission_sensor(dataset, spectra_db, first, rate, logit, strict=True)
        mask = (dataset.sensor == sensor) & (dataset.label == OK)
        mask[one.excluded] = False
        rows.append(_row(one, dataset, logit, spectra_db, np.flatnonzero(mask)))
    return rows


def _row(
    one: Commissioning,
    dataset: Dataset,
    logit: Float32,
    spectra_db: Float32,
    healthy: NDArray[np.intp],
) -> CalibratedSensor:
    assert one.logit_threshold is not None
    assert one.network_stated is not None
    row = CalibratedSensor(
        sensor=one.sensor,
        windows=len(one.used),
        runs=one.n_runs,
        rate=round(one.rate, 4),
        logit_threshold=one.logit_threshold,
        novelty_threshold=one.baseline.threshold,
        healthy_windows=len(healthy),
        network_stated=interval_of(one.network_stated),
        novelty_stated=interval_of(one.novelty_stated),
        network_seen=None,
        novelty_seen=None,
    )
    if len(healthy) == 0:
        return row
    run = dataset.run[healthy]
    novelty = novelty_scores(spectra_db[healthy], one.baseline)
    return replace(
        row,
        network_seen=share_by_run(logit[healthy] > one.logit_threshold, run),
        novelty_seen=share_by_run(novelty > one.baseline.threshold, run),
    )
