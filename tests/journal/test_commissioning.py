"""Commissioning in the journal: nothing is left half done between two processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.commissioner import Commissioner
from monitor.journal.commissioning import CommissioningStore, Request
from monitor.journal.schema import JournalError
from tests.plant import SENSOR, Plant


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """With 20 windows of one sensor."""
    plant = Plant(tmp_path)
    plant.run(10)
    return plant


def test_the_command_line_leaves_nothing_open_for_the_service(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that looks at the worst moment, while the command line computes, has nothing to
    fulfil.
    """
    service = Commissioner(plant.path, plant.pipeline.geometry)
    store = plant.store()
    seen: list[object] = []
    windows = CommissioningStore.windows

    def look(self: CommissioningStore, request: Request) -> object:
        seen.extend(store.open_requests())
        service.step(1)
        return windows(self, request)

    monkeypatch.setattr(CommissioningStore, "windows", look)
    assert plant.command(SENSOR, "--windows", "20") == 0
    assert plant.command(SENSOR, "--windows", "21") == 2
    active = service.step(2)
    assert seen == []
    assert active is not None
    assert active[SENSOR].n_windows == 20
    assert len(plant.events("commissioned")) == 1
    store.close()


def test_whether_a_person_asked_for_the_rate_is_kept(plant: Plant) -> None:
    """It holds after a restart as before: then nothing else does."""
    assert plant.command(SENSOR, "--windows", "20", "--false-alarm-rate", "0.1") == 0
    asked = plant.store().active()[SENSOR].baseline
    assert plant.command(SENSOR, "--windows", "20") == 0
    usual = plant.store().active()[SENSOR].baseline
    assert (asked.rate_was_asked, usual.rate_was_asked) == (True, False)


def test_a_request_is_settled_once(plant: Plant) -> None:
    first, second = plant.store(), plant.store()
    request = first.request(Request(SENSOR, 20), 0)
    assert first.record(request, "the first answer", "the first answer", 1)
    assert not second.record(request, "the second answer", "the second answer", 2)
    assert first.open_requests() == []
    assert [event.text for event in plant.events("commissioning_refused")] == [
        "the first answer"
    ]


def test_a_request_undone_meanwhile_is_not_fulfilled(plant: Plant) -> None:
    store = plant.store()
    request = store.request(Request(SENSOR, 20), 0)
    undone = store.undo(SENSOR, "Ann", 1)
    assert undone is not None
    assert undone.at_ns is None
    assert undone.holds is None
    assert not store.record(request, "too late", "too late", 2)
    assert Commissioner(plant.path, plant.pipeline.geometry).step(3) == {}


def test_a_request_comes_back_as_it_was_left(plant: Plant) -> None:
    wish = Request(SENSOR, 7, 3, 0.05, 11, 13, "Ann", "because")
    left = plant.store().request(wish, 0)
    assert plant.store().open_requests() == [left]


def test_a_journal_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no such file"):
        CommissioningStore(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
