"""`camshaft check-config`: whatever is wrong with a configuration, before anything starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from monitor.config_file import load_config
from monitor.config_pairs import doubts
from monitor.exit_codes import EXIT_OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 good, with warnings where something is most likely not meant; 2 refused."""
    config = load_config(arguments.file)
    for doubt in doubts(config):
        print(f"warning: {doubt}")
    print(f"{arguments.file}: good.")
    return EXIT_OK
