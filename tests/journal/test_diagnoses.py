"""Diagnoses in the journal, and where those who tell of alarms find them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.commands.status import summary
from monitor.commands.status_text import render
from monitor.journal.cursors import Cursor, Notified
from monitor.journal.reader import JournalReader
from monitor.journal.views import JournalViews, StoredEvent
from monitor.journal.writer import Journal
from monitor.outputs.alarm_topics import AlarmTopics
from monitor.outputs.notify import notice, take
from monitor.records.batch import Batch, Event
from monitor.records.diagnosis import Diagnosed
from tests.verdicts import make_verdict

PARTS = [
    {"label": f"{k}×BPFO", "f_hz": 107.3 * k, "points": 12.5, "points_by_band": [12.5]}
    for k in (1, 2)
]
TREE = {
    "named": "outer race, drive end",
    "nearest": "outer race, drive end",
    "why_not": "",
    "chance": 1e-6,
    "rate": 5e-4,
    "base_hz": 107.3,
    "score": 25.0,
    "repetition_hz": None,
    "parts": PARTS,
}
TEXT = "outer race, drive end: BPFO at 107.3 Hz"
VERDICT = replace(make_verdict(0), alarm="raised")
SPECTRUM = np.linspace(-60, 0, 50, dtype=np.float32)
DIAGNOSED = Diagnosed(VERDICT.sensor, VERDICT.end_ns, TEXT, TREE, SPECTRUM, SPECTRUM[:9])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    # Raised by the window before the last one that the diagnosis has.
    event = Event(VERDICT.start_ns, VERDICT.sensor, "alarm_raised", f"network; {TEXT}")
    batch = Batch(verdicts=[VERDICT], events=[event], diagnoses=[DIAGNOSED])
    Journal(tmp_path / "journal").commit(batch)
    return tmp_path / "journal"


def adds_up(short: dict[str, Any]) -> bool:
    return bool(sum(part["points"] for part in short["parts"]) == short["score"])


def test_what_was_written_is_read_back(path: Path) -> None:
    found = JournalReader(path).diagnosis(VERDICT.sensor)
    assert found is not None
    assert (found.text, found.tree) == (TEXT, TREE)
    np.testing.assert_array_equal(found.envelope_db, SPECTRUM)
    assert JournalReader(path).diagnosis("other/point") is None
    assert JournalReader(path).diagnosis(VERDICT.sensor, to_ns=VERDICT.end_ns - 1) is None


def test_the_retained_topic_has_it(path: Path) -> None:
    said: list[str] = []

    def publish(_topic: str, payload: str, _retain: bool) -> bool:
        said.append(payload)
        return True

    AlarmTopics("plant", JournalViews(path), publish, lambda: 1).step([], 0)
    (state,) = map(json.loads, said)
    assert state["diagnosis"]["named"] == "outer race, drive end"
    assert adds_up(state["diagnosis"])


def test_a_webhook_has_it(path: Path) -> None:
    (row,) = Cursor(path, "webhook.h", ("event",)).pending(10)
    assert isinstance(row.content, StoredEvent)
    body = notice("plant", row.content, 0)
    assert TEXT in body["text"]
    assert adds_up(body["diagnosis"])


def test_a_later_name_is_news_of_an_alarm_that_was_told() -> None:
    event = StoredEvent(7, 1, VERDICT.sensor, "diagnosed", TEXT, "")
    raised = Notified("raised", raised_ns=0)
    assert take(raised, event, 5, 300) == ("send", raised)
    assert take(Notified(), event, 5, 300) == ("hold", Notified())


def test_status_has_it(path: Path) -> None:
    found = summary(JournalReader(path), [], VERDICT.end_ns)
    assert adds_up(found["sensors"][VERDICT.sensor]["diagnosis"])
    assert TEXT in render(found)


def test_an_alarm_has_no_diagnosis_of_an_earlier_one(path: Path) -> None:
    assert JournalReader(path).diagnosis_of_alarm(VERDICT.sensor) is not None
    assert JournalReader(path).diagnosis_of_alarm("other/point") is None
    later = Event(VERDICT.end_ns + 1, VERDICT.sensor, "alarm_raised", "network")
    Journal(path).commit(Batch(events=[later]))
    assert JournalReader(path).diagnosis_of_alarm(VERDICT.sensor) is None
