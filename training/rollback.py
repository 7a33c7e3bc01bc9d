"""`camshaft-train rollback`: the model that was in service before comes back."""

from __future__ import annotations

import argparse
from pathlib import Path

from monitor.exit_codes import EXIT_OK
from training.registry import rollback

EXAMPLES = ("camshaft-train rollback pump --models-folder /var/lib/camshaft/models",)
EXIT_CODES = {
    0: "the model before it is in service",
    2: "refused: there is none",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the model's name")
    parser.add_argument("--models-folder", type=Path, required=True)


def run(options: argparse.Namespace) -> int:
    print(
        f"{options.name}: {rollback(options.models_folder, options.name)} is in service again"
    )
    print("Tell the running service: systemctl reload camshaft (SIGHUP).")
    return EXIT_OK
