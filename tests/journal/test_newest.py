"""Which row of a sensor is the newest, where its clock has stepped back."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.journal import views
from monitor.journal.commissioning import CommissioningStore
from monitor.journal.labels import LabelStore
from monitor.journal.views import JournalViews, Since
from monitor.journal.writer import Journal
from monitor.page.feed import Fleet, Source
from monitor.records.batch import Batch
from monitor.records.labels import Label, LabelRequest
from monitor.records.verdict import Status
from tests.verdicts import SECOND_NS, make_verdict

HOUR_NS = 3_600 * SECOND_NS


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """OK, an hour ahead."""
    made = Journal(tmp_path / "journal")
    ahead = make_verdict(7)
    ok = make_verdict(
        7,
        status=Status.OK,
        start_ns=ahead.start_ns + HOUR_NS,
        end_ns=ahead.end_ns + HOUR_NS,
        model_id="before",
    )
    made.commit(Batch(verdicts=[ok]))
    return made


def step_back(journal: Journal) -> None:
    """NG with an alarm: the clock has been set right."""
    journal.commit(
        Batch(verdicts=[make_verdict(0, segment=2, alarm="raised", model_id="after")])
    )


def test_the_page_follows_the_stream_not_its_clock(journal: Journal) -> None:
    """It stayed green for the hour that the clock had stepped back."""
    source = Source(journal.path)
    fleet = Fleet(source)
    fleet.read(0.0)
    step_back(journal)
    fleet.read(1.0)
    assert [one["status"] for one in fleet.shown.values()] == ["NG"]
    again = Fleet(source)
    again.read(0.0)
    assert [one["status"] for one in again.shown.values()] == ["NG"]
    source.close()


def test_an_alarm_after_the_step_stands(journal: Journal) -> None:
    step_back(journal)
    store = CommissioningStore(journal.path)
    assert store.alarm_since("press 7/bearing") is not None


def test_the_last_model_is_the_one_after_the_step(journal: Journal) -> None:
    step_back(journal)
    newest = JournalViews(journal.path).newest("press 7/bearing")
    assert newest is not None
    assert newest.model_id == "after"


def test_a_label_means_the_window_after_the_step(journal: Journal) -> None:
    step_back(journal)
    label = Label("NG confirmed", "", "Ann", "")
    store = LabelStore(journal.path)
    assert store.add(LabelRequest(label, at_ns=1, sensor="press 7/bearing")) == 2


def since_of(journal: Journal) -> Since:
    reader = JournalViews(journal.path)
    newest = reader.newest("press 7/bearing")
    assert newest is not None
    found = reader.since(newest)
    reader.close()
    return found


@pytest.mark.parametrize(
    ("statuses", "began", "known"),
    [
        ("NNN", 0, True),  # all that there ever was
        ("ONN", 1, True),
        ("ONNN", 1, False),  # the change lies further back than was looked
        ("NNNN", 1, False),
    ],
)
def test_since_when_a_status_holds_is_known_only_where_its_beginning_was_seen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    statuses: str,
    began: int,
    known: bool,
) -> None:
    monkeypatch.setattr(views, "SINCE_ROWS", 3)
    journal = Journal(tmp_path / "journal")
    verdicts = [
        make_verdict(i, status=Status.NG if one == "N" else Status.OK)
        for i, one in enumerate(statuses)
    ]
    journal.commit(Batch(verdicts=verdicts))
    assert since_of(journal) == Since(verdicts[began].start_ns, known)


def test_a_status_is_followed_back_over_an_hour_at_a_window_a_second() -> None:
    assert views.SINCE_ROWS == 3600
