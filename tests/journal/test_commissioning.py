"""Requests to commission a sensor: each is fulfilled once,
by the command line or by the service.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cli import main
from monitor.commissioner import Commissioner
from monitor.journal.commissioning import CommissioningStore
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.verdict import Status
from tests.verdicts import make_verdict

SENSOR = "m/p"
CONFIG = """
subscriptions: [{topic: "vibration/{machine}/{point}", payload: {format: raw}}]
sensors: [{sample_rate_hz: 2000}]
journal: {path: journal}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration, and a journal with 20 windows of one sensor."""
    (tmp_path / "camshaft.yaml").write_text(CONFIG)
    journal = Journal(tmp_path / "journal")
    verdicts = [
        make_verdict(n, sensor=SENSOR, status=Status.LEARNING, evidence=()) for n in range(20)
    ]
    journal.commit(Batch(verdicts=verdicts))
    journal.close()
    return tmp_path


def commission(folder: Path, *more: str) -> int:
    return main(["commission", SENSOR, "-c", str(folder / "camshaft.yaml"), *more])


def test_the_command_line_leaves_nothing_open_for_the_service(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that looks at the worst moment, while the command line computes, has nothing to
    fulfil.
    """
    service = Commissioner(folder / "journal")
    store = CommissioningStore(folder / "journal")
    seen: list[object] = []
    windows = CommissioningStore.healthy_windows

    def look(self: CommissioningStore, request: object) -> object:
        seen.extend([*store.open_requests(), *service.step(1)[0]])
        return windows(self, request)  # type: ignore[arg-type]

    monkeypatch.setattr(CommissioningStore, "healthy_windows", look)
    assert commission(folder, "--windows", "20") == 0
    assert commission(folder, "--windows", "21") == 2
    events, active = service.step(2)
    assert seen == events == []
    assert active is not None
    assert active[SENSOR].n_windows == 20
    store.close()


def test_a_request_is_settled_once(folder: Path) -> None:
    first, second = CommissioningStore(folder / "journal"), CommissioningStore(folder / "journal")
    request = first.request(SENSOR, 20, None, None, 0)
    assert first.settle(request, "the first answer", 1)
    assert not second.settle(request, "the second answer", 2)
    assert first.open_requests() == []
    first.close()
    second.close()


def test_a_request_undone_meanwhile_is_not_fulfilled(folder: Path) -> None:
    store = CommissioningStore(folder / "journal")
    request = store.request(SENSOR, 20, None, None, 0)
    assert store.undo(SENSOR, 1)
    assert not store.settle(request, "too late", 2)
    assert Commissioner(folder / "journal").step(3) == ([], {})
    store.close()
