"""camshaft-train: from recordings to a model, with an honest report.

Exit codes are in monitor/exit_codes.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from monitor.config import ConfigError
from monitor.evidence.model_folder import ModelError
from monitor.evidence.novelty import CommissionError
from monitor.exit_codes import EXIT_REFUSED
from monitor.journal.schema import JournalError
from monitor.recordings.manifest import RecordingError
from training import TrainingError

# Each command's module in training has add_arguments(parser) and run(options) -> exit code.
HELP_OF_COMMAND = {
    "inspect": "print and draw what is in the recordings, and warn of leaks",
    "fit": "train one model on the recordings of a manifest",
    "evaluate": "an honest report of a model: report.json and report.html",
    "calibrate": "a sensor's thresholds from its first windows, for a rate of false alarms",
    "score": "verdicts of whole recordings at full speed, as the monitor would give them",
    "reproduce": "train a bundled model again and compare",
    "import-journal": "labelled windows of a journal as recordings",
    "retrain": "train with labels from the journal; promote only if every gate holds",
    "promote": "put a model into service under its name",
    "rollback": "put the model before it back into service",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Errors a person can mend are one line on standard error and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments).parse_args(arguments)
    try:
        return int(options.run(options))
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


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """TensorFlow takes seconds to import: only the module of the command at hand is."""
    top = argparse.ArgumentParser(prog="camshaft-train", description=(__doc__ or "").split("\n")[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in HELP_OF_COMMAND.items():
        parser = commands.add_parser(name, help=help_text, description=help_text)
        if name in arguments[:1]:
            found = import_module(f"training.{name.replace('-', '_')}")
            found.add_arguments(parser)
            parser.set_defaults(run=found.run)
    return top


if __name__ == "__main__":
    sys.exit(main())
