"""`camshaft-train import-journal`: windows that people labelled in the monitor's journal become
recordings.

Writes FOLDER/recordings-<rate>hz-<channels>ch.yaml with its table and one npy file a window: a
manifest that `camshaft play` and every camshaft-train command read. Sensors of different rates or
channels get a manifest each.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from monitor.journal.labels import StoredLabel, labelled
from monitor.journal.reader import JournalReader, Row
from monitor.outputs.notify import iso
from training import TrainingError

LABEL_OF_WORD = {"NG confirmed": "ng", "false alarm": "ok", "unclear": "unlabelled"}
COLUMNS = (
    "path",
    "label",
    "machine",
    "point",
    "group",
    "start",
    "offset_s",
    "row_id",
    "word",
    "failure_mode",
    "model_id",
)

Geometry = tuple[float, int]  # sample rate in Hz, number of channels


@dataclass
class Imported:
    """manifests written, windows by label, and labels whose raw samples the journal no longer
    keeps.
    """

    manifests: list[Path] = field(default_factory=list)
    n_by_label: Counter[str] = field(default_factory=Counter)
    n_without_samples: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "journal", type=Path, help="the monitor's journal; its service may be running"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="a folder that is not there yet"
    )


def run(options: argparse.Namespace) -> int:
    found = import_journal(options.journal, options.out)
    counts = ", ".join(f"{n} {label}" for label, n in sorted(found.n_by_label.items()))
    print(f"{counts} -> {', '.join(map(str, found.manifests))}")
    if found.n_without_samples:
        print(
            f"{found.n_without_samples} labels left out: the journal keeps no raw samples of their"
            " windows."
        )
    return 0


def import_journal(journal: Path, folder: Path) -> Imported:
    """Copy every labelled window that has raw samples. Raises JournalError, TrainingError,
    OSError.
    """
    found, tables = Imported(), dict[Geometry, list[dict[str, object]]]()
    labels = labelled(journal)
    folder.mkdir(parents=True)
    reader = JournalReader(journal)
    try:
        for label in labels:
            row, evidence = reader.row(label.row_id), reader.kept_window(label.row_id)
            if row is None or evidence is None:
                found.n_without_samples += 1
                continue
            samples, rate_hz = evidence
            path = f"row-{label.row_id:09d}.npy"
            np.save(folder / path, samples[0] if len(samples) == 1 else samples.T)
            line = _line(label, row, rate_hz) | {"path": path}
            tables.setdefault((rate_hz, len(samples)), []).append(line)
            found.n_by_label[str(line["label"])] += 1
    finally:
        reader.close()
    if not tables:
        folder.rmdir()
        raise TrainingError(
            f"{journal}: no labelled window with raw samples: label some, on the page or by"
            " camshaft label."
        )
    found.manifests = [
        _write(folder, geometry, lines) for geometry, lines in sorted(tables.items())
    ]
    return found


def _line(label: StoredLabel, row: Row, rate_hz: float) -> dict[str, object]:
    """A segment of a sensor is one run: its windows are not independent."""
    verdict = row.verdict
    return {
        "label": LABEL_OF_WORD[label.label.word],
        "machine": verdict.machine,
        "point": verdict.point,
        "group": f"live-{verdict.segment}",
        "start": iso(verdict.start_ns),
        "offset_s": verdict.first_sample / rate_hz,
        "row_id": label.row_id,
        "word": label.label.word,
        "failure_mode": label.label.failure_mode,
        "model_id": verdict.model_id,
    }


def _write(folder: Path, geometry: Geometry, lines: Sequence[dict[str, object]]) -> Path:
    rate_hz, n_channels = geometry
    name = f"recordings-{rate_hz:g}hz-{n_channels}ch"
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(lines)
    files = {
        "format": "npy",
        "sample_rate_hz": rate_hz,
        "channels": [chr(ord("a") + index) for index in range(n_channels)],
        "unit": "m/s2",
    }
    manifest = folder / f"{name}.yaml"
    tree = {"name": name, "table": f"{name}.csv", "files": files}
    manifest.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return manifest
