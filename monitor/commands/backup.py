"""`camshaft backup`: the journal, all of one moment, as one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from monitor.commands.arguments import add_config, check_output_file
from monitor.commands.progress import Count, spoken
from monitor.config_file import load_config
from monitor.exit_codes import EXIT_OK
from monitor.journal.files import backup

EXAMPLES = (
    "camshaft backup /backup/camshaft.journal",
    "camshaft backup today.journal -c /etc/camshaft/camshaft.yaml",
)
EXIT_CODES = {
    0: "the file is whole",
    2: "refused: the journal cannot be read, or the file not written",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="to write; one that exists is replaced at the end",
    )


def run(arguments: argparse.Namespace) -> int:
    """Copy the journal while the service keeps running."""
    check_output_file(arguments.file, "FILE")
    config = load_config(arguments.config)
    count = Count("pages copied", 0)
    with spoken(lambda: str(count)):
        n_bytes = backup(config.journal.path, arguments.file, count.reach)
    print(f"{arguments.file}: {n_bytes / 1e6:.1f} MB, a copy of {config.journal.path}.")
    return EXIT_OK
