"""`camshaft check-config`: whatever is wrong with a configuration, before anything starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from monitor.config_file import load_config
from monitor.exit_codes import EXIT_OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 good; 2 refused."""
    load_config(arguments.file)
    print(f"{arguments.file}: good.")
    return EXIT_OK
