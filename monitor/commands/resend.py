"""`camshaft resend`: send rows to a database again, refused ones or all of a span of time."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from collections.abc import Sequence
from datetime import tzinfo

from monitor.commands.arguments import add_config, add_span, bounds_of, span_of
from monitor.config_file import load_config
from monitor.config_outputs import InfluxSettings
from monitor.exit_codes import EXIT_OK, EXIT_REFUSED
from monitor.journal.resend import (
    ResendError,
    ResendPlan,
    ResendRequest,
    ResendStore,
)
from monitor.journal.schema import END_NS
from monitor.records.notes import check_note
from monitor.times import clock, zone_of

EXAMPLES = (
    "camshaft resend --parked --preview",
    "camshaft resend --from yesterday --to now --author ann --comment 'the bucket was deleted'",
)
EXIT_CODES = {
    0: "the service sends them, or would with --preview",
    2: "refused, or there is nothing to send",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--output",
        metavar="NAME",
        help="the database's name (default: the only one there is)",
    )
    add_span(parser, required=False)
    parser.add_argument(
        "--parked", action="store_true", help="only rows that the database refused"
    )
    parser.add_argument(
        "--preview", action="store_true", help="say what would be sent, and stop"
    )
    parser.add_argument(
        "--author", default="", metavar="NAME", help="who asks (default: the login name)"
    )
    parser.add_argument("--comment", default="", metavar="TEXT", help="why")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 the service sends them, or would; 2 refused, or there is nothing to send."""
    config, now_ns = load_config(arguments.config), time.time_ns()
    try:
        output = output_named(arguments.output, config.influx)
        request = _request(arguments, output, now_ns)
        author, comment = check_note(
            {"author": arguments.author or _login(), "comment": arguments.comment}
        )
        store = ResendStore(config.journal.path)
        try:
            plan = store.plan(request)
            if plan.n_all and not arguments.preview:
                plan = store.order(request, author, comment, now_ns)
        finally:
            store.close()
        if not plan.n_all:
            raise ResendError(f"{output}: no row of this span is to be sent again.")
    except ResendError as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    verb = "would get" if arguments.preview else "gets"
    print(f"{output} {verb} {plan.text} again, {_span(plan, zone_of(arguments.tz))}.")
    if not arguments.preview:
        print(
            "The running service sends them along with new rows; camshaft status says what is left."
        )
    return EXIT_OK


def output_named(name: str | None, databases: Sequence[InfluxSettings]) -> str:
    """The database meant. Raises ResendError where that is not one.

    Webhooks and alarm topics get nothing again: they would tell of old alarms
    as if new.
    """
    known = [database.name for database in databases]
    if not known:
        raise ResendError("No InfluxDB is configured: there is nowhere to send rows again.")
    if name is None and len(known) > 1:
        raise ResendError(f"--output is missing: name one of {', '.join(known)}.")
    if name is not None and name not in known:
        raise ResendError(
            f"--output {name!r}: must be an InfluxDB, one of {', '.join(known)}."
        )
    return name or known[0]


def _request(arguments: argparse.Namespace, output: str, now_ns: int) -> ResendRequest:
    if arguments.from_text is not None:
        return ResendRequest(output, *span_of(arguments, now_ns), arguments.parked)
    if not arguments.parked:
        raise ResendError(
            "--from is missing: name a span of time, or --parked for refused rows."
        )
    _, to_ns = bounds_of(arguments, now_ns)
    return ResendRequest(output, to_ns=to_ns or END_NS, refused_only=True)


def _span(plan: ResendPlan, zone: tzinfo | None) -> str:
    assert plan.first_ns is not None
    assert plan.last_ns is not None
    return f"of {clock(plan.first_ns, zone)} to {clock(plan.last_ns, zone)}"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""
