"""`camshaft-train reproduce`: train a bundled model again from its own manifest and compare figures
and weights.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from monitor.commands.arguments import check_new_folder
from monitor.evidence.model_folder import ModelManifest, find_model, load_model_manifest
from training import TrainingError
from training.fit import SIMULATOR, column_and_value, fit_with_bar, prepare
from training.provenance import read_provenance

MANIFESTS = Path(__file__).parent / "manifests"
OTHER_SPECTRA = (
    "spectra: not the same to 0.1 dB in every cell. On another processor some of millions round to"
    " the other side; on the same one a recording has changed."
)
# AUC and balanced accuracy on another processor, where sums round differently
SAME_FIGURE = 0.02


EXAMPLES = ("camshaft-train reproduce simulator",)
EXIT_CODES = {
    0: "the rebuilt model agrees",
    1: "it does not",
    2: "refused: there is no such model, or its recordings cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a bundled model, or a model folder")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="keep the rebuilt model folder"
    )


def run(options: argparse.Namespace) -> int:
    if options.out is not None:
        check_new_folder(options.out)
    original = load_model_manifest(find_model(options.name))
    learned_from = read_provenance(original)
    source = learned_from.manifest
    path = source if source == SIMULATOR else str(MANIFESTS / f"{source}.yaml")
    holdout = tuple(column_and_value(text) for text in learned_from.split.held_out)
    train, plan = prepare(path, original.name, holdout, vars(learned_from.recipe))
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.out or Path(scratch) / original.name
        fit_with_bar(train, plan, folder)
        rebuilt = load_model_manifest(folder)
    lines, same = compare(original, rebuilt)
    print("\n".join(lines))
    return 0 if same else 1


def compare(original: ModelManifest, rebuilt: ModelManifest) -> tuple[list[str], bool]:
    """What is the same and what is not, and whether the rebuilt model is as good."""
    before, after = read_provenance(original), read_provenance(rebuilt)
    if (before.windows, before.fingerprint.runs) != (after.windows, after.fingerprint.runs):
        raise TrainingError(
            f"the recordings are not those that {original.name} {original.id} was trained on: their"
            " runs, or how many windows of each class they have, differ."
        )
    lines = [
        f"id {original.id} rebuilt as {rebuilt.id}"
        + (": identical" if original.id == rebuilt.id else "")
    ]
    if before.fingerprint.windows != after.fingerprint.windows:
        lines.append(OTHER_SPECTRA)
    difference = np.abs(np.subtract(original.head.weights, rebuilt.head.weights)).max()
    lines.append(f"largest difference of a head weight: {difference:.2g}")
    if before.out_of_fold is None or after.out_of_fold is None:
        raise TrainingError(
            f"model {original.name} {original.id} has no figures to compare with."
        )
    figures = {
        "auc": (before.out_of_fold.auc, after.out_of_fold.auc),
        "balanced_accuracy": (
            before.out_of_fold.balanced_accuracy,
            after.out_of_fold.balanced_accuracy,
        ),
    }
    same = True
    for name, (then, now) in figures.items():
        close = abs(then.value - now.value) <= SAME_FIGURE
        same &= close
        lines.append(
            f"{name} out of fold: {then.value:.4f} then, {now.value:.4f} now"
            + ("" if close else ": differs")
        )
    return lines, same
