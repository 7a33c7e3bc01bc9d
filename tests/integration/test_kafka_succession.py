"""A partition's new owner that has not the old one's journal: over the compacted state topic."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from monitor.journal.commissioning import CommissioningStore, Request
from monitor.journal.writer import Journal
from tests.servers.kafka import Kafka
from tests.servers.kafka_source import (
    Machines,
    Recorder,
    kafka_configuration,
    rows_of,
)
from tests.servers.mosquitto import wait_until
from tests.servers.recording import Recording
from tests.servers.service import assert_same_rows

RECORDING = Recording(n_sensors=3, duration_s=8.0)
MESSAGE_S = 0.13
HALF = 99  # messages: 33 of each sensor, with 8 windows and a part of one
N_FIRST = 8 * RECORDING.n_sensors
TOPIC, STATE = "heir", "heir-state"
ALARM = {"n": 1, "m": 9, "clear": 0}  # raised by the first faulty window, and stands


def members(folder: Path, kafka: Kafka) -> Machines:
    """A group that tells its verdicts to a topic of its own; only owners hand on."""
    own: dict[str, Any] = {"group": folder.name, "session_timeout_s": 6.0}
    if folder.name == "owner":
        own["state_topic"] = STATE
    output = {"brokers": kafka.brokers.split(","), "topic": f"{TOPIC}-{folder.name}"}
    config = kafka_configuration(
        kafka.brokers,
        RECORDING,
        TOPIC,
        None,
        kafka=own,
        kafka_output=output,
        rule={"alarm": ALARM},
    )
    return Machines(folder, config, 1)


def commission(path: Path) -> None:
    """Every sensor, before it is heard."""
    Journal(path).close()
    with closing(CommissioningStore(path)) as store:
        for one in RECORDING.commissioned():
            wish = Request(one.sensor, one.n_windows, false_alarm_rate=0.01)
            store.record(wish, one, None, one.at_ns)


def told(kafka: Kafka, name: str) -> dict[str, str]:
    """What a group told of verdicts and events: status, or kind, by id."""
    records = kafka.records(f"{TOPIC}-{name}")
    trees = [json.loads(record.value() or b"") for record in records]
    return {tree["id"]: tree.get("status", tree.get("kind")) for tree in trees}


def test_the_journal_of_a_killed_owner_is_lost(tmp_path: Path, kafka: Kafka) -> None:
    kafka.create_topic(TOPIC)
    kafka.create_topic(STATE, cleanup_policy="compact")
    for name in ("owner", "alone"):
        # What is told bears the recording's time, which is years ago.
        kafka.create_topic(f"{TOPIC}-{name}", retention_ms=-1)
    recorder, cuts = Recorder(kafka, TOPIC), list(RECORDING.cut(MESSAGE_S))
    parts = cuts[:HALF], cuts[HALF : HALF + 20], cuts[HALF + 20 :]
    alone, owners = (members(tmp_path / name, kafka) for name in ("alone", "owner"))
    with alone, owners:
        for group in (alone, owners):
            commission(group.folder_of("a") / "camshaft-0.journal")
            group.start("a")
        recorder.play(parts[0])
        wait_until(lambda: n_handed(kafka) >= N_FIRST, 60, "the state is handed on")
        recorder.play(parts[1])
        owners.lose("a")
        owners.start("b")
        recorder.play(parts[2])
        owners.wait_taken(RECORDING)
        alone.wait_taken(RECORDING)
        wait_until(lambda: told(kafka, "owner") == told(kafka, "alone"), 60, "all is told")
        assert owners.stop("b") == alone.stop("a") == 0
        assert owners.log("b").count("was taken over from another journal") == 1
        owners.check_books()
        found, expected = owners.rows(), alone.rows()
        new = rows_of(owners.folder_of("b") / "camshaft-0.journal")
    assert len(new) < len(expected)  # it did not begin at the beginning
    assert_same_rows(found, expected)
    for key, verdict in found.items():
        assert verdict.alarm == expected[key].alarm
        assert verdict.commissioning_id == expected[key].commissioning_id is not None
    kinds = Counter(told(kafka, "owner").values())
    assert kinds.pop("alarm_raised") == RECORDING.n_sensors
    assert kinds.total() == RECORDING.n_windows


def n_handed(kafka: Kafka) -> int:
    """Windows of all sensors that the state has behind it."""
    found: dict[bytes, int] = {}
    for record in kafka.records(STATE):
        key, value = record.key(), record.value()
        if isinstance(key, bytes) and key.startswith(b"stream ") and value:
            books = json.loads(value)["books"]
            found[key] = sum(n for fate, _, n in books if fate == "analysed")
    return sum(found.values()) // RECORDING.n_window
