"""What an alarm is called since it was raised: by people first, then by the diagnosis."""

from __future__ import annotations

from pathlib import Path

from monitor.advice import UNKNOWN, advice_book
from monitor.journal.labels import LabelStore
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.page.feed import Fleet, Source
from monitor.records.batch import Batch, Event
from monitor.records.labels import Label, LabelRequest
from tests.verdicts import SECOND_NS, make_verdict

SENSOR = "press 7/bearing"


def test_the_name_that_came_last_from_whoever_knows_best(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal, store = Journal(path), LabelStore(path)
    journal.commit(Batch(verdicts=[make_verdict(0), make_verdict(1)]))

    def happen(second: int, kind: str, text: str) -> None:
        event = Event(second * SECOND_NS, SENSOR, kind, text)
        journal.commit(Batch(events=[event]))

    def label(second: int, mode: str) -> None:
        wish = LabelRequest(
            Label("NG confirmed", mode, "Ann"), second * SECOND_NS, sensor=SENSOR
        )
        store.add(wish)

    fleet = Fleet(Source(path), advice_book({}))
    fleet.read(0.0)

    def advice() -> str:
        """As somebody sees it who has been looking all the time."""
        fleet.read(0.0)
        return str(fleet.shown[SENSOR]["advice"])

    def named() -> tuple[str, str]:
        return JournalViews(path).alarm_stories()[SENSOR].named

    happen(10, "diagnosed", "cage: of an alarm before")
    label(11, "looseness")
    happen(20, "alarm_raised", "network")
    assert (named(), advice()) == (("", ""), UNKNOWN)
    happen(21, "diagnosed", "outer race, drive end: 4 lines")
    assert (named()[0], advice()) == ("", "outer race")
    label(22, "gear")
    label(23, "")  # says nothing of the mode
    assert (named()[0], advice()) == ("gear", "gear")
    happen(30, "alarm_cleared", "OK")
    assert named()[0] == "gear"  # nobody has acknowledged it yet
    store.close()
    journal.close()
