"""The command line. A command's module is imported when it runs, so that all start quickly.

Exit codes are in exit_codes.py.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from importlib import import_module

from monitor.exit_codes import EXIT_OK, EXIT_REFUSED

# Each command's module in monitor.commands has add_arguments(parser), run(arguments), and for its
# help EXAMPLES and EXIT_CODES.
HELP_OF_COMMAND = {
    "run": "run the service",
    "forward": "carry MQTT's messages to Kafka, each acknowledged once Kafka has it",
    "check-config": "check a configuration; touches no network",
    "status": "print the books, what waits, and each sensor's last verdict",
    "commission": "take a healthy sensor's baseline and thresholds",
    "page": "the live page: reads the journal, takes labels",
    "page-user": "say who may log in to the page, and in which role",
    "label": "say of a window: NG confirmed, false alarm, unclear",
    "diagnose": "what a point's vibration says of the machine now, in an alarm or not",
    "mute": "hold a point's alarms back until a stated time",
    "unmute": "end a point's mute before its time",
    "repair": "note what was done; later an event says whether it helped",
    "resend": "send rows to a database again: refused ones, or a span of time",
    "export": "verdicts and kept windows of a point as CSV, WAV or NumPy files",
    "backup": "copy the journal into one file, also while the service runs",
    "restore": "put a backup in the journal's place",
    "compact": "give the journal's free space back to the disk",
    "report": "one self-contained HTML page about an event",
    "record": "write a sensor's live data with a manifest for training",
    "play": "publish recordings as live sensors",
    "discover": "listen to a broker and write the configuration of what is heard",
    "demo": "simulated machines, a broker and the service in one go",
    "support-dump": "gather what a bug report needs, without secrets",
    "completion": "print a script that completes commands in a shell",
    "doctor": "check each step from the configuration to InfluxDB",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Errors a person can mend are one line on standard error and exit code 2."""
    # Not with the module: what a command does not need, it does not wait for.
    from monitor.commands.arguments import choose_config, joined
    from monitor.evidence.model_folder import ModelError
    from monitor.journal.schema import JournalError
    from monitor.records.notes import NoteError
    from monitor.settings import ConfigError
    from monitor.times import TimeError

    arguments = joined(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that this terminal cannot show are replaced.
        sys.stdout.reconfigure(errors="replace")
    try:
        parsed = _parser(arguments).parse_args(arguments)
        choose_config(parsed)
        command: Callable[[argparse.Namespace], int] = parsed.command
        return command(parsed)
    except (ConfigError, ModelError, JournalError, NoteError, TimeError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("monitor", "training"):
            raise
        print(
            f"{error.name} is not installed: this needs one of Camshaft's extras, see README.",
            file=sys.stderr,
        )
        return EXIT_REFUSED
    except BrokenPipeError:  # the reader of our output left
        sys.stderr.close()
        return EXIT_OK


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    from monitor.commands.arguments import add_version, command_parser

    parser = argparse.ArgumentParser(
        prog="camshaft",
        description="Vibration fault monitoring with evidence.",
        epilog="camshaft COMMAND --help: a command's arguments, examples and exit codes.",
    )
    add_version(parser)
    parser.set_defaults(all_commands=tuple(HELP_OF_COMMAND))
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, help_text in HELP_OF_COMMAND.items():
        is_asked = name in arguments[:1]
        module = (
            import_module(f"monitor.commands.{name.replace('-', '_')}")
            if is_asked
            else None
        )
        command_parser(commands, name, help_text, module)
    return parser


if __name__ == "__main__":
    sys.exit(main())
