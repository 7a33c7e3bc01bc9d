"""Outputs get every row of trends that changed, as it is in the end."""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.journal.cursors import Cursor, JournalRow
from monitor.journal.places import RowKind
from monitor.journal.reader import JournalReader
from monitor.journal.resend import ResendRequest, ResendStore
from monitor.journal.trend_reader import TrendReader
from monitor.journal.writer import Journal
from monitor.outputs.base import Step
from monitor.outputs.influx.trend_lines import trend_lines
from monitor.records.batch import Batch
from monitor.records.trend import DAY_S, FED_TIERS_S, HOUR_S, TEN_MINUTES_S, ChangedTrends
from monitor.records.verdict import Status, Verdict
from tests.verdicts import SECOND_NS, make_verdict

SENSORS = ("press 0/bearing", "press 1/bearing")
START_NS = 1_767_225_600 * SECOND_NS  # 2026-01-01
EVER = (0, 2**62)
FAR_S = 40 * DAY_S  # later than any window of a test, and long before the next one
KINDS: tuple[RowKind, ...] = ("trend",)
THINNING = 2**40, 2**40  # journal, kept windows: neither is over its limit

Lines = dict[str, str]  # line of InfluxDB by its series and time


def window(index: int, at_s: float, sensor: str = SENSORS[0]) -> Verdict:
    end_ns = START_NS + round(at_s * SECOND_NS)
    return replace(make_verdict(index, sensor), start_ns=end_ns - SECOND_NS, end_ns=end_ns)


class Receiver:
    """A database: a line overwrites the one of the same series and time."""

    def __init__(self, path: Path, name: str = "influx") -> None:
        self._path, self._name = path, name
        self.lines: Lines = {}
        self.cursor = Cursor(path, name, KINDS)

    def take(self, limit: int = 500, settles: bool = True) -> int:
        """One request. It may die before it settles, and starts anew. Returns how many rows."""
        rows = self.cursor.pending(limit)
        for row in rows:
            self.lines |= by_key(changed(row))
        if settles:
            self.cursor.settle(Step(accepted=[row.key for row in rows]), 0)
        else:
            self.restart()
        return len(rows)

    def restart(self) -> None:
        self.cursor.close()
        self.cursor = Cursor(self._path, self._name, KINDS)

    def take_all(self, limit: int = 500) -> None:
        while self.take(limit):
            pass


def changed(row: JournalRow) -> ChangedTrends:
    assert isinstance(row.content, ChangedTrends)
    return row.content


def by_key(rows: ChangedTrends) -> Lines:
    split = (line.rsplit(" ", 2) for line in trend_lines(rows))
    return {f"{series} {time}": fields for series, fields, time in split}


def journals_lines(path: Path, to_ns: int = EVER[1]) -> Lines:
    """What the rows that begin before this time are in the end."""
    found: Lines = {}
    reader = TrendReader(path)
    for sensor in SENSORS:
        for tier_s in FED_TIERS_S:
            rows = reader.rows(sensor, tier_s, 0, to_ns)
            found |= by_key(ChangedTrends(sensor, rows))
    reader.close()
    return found


steps = st.lists(
    st.sampled_from([1.0, 1.0, 250.0, 601.0, 3601.0, 90_000.0, -1.0, -700.0, -4000.0]),
    min_size=1,
    max_size=25,
)
# Between two commits: nothing, a request, one that dies unsettled, a thinning, a restart.
acts = st.lists(st.sampled_from(["", "take", "die", "thin", "restart"]), max_size=25)


@settings(max_examples=60)
@given(steps, acts, st.integers(1, 60))
def test_a_receiver_ends_with_the_journals_rows(
    moves: list[float], todo: list[str], limit: int
) -> None:
    """Clocks that step, late windows, requests whose answer is lost, notes that were pruned."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        journal, receiver = Journal(path), Receiver(path)
        times = (5e5 + np.cumsum(moves)).tolist()
        for index, at_s in enumerate(times):
            one = window(index, at_s, SENSORS[index % 2])
            journal.commit(Batch(verdicts=[one]))
            act = todo[index] if index < len(todo) else ""
            if act == "thin":
                journal.thin(*THINNING, ["influx"])
            elif act == "restart":
                receiver.restart()
            elif act:
                receiver.take(limit, settles=act == "take")
        last = [window(len(times), FAR_S, sensor) for sensor in SENSORS]
        journal.commit(Batch(verdicts=last))  # closes what was open
        receiver.take_all(limit)
        expected = journals_lines(path, START_NS + (FAR_S - DAY_S) * SECOND_NS)
        assert len(expected) >= 2
        assert receiver.lines == expected


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with two windows an hour for ten hours; the last of them still open."""
    Cursor(tmp_path / "journal", "influx", KINDS).close()
    journal = Journal(tmp_path / "journal")
    verdicts = [window(index, 1 + index * HOUR_S / 2) for index in range(20)]
    journal.commit(Batch(verdicts=verdicts))
    journal.close()
    return tmp_path / "journal"


