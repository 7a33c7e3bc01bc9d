"""`camshaft commission`: take a healthy sensor's baseline and thresholds, or take them back."""

from __future__ import annotations

import argparse
import sys
import time

from monitor.commands.arguments import add_config
from monitor.commissioner import Attempt, attempt
from monitor.config import Config, ConfigError
from monitor.config_file import load_config
from monitor.evidence.limits import describe
from monitor.evidence.model_folder import find_model, load_model_manifest
from monitor.exit_codes import EXIT_NO, EXIT_OK, EXIT_REFUSED
from monitor.journal.commissioning import CommissioningStore, Request
from monitor.journal.reader import JournalReader

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
    parser.add_argument("sensor", metavar="SENSOR", help="machine/point")
    parser.add_argument(
        "--windows", type=int, default=100, metavar="N", help="running windows (default 100)"
    )
    parser.add_argument(
        "--next", action="store_true", help="the next N windows instead of the last N"
    )
    parser.add_argument(
        "--false-alarm-rate", type=float, metavar="P", help="per healthy window (default 1/(N+1))"
    )
    parser.add_argument("--undo", action="store_true", help="take the newest commissioning back")


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 done; 1 nothing to undo; 2 refused."""
    config, sensor, n = load_config(arguments.config), arguments.sensor, arguments.windows
    # Refuses a journal that is not there, before the store would make one.
    reader = JournalReader(config.journal.path)
    store = CommissioningStore(config.journal.path)
    now_ns = time.time_ns()
    if arguments.undo:
        if not store.undo(sensor, now_ns):
            print(f"{sensor}: nothing to undo.")
            return EXIT_NO
        print(f"{sensor}: the newest commissioning is undone.")
        return EXIT_OK
    if arguments.next:
        store.request(sensor, n, reader.last_row_id(), arguments.false_alarm_rate, now_ns)
        print(
            f"{sensor}: the service will commission it from the next {n} running windows; see"
            " camshaft status."
        )
        return EXIT_OK
    request = Request(None, sensor, n, None, arguments.false_alarm_rate)
    return _commission_now(config, store, request, now_ns)


def _commission_now(
    config: Config, store: CommissioningStore, request: Request, now_ns: int
) -> int:
    sensor, n = request.sensor, request.n_windows
    rule = config.sensor(sensor)
    if rule is None:
        raise ConfigError(f"No rule under sensors matches {sensor!r}.")
    manifest = (
        load_model_manifest(find_model(rule.model, config.models_folder)) if rule.model else None
    )
    windows = store.healthy_windows(request)
    if windows is None:
        text = f"--windows {n}: the journal has fewer running windows of {sensor!r}; "
        made = Attempt(None, text + "see camshaft status.")
    else:
        made = attempt(windows, request, now_ns)
    store.record(request, made.outcome, now_ns)
    if made.commissioned is None:
        print(made.text, file=sys.stderr)
        return EXIT_REFUSED
    print(f"{sensor}: commissioned from {n} windows. {describe(rule, made.commissioned, manifest)}")
    print(made.text)
    return EXIT_OK
