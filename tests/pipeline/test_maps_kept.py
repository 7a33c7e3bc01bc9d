"""journal.maps: whose maps the journal keeps, and what is said of those it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.config import JournalSettings
from monitor.journal.reader import Row
from monitor.journal.trend_reader import TrendReader
from monitor.outputs.influx.line_protocol import verdict_lines
from monitor.page.views import row_view
from monitor.pipeline.maps_kept import MapKeeper
from monitor.records.evidence import NO_CELLS
from monitor.records.trend import DAY_S
from monitor.report.findings import gather
from monitor.report.html import page
from tests.plant import SENSOR, Plant

KEPT_WINDOWS = {"around_change": 2, "ok_every": 7}


def watched(tmp_path: Path, maps: str) -> tuple[Plant, list[Row]]:
    """LEARNING twelve times, OK nine times, NG thrice, OK eleven times."""
    journal = {"maps": maps, "kept_windows": KEPT_WINDOWS}
    tmp_path.mkdir(exist_ok=True)
    plant = Plant(tmp_path, journal=journal)
    plant.run(6)
    assert plant.command(SENSOR, "--windows", "12") == 0
    plant.run(4.5, level=0.99)
    plant.run(1.5, level=8.0)
    plant.run(5.5, level=0.99)
    rows = list(plant.views().rows())
    found = "".join(row.verdict.status.value[0] for row in rows)
    assert found == "L" * 12 + "O" * 9 + "N" * 3 + "O" * 11
    return plant, rows


def with_map(rows: list[Row]) -> str:
    return "".join(
        "-" if row.verdict.grid is None else row.verdict.status.value[0] for row in rows
    )


@pytest.mark.parametrize(
    ("maps", "kept"),
    [
        ("all", "LLLLLLLLLLLLOOOOOOOOONNNOOOOOOOOOOO"),
        ("changes", "LLLLLLLLLLLLOOOO---OONNNOOO-O------"),
        ("ng", "LLLLLLLLLLLL---------NNN-----------"),
    ],
)
def test_whose_maps_are_kept(tmp_path: Path, maps: str, kept: str) -> None:
    """`ng` was accepted and did nothing."""
    plant, rows = watched(tmp_path, maps)
    assert with_map(rows) == kept
    assert [row.verdict.spectrum_db is None for row in rows] == [c == "-" for c in kept]
    plant.journal.close()


def test_no_keeper_keeps_all_unless_it_is_told_to() -> None:
    assert not MapKeeper(JournalSettings(maps="ng")).keeps_all


def test_trends_count_the_maps_that_are_not_kept(tmp_path: Path) -> None:
    """Of changes alone, the mean spectrum of a quiet year would be that of its faults."""
    found = []
    for maps in ("all", "changes", "ng"):
        plant, rows = watched(tmp_path / maps, maps)
        (row,) = TrendReader(plant.path).rows(SENSOR, DAY_S, 0, 2**62)
        (bands,) = row.bands.values()
        assert bands.n == len(rows)
        found.append(bands)
        plant.journal.close()
    for bands in found[1:]:
        np.testing.assert_array_equal(bands.power, found[0].power)
        np.testing.assert_array_equal(bands.cells["novelty"], found[0].cells["novelty"])


def test_a_commissioning_that_waits_gets_all_spectra(tmp_path: Path) -> None:
    """It found one in ok_every, and waited that much longer."""
    plant, _ = watched(tmp_path, "changes")
    before = plant.views().last_row_id()
    assert plant.command(SENSOR, "--next", "--windows", "20") == 0
    plant.run(10, level=0.99)
    plant.run(10, level=0.99)
    rows = list(plant.views().rows(SENSOR, before))
    assert len(plant.events("commissioned")) == 2
    assert [row.verdict.grid is None for row in rows[:20]] == [False] * 20
    assert sum(row.verdict.grid is None for row in rows[20:]) > 10
    plant.journal.close()


@pytest.fixture
def unkept(tmp_path: Path) -> tuple[Plant, Row]:
    """An OK window whose map was not kept."""
    plant, rows = watched(tmp_path, "ng")
    return plant, rows[20]


def test_its_scores_are_kept(unkept: tuple[Plant, Row]) -> None:
    _, row = unkept
    (novelty,) = row.verdict.evidence
    assert 0 < novelty.score < (novelty.threshold or 0)
    assert novelty.cells is NO_CELLS
    (line, _quality) = verdict_lines(row.verdict, maps=True)
    assert "novelty=" in line


def test_the_page_says_that_it_was_not_kept(unkept: tuple[Plant, Row]) -> None:
    _, row = unkept
    tree = row_view(row, False, [], {}, {})
    assert tree["maps"] is None
    assert tree["evidence"][0]["score"] == row.verdict.evidence[0].score
    assert "cells" not in tree["evidence"][0]


def test_the_report_says_that_it_was_not_kept(unkept: tuple[Plant, Row]) -> None:
    plant, row = unkept
    v = row.verdict
    text = page(gather(plant.views(), "i", SENSOR, v.start_ns, v.end_ns), 0)
    assert "The map of this window was not kept (journal.maps)." in text
    assert "could not be judged" not in text


def test_commissioning_says_that_spectra_were_not_kept(
    unkept: tuple[Plant, Row], capsys: pytest.CaptureFixture[str]
) -> None:
    plant, _ = unkept
    capsys.readouterr()
    assert plant.command(SENSOR, "--windows", "30") == 2
    assert "with a spectrum that was kept: see journal.maps" in capsys.readouterr().err
