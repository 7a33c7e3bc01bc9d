"""camshaft doctor: each step from the configuration to InfluxDB, one line each, and a hint where
one fails.

It leaves one trace: a row of measurement monitor_probe in InfluxDB. A service
that runs meanwhile is not disturbed.
"""

from __future__ import annotations

import argparse
import io
import logging
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from monitor.commands.arguments import add_config
from monitor.commands.doctor_broker import check_broker
from monitor.commands.doctor_finding import Finding
from monitor.config import Config, JournalSettings
from monitor.config_file import load_config
from monitor.config_outputs import InfluxSettings
from monitor.config_pairs import doubts
from monitor.evidence.model_folder import (
    SELF_TEST_FILE,
    ModelError,
    find_model,
    read_checked,
)
from monitor.evidence.network import Classifier
from monitor.exit_codes import EXIT_NO, EXIT_OK, EXIT_REFUSED
from monitor.journal.reader import JournalReader
from monitor.journal.resend import refused_rows
from monitor.journal.schema import JournalError
from monitor.outputs.influx.sender import InfluxOutput
from monitor.settings import ConfigError
from monitor.signal.quality import rate_reason

SELF_TEST_TOLERANCE = 1e-4  # another processor may round otherwise


EXAMPLES = (
    "camshaft doctor",
    "camshaft doctor --wait 60 -c /etc/camshaft/camshaft.yaml",
)
EXIT_CODES = {
    0: "every step is ok, warnings apart",
    1: "a step failed",
    2: "refused: the configuration cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--wait",
        type=float,
        default=15.0,
        metavar="S",
        help="seconds to wait for a message on each subscription (default 15)",
    )


def run(arguments: argparse.Namespace) -> int:
    """0: every step is ok, warnings apart. 1: a step failed. 2: the configuration is refused."""
    try:
        config = load_config(arguments.config)
    except ConfigError as error:
        for line in str(error).splitlines():
            print(Finding("configuration", "FAILED", line))
        return EXIT_REFUSED
    # What is logged stands in a finding, too.
    logging.getLogger("monitor").addHandler(logging.NullHandler())
    n_failed = 0
    print(Finding("configuration", "ok", _summary(arguments.config, config)))
    for doubt in doubts(config):
        print(Finding("configuration", "warning", doubt))
    for finding in diagnose(config, arguments.wait):
        print(finding, flush=True)
        n_failed += finding.state == "FAILED"
    if n_failed:
        print(f"{n_failed} failed.", file=sys.stderr)
    return EXIT_NO if n_failed else EXIT_OK


def diagnose(config: Config, wait_s: float) -> Iterator[Finding]:
    """All steps after the configuration, in order. A failed step skips those that need it, no
    others.
    """
    yield from check_broker(config, wait_s)
    yield from check_models(config)
    yield from check_journal(config.journal)
    yield from check_databases(config)


def _summary(path: Path, config: Config) -> str:
    subscriptions = f"{len(config.subscriptions)} subscription(s)"
    return f"{path}: {subscriptions}, {len(config.sensors)} sensor rule(s)"


# -- models, journal, InfluxDB --------------------------------------------------------------------


def check_models(config: Config) -> Iterator[Finding]:
    names = list(
        dict.fromkeys(rule.model for rule in config.sensors if rule.model is not None)
    )
    if not names:
        yield Finding(
            "model", "ok", "none named: sensors are judged by novelty once commissioned"
        )
    for name in names:
        try:
            folder = find_model(name, config.models_folder)
            classifier = Classifier(folder)
            said = self_test(folder, classifier)
        except ModelError as error:
            yield Finding(
                "model", "FAILED", str(error), "give a whole, unchanged model folder"
            )
            continue
        yield Finding("model", "ok", f"{name}: id {classifier.manifest.id}, {said}")
        yield from _fit(config, name, classifier)


