"""`camshaft report`: one self-contained HTML page about a span of a point's time, to attach to a
work order.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from monitor.commands.arguments import add_config, check_output_file
from monitor.exit_codes import EXIT_OK, EXIT_REFUSED
from monitor.journal.views import JournalViews
from monitor.report.findings import ReportError, gather

EXAMPLES = (
    "camshaft report --point mill-2/spindle --from 2026-11-24T08:00 --to 2026-11-24T09:00"
    " --out report.html",
)
EXIT_CODES = {
    0: "written",
    2: "refused",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--point", required=True, metavar="SENSOR", help="machine/point")
    times = "ISO 8601; UTC where it names no zone"
    parser.add_argument(
        "--from", dest="from_ns", type=moment, required=True, metavar="TIME", help=times
    )
    parser.add_argument("--to", dest="to_ns", type=moment, required=True, metavar="TIME")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 written; 2 refused."""
    check_output_file(arguments.out)
    from monitor.config_file import load_config
    from monitor.report.html import page

    config = load_config(arguments.config)
    views = JournalViews(config.journal.path)
    try:
        found = gather(views, config.instance, arguments.point, arguments.from_ns, arguments.to_ns)
        arguments.out.write_text(page(found, time.time_ns()), encoding="utf-8")
    except (ReportError, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    finally:
        views.close()
    print(f"{arguments.out}: {len(found.rows)} windows of {arguments.point}.")
    return EXIT_OK


def moment(text: str) -> int:
    """Nanoseconds since 1970 of an ISO 8601 time. Raises argparse.ArgumentTypeError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be an ISO 8601 time such as 2026-11-24T08:30:00+01:00"
        ) from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(at.timestamp()) * 10**9 + at.microsecond * 1000