def n_notes(path: Path) -> int:
    (n,) = sqlite3.connect(path).execute("SELECT count(*) FROM trend_change").fetchone()
    return int(n)


def test_a_row_comes_once_it_is_closed(path: Path) -> None:
    receiver = Receiver(path)
    receiver.take_all()
    ten_minutes = [key for key in receiver.lines if "span=ten_minutes" in key]
    hours = [key for key in receiver.lines if "span=hour" in key]
    assert (len(ten_minutes), len(hours)) == (19, 10)


def test_a_sensor_that_falls_silent_brings_its_open_rows(path: Path) -> None:
    journal, receiver = Journal(path), Receiver(path)
    silence = replace(window(20, 9.5 * HOUR_S + 2), status=Status.NO_DATA, n_samples=0)
    journal.commit(Batch(verdicts=[replace(silence, evidence=(), grid=None)]))
    receiver.take_all()
    assert receiver.lines == journals_lines(path)


def test_notes_go_once_all_outputs_have_read_them(path: Path) -> None:
    journal, fast, slow = Journal(path), Receiver(path), Receiver(path, "second")
    fast.take_all()
    n = n_notes(path)
    journal.thin(*THINNING, ["influx", "second"])
    assert n_notes(path) == n > 0
    slow.take_all()
    assert slow.lines == fast.lines
    journal.thin(*THINNING, ["influx", "second"])
    assert n_notes(path) == 0


def test_where_no_output_takes_trends_nothing_is_noted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.commit(Batch(verdicts=[window(i, 1 + i * HOUR_S) for i in range(9)]))
    assert n_notes(tmp_path / "journal") == 0


def test_a_new_output_gets_all_there_is(path: Path) -> None:
    Receiver(path).take_all()
    Journal(path).thin(*THINNING, ["influx"])
    new = Receiver(path, "second")
    new.take_all()
    assert new.lines == journals_lines(path)


def test_an_output_that_comes_back_gets_what_it_missed(path: Path) -> None:
    away, stays = Receiver(path, "away"), Receiver(path)
    away.take_all()
    journal = Journal(path)
    journal.commit(Batch(verdicts=[window(20, 20 * HOUR_S), window(21, 30 * HOUR_S)]))
    stays.take_all()
    journal.thin(*THINNING, ["influx"])
    away.restart()
    away.take_all()
    assert away.lines == journals_lines(path)


def test_a_refused_note_stays_and_can_be_sent_again(path: Path) -> None:
    receiver = Receiver(path)
    first, *others = receiver.cursor.pending(500)
    accepted = [row.key for row in others]
    receiver.cursor.settle(Step(accepted=accepted, rejected={first.key: "422"}), 0)
    Journal(path).thin(*THINNING, ["influx"])
    assert n_notes(path) == 1
    store = ResendStore(path)
    request = ResendRequest("influx", refused_only=True)
    assert store.order(request, "Kim", "", 0).n_rows == {"trend": 1}
    receiver.take_all()
    assert by_key(changed(first)).keys() <= receiver.lines.keys()
    counts = JournalReader(path).books().rows(["influx"])["trend"]
    assert (counts.rejected, counts.waiting) == (0, 0)


def test_rows_of_a_span_are_sent_again(path: Path) -> None:
    receiver = Receiver(path)
    receiver.take_all()
    Journal(path).thin(*THINNING, ["influx"])
    receiver.lines.clear()
    store = ResendStore(path)
    request = ResendRequest("influx", START_NS, START_NS + 10 * HOUR_S * SECOND_NS)
    plan = store.plan(request)
    assert store.order(request, "Kim", "the bucket was deleted", 0) == plan
    receiver.take_all()
    assert receiver.lines == journals_lines(path)


def test_a_damaged_row_holds_up_no_other(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    link = sqlite3.connect(path)
    damage = "UPDATE trend SET body = substr(body, 1, 30) WHERE tier_s = ?"
    link.execute(damage, (TEN_MINUTES_S,))
    link.commit()
    receiver = Receiver(path)
    receiver.take_all()
    assert {key for key in receiver.lines if "span=hour" in key}
    assert (
        "Trends of press 0/bearing are not sent: a row of trends is damaged" in caplog.text
    )


def test_a_request_holds_a_bounded_number_of_rows(path: Path) -> None:
    new = Cursor(path, "second", KINDS)
    n_rows = [sum(len(changed(row).rows) for row in new.pending(60))]
    assert 0 < n_rows[0] <= 60
