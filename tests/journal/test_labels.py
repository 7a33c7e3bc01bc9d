"""Labels: what is taken and what is refused, where they are stored, and that labelled evidence
stays.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monitor.cli import main
from monitor.journal.cursors import Cursor
from monitor.journal.labels import LabelStore, labelled
from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.outputs.influx.rows import lines_for
from monitor.records.batch import Batch, Event, KeptWindow
from monitor.records.labels import Label, LabelRequest, check_label, parse_message
from monitor.records.notes import NoteError
from tests.verdicts import make_verdict

SENSOR = "press 7/bearing"
MODES = ("bearing", "gear")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Ten NG windows of one sensor, all with raw samples, and an alarm."""
    path = tmp_path / "camshaft.journal"
    verdicts = [make_verdict(i) for i in range(10)]
    samples = np.ones((3, 2000), np.float32)
    evidence = [
        KeptWindow(SENSOR, 1, v.first_sample, 2000.0, samples, "ng") for v in verdicts
    ]
    events = [Event(verdicts[3].end_ns, SENSOR, "alarm_raised", "network", "0123abcd")]
    book = Journal(path)
    book.commit(Batch(verdicts=verdicts, kept_windows=evidence, events=events))
    book.close()
    return path


def test_a_label_is_stored_and_becomes_a_mark(journal: Path) -> None:
    store = LabelStore(journal)
    label = Label("NG confirmed", "bearing", "Ann", "outer race")
    assert store.add(LabelRequest(label, at_ns=5, row_id=3)) == 3
    assert [(found.row_id, found.label) for found in labelled(journal)] == [(3, label)]
    rows = Cursor(journal, "test", ["event"]).pending(1000)
    (line,) = lines_for("test", "all")(rows[-1])
    assert "kind=label" in line
    assert 'text="NG confirmed (bearing) by Ann: outer race"' in line
    assert line.endswith(str(make_verdict(2).end_ns))


def test_the_last_label_holds_and_the_first_is_kept(journal: Path) -> None:
    store = LabelStore(journal)
    store.add(LabelRequest(Label("NG confirmed"), 1, row_id=3))
    store.add(LabelRequest(Label("false alarm"), 2, row_id=3))
    assert [found.label.word for found in labelled(journal)] == ["false alarm"]
    assert [found.label.word for found in JournalViews(journal).labels([3])] == [
        "NG confirmed",
        "false alarm",
    ]


@pytest.mark.parametrize(
    ("request_", "row_id"),
    [
        (LabelRequest(Label("unclear"), 1, sensor=SENSOR), 10),
        (
            LabelRequest(
                Label("unclear"), 1, sensor=SENSOR, time_ns=make_verdict(4).start_ns
            ),
            5,
        ),
        (
            LabelRequest(
                Label("unclear"), 1, sensor=SENSOR, time_ns=make_verdict(4).end_ns - 1
            ),
            5,
        ),
    ],
)
def test_a_window_is_found_by_sensor_and_time(
    journal: Path, request_: LabelRequest, row_id: int
) -> None:
    assert LabelStore(journal).add(request_) == row_id


@pytest.mark.parametrize(
    "request_",
    [
        LabelRequest(Label("unclear"), 1, row_id=999),
        LabelRequest(Label("unclear"), 1, sensor="no such/sensor"),
        LabelRequest(Label("unclear"), 1, sensor=SENSOR, time_ns=7),
    ],
)
def test_a_window_that_is_not_there_is_refused(
    journal: Path, request_: LabelRequest
) -> None:
    with pytest.raises(NoteError, match="There is no window"):
        LabelStore(journal).add(request_)
    assert labelled(journal) == []


def test_labelled_evidence_is_never_thinned(journal: Path) -> None:
    LabelStore(journal).add(LabelRequest(Label("NG confirmed"), 1, row_id=2))
    book = Journal(journal)
    for _ in range(3):
        book.thin(max_bytes=1, max_kept_bytes=0, outputs=[])
    reader = JournalReader(journal)
    assert [row.row_id for row in reader.rows()] == [2]
    assert reader.kept_window(2) is not None


