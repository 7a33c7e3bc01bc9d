"""A hundred windows after a repair, an event says whether it helped."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cli import main
from monitor.journal.repairs import RepairStore
from monitor.journal.views import JournalViews, Score, WindowSummary
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.repair_check import N_WINDOWS, RepairCheck, outcome
from tests.page_stage import SECOND_NS, verdict, write_config

SENSOR = "mill-2/spindle"


def windows(n: int, n_ng: int, ratio: float, threshold: float = 2.0) -> list[WindowSummary]:
    scores = (Score("novelty", "novelty", ratio * threshold, threshold),)
    return [
        WindowSummary(
            *(
                i,
                SENSOR,
                0,
                1,
                "NG" if i < n_ng else "OK",
                "",
                "clear",
                scores,
                None,
                "",
                False,
            )
        )
        for i in range(n)
    ]


@pytest.mark.parametrize(
    ("n_before", "n_after", "said"),
    [
        (92, 0, "It helped: NG in 0 of 100 windows, 92 of 100 windows before"),
        (92, 5, "It helped: "),
        (92, 40, "It helped in part: "),
        (92, 60, "It did not help: "),
        (2, 0, "It was OK before already: "),
        (2, 50, "It did not help: "),
    ],
)
def test_what_is_said(n_before: int, n_after: int, said: str) -> None:
    text = outcome(windows(100, n_before, 12.0), windows(100, n_after, 0.6))
    assert text.startswith(said)
    assert text.endswith("; novelty 0.6 × its limit, 12 × before.")


def test_changed_limits_are_told() -> None:
    text = outcome(windows(100, 90, 12.0), windows(100, 0, 0.5, threshold=9.0))
    assert text.endswith(
        "Limits or model changed meanwhile: the figures are each against their own."
    )


def test_without_a_past_there_is_nothing_to_compare() -> None:
    assert outcome([], windows(100, 0, 0.5)).startswith(
        "Nothing to compare with: NG in 0 of 100"
    )


def test_it_waits_for_its_windows_and_speaks_once(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    path = tmp_path / "camshaft.journal"
    journal, half = Journal(path), N_WINDOWS // 2
    rows = [verdict(SENSOR, i, 0, i < half) for i in range(half + N_WINDOWS)]
    journal.commit(Batch(verdicts=rows[:half]))
    check = RepairCheck(path)
    check.step(0)
    assert main(["repair", SENSOR, "--done", "x", "-c", str(config)]) == 2
    assert (
        main(["repair", "no/one", "--done", "x", "--author", "A", "-c", str(config)]) == 2
    )
    store = RepairStore(path)
    store.note(SENSOR, 1, "Bob", "greased")  # replaced by the next one
    store.note(SENSOR, half * SECOND_NS, "Ann", "bearing exchanged")
    assert [one.author for one in store.open()] == ["Ann"]
    journal.commit(Batch(verdicts=rows[half:-1]))
    check.step(7)
    assert len(store.open()) == 1
    journal.commit(Batch(verdicts=rows[-1:]))
    check.step(8)
    check.step(9)
    assert store.open() == []
    views = JournalViews(path)
    said = [e.text for e in views.new_events(0, 99) if e.kind == "repair_checked"]
    assert len(said) == 1
    assert said[0].startswith("It helped: NG in 0 of 100 windows, 50 of 50 windows before")
    for one in (views, check, store, journal):
        one.close()
