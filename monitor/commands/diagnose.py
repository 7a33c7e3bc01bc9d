"""`camshaft diagnose`: what a point's vibration says of the machine now, in an alarm or not."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing

from monitor.commands.arguments import add_config, add_sensors, number
from monitor.commands.mute import chosen
from monitor.exit_codes import EXIT_NO, EXIT_OK

POLL_S = 0.25
EXAMPLES = ("camshaft diagnose mill-2/spindle --author Ann",)
EXIT_CODES = {
    0: "answered, whatever was named",
    1: "not answered in time: the service does not run, or the point sends nothing; the answer, if"
    " it comes, is an event",
    2: "refused: no name, or no such sensor",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_sensors(parser)
    parser.add_argument("--author", default="", metavar="NAME", help="who wants to know")
    parser.add_argument(
        "--wait",
        type=number(above=0),
        default=90.0,
        metavar="S",
        help="so many seconds for the answer (default 90)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 answered; 1 not in time; 2 refused."""
    from monitor.config_file import load_config
    from monitor.journal.asks import AskStore
    from monitor.records.notes import check_asker, check_note

    config = load_config(arguments.config)
    author, _ = check_note({"author": arguments.author})
    check_asker(author)
    sensors = chosen(config.journal.path, arguments.sensor)
    deadline_s = time.monotonic() + arguments.wait
    with closing(AskStore(config.journal.path)) as store:
        asked = {store.ask(one, author, time.time_ns()): one for one in sensors}
        while asked and time.monotonic() < deadline_s:
            answers = {
                one: text for one in asked if (text := store.answer(one)) is not None
            }
            for ask_id, text in answers.items():
                print(f"{asked.pop(ask_id)}: {text}", flush=True)
            if asked:
                time.sleep(POLL_S)
    for sensor in asked.values():
        print(f"{sensor}: no answer within {arguments.wait:g} s.", file=sys.stderr)
    return EXIT_NO if asked else EXIT_OK
