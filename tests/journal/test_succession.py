"""What a journal hands on and another takes over: commissionings, alarms, books, what was told; and
what makes no sense changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.journal.commissioning import CommissioningStore, Request
from monitor.journal.cursors import Cursor, Notified
from monitor.journal.labels import ACKNOWLEDGED
from monitor.journal.positions import SupersededError, next_generation
from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError
from monitor.journal.succession import Handed, SuccessionReader, journal_id, take_over
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.outputs.base import Step
from monitor.records.batch import Batch, Event
from monitor.records.commissioned import Commissioned
from monitor.records.position import SourcePosition
from monitor.records.promise import PromiseState
from monitor.records.stream import Piece, Position, StreamUpdate, TailRecords
from monitor.records.succession import Succession
from tests.servers.recording import Recording
from tests.verdicts import make_verdict

SENSOR = "m00/bearing"
RAISED = Event(10**18, SENSOR, "alarm_raised", "novelty, 400 to 500 Hz", "model-1")
SEEN = Event(10**18 + 5, SENSOR, ACKNOWLEDGED, "by Ada: on it")
TAIL = TailRecords(46, 300, (Piece(41, 42, 200), Piece(45, 45, 200)))
POSITION = SourcePosition("t", 3, 12, 50, 7)
Change = Callable[[dict[str, Any]], None]


def own_limits(n: int = 0) -> Commissioned:
    found = Recording(1, 6.0, seed=n + 1).commissioned()[0]
    return replace(found, at_ns=10**18 + n)


def commission(path: Path, one: Commissioned) -> None:
    with closing(CommissioningStore(path)) as store:
        store.record(Request(one.sensor, one.n_windows), one, None, one.at_ns)


def update(**changes: Any) -> StreamUpdate:
    found = StreamUpdate(
        SENSOR,
        Position(segment=2, first_sample=1000, n_counted=1000, n_window=1000, n_hop=1000),
        keys=((5, 10**18, 77),),
        alarm_recent=(False, True, True),
        alarm_raised=True,
        n_waiting=300,
        tail=(1000, np.ones((1, 300), np.float32)),
        promise=PromiseState(commissioning_id=1, n_in_block=3, alarm=2.5),
        records=TAIL,
    )
    return replace(found, **changes)


def old_owner(path: Path) -> None:
    """A journal with a commissioned sensor whose alarm stands."""
    journal_id(path)
    commission(path, own_limits())
    verdict = make_verdict(sensor=SENSOR)
    books = Counter({(SENSOR, "received", ""): 1300, (SENSOR, "analysed", "NG"): 1000})
    with closing(Journal(path)) as journal:
        batch = Batch(verdicts=[verdict], events=[RAISED, SEEN], books=books)
        batch.streams, batch.position = [update()], POSITION
        batch.births["spBv1.0/g/NBIRTH/n"] = b"birth"
        journal.commit(batch)
    with closing(Cursor(path, "webhook.ops", ("event",))) as cursor:
        told = {SENSOR: Notified("raised", 123, held_event=2, n_held=1)}
        cursor.settle(Step(notified=told), 0)


def handed(path: Path) -> Handed:
    with closing(SuccessionReader(path)) as reader:
        found = reader.read()
    assert found is not None
    return found


@pytest.fixture
def found(tmp_path: Path) -> Succession:
    old_owner(tmp_path / "old.journal")
    return handed(tmp_path / "old.journal").succession


def limits(path: Path) -> dict[str, Commissioned]:
    with closing(CommissioningStore(path)) as store:
        return store.active()


def alarm_events(path: Path) -> list[tuple[int, str, str, str]]:
    with closing(JournalViews(path)) as views:
        events = views.new_events(0, -1)
    kinds = ("alarm_raised", ACKNOWLEDGED)
    return [(e.at_ns, e.kind, e.text, e.model_id) for e in events if e.kind in kinds]


def assert_same_limits(found: Commissioned, expected: Commissioned) -> None:
    for name in ("low_db", "high_db"):
        np.testing.assert_array_equal(
            getattr(found.baseline, name), getattr(expected.baseline, name)
        )
    assert found.baseline.threshold == expected.baseline.threshold
    for name in (
        "sensor",
        "f_edges_hz",
        "logit_threshold",
        "model_id",
        "at_ns",
        "n_windows",
    ):
        assert getattr(found, name) == getattr(expected, name), name
    assert found.running_limit_ms2 == expected.running_limit_ms2
    assert found.geometry == expected.geometry
    assert found.reference == expected.reference


def test_a_new_journal_goes_on_where_the_old_one_stood(
    tmp_path: Path, found: Succession
) -> None:
    new, old = tmp_path / "new.journal", tmp_path / "old.journal"
    take_over(new, found, None, 5, "so it was")
    assert_same_limits(limits(new)[SENSOR], limits(old)[SENSOR])
    assert limits(new)[SENSOR].commissioning_id == limits(old)[SENSOR].commissioning_id
    with closing(Journal(new)) as journal, closing(Journal(old)) as before:
        stream, known = journal.streams()[SENSOR], before.streams()[SENSOR]
        assert stream.misses_tail
        assert stream == replace(known, tail=None)
        position = journal.resumed().position
        assert journal.remembered().births == {"spBv1.0/g/NBIRTH/n": b"birth"}
    # From the first part of the message that the unfinished window begins in.
    assert position == SourcePosition("t", 3, 12, 41, None)
    assert alarm_events(new) == alarm_events(old)
    with closing(Cursor(new, "webhook.ops", ("event",), from_start=False)) as cursor:
        assert cursor.pending(10) == []  # nobody is told again
        assert cursor.notified(SENSOR) == Notified("raised", 123)
    with closing(JournalReader(new)) as reader:
        assert not reader.books().imbalance()
        assert reader.taken_over() == "so it was"
    with closing(JournalReader(old)) as reader:
        assert reader.taken_over() == ""


def test_what_was_taken_over_can_be_handed_on_at_once(
    tmp_path: Path, found: Succession
) -> None:
    new = tmp_path / "new.journal"
    take_over(new, found, None, 5, "so it was")
    again = handed(new).succession
    assert again.owner == journal_id(new) != found.owner
    assert replace(again, owner=found.owner) == found


def test_a_journal_that_is_behind_keeps_its_rows(tmp_path: Path, found: Succession) -> None:
    """What it says of streams, alarms and limits is replaced."""
    stale = tmp_path / "stale.journal"
    Journal(stale).close()
    for number in (1, 2):
        commission(stale, own_limits(number))
    with closing(Journal(stale)) as journal:
        batch = Batch(verdicts=[make_verdict(5, sensor=SENSOR)], events=[RAISED])
        batch.streams = [update(alarm_raised=False), replace(update(), sensor="gone/x")]
        batch.digests, batch.position = {7: 1}, replace(POSITION, offset=6)
        journal.commit(batch)
    take_over(stale, found, None, 5, "so it was")
    with closing(Journal(stale)) as journal:
        assert list(journal.streams()) == [SENSOR]
        stream = journal.streams()[SENSOR]
        assert stream.alarm_raised
        assert journal.digests() == {}
        assert journal.resumed().first == 41
    # Its number is another's here.
    now = limits(stale)
    assert_same_limits(now[SENSOR], own_limits())
    assert now[SENSOR].commissioning_id == stream.promise.commissioning_id == 3
    with closing(JournalReader(stale)) as reader:
        assert len(list(reader.rows())) == 1
    assert [event[:2] for event in alarm_events(stale)] == [
        (RAISED.at_ns, RAISED.kind),
        (SEEN.at_ns, SEEN.kind),
    ]


def test_a_tail_of_unknown_records_is_not_handed_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal_id(path)
    with closing(Journal(path)) as journal, closing(SuccessionReader(path)) as reader:
        assert reader.read() is None  # no position yet
        journal.commit(Batch(streams=[update(records=None)], position=POSITION))
        assert reader.read() is None
        journal.commit(Batch(streams=[update()], position=POSITION))
        assert reader.read() is not None
        journal.forget_records()
        assert reader.read() is None


def test_a_stream_of_before_records_were_noted_has_taken_all_before(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal_id(path)
    with closing(Journal(path)) as journal:
        empty = update(records=None, tail=None, n_waiting=0)
        journal.commit(Batch(streams=[empty], position=POSITION))
    found = handed(path).succession
    assert found.position == POSITION
    tree = found.streams[SENSOR]
    assert (tree["newest"], tree["n_samples"], tree["pieces"]) == (49, 0, [])


def test_a_sensor_that_was_silent_for_long_holds_nothing_back(tmp_path: Path) -> None:
    """Even where a piece is kept for a filter's sake."""
    path = tmp_path / "journal"
    journal_id(path)
    silent = update(tail=None, n_waiting=0, records=TailRecords(7, 0, (Piece(7, 7, 9),)))
    with closing(Journal(path)) as journal:
        journal.commit(Batch(streams=[silent], position=POSITION))
    assert handed(path).succession.position == POSITION


