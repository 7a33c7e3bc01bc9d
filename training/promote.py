"""`camshaft-train promote`:
only a model whose report shows no leak and maps that tell the truth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from monitor.evidence.model_folder import load_model_manifest
from monitor.exit_codes import EXIT_NO, EXIT_OK
from training import TrainingError
from training.gates import leak_gate, map_gate, peer_gate
from training.registry import promote, publish
from training.report_folder import read_report

EXAMPLES = (
    "camshaft-train promote models/pump --report report --models-folder /var/lib/camshaft/models",
)
EXIT_CODES = {
    0: "in service",
    1: "a gate refused it",
    2: "refused: model or report cannot be used",
}


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
    manifest = load_model_manifest(options.model)
    written = read_report(options.report)
    if written.model.id != manifest.id:
        raise TrainingError(
            f"the report is of model {written.model.id}, not of {manifest.id}."
        )
    gates = (
        leak_gate(written.runs_on_both_sides),
        map_gate(written.maps.figures),
        peer_gate(written.status_leads),
    )
    failed = [gate for gate in gates if not gate.passed]
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