def test_an_alarm_is_acknowledged_once(journal: Path) -> None:
    store, views = LabelStore(journal), JournalViews(journal)
    alarm = views.alarm_events()[SENSOR]
    store.acknowledge(alarm.event_id, "Ann", "bearing ordered", at_ns=9)
    found = views.alarm_events()[SENSOR]
    assert (found.kind, found.text) == (
        "alarm_acknowledged",
        "acknowledged by Ann: bearing ordered",
    )
    with pytest.raises(NoteError, match="acknowledged already"):
        store.acknowledge(alarm.event_id, "Bob", "", at_ns=10)
    with pytest.raises(NoteError, match="has no such alarm"):
        store.acknowledge(found.event_id, "Bob", "", at_ns=10)


def test_labels_make_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no such file"):
        LabelStore(tmp_path / "none.journal")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"word": "ok"}, "word = 'ok': must be one of NG confirmed, false alarm, unclear."),
        ({"word": 3}, "word = '3': must be text."),
        (
            {"word": "unclear", "failure_mode": "ghosts"},
            "failure_mode = 'ghosts': must be one of page.failure_modes",
        ),
        (
            {"word": "unclear", "author": "x" * 81},
            "author has 81 characters: at most 80 are kept.",
        ),
        (
            {"word": "unclear", "comment": "x" * 2001},
            "comment has 2001 characters: at most 2000 are kept.",
        ),
        (
            {"word": "unclear", "comment": "bell\a"},
            "comment = 'bell\\x07': must be printable text.",
        ),
    ],
)
def test_a_bad_label_is_refused_in_a_sentence(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(NoteError) as caught:
        check_label(values, MODES)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"{", "The message is not JSON"),
        (b"[" * 10_000, "The message is not JSON"),
        (b"[]", "The message must be a JSON object, found list."),
        (b'{"word": "unclear"}', "A label needs exactly one of row_id and sensor."),
        (
            b'{"word": "unclear", "sensor": "a/b", "row_id": 1}',
            "A label needs exactly one of row_id and sensor.",
        ),
        (
            b'{"word": "unclear", "row_id": true}',
            "row_id = 'True': must be a whole number from 0 on.",
        ),
        (
            b'{"word": "unclear", "row_id": 1e400}',
            "row_id = 'inf': must be a whole number from 0 on.",
        ),
        (
            b'{"word": "unclear", "row_id": 99999999999999999999}',
            "row_id = '99999999999999999999': must be a whole",
        ),
        (b'{"word": "unclear", "sensor": "a/b", "at": 1}', "'at': there is no such key"),
        (b" " * 20_000, "The message has 20000 bytes; a label has at most 16384."),
    ],
)
def test_a_bad_message_is_refused_in_a_sentence(payload: bytes, message: str) -> None:
    with pytest.raises(NoteError) as caught:
        parse_message(payload, 1, MODES)
    assert str(caught.value).startswith(message)


def test_a_message_may_say_everything() -> None:
    tree = {
        "sensor": SENSOR,
        "time_ns": 12,
        "word": "false alarm",
        "author": "Ann",
        "comment": "tool change",
    }
    request = parse_message(json.dumps(tree).encode(), 99, MODES)
    assert request == LabelRequest(
        Label("false alarm", "", "Ann", "tool change"), 99, None, SENSOR, 12
    )


def test_the_command_labels_the_newest_window(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "camshaft.yaml"
    config.write_text(
        "subscriptions: [{topic: 'v/{machine}', payload: {format: raw}}]\n"
        "sensors: [{sample_rate_hz: 2000}]\njournal: {path: camshaft.journal}\n"
    )
    label = ["label", "-c", str(config)]
    newest = ["--last", SENSOR, "NG confirmed", "--failure-mode", "bearing"]
    assert main([*label, *newest, "--author", "Ann"]) == 0
    assert capsys.readouterr().out == "Row 10 is labelled: NG confirmed (bearing) by Ann.\n"
    assert main([*label, "4", "false alarm"]) == 0
    assert main([*label, "unclear"]) == 2
    assert main([*label, "77", "unclear"]) == 2
    assert "There is no window row 77" in capsys.readouterr().err
    assert [(found.row_id, found.label.word) for found in labelled(journal)] == [
        (4, "false alarm"),
        (10, "NG confirmed"),
    ]