def test_outputs_must_have_the_rows_first(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    old_owner(path)
    found = handed(path)
    with (
        closing(SuccessionReader(path)) as reader,
        closing(Cursor(path, "influx", ("verdict", "event", "health"))) as cursor,
        closing(Cursor(path, "other", ("verdict",))),
    ):
        assert reader.is_delivered(found, [])
        assert not reader.is_delivered(found, ["influx"])
        cursor.settle(Step(accepted=[("verdict", found.last_row)]), 0)
        assert not reader.is_delivered(found, ["influx"])
        cursor.settle(Step(rejected={("event", found.last_event): "bad"}), 0)
        assert reader.is_delivered(found, ["influx"])
        assert not reader.is_delivered(found, ["influx", "other"])


def put(name: str, value: Any) -> Change:
    return lambda tree: tree.update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        put("position", '{"segment": "x"}'),
        put("position", "{}"),
        put("position", "x"),
        put("position", None),
        put("keys", float),
        put("n_waiting", "many"),
        put("pieces", [[1, 2]]),
        put("pieces", 7),
        put("keys", "[5]"),
        put("alarm_recent", "7"),
        put("promise", '{"commissioning_id": 1, "unknown": 2}'),
        put("books", [["received", ""]]),
        put("judged_by", []),
        put("alarm_events", [[1]]),
        lambda tree: tree.pop("newest"),
    ],
)
def test_a_stream_that_makes_no_sense_changes_nothing(
    tmp_path: Path, found: Succession, change: Change
) -> None:
    tree = dict(found.streams[SENSOR])
    change(tree)
    refuse(tmp_path, replace(found, streams={SENSOR: tree}))


