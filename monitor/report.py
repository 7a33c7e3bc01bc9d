"""`camshaft report`: one self-contained HTML page about a span of a point's time, to attach to a work order."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from monitor.journal_labels import StoredLabel
from monitor.journal_views import Glance, JournalViews, StoredEvent
from monitor.records import Float32, Verdict

MAX_WINDOWS = 50_000
EXIT_OK, EXIT_REFUSED = 0, 2


class ReportError(Exception):
    """There is nothing to report; str() is one sentence."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one report says, read from the journal."""

    instance: str
    sensor: str
    from_ns: int
    to_ns: int
    rows: Sequence[Glance]
    worst: Verdict
    worst_row: int
    samples: tuple[Float32, float] | None  # raw samples of the worst window and their rate
    last_ok: Verdict | None
    events: Sequence[StoredEvent]
    labels: Sequence[StoredLabel]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="configuration (YAML)")
    parser.add_argument("--point", required=True, metavar="SENSOR", help="machine/point")
    times = "ISO 8601; UTC where it names no zone"
    parser.add_argument("--from", dest="from_ns", type=moment, required=True, metavar="TIME", help=times)
    parser.add_argument("--to", dest="to_ns", type=moment, required=True, metavar="TIME")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 written; 2 refused."""
    from monitor.config import load_config
    from monitor.report_page import page

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
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO 8601 time, 2026-11-24T08:30:00+01:00 say") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(at.timestamp()) * 10**9 + at.microsecond * 1000


def gather(views: JournalViews, instance: str, sensor: str, from_ns: int, to_ns: int) -> Findings:
    """Read everything the report needs. Raises ReportError where there is no window in that span."""
    if to_ns <= from_ns:
        raise ReportError("--to must be later than --from.")
    rows = views.between(sensor, from_ns, to_ns, MAX_WINDOWS)
    if not rows:
        newest = views.newest(sensor)
        hint = "no window at all" if newest is None else f"its newest window ended {clock(newest.end_ns)}"
        raise ReportError(f"The journal holds no window of {sensor!r} in this span; there is {hint}.")
    worst = max(rows, key=_badness)
    found = views.row(worst.row_id)
    assert found is not None
    ok_row = views.last_ok(sensor, worst.end_ns, worst.model_id)
    last_ok = None if ok_row is None or ok_row == worst.row_id else views.row(ok_row)
    return Findings(
        instance=instance,
        sensor=sensor,
        from_ns=from_ns,
        to_ns=to_ns,
        rows=rows,
        worst=found.verdict,
        worst_row=worst.row_id,
        samples=views.evidence(worst.row_id),
        last_ok=None if last_ok is None else last_ok.verdict,
        events=views.events_between(sensor, from_ns, to_ns),
        labels=views.labels([row.row_id for row in rows]),
    )


def _badness(row: Glance) -> tuple[bool, float]:
    return row.status == "NG", -math.inf if row.excess is None else row.excess


def clock(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"
