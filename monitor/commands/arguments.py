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


def add_span(
    parser: argparse.ArgumentParser, required: bool = True, default_to: str | None = "now"
) -> None:
    """--from, --to and --tz, as text; span_of() and bounds_of() read them."""
    parser.add_argument(
        "--from", dest="from_text", required=required, metavar="TIME", help=f"beginning: {FORMS}"
    )
    parser.add_argument(
        "--to",
        dest="to_text",
        default=default_to,
        metavar="TIME",
        help="end, likewise" + (f" (default {default_to})" if default_to else ""),
    )
    parser.add_argument(
        "--tz",
        metavar="ZONE",
        help="zone of times that name none, such as Europe/Berlin (default: this host's)",
    )


def span_of(arguments: argparse.Namespace, now_ns: int) -> tuple[int, int]:
    """What --from, --to and --tz say, in nanoseconds since 1970. Raises TimeError."""
    from_ns, to_ns = bounds_of(arguments, now_ns)
    assert from_ns is not None
    assert to_ns is not None
    return from_ns, to_ns


def bounds_of(arguments: argparse.Namespace, now_ns: int) -> tuple[int | None, int | None]:
    """As span_of(), with None for a bound that was not given. Raises TimeError."""
    zone, from_text, to_text = zone_of(arguments.tz), arguments.from_text, arguments.to_text
    from_ns = None if from_text is None else moment(from_text, now_ns, zone, "--from")
    to_ns = None if to_text is None else moment(to_text, now_ns, zone, "--to", end=True)
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        raise TimeError(
            f"--from {from_text} --to {to_text}: the end must come after the beginning."
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
