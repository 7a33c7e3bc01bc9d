"""`camshaft repair`: note what was done; later an event says whether it helped."""

from __future__ import annotations

import argparse
import time
from contextlib import closing

from monitor.commands.arguments import add_config, add_sensors
from monitor.commands.mute import chosen
from monitor.exit_codes import EXIT_OK

EXAMPLES = ("camshaft repair mill-2/spindle --author Ann --done 'outer bearing exchanged'",)
EXIT_CODES = {
    0: "noted",
    2: "refused: no name, nothing done, or no such sensor",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_sensors(parser)
    parser.add_argument("--author", default="", metavar="NAME", help="who says so")
    parser.add_argument("--done", default="", metavar="TEXT", help="what was done")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 noted; 2 refused."""
    from monitor.config_file import load_config
    from monitor.journal.repairs import RepairStore
    from monitor.records.notes import check_note, check_repair

    config = load_config(arguments.config)
    author, done = check_note({"author": arguments.author, "comment": arguments.done})
    check_repair(author, done)
    sensors = chosen(config.journal.path, arguments.sensor)
    with closing(RepairStore(config.journal.path)) as store:
        for sensor in sensors:
            store.note(sensor, time.time_ns(), author, done)
            print(
                f"{sensor}: noted. After 100 judged windows an event says whether it helped."
            )
    return EXIT_OK
