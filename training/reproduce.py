"""`camshaft-train reproduce`: train a bundled model again from its own manifest and compare figures
and weights.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from monitor.evidence.model_folder import Manifest, find_model, load_manifest
from training import TrainingError
from training.fit import SIMULATOR, column_and_value, fit_with_bar, prepare

MANIFESTS = Path(__file__).parent / "manifests"
SAME_FIGURE = 0.02  # AUC and balanced accuracy on another processor, where sums round differently


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a bundled model, or a model folder")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the rebuilt model folder")


def run(options: argparse.Namespace) -> int:
    original = load_manifest(find_model(options.name))
    source = original.training["manifest"]
    path = source if source == SIMULATOR else str(MANIFESTS / f"{source}.yaml")
    holdout = tuple(column_and_value(text) for text in original.training["split"]["held_out"])
    train, plan = prepare(path, original.name, holdout, dict(original.training["recipe"]))
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.out or Path(scratch) / original.name
        fit_with_bar(train, plan, folder)
        rebuilt = load_manifest(folder)
    lines, same = compare(original, rebuilt)
    print("\n".join(lines))
    return 0 if same else 1


def compare(original: Manifest, rebuilt: Manifest) -> tuple[list[str], bool]:
    """What is the same and what is not, and whether the rebuilt model is as good."""
    if original.training["fingerprint"]["windows"] != rebuilt.training["fingerprint"]["windows"]:
        raise TrainingError(
            "the windows differ from those that the bundled model was trained on (their fingerprint"
            " does)."
        )
    lines = [
        f"id {original.id} rebuilt as {rebuilt.id}"
        + (": identical" if original.id == rebuilt.id else "")
    ]
    difference = np.abs(np.subtract(original.head.weights, rebuilt.head.weights)).max()
    lines.append(f"largest difference of a head weight: {difference:.2g}")
    same = True
    for figure in ("auc", "balanced_accuracy"):
        before, after = (_figure(one, figure) for one in (original, rebuilt))
        close = abs(before - after) <= SAME_FIGURE
        same &= close
        lines.append(
            f"{figure} out of fold: {before:.4f} then, {after:.4f} now"
            + ("" if close else ": differs")
        )
    return lines, same


def _figure(manifest: Manifest, name: str) -> float:
    found: Any = manifest.training["out_of_fold"][name]["value"]
    return float(found)
