"""`camshaft mute`: hold a point's alarms back until a stated time."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import tzinfo
from pathlib import Path

from monitor.commands.arguments import add_config, add_sensors
from monitor.exit_codes import EXIT_OK

EXAMPLES = (
    "camshaft mute 'pump-1/*' --until 2026-11-30T06:00 --author Ann --reason 'bearing exchange'",
    "camshaft mute mill-2/spindle --for 4h --author Ann --reason 'test runs'",
)
EXIT_CODES = {
    0: "muted",
    2: "refused: no end, name or reason, or no such sensor",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_sensors(parser)
    parser.add_argument("--until", metavar="TIME", help="end, such as 2026-11-30T06:00")
    parser.add_argument(
        "--for", dest="span", metavar="SPAN", help="or its length: 30min, 4h, 2d"
    )
    parser.add_argument("--author", default="", metavar="NAME", help="who mutes it")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why")
    parser.add_argument(
        "--tz", metavar="ZONE", help="zone of a time that names none (default: this host's)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 muted; 2 refused."""
    from monitor.config_file import load_config
    from monitor.journal.mutes import Mute, MuteStore
    from monitor.records.notes import check_mute, check_note
    from monitor.times import clock, zone_of

    config, now_ns = load_config(arguments.config), time.time_ns()
    zone = zone_of(arguments.tz)
    note = {"author": arguments.author, "comment": arguments.reason}
    author, reason = check_note(note)
    until_ns = check_mute(author, reason, _until(arguments, now_ns, zone), now_ns)
    sensors = chosen(config.journal.path, arguments.sensor)
    until = clock(until_ns, zone)
    with closing(MuteStore(config.journal.path)) as store:
        for sensor in sensors:
            store.mute(Mute(sensor, now_ns, until_ns, author, reason), until)
            print(f"{sensor} is muted until {until}.")
    return EXIT_OK


def chosen(path: Path, pattern: str) -> Sequence[str]:
    """The journal's sensors that a name or pattern means. Raises NoteError where there is none."""
    import fnmatch

    from monitor.journal.views import JournalViews
    from monitor.records.notes import NoteError

    with closing(JournalViews(path)) as views:
        known = views.sensors()
    found = [
        name for name in known if name == pattern or fnmatch.fnmatchcase(name, pattern)
    ]
    if not found:
        raise NoteError(f"{pattern}: the journal knows no such sensor.")
    return found


def _until(arguments: argparse.Namespace, now_ns: int, zone: tzinfo | None) -> int | None:
    """Raises TimeError, NoteError."""
    from monitor.records.notes import NoteError
    from monitor.times import moment, span

    if arguments.until is not None and arguments.span is not None:
        raise NoteError("--until and --for: give one of them.")
    if arguments.span is not None:
        return now_ns + span(arguments.span, "--for")
    if arguments.until is None:
        return None
    return moment(arguments.until, now_ns, zone, "--until", end=True)