@pytest.mark.parametrize(
    "change",
    [
        put("low_db", "!"),
        put("low_db", "AAAA"),
        put("f_edges_hz", "[]"),
        put("geometry", "{}"),
        put("reference", "{}"),
        put("number", None),
        lambda tree: tree.pop("settled_ns"),
    ],
)
def test_limits_that_make_no_sense_change_nothing(
    tmp_path: Path, found: Succession, change: Change
) -> None:
    tree = dict(found.commissionings[SENSOR])
    change(tree)
    refuse(tmp_path, replace(found, commissionings={SENSOR: tree}))


def refuse(tmp_path: Path, found: Succession) -> None:
    new = tmp_path / "new.journal"
    name = journal_id(new)
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError, JournalError)):
        take_over(new, found, None, 5, "so it was")
    assert limits(new) == {}
    with closing(Journal(new)) as journal:
        assert journal.streams() == {}
        assert journal.resumed().position is None
    with closing(JournalReader(new)) as reader:
        assert reader.taken_over() == ""
    assert journal_id(new) == name


def test_who_is_fenced_off_takes_nothing_over(tmp_path: Path, found: Succession) -> None:
    new = tmp_path / "new.journal"
    older = next_generation(new)
    next_generation(new)
    with pytest.raises(SupersededError):
        take_over(new, found, older, 5, "so it was")
    assert limits(new) == {}
