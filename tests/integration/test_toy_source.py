"""A second kind of source, known to one file: the real service judges, settles and survives."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from monitor.exit_codes import EXIT_FAULT
from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError
from tests.servers.child import start_child
from tests.servers.mosquitto import wait_until
from tests.signals import messages, noise
from tests.toy_source import write_message

DYING = """
import sys
from tests import toy_source

class Dying(toy_source.FolderSource):
    def _run(self):
        {work}

toy_source.FolderSource = Dying
sys.exit(toy_source.main(*sys.argv[1:]))
"""
LENGTHS = [700] * 40
N_WINDOWS = 28  # of 1000 samples


def configure(folder: Path) -> Path:
    path = folder / "camshaft.yaml"
    topic = "vibration/{machine}/{point}/waveform"
    tree = {
        "subscriptions": [
            {"topic": topic, "payload": {"format": "raw", "dtype": "float32"}}
        ],
        "sensors": [{"sample_rate_hz": 2000, "window_s": 0.5, "expected_period_s": 3600}],
        "journal": {"path": "camshaft.journal"},
    }
    path.write_text(yaml.safe_dump(tree))
    return path


def start(
    config: Path, inbox: Path, program: Sequence[str] = ("-m", "tests.toy_source")
) -> subprocess.Popen[bytes]:
    command = [sys.executable, *program, str(config), str(inbox)]
    log = (config.parent / "service.log").open("ab")
    with log:
        return start_child(command, log)


def keys(journal: Path) -> list[tuple[str, int, int]]:
    try:
        rows = list(JournalReader(journal).rows())
    except JournalError:
        return []
    return sorted(
        (r.verdict.sensor, r.verdict.segment, r.verdict.first_sample) for r in rows
    )


def test_messages_of_another_source_are_judged_and_settled(tmp_path: Path) -> None:
    config, inbox = configure(tmp_path), tmp_path / "inbox"
    inbox.mkdir()
    for number, message in enumerate(messages(noise(sum(LENGTHS)), LENGTHS), 1):
        write_message(inbox, number, message)
    process = start(config, inbox)
    try:
        wait_until(
            lambda: not list(inbox.glob("*.message")), 30, "every message is settled"
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, (tmp_path / "service.log").read_text()
    finally:
        process.kill()
        process.wait()
    reader = JournalReader(tmp_path / "camshaft.journal")
    assert keys(tmp_path / "camshaft.journal") == [
        ("m/p", 0, 1000 * n) for n in range(N_WINDOWS)
    ]
    assert not reader.books().imbalance()
    assert reader.books().counters["messages_received"] == len(LENGTHS)
    health = reader.health()
    assert health is not None
    assert "folder_messages" in health[1]  # the source's own figures, by its own names


def test_kill_9_loses_and_doubles_nothing(tmp_path: Path) -> None:
    config, inbox = configure(tmp_path), tmp_path / "inbox"
    inbox.mkdir()
    chance = random.Random(7)
    sent = enumerate(messages(noise(sum(LENGTHS)), LENGTHS), 1)
    process = start(config, inbox)
    try:
        for number, message in sent:
            write_message(inbox, number, message)
            if chance.random() < 0.15:
                # any moment will do, also one before it runs
                time.sleep(chance.random() * 0.4)
                process.kill()
                process.wait()
                process = start(config, inbox)
        wait_until(
            lambda: not list(inbox.glob("*.message")), 60, "every message is settled"
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, (tmp_path / "service.log").read_text()
    finally:
        process.kill()
        process.wait()
    journal = tmp_path / "camshaft.journal"
    assert keys(journal) == [("m/p", 0, 1000 * n) for n in range(N_WINDOWS)]
    assert not JournalReader(journal).books().imbalance()


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("return", "The thread that messages come from has ended, and Camshaft with it."),
        (
            "self._callbacks.fail(OSError(22, 'Invalid argument'))",
            "Camshaft ends after an unexpected fault, OSError(22, 'Invalid argument').",
        ),
    ],
)
def test_a_source_that_ends_takes_the_service_along(
    tmp_path: Path, work: str, said: str
) -> None:
    """It ran on for ever, deaf, where no watchdog was."""
    config, inbox = configure(tmp_path), tmp_path / "inbox"
    inbox.mkdir()
    process = start(config, inbox, ["-c", DYING.format(work=work)])
    try:
        assert process.wait(60) == EXIT_FAULT
    finally:
        process.kill()
        process.wait()
    log = (tmp_path / "service.log").read_text()
    assert said in log.splitlines()[-1], log
    assert "delivered again to the next start" in log.splitlines()[-1]
    assert "Traceback" not in log
