"""`camshaft commission`: take healthy sensors' baselines and thresholds, or take them back."""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import getpass
import sys
import time

from monitor.commands.arguments import add_config, add_sensors, add_span, bounds_of
from monitor.commissioner import Targets, commission_now, refusal, undo_now
from monitor.config_file import load_config
from monitor.exit_codes import EXIT_NO, EXIT_OK, EXIT_REFUSED
from monitor.journal.commissioning import CommissioningStore, Request
from monitor.records.notes import NoteError, check_note
from monitor.text import printable, utc

N_WINDOWS, N_WINDOWS_OF_SPAN = 100, 1000
MAX_WINDOWS = 5000  # their spectra are in memory at once
HOW_EVEN_SO = " (--even-so REASON --author NAME)"

EXAMPLES = (
    "camshaft commission pump-1/bearing --windows 200",
    "camshaft commission pump-1/bearing --undo",
)
EXIT_CODES = {
    0: "done",
    1: "there was nothing to undo",
    2: "refused: configuration or journal cannot be used, or windows are missing",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_sensors(parser)
    parser.add_argument(
        "--windows",
        type=int,
        metavar="N",
        help=f"running windows: the last N (default {N_WINDOWS}); with --from or --to N spread over"
        f" that span (default {N_WINDOWS_OF_SPAN})",
    )
    parser.add_argument(
        "--next", action="store_true", help="the next N windows instead of the last N"
    )
    add_span(parser, required=False, default_to=None)
    parser.add_argument(
        "--false-alarm-rate",
        type=float,
        metavar="P",
        help="per healthy window (default 1/(N+1))",
    )
    parser.add_argument(
        "--author", metavar="NAME", help="who says so (default: your login name)"
    )
    parser.add_argument(
        "--even-so",
        default="",
        metavar="REASON",
        help="although windows hold NG or an alarm stands; needs --author",
    )
    parser.add_argument(
        "--undo", action="store_true", help="take the newest commissioning back"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 done; 1 nothing to undo; 2 refused, or some sensors were."""
    config = load_config(arguments.config)
    arguments.from_ns, arguments.to_ns = bounds_of(arguments, time.time_ns())
    if wrong := _wrong(arguments):
        print(wrong, file=sys.stderr)
        return EXIT_REFUSED
    store = CommissioningStore(config.journal.path)
    try:
        sensors = _sensors(arguments.sensor, store.sensors())
        if not sensors:
            return EXIT_REFUSED
        work = _undo if arguments.undo else _request if arguments.next else _commission
        targets = Targets(config)
        codes = [work(targets, store, one, arguments) for one in sensors]
    finally:
        store.close()
    if len(sensors) > 1:
        done = codes.count(EXIT_OK)
        print(f"{done} of {len(sensors)} sensors done, {len(sensors) - done} not.")
    return max(codes)


def _wrong(arguments: argparse.Namespace) -> str:
    """Why the arguments cannot be taken, or ""."""
    n = arguments.windows
    if n is not None and not 1 <= n <= MAX_WINDOWS:
        return f"--windows {n}: must be from 1 to {MAX_WINDOWS}."
    has_span = arguments.from_ns is not None or arguments.to_ns is not None
    if arguments.next and has_span:
        return "--next takes windows to come; --from and --to, windows that are there: use one."
    if arguments.even_so and not (arguments.author or "").strip():
        return "--even-so needs --author NAME: whoever overrules an alarm says who it was."
    try:
        check_note({"author": arguments.author, "comment": arguments.even_so})
    except NoteError as error:
        return str(error).replace("comment", "--even-so").replace("author", "--author")
    return ""


def _sensors(name: str, known: list[str]) -> list[str]:
    """The sensors that a name or pattern means. Says so where there are none."""
    if name in known:
        return [name]
    found = fnmatch.filter(known, name)
    if not found:
        near = difflib.get_close_matches(name, known, 3, 0.5) or known[:3]
        hint = (
            f"it knows {', '.join(map(printable, near))}" if near else "it knows none yet"
        )
        more = "" if len(near) == len(known) else f" and {len(known) - len(near)} more"
        print(f"The journal knows no sensor {name!r}; {hint}{more}.", file=sys.stderr)
    return found


def _author(arguments: argparse.Namespace) -> str:
    if arguments.author:
        return str(arguments.author).strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""


def _wish(sensor: str, arguments: argparse.Namespace, after_row: int | None) -> Request:
    has_span = arguments.from_ns is not None or arguments.to_ns is not None
    return Request(
        sensor=sensor,
        n_windows=arguments.windows or (N_WINDOWS_OF_SPAN if has_span else N_WINDOWS),
        after_row=after_row,
        false_alarm_rate=arguments.false_alarm_rate,
        from_ns=arguments.from_ns,
        to_ns=arguments.to_ns,
        author=_author(arguments),
        even_so=arguments.even_so.strip(),
    )


def _commission(
    targets: Targets, store: CommissioningStore, sensor: str, arguments: argparse.Namespace
) -> int:
    target = targets.of(sensor)
    if target is None:
        return _no_rule(sensor)
    made = commission_now(store, _wish(sensor, arguments, None), target, time.time_ns())
    if made.commissioned is None:
        hint = HOW_EVEN_SO if made.needs_reason else ""
        print(f"{made.text}{hint}", file=sys.stderr, flush=True)
        return EXIT_REFUSED
    print(f"{sensor}: commissioned {made.text}", flush=True)
    return EXIT_OK


def _request(
    targets: Targets, store: CommissioningStore, sensor: str, arguments: argparse.Namespace
) -> int:
    if targets.of(sensor) is None:
        return _no_rule(sensor)
    request = _wish(sensor, arguments, store.last_row_id())
    alarm_ns = store.alarm_since(sensor)
    if alarm_ns is not None and not request.even_so:
        text = refusal(sensor, f"an alarm stands since {utc(alarm_ns)}")
        print(f"{text}{HOW_EVEN_SO}", file=sys.stderr, flush=True)
        return EXIT_REFUSED
    store.request(request, time.time_ns())
    print(
        f"{sensor}: the service will commission it from the next {request.n_windows} running"
        " windows; an event says what came of it.",
        flush=True,
    )
    return EXIT_OK


def _undo(
    targets: Targets, store: CommissioningStore, sensor: str, arguments: argparse.Namespace
) -> int:
    text = undo_now(store, sensor, targets.of(sensor), _author(arguments), time.time_ns())
    print(f"{sensor}: {text or 'nothing to undo.'}", flush=True)
    return EXIT_NO if text is None else EXIT_OK


def _no_rule(sensor: str) -> int:
    print(f"{sensor}: no rule under sensors matches it.", file=sys.stderr, flush=True)
    return EXIT_REFUSED
