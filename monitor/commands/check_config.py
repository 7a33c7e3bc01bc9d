"""`camshaft check-config`: whatever is wrong with a configuration, before anything starts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from monitor.commands.arguments import add_config
from monitor.config import Config
from monitor.config_file import load_config
from monitor.config_pairs import doubts
from monitor.exit_codes import EXIT_OK
from monitor.settings import ConfigError
from monitor.text import printable

EXAMPLES = ("camshaft check-config camshaft.yaml",)
EXIT_CODES = {0: "good", 2: "refused: a sentence for each thing that is wrong"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser, positional=True)


def run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    if wrong := list(misfits(config)):
        raise ConfigError("\n".join(wrong))
    for doubt in doubts(config):
        print(f"warning: {doubt}")
    for sensor, text in promised(config).items():
        print(f"{printable(sensor)}: {text}")
    print(f"{arguments.config}: good.")
    return EXIT_OK


def promised(config: Config) -> Mapping[str, str]:
    """What alarms with a budget promise, by sensor; nothing where there is no journal to tell."""
    if all(rule.alarm.budget is None for rule in config.sensors):
        return {}
    from monitor.journal.schema import JournalError
    from monitor.promises import promises

    try:
        return promises(config)
    except JournalError:
        return {}


def misfits(config: Config) -> Iterator[str]:
    """A sentence for each sensor rule that its model cannot judge: none of that name, a changed
    file, another rate, other channels.
    """
    # Its runtime and scipy take most of a second: a file that is refused already waits for neither.
    from monitor.evidence.model_folder import ModelError, find_model
    from monitor.evidence.network import Classifier
    from monitor.pipeline.analysis import Analyser

    for index, rule in enumerate(config.sensors):
        try:
            folder = find_model(rule.model, config.models_folder) if rule.model else None
            Analyser(rule, Classifier(folder) if folder else None)
        except ConfigError as error:
            yield str(error)
        except ModelError as error:
            rest = str(error).removeprefix(f"model = {rule.model!r}: ")
            yield f"sensors[{index}].model = {rule.model!r}: {rest}"
