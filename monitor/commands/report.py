"""`camshaft report`: one self-contained HTML page about a span of a point's time, to attach to a
work order.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from monitor.commands.arguments import add_config, add_span, check_output_file, span_of
from monitor.exit_codes import EXIT_OK, EXIT_REFUSED
from monitor.instances import Instance, local_instances
from monitor.journal.schema import JournalError
from monitor.journal.views import JournalViews
from monitor.report.findings import ReportError, gather
from monitor.times import zone_of

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
    add_span(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 written; 2 refused."""
    check_output_file(arguments.out)
    from monitor.advice import advice_book
    from monitor.config_file import load_config
    from monitor.report.html import page

    config, now_ns = load_config(arguments.config), time.time_ns()
    span, zone = span_of(arguments, now_ns), zone_of(arguments.tz)
    instance = _judge_of(arguments.point, local_instances(config), *span)
    views = JournalViews(instance.path)
    try:
        found = gather(views, instance.config.instance, arguments.point, *span, zone)
        arguments.out.write_text(
            page(found, now_ns, advice_book(config.advice)), encoding="utf-8"
        )
    except (ReportError, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    finally:
        views.close()
    print(f"{arguments.out}: {len(found.rows)} windows of {arguments.point}.")
    return EXIT_OK


def _judge_of(
    point: str, instances: Sequence[Instance], from_ns: int, to_ns: int
) -> Instance:
    """The instance that has the point's last window of the span, else its last one at all."""
    if len(instances) == 1:
        return instances[0]

    def place(one: Instance) -> tuple[bool, int]:
        end_ns = _last_end_ns(one, point, to_ns)
        return from_ns <= end_ns <= to_ns, end_ns

    return max(instances, key=place)


def _last_end_ns(one: Instance, point: str, to_ns: int) -> int:
    """Of its last window until then, else of its newest; -1 where there is none."""
    try:
        with closing(JournalViews(one.path)) as views:
            until = views.back_from(point, to_ns + 1, 1)
            newest = until[0] if until else views.newest(point)
    except JournalError as error:  # the other journals may have it
        print(error, file=sys.stderr)
        return -1
    return -1 if newest is None else newest.end_ns
