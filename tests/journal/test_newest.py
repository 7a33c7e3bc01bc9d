"""Which row of a sensor is the newest, where its clock has stepped back."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.journal.commissioning import CommissioningStore
from monitor.journal.labels import LabelStore
from monitor.journal.views import JournalViews
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