def _fit(config: Config, name: str, classifier: Classifier) -> Iterator[Finding]:
    manifest = classifier.manifest
    for rule in config.sensors:
        if rule.model != name:
            continue
        wanted, found = manifest.settings.sample_rate_hz, rule.sample_rate_hz
        if rate_reason(found, None, wanted) or len(rule.channels) != manifest.n_channels:
            text = (
                f"{name} wants {manifest.n_channels} channel(s) at {wanted:g} Hz, sensors"
                f" {rule.match!r} have {len(rule.channels)} at {found:g} Hz"
            )
            yield Finding(
                "model",
                "FAILED",
                text,
                "give these sensors a model trained on such signals, or none",
            )


def self_test(folder: Path, classifier: Classifier) -> str:
    """Run the stored spectrograms through the network. Raises ModelError where the logits are not
    the stored ones.
    """
    if SELF_TEST_FILE not in classifier.manifest.files:
        return "no stored self-test"
    try:
        stored = np.load(
            io.BytesIO(read_checked(folder, SELF_TEST_FILE, classifier.manifest)),
            allow_pickle=False,
        )
        psd_db, logit = stored["psd_db"].astype(np.float32), stored["logit"]
        found, _ = classifier.predict(psd_db)
        worst = float(np.max(np.abs(found - logit) / np.maximum(1.0, np.abs(logit))))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{folder / SELF_TEST_FILE} is not a self-test: {error}."
        ) from error
    if not worst <= SELF_TEST_TOLERANCE:
        raise ModelError(
            f"{folder}: logits of the self-test differ by {worst:.2g} from those stored with the"
            " model."
        )
    return f"self-test of {len(logit)} windows agrees (within {worst:.1g})"


def check_journal(settings: JournalSettings) -> Iterator[Finding]:
    path = settings.path
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(4096))
    except OSError as error:
        hint = "create the folder, or let the service's user write there"
        yield Finding("journal", "FAILED", f"{path.parent}: {error.strerror}", hint)
        return
    if path.exists():
        try:
            JournalReader(path).close()
        except JournalError as error:
            yield Finding(
                "journal",
                "FAILED",
                str(error),
                "move the file away; the service starts a new one",
            )
            return
    taken = sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))
    free, room = shutil.disk_usage(path.parent).free, max(0, settings.max_bytes - taken)
    text = (
        f"{path} can be written, {free / 1e9:.1f} GB free, may grow by {room / 1e9:.1f} GB"
    )
    if free < room:
        yield Finding(
            "journal", "warning", text, "lower journal.max_bytes or give it a larger disk"
        )
    else:
        yield Finding("journal", "ok", text)


def check_databases(config: Config) -> Iterator[Finding]:
    """Write a row to each InfluxDB that is configured."""
    if not config.influx:
        yield Finding("InfluxDB", "ok", "none configured: the journal is the store")
    for settings in config.influx:
        yield from check_influx(settings, config.instance)
    if config.journal.path.exists():
        yield from check_refused(config)


def check_refused(config: Config) -> Iterator[Finding]:
    """Rows that a database has refused so far: they are in the journal, and may be sent again."""
    names = {settings.name for settings in config.influx}
    try:
        refused = [row for row in refused_rows(config.journal.path) if row.output in names]
    except JournalError:
        return  # check_journal says so
    for name in sorted({row.output for row in refused}):
        mine = [row for row in refused if row.output == name]
        n_rows = sum(row.n_rows for row in mine)
        text = f"{name} has refused {n_rows:,} row(s) so far, most of them with: {mine[0].reason}"
        hint = (
            "camshaft status --parked lists them, camshaft resend --parked sends them again"
        )
        yield Finding("InfluxDB", "warning", text, hint)


def check_influx(settings: InfluxSettings, instance: str) -> Iterator[Finding]:
    now_ns = time.time_ns()
    try:
        output = InfluxOutput(settings, lambda row: (), instance)
    except ConfigError as error:
        yield Finding("InfluxDB", "FAILED", str(error))
        return
    trouble = output.probe(now_ns)
    output.close()
    if trouble:
        yield Finding(
            "InfluxDB",
            "FAILED",
            f"{settings.url} {trouble}",
            "check influx.url, org, bucket and token",
        )
        return
    when = datetime.fromtimestamp(now_ns // 10**9, UTC).isoformat()
    yield Finding(
        "InfluxDB",
        "ok",
        f"{settings.url}, bucket {settings.bucket!r} stored a row of monitor_probe, {when}",
    )
