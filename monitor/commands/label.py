"""`camshaft label`: say of a window what it was."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from typing import Any

from monitor.commands.arguments import add_config
from monitor.exit_codes import EXIT_OK
from monitor.records.labels import WORDS, LabelRequest, check_label
from monitor.records.notes import NoteError

EXAMPLES = (
    "camshaft label 4711 'false alarm' --author Ann",
    "camshaft label --last pump-1/bearing 'NG confirmed' --failure-mode bearing",
)
EXIT_CODES = {
    0: "stored",
    2: "refused",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--last", metavar="SENSOR", help="the newest window of this sensor instead of a row"
    )
    parser.add_argument(
        "row_id",
        type=int,
        nargs="?",
        metavar="ROW_ID",
        help="journal row, as the page shows it",
    )
    parser.add_argument(
        "word",
        choices=WORDS,
        metavar="WORD",
        help=" | ".join(f'"{word}"' for word in WORDS),
    )
    parser.add_argument("--author", default="", metavar="NAME")
    parser.add_argument("--comment", default="", metavar="TEXT")
    parser.add_argument(
        "--failure-mode", default="", metavar="MODE", help="one of page.failure_modes"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 stored; 2 refused."""
    from monitor.config_file import load_config
    from monitor.journal.labels import LabelStore

    config = load_config(arguments.config)
    values: dict[str, Any] = {
        key: getattr(arguments, key)
        for key in ("word", "author", "comment", "failure_mode")
    }
    label = check_label(values, config.page.failure_modes)
    if (arguments.row_id is None) == (arguments.last is None):
        raise NoteError("camshaft label needs exactly one of ROW_ID and --last SENSOR.")
    request = LabelRequest(label, time.time_ns(), arguments.row_id, arguments.last or "")
    with closing(LabelStore(config.journal.path)) as store:
        row_id = store.add(request)
    print(f"Row {row_id} is labelled: {label.text}.")
    return EXIT_OK
