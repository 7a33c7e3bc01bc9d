"""Arguments that several commands take."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from monitor.times import AGO, FORMS, TimeError, moment, zone_of

SPAN_OPTIONS = ("--from", "--to")


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        required=True,
        metavar="FILE",
        help="configuration (YAML)",
    )


def add_span(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """--from, --to and --tz, as text; span_of() reads them."""
    parser.add_argument(
        "--from", dest="from_text", required=required, metavar="TIME", help=f"beginning: {FORMS}"
    )
    parser.add_argument(
        "--to", dest="to_text", default="now", metavar="TIME", help="end, likewise (default now)"
    )
    parser.add_argument(
        "--tz",
        metavar="ZONE",
        help="zone of times that name none, such as Europe/Berlin (default: this host's)",
    )


def span_of(arguments: argparse.Namespace, now_ns: int) -> tuple[int, int]:
    """What --from, --to and --tz say, in nanoseconds since 1970. Raises TimeError."""
    zone = zone_of(arguments.tz)
    from_ns = moment(arguments.from_text, now_ns, zone, "--from")
    to_ns = moment(arguments.to_text, now_ns, zone, "--to", end=True)
    if from_ns >= to_ns:
        raise TimeError(
            f"--from {arguments.from_text} --to {arguments.to_text}: the end must come after the"
            " beginning."
        )
    return from_ns, to_ns


def joined(arguments: Sequence[str]) -> list[str]:
    """--from -1h as --from=-1h: argparse would take -1h for an option."""
    found: list[str] = []
    for text in arguments:
        if found and found[-1] in SPAN_OPTIONS and AGO.fullmatch(text):
            found[-1] += f"={text}"
        else:
            found.append(text)
    return found
