"""`camshaft unmute`: end a point's mute before its time; an alarm that stands is told then."""

from __future__ import annotations

import argparse
import time
from contextlib import closing

from monitor.commands.arguments import add_config, add_sensors
from monitor.commands.mute import chosen
from monitor.exit_codes import EXIT_NO, EXIT_OK

EXAMPLES = ("camshaft unmute mill-2/spindle --author Ann",)
EXIT_CODES = {
    0: "the mute ended",
    1: "none held",
    2: "refused: no name, or no such sensor",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_sensors(parser)
    parser.add_argument("--author", default="", metavar="NAME", help="who ends it")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 the mute ended; 1 none held; 2 refused."""
    from monitor.config_file import load_config
    from monitor.journal.mutes import MuteStore
    from monitor.records.notes import check_muter, check_note

    config = load_config(arguments.config)
    author, _ = check_note({"author": arguments.author})
    check_muter(author)
    sensors = chosen(config.journal.path, arguments.sensor)
    ended = 0
    with closing(MuteStore(config.journal.path)) as store:
        for sensor in sensors:
            if store.unmute(sensor, author, time.time_ns()):
                ended += 1
                print(f"{sensor} is no longer muted.")
    if not ended:
        print("No mute holds there.")
    return EXIT_OK if ended else EXIT_NO
