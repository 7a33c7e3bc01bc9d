"""The command line. Each command imports what it needs when it runs, so that all start quickly.

Exit codes: 0 done; 1 the command ran and its answer is no; 2 refused (configuration, model, arguments, journal);
70 an unexpected fault.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.journal_commissioning import CommissioningStore

EXIT_OK, EXIT_NO, EXIT_REFUSED = 0, 1, 2

MODULE_OF_COMMAND = {  # these bring add_arguments(parser) and run(arguments)
    "page": ("monitor.page", "the live page: reads the journal, takes labels"),
    "label": ("monitor.labels", "say of a window: NG confirmed, false alarm, unclear"),
    "report": ("monitor.report", "one self-contained HTML page about an event"),
    "record": ("monitor.record", "write a sensor's live data with a manifest for training"),
    "play": ("monitor.player", "publish recordings as live sensors"),
    "demo": ("monitor.demo", "simulated machines, a broker and the service in one go"),
    "doctor": ("monitor.doctor", "check each step from the configuration to InfluxDB"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Errors a person can mend are one line on standard error and exit code 2."""
    from monitor.config import ConfigError
    from monitor.journal_schema import JournalError
    from monitor.model_folder import ModelError

    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        parsed = _parser(arguments).parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = parsed.command
        return command(parsed)
    except (ConfigError, ModelError, JournalError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("monitor", "training"):
            raise
        print(f"{error.name} is not installed: this needs one of Camshaft's extras, see README.", file=sys.stderr)
        return EXIT_REFUSED
    except BrokenPipeError:  # the reader of our output left
        sys.stderr.close()
        return EXIT_OK


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="camshaft", description="Vibration fault monitoring with evidence.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = _command(commands, "run", _run, "run the service")
    _with_config(run)

    check = _command(commands, "check-config", _check_config, "check a configuration; touches no network")
    check.add_argument("file", type=Path, metavar="FILE")

    status = _command(commands, "status", _status, "print the books, what waits, and each sensor's last verdict")
    _with_config(status)
    status.add_argument("--json", action="store_true", help="as one JSON line")

    commission = _command(commands, "commission", _commission, "take a healthy sensor's baseline and thresholds")
    _with_config(commission)
    commission.add_argument("sensor", metavar="SENSOR", help="machine/point")
    commission.add_argument("--windows", type=int, default=100, metavar="N", help="running windows (default 100)")
    commission.add_argument("--next", action="store_true", help="the next N windows instead of the last N")
    commission.add_argument("--false-alarm-rate", type=float, metavar="P", help="per healthy window (default 1/(N+1))")
    commission.add_argument("--undo", action="store_true", help="take the newest commissioning back")

    for name, (module, help_text) in MODULE_OF_COMMAND.items():
        parser_of_command = _command(commands, name, _not_loaded, help_text)
        if name in arguments[:1]:
            found = import_module(module)
            found.add_arguments(parser_of_command)
            parser_of_command.set_defaults(command=found.run)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    work: Callable[[argparse.Namespace], int],
    help_text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
    parser.set_defaults(command=work)
    return parser


def _with_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="configuration (YAML)")


def _run(arguments: argparse.Namespace) -> int:
    from monitor.config import load_config
    from monitor.service import Service

    config = load_config(arguments.config)
    logging.basicConfig(level=config.logging.level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.Formatter.converter = time.gmtime
    return Service(arguments.config, config).run()


def _not_loaded(_arguments: argparse.Namespace) -> int:
    raise AssertionError("the command's module replaces this")


def _check_config(arguments: argparse.Namespace) -> int:
    from monitor.config import load_config

    load_config(arguments.file)
    print(f"{arguments.file}: good.")
    return EXIT_OK


def _status(arguments: argparse.Namespace) -> int:
    from monitor.config import load_config
    from monitor.journal_reader import JournalReader
    from monitor.status import render, summary

    config = load_config(arguments.config)
    found = summary(JournalReader(config.journal.path), config.influx is not None, time.time_ns())
    if arguments.json:
        print(json.dumps(found))
    else:
        print(render(found))
    return EXIT_OK if not found["unbalanced"] else EXIT_NO


def _commission(arguments: argparse.Namespace) -> int:
    from monitor.config import load_config
    from monitor.journal_commissioning import CommissioningStore
    from monitor.journal_reader import JournalReader

    config, sensor, n = load_config(arguments.config), arguments.sensor, arguments.windows
    reader = JournalReader(config.journal.path)  # refuses a journal that is not there, before the store would make one
    store = CommissioningStore(config.journal.path)
    if arguments.undo:
        undone = store.undo(sensor, time.time_ns())
        print(f"{sensor}: the newest commissioning is undone." if undone else f"{sensor}: nothing to undo.")
        return EXIT_OK if undone else EXIT_NO
    if arguments.next:
        store.request(sensor, n, reader.last_row_id(), arguments.false_alarm_rate, time.time_ns())
        print(f"{sensor}: the service will commission it from the next {n} running windows; see camshaft status.")
        return EXIT_OK
    return _commission_now(config, store, sensor, n, arguments.false_alarm_rate)


def _commission_now(config: Config, store: CommissioningStore, sensor: str, n: int, rate: float | None) -> int:
    from monitor.commissioning import commission_sensor, describe_rates, stated_rates
    from monitor.config import ConfigError
    from monitor.journal_commissioning import Request
    from monitor.limits import describe
    from monitor.model_folder import find_model, load_manifest
    from monitor.novelty import CommissionError

    rule = config.sensor(sensor)
    if rule is None:
        raise ConfigError(f"No rule under sensors matches {sensor!r}.")
    manifest = load_manifest(find_model(rule.model, config.models_folder)) if rule.model else None
    request, now_ns = Request(None, sensor, n, None, rate), time.time_ns()
    try:
        windows = store.healthy_windows(request)
        if windows is None:
            raise CommissionError(
                f"--windows {n}: the journal has fewer running windows of {sensor!r}; see camshaft status."
            )
        outcome = commission_sensor(windows, rate, now_ns)
    except CommissionError as error:
        store.record(request, str(error), now_ns)
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    store.record(request, outcome, now_ns)
    print(f"{sensor}: commissioned from {n} windows. {describe(rule, outcome, manifest)}")
    print(describe_rates(stated_rates(windows, rate)))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
