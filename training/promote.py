"""`camshaft-train promote`:
only a model whose report shows no leak and maps that tell the truth.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from monitor.evidence.model_folder import load_manifest
from monitor.exit_codes import EXIT_NO, EXIT_OK
from training import TrainingError
from training.gates import leak_gate, map_gate
from training.registry import promote, publish


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="the model folder")
    parser.add_argument(
        "--report",
        type=Path,
        required=True,
        help="the report folder that evaluate made of this model",
    )
    parser.add_argument("--models-folder", type=Path, required=True)


def run(options: argparse.Namespace) -> int:
    manifest = load_manifest(options.model)
    tree = read_report(options.report)
    if tree["model"]["id"] != manifest.id:
        raise TrainingError(f"the report is of model {tree['model']['id']}, not of {manifest.id}.")
    failed = [gate for gate in (leak_gate(tree), map_gate(tree)) if not gate.passed]
    for gate in failed:
        print(f"refused: {gate}")
    if failed:
        return EXIT_NO
    publish(options.model, options.models_folder)
    before = promote(options.models_folder, manifest.name, manifest.id)
    print(
        f"{manifest.name}: {manifest.id} is in service"
        + (f" in place of {before}" if before else "")
    )
    print("Tell the running service: systemctl reload camshaft (SIGHUP).")
    return EXIT_OK


def read_report(folder: Path) -> dict[str, Any]:
    try:
        tree = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder / 'report.json'} cannot be read: {error}.") from error
    if not isinstance(tree, dict) or "model" not in tree:
        raise TrainingError(f"{folder / 'report.json'} is not a report of camshaft-train evaluate.")
    return tree
