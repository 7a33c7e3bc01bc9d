"""What the commands of `camshaft` and `camshaft-train` have in common: arguments and help texts."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from monitor.settings import ConfigError
from monitor.times import AGO, FORMS, TimeError, moment, zone_of

CONFIG_VARIABLE = "CAMSHAFT_CONFIG"
CONFIG_PLACES = (Path("camshaft.yaml"), Path("/etc/camshaft/camshaft.yaml"))
CONFIG_HELP = f"configuration (YAML); default: ${CONFIG_VARIABLE}, else " + ", else ".join(
    f"./{place}" if not place.is_absolute() else str(place) for place in CONFIG_PLACES
)

SPAN_OPTIONS = ("--from", "--to")


class _Config(argparse.Action):
    """-c FILE or FILE: whichever is there."""

    def __call__(
        self, _parser: object, found: argparse.Namespace, value: Any, *_: object
    ) -> None:
        if value is not None:
            found.config = value


def add_config(parser: argparse.ArgumentParser, *, positional: bool = False) -> None:
    """positional : the file may also stand without -c."""
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help=CONFIG_HELP)
    if positional:
        parser.add_argument(
            "file", type=Path, nargs="?", metavar="FILE", action=_Config, help="the same"
        )


def choose_config(found: argparse.Namespace) -> None:
    """Where a command takes a configuration and none was named: the first that is there, said
    aloud. Raises ConfigError.
    """
    if not hasattr(found, "config") or found.config is not None:
        return
    named = os.environ.get(CONFIG_VARIABLE)
    there = [place for place in CONFIG_PLACES if place.is_file()]
    if not named and not there:
        places = " or ".join(str(place) for place in CONFIG_PLACES)
        raise ConfigError(
            f"No configuration: name one with -c FILE or in ${CONFIG_VARIABLE}; there is no"
            f" {places}."
        )
    found.config = Path(named) if named else there[0]
    print(f"Configuration: {found.config}", file=sys.stderr)


def whole_number(least: int, most: int = 10**9) -> Callable[[str], int]:
    """An argument's type. The parser says what is wrong, and of which argument."""

    def parse(text: str) -> int:
        digits = text.strip().removeprefix("-")
        value = int(digits) if digits.isdecimal() and len(digits) < 20 else least - 1
        if text.strip().startswith("-") or not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r}: must be a whole number of {least} or more"
            )
        return value

    return parse


def number(above: float = -math.inf, below: float = math.inf) -> Callable[[str], float]:
    """An argument's type: a finite number between two limits, both excluded."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not above < value < below:
            limits = [
                *([f"above {above:g}"] if above > -math.inf else []),
                *([f"below {below:g}"] if below < math.inf else []),
            ]
            rule = " ".join(["must be a finite number", " and ".join(limits)]).strip()
            raise argparse.ArgumentTypeError(f"{text!r}: {rule}")
        return value

    return parse


def check_new_folder(folder: Path, key: str = "--out") -> None:
    """Before the work whose results go there. Raises ConfigError."""
    if folder.exists() or folder.is_symlink():
        raise ConfigError(f"{key} = '{folder}': exists already; name a new folder.")
    check_writable(folder, key)


def check_output_file(path: Path, key: str = "--out") -> None:
    """Before the work whose results go there. A file that exists is overwritten. Raises
    ConfigError.
    """
    if path.is_dir():
        raise ConfigError(f"{key} = '{path}': is a folder; name a file.")
    if not path.parent.is_dir():
        raise ConfigError(f"{key} = '{path}': there is no folder {path.parent}.")
    check_writable(path, key)


def check_writable(path: Path, key: str) -> None:
    """Whether a file or folder can be made there, with the folders above it. Raises ConfigError."""
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise ConfigError(f"{key} = '{path}': {there} is no folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{key} = '{path}': {there} cannot be written to.")


class _Version(argparse.Action):
    """Looks the version up only where it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="say the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"{parser.prog} {version('camshaft')}")
        parser.exit()


def add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action=_Version)


def add_sensors(parser: argparse.ArgumentParser) -> None:
    """One sensor, or those that a pattern means."""
    parser.add_argument(
        "sensor", metavar="SENSOR", help="machine/point, or a pattern in quotes: 'pump-*/*'"
    )


def command_parser(
    commands: Any, name: str, help_text: str, module: ModuleType | None
) -> argparse.ArgumentParser:
    """A command's parser; with its module, the one with arguments, examples and exit codes."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_text,
        description=f"{help_text[0].upper()}{help_text[1:]}.",
        epilog=None if module is None else _epilog(module.EXAMPLES, module.EXIT_CODES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if module is not None:
        module.add_arguments(parser)
        parser.set_defaults(command=module.run)
    return parser


def _epilog(examples: Sequence[str], exit_codes: Mapping[int, str]) -> str:
    codes = [f"{code:>4}  {meaning}" for code, meaning in exit_codes.items()]
    shown = [f"  {line}" for line in examples]
    return "\n".join(["examples:", *shown, "", "exit codes:", *codes])


def add_span(
    parser: argparse.ArgumentParser, required: bool = True, default_to: str | None = "now"
) -> None:
    """--from, --to and --tz, as text; span_of() and bounds_of() read them."""
    parser.add_argument(
        "--from",
        dest="from_text",
        required=required,
        metavar="TIME",
        help=f"beginning: {FORMS}",
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
