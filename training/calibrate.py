"""`camshaft-train calibrate`: what `camshaft commission` would set for each sensor, from
recordings.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from monitor.evidence.model_folder import find_model
from monitor.evidence.network import Classifier
from monitor.exit_codes import EXIT_OK
from monitor.recordings.manifest import load_manifest
from monitor.signal.spectrogram import to_grid
from training.alarms import share_by_run
from training.dataset import OK, Dataset
from training.progress import read_with_bar
from training.report import interval_text
from training.thresholds import Commissioning, commission_sensor, first_windows, novelty_scores

ASSUMPTION = (
    "Assumes that later runs of a sensor are like the commissioned ones, in any order. A machine"
    " that drifts breaks it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", help="a name in --models-folder, a bundled name, or a model folder"
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--models-folder", type=Path)
    parser.add_argument(
        "--windows",
        type=int,
        default=50,
        metavar="N",
        help="first windows of each sensor (default 50)",
    )
    parser.add_argument(
        "--rate", type=float, default=0.1, metavar="P", help="false alarms per window (default 0.1)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the thresholds as JSON")


def run(options: argparse.Namespace) -> int:
    classifier = Classifier(find_model(options.model, options.models_folder))
    manifest = load_manifest(options.manifest)
    dataset = read_with_bar(manifest, classifier.manifest.settings)
    rows = calibrate(classifier, dataset, options.windows, options.rate)
    for row in rows:
        print(describe(row))
    print(ASSUMPTION)
    if options.out is not None:
        options.out.write_text(
            json.dumps({"assumption": ASSUMPTION, "sensors": rows}, indent=1) + "\n",
            encoding="utf-8",
        )
    return EXIT_OK


def describe(row: dict[str, Any]) -> str:
    thresholds = (
        f"logit threshold {row['logit_threshold']:.3f}, novelty threshold"
        f" {row['novelty_threshold']:.3f}"
    )
    basis = (
        f"{row['rate']:.3g} false alarms per window, from {row['windows']} windows of {row['runs']}"
        " runs"
    )
    figures = [
        f"{name} {interval_text(row[f'{name}_stated'])} stated,"
        f" {interval_text(row[f'{name}_seen'])} seen"
        for name in ("network", "novelty")
    ]
    return (
        f"{row['sensor']}: {thresholds} for {basis}; on {row['healthy_windows']} others:"
        f" {'; '.join(figures)}"
    )


def calibrate(
    classifier: Classifier, dataset: Dataset, n_windows: int, rate: float
) -> list[dict[str, Any]]:
    """Thresholds of each sensor, and the rate seen on its labelled healthy windows outside
    commissioning.

    Raises TrainingError where the rate is below what so many runs can show.
    """
    dataset = dataset.select(dataset.bad_reason == "")
    logit, _ = classifier.predict(dataset.psd_db)
    spectra_db = to_grid(dataset.psd_db, classifier.manifest.map_grid.shape[1])
    rows = []
    for sensor, first in first_windows(dataset, n_windows).items():
        one = commission_sensor(dataset, spectra_db, first, rate, logit, strict=True)
        mask = (dataset.sensor == sensor) & (dataset.label == OK)
        mask[one.spoilt] = False
        rows.append(_row(one, dataset, logit, spectra_db, np.flatnonzero(mask)))
    return rows


def _row(
    one: Commissioning, dataset: Dataset, logit: Any, spectra_db: Any, healthy: Any
) -> dict[str, Any]:
    assert one.logit_threshold is not None
    assert one.network_stated is not None
    row: dict[str, Any] = {
        "sensor": one.sensor,
        "windows": len(one.used),
        "runs": one.n_runs,
        "rate": round(one.rate, 4),
        "logit_threshold": one.logit_threshold,
        "novelty_threshold": one.baseline.threshold,
        "healthy_windows": len(healthy),
        "network_stated": one.network_stated.as_tree(),
        "novelty_stated": one.novelty_stated.as_tree(),
        "network_seen": None,
        "novelty_seen": None,
    }
    if len(healthy):
        run = dataset.run[healthy]
        novelty = novelty_scores(spectra_db[healthy], one.baseline)
        row["network_seen"] = share_by_run(logit[healthy] > one.logit_threshold, run).as_tree()
        row["novelty_seen"] = share_by_run(novelty > one.baseline.threshold, run).as_tree()
    return row
