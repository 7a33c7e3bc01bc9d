"""Refused rows can be seen, and sent again: whole or not at all, in order, beside new rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.journal.cursors import Cursor, RowKey
from monitor.journal.reader import JournalReader
from monitor.journal.resend import ResendError, ResendRequest, ResendStore, refused_rows
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.outputs.base import Step
from monitor.records.batch import Batch
from tests.verdicts import make_verdict

WHY = "422 partial write: field type conflict"
OUTPUT = "influx"


class Stage:
    """A journal with one output, and what it has been given."""

    def __init__(self, path: Path, n_rows: int) -> None:
        self.path = path
        self.journal = Journal(path)
        self.cursor = Cursor(path, OUTPUT, ("verdict", "event", "health"))
        self.n_rows = 0
        self.add(n_rows)

    def add(self, n_rows: int) -> None:
        numbers = range(self.n_rows, self.n_rows + n_rows)
        self.journal.commit(Batch(verdicts=[make_verdict(number) for number in numbers]))
        self.n_rows += n_rows

    def deliver(self, refused: Sequence[int] = (), limit: int = 500) -> list[RowKey]:
        """Settle all that waits; returns the rows in the order they were given."""
        given_rows: list[RowKey] = []
        while rows := self.cursor.pending(limit):
            keys = [row.key for row in rows]
            bad = {key: WHY for key in keys if key[0] == "verdict" and key[1] in refused}
            good = [key for key in keys if key not in bad]
            self.cursor.settle(Step(accepted=good, rejected=bad), 99)
            given_rows += keys
        return given_rows

    def order(self, **request: object) -> int:
        store = ResendStore(self.path)
        try:
            asked = ResendRequest(OUTPUT, **request)  # type: ignore[arg-type]
            planned = store.plan(asked)
            ordered = store.order(asked, "Kim", "the field is mended", 7)
        finally:
            store.close()
        assert planned == ordered
        return ordered.n_all

    def counts(self) -> tuple[int, int, int]:
        """Accepted, rejected and waiting verdicts."""
        return JournalReader(self.path).books().rows([OUTPUT])["verdict"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_refused_rows_are_told_with_reason_number_and_span(path: Path) -> None:
    Stage(path, 6).deliver(refused=[2, 4, 5])
    (found,) = refused_rows(path)
    assert (found.output, found.kind, found.reason) == (OUTPUT, "verdict", WHY)
    assert (found.n_rows, found.n_gone) == (3, 0)
    assert (found.first_ns, found.last_ns) == (
        make_verdict(1).end_ns,
        make_verdict(4).end_ns,
    )


def test_refused_rows_are_sent_again_and_counted_as_what_they_became(path: Path) -> None:
    stage = Stage(path, 6)
    stage.deliver(refused=[2, 4, 5])
    assert stage.counts() == (3, 3, 0)
    assert stage.order(refused_only=True) == 3
    assert stage.counts() == (3, 3, 0)
    given_rows = stage.deliver(refused=[4])
    assert [row_id for kind, row_id in given_rows if kind == "verdict"] == [2, 4, 5]
    assert stage.counts() == (5, 1, 0)
    (left,) = refused_rows(path)
    assert left.n_rows == 1


def test_the_order_is_an_event_with_its_author(path: Path) -> None:
    stage = Stage(path, 3)
    stage.deliver(refused=[2])
    stage.order()
    (event,) = JournalViews(path).events_back(None, 9)
    assert (event.kind, event.at_ns) == ("resend", 7)
    assert event.text == (
        "influx gets 3 verdict rows (1 of them refused before) again, asked for by Kim:"
        " the field is mended"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    n_before=st.integers(1, 30),
    n_after=st.integers(0, 30),
    limit=st.integers(1, 17),
    data=st.data(),
)
def test_each_ordered_row_comes_once_in_order_while_new_rows_go_on(
    tmp_path_factory: pytest.TempPathFactory,
    n_before: int,
    n_after: int,
    limit: int,
    data: st.DataObject,
) -> None:
    stage = Stage(tmp_path_factory.mktemp("resend") / "journal", n_before)
    row_ids = st.sets(st.integers(1, n_before))
    refused, again_refused = data.draw(row_ids), data.draw(row_ids)
    first, last = sorted(data.draw(st.tuples(*[st.integers(1, n_before)] * 2)))
    stage.deliver(refused=list(refused), limit=limit)
    span = {
        "from_ns": make_verdict(first - 1).end_ns,
        "to_ns": make_verdict(last - 1).end_ns,
    }
    assert stage.order(**span) == last - first + 1
    stage.add(n_after)
    rows = [key for key in stage.deliver(refused=list(again_refused), limit=limit)]
    verdicts = [row_id for kind, row_id in rows if kind == "verdict"]
    again = [row_id for row_id in verdicts if row_id <= n_before]
    assert again == list(range(first, last + 1))
    assert [row_id for row_id in verdicts if row_id > n_before] == list(
        range(n_before + 1, n_before + n_after + 1)
    )
    outside = {row_id for row_id in refused if not first <= row_id <= last}
    n_refused = len(outside | {r for r in again_refused if first <= r <= last})
    assert stage.counts() == (n_before + n_after - n_refused, n_refused, 0)


def test_rows_that_wait_anyway_are_not_ordered(path: Path) -> None:
    stage = Stage(path, 2)
    stage.deliver()
    stage.add(3)
    assert stage.order() == 2


def test_nothing_to_send_and_an_unknown_output_are_one_sentence(path: Path) -> None:
    stage = Stage(path, 1)
    with pytest.raises(
        ResendError, match="influx: no row of this span is to be sent again"
    ):
        stage.order(refused_only=True)
    store = ResendStore(path)
    with pytest.raises(
        ResendError, match="output 'plant': the journal knows no such output"
    ):
        store.plan(ResendRequest("plant"))
    store.close()
    assert JournalViews(path).events_back(None, 9) == []


def test_an_order_is_taken_whole_or_not_at_all(path: Path) -> None:
    """The queue is filled and the event written in one transaction."""
    stage = Stage(path, 4)
    stage.deliver()
    link = sqlite3.connect(path)
    link.execute(
        "CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT raise(ABORT, 'disk full'); END"
    )
    link.commit()
    with pytest.raises(Exception, match="disk full"):
        stage.order()
    assert link.execute("SELECT count(*) FROM resend").fetchone() == (0,)
    link.close()
    assert stage.deliver() == []


def test_rows_that_left_the_journal_are_told_of_and_hold_nothing_up(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(path, 6)
    stage.deliver()
    stage.order()
    link = sqlite3.connect(path)
    link.execute("DELETE FROM verdict_row WHERE row_id IN (1, 2, 4)")
    link.commit()
    link.close()
    given_rows = [row_id for kind, row_id in stage.deliver() if kind == "verdict"]
    assert given_rows == [3, 5, 6]
    assert (
        "influx: 3 verdict rows to be sent again are no longer in the journal."
        in caplog.text
    )
