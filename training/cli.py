"""camshaft-train: from recordings to a model, with an honest report.

Exit codes are in monitor/exit_codes.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from monitor.commands.arguments import add_version, command_parser
from monitor.evidence.model_folder import ModelError
from monitor.evidence.novelty import CommissionError
from monitor.exit_codes import EXIT_FAULT, EXIT_INTERRUPTED, EXIT_REFUSED
from monitor.journal.schema import JournalError
from monitor.recordings.recording import RecordingError
from monitor.settings import ConfigError
from training import TrainingError
from training.in_parallel import LostWorker

# Each command's module in training has add_arguments(parser), run(options), and for its help
# EXAMPLES and EXIT_CODES.
HELP_OF_COMMAND = {
    "inspect": "print and draw what is in the recordings, and warn of leaks",
    "fit": "train one model on the recordings of a manifest",
    "evaluate": "an honest report of a model: report.json and report.html",
    "calibrate": "a sensor's thresholds from its first windows, for a rate of false alarms",
    "score": "verdicts of whole recordings at full speed, as the monitor would give them",
    "diagnose": "the broken part of each recording by its frequencies, or why there is none",
    "reproduce": "train a bundled model again and compare",
    "import-journal": "labelled windows of a journal as recordings",
    "retrain": "train with labels from the journal; promote only if every gate holds",
    "promote": "put a model into service under its name",
    "rollback": "put the model before it back into service",
}

NOT_INSTALLED = (
    "camshaft-train: {} is not installed in {}. Training has an environment of its own: in one, in"
    " Camshaft's folder, run `pip install --require-hashes --only-binary :all: -r"
    " constraints/training.txt`, then `pip install --no-deps --no-build-isolation .`"
    " (docs/train.md). If there is one already, call its own bin/camshaft-train."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Errors a person can mend are one line on standard error and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parser(arguments).parse_args(arguments)
        return int(options.command(options))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("monitor", "training"):
            raise
        print(NOT_INSTALLED.format(error.name, sys.prefix), file=sys.stderr)
        return EXIT_REFUSED
    except (
        TrainingError,
        RecordingError,
        ModelError,
        JournalError,
        ConfigError,
        CommissionError,
        OSError,
    ) as error:
        print(f"camshaft-train: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except LostWorker as error:
        print(f"camshaft-train: {error}", file=sys.stderr)
        return EXIT_FAULT


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """TensorFlow takes seconds to import: only the module of the command at hand is."""
    parser = argparse.ArgumentParser(
        prog="camshaft-train",
        description=(__doc__ or "").split("\n")[0],
        epilog="camshaft-train COMMAND --help: a command's arguments, examples and exit codes.",
    )
    add_version(parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, help_text in HELP_OF_COMMAND.items():
        is_asked = name in arguments[:1]
        module = import_module(f"training.{name.replace('-', '_')}") if is_asked else None
        command_parser(commands, name, help_text, module)
    return parser


if __name__ == "__main__":
    sys.exit(main())
