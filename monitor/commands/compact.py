"""`camshaft compact`: the journal's free space back to the disk."""

from __future__ import annotations

import argparse
import time

from monitor.commands.arguments import add_config
from monitor.commands.progress import duration, spoken
from monitor.config_file import load_config
from monitor.exit_codes import EXIT_OK
from monitor.journal.files import compact

EXAMPLES = ("camshaft compact",)
EXIT_CODES = {
    0: "done",
    2: "refused: a service runs, or there is no room for a second copy; nothing was changed",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Stop the service first: it could not write meanwhile."""
    path = load_config(arguments.config).journal.path
    began_s = time.monotonic()
    with spoken(lambda: f"compacting for {duration(time.monotonic() - began_s)}"):
        before, after = compact(path)
    print(f"{path}: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB now.")
    return EXIT_OK
