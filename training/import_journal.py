"""`camshaft-train import-journal`: windows that people labelled in the monitor's journal become
recordings.

Writes FOLDER/recordings-<rate>hz-<channels>ch.yaml with its table and one npy
file a window: a manifest that `camshaft play` and every camshaft-train command
read. Sensors of different rates or channels get a manifest each.
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

from monitor.commands.arguments import check_new_folder
from monitor.exit_codes import EXIT_OK
from monitor.journal.labels import labelled
from monitor.times import iso
from training import TrainingError
from training.labelled_windows import LabelledWindow, labelled_windows

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


EXAMPLES = (
    "camshaft-train import-journal /var/lib/camshaft/camshaft.journal --out recordings/labelled",
)
EXIT_CODES = {
    0: "written",
    2: "refused: the journal cannot be used or holds no labelled window",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "journal", type=Path, help="the monitor's journal; its service may be running"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="a folder that is not there yet",
    )


def run(options: argparse.Namespace) -> int:
    check_new_folder(options.out)
    found = import_journal(options.journal, options.out)
    counts = ", ".join(f"{n} {label}" for label, n in sorted(found.n_by_label.items()))
    print(f"{counts} -> {', '.join(map(str, found.manifests))}")
    if found.n_without_samples:
        print(
            f"{found.n_without_samples} labels left out: the journal keeps no raw samples of their"
            " windows."
        )
    return EXIT_OK


def import_journal(journal: Path, folder: Path) -> Imported:
    """Copy every labelled window that has raw samples. Raises JournalError, TrainingError,
    OSError.
    """
    found, tables = Imported(), dict[Geometry, list[dict[str, object]]]()
    labelled(journal)  # refuses a journal that cannot be read, before a folder is made
    folder.mkdir(parents=True)
    for window in labelled_windows(journal):
        if isinstance(window, str):
            found.n_without_samples += 1
            continue
        samples, rate_hz = window.samples, window.sample_rate_hz
        path = f"row-{window.stored.row_id:09d}.npy"
        np.save(folder / path, samples[0] if len(samples) == 1 else samples.T)
        tables.setdefault((rate_hz, len(samples)), []).append(_line(window, path))
        found.n_by_label[window.label] += 1
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


def _line(window: LabelledWindow, path: str) -> dict[str, object]:
    verdict, stored = window.verdict, window.stored
    return {
        "path": path,
        "label": window.label,
        "machine": verdict.machine,
        "point": verdict.point,
        "group": window.run,
        "start": iso(verdict.start_ns),
        "offset_s": verdict.first_sample / window.sample_rate_hz,
        "row_id": stored.row_id,
        "word": stored.label.word,
        "failure_mode": stored.label.failure_mode,
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
