"""`camshaft restore`: a backup in the journal's place."""

from __future__ import annotations

import argparse
from pathlib import Path

from monitor.commands.arguments import add_config
from monitor.commands.progress import Count, spoken
from monitor.config_file import load_config
from monitor.exit_codes import EXIT_OK
from monitor.journal.files import restore

EXAMPLES = ("camshaft restore /backup/camshaft.journal",)
EXIT_CODES = {
    0: "restored",
    2: "refused: a service runs, or the file is no whole journal; nothing was changed",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="written by camshaft backup"
    )


def run(arguments: argparse.Namespace) -> int:
    """Stop the service and the page first."""
    config = load_config(arguments.config)
    count = Count("pages copied", 0)
    with spoken(lambda: str(count)):
        restored = restore(arguments.file, config.journal.path, count.reach)
    print(f"{config.journal.path}: {restored.n_bytes / 1e6:.1f} MB, from {arguments.file}.")
    if restored.aside is not None:
        print(f"What was there is now {restored.aside}: remove it once all is well.")
    print("Start the service.")
    return EXIT_OK
