"""The report: what it says adds up, it stands alone, and strangers' words stay words."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli import main
from monitor.evidence.cam import main_bands
from monitor.evidence.colour import full_colour
from monitor.journal.labels import LabelStore
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.records.batch import Batch, Event
from monitor.records.labels import Label, LabelRequest
from monitor.records.verdict import Status
from monitor.report import findings as report
from monitor.report.evidence import band_steps
from monitor.report.html import page
from monitor.report.pictures import cell_colour, hz_range, ticks
from tests.page_stage import FAULT_BAND, GRID, fill, unjudged, verdict, write_config

FAULTY = "mill-2/spindle"
EVER = 2**62
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "camshaft.journal"
    fill(path, n_windows=30)
    return path


class Outline(HTMLParser):
    """Tags and attributes of a page, and whether every tag is closed."""

    VOID = frozenset({"meta", "rect", "path", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def write(journal: Path, sensor: str) -> str:
    return page(
        report.gather(JournalViews(journal), "plant-1", sensor, 0, EVER), time.time_ns()
    )


def test_it_stands_alone(journal: Path) -> None:
    outline = Outline(write(journal, FAULTY))
    assert outline.open == []
    assert not {tag for tag, _ in outline.tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "form",
        "a",
    }
    assert not [
        attrs for _, attrs in outline.tags if {"src", "href", "srcset"} & set(attrs)
    ]
    assert "http://" not in write(journal, FAULTY)
    assert "https://" not in write(journal, FAULTY)


def test_it_says_what_adds_up(journal: Path) -> None:
    text = write(journal, FAULTY)
    found = report.gather(JournalViews(journal), "plant-1", FAULTY, 0, EVER)
    evidence = found.worst.leading
    assert evidence is not None
    assert found.worst.grid is not None
    assert sum(
        value for _, value in band_steps(evidence, found.worst.grid)
    ) == pytest.approx(evidence.score, abs=1e-4)
    sums = [
        float(value.replace("−", "-"))
        for value in re.findall(r'<td class="number">([+−][\d.]+)</td></tr>', text)
    ]
    # The sum so far of the last band, and the logit.
    assert sums[-2] == pytest.approx(sums[-1], abs=2e-4)
    assert f"{max(row.probability or 0 for row in found.rows):.3f}" in text
    assert found.worst.model_id in text


def test_it_names_the_band_to_look_at(journal: Path) -> None:
    text = write(journal, FAULTY)
    low, high = GRID.f_edges_hz[FAULT_BAND - 1], GRID.f_edges_hz[FAULT_BAND + 2]
    assert f"<b>{hz_range(low, high)}</b> holds" in text
    assert "dB above the last OK window" in text


def test_it_says_what_the_newest_alarms_logit_rests_on(journal: Path) -> None:
    views = JournalViews(journal)
    found = report.gather(views, "plant-1", FAULTY, 0, EVER).occlusion
    assert found is not None
    verdict, stored = found
    (band,), network = stored.bands, verdict.of_kind("network")
    assert network is not None
    text = write(journal, FAULTY).replace("−", "-")
    name = hz_range(band.low_hz, band.high_hz)
    said = re.search(rf"Without <b>{name}</b> the logit would be (\S+) \(OK\)", text)
    assert said is not None
    assert float(said[1]) == pytest.approx(band.logit, abs=0.01)
    assert f"not {network.score:.2f} (NG)" in text
    assert "What the logit rests on" not in write(journal, "mill-1/spindle")
    before_ns = verdict.end_ns - 1
    earlier = report.gather(views, "plant-1", FAULTY, 0, before_ns)
    assert earlier.occlusion is None


def test_a_strangers_words_stay_words(tmp_path: Path) -> None:
    sensor = f"{HOSTILE}/{HOSTILE}"
    path = tmp_path / "camshaft.journal"
    rows = [verdict(sensor, index, time.time_ns(), index > 2) for index in range(6)]
    journal = Journal(path)
    journal.commit(
        Batch(
            verdicts=rows, events=[Event(rows[5].end_ns, sensor, "alarm_raised", HOSTILE)]
        )
    )
    LabelStore(path).add(
        LabelRequest(Label("NG confirmed", "", HOSTILE, HOSTILE), 1, row_id=6)
    )
    text = write(path, sensor)
    assert "script" not in {tag for tag, _ in Outline(text).tags}
    assert "&lt;script&gt;" in text
    assert "NG confirmed by &lt;script&gt;" in text


def test_a_point_that_could_not_be_judged(journal: Path) -> None:
    text = write(journal, "press-7/crank")
    assert "None of 30 windows is NG" in text
    assert "could not be judged" in text


def test_a_point_judged_by_novelty_alone(tmp_path: Path) -> None:
    whole = verdict("fan/1", 0, time.time_ns(), True)
    found = replace(
        whole,
        evidence=tuple(one for one in whole.evidence if one.kind == "novelty"),
        model_id="",
        status=Status.NG,
        reason="novelty",
    )
    Journal(tmp_path / "j").commit(Batch(verdicts=[found]))
    text = write(tmp_path / "j", "fan/1")
    assert "= novelty +" in text
    assert "none (novelty alone)" in text


def test_the_command(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.html"

    def report(point: str, begin: str, end: str) -> int:
        config = ["-c", str(write_config(tmp_path))]
        span = ["--from", begin, "--to", end]
        return main(["report", *config, *span, "--point", point, "--out", str(out)])

    always = ("2020-01-01", "2100-01-01T00:00:00+01:00")
    assert report(FAULTY, *always) == 0
    assert out.read_text().startswith("<!doctype html>")
    assert report("no/such", *always) == 2
    assert (
        "The journal holds no window of 'no/such' in this span; there is no window at all."
        in capsys.readouterr().err
    )
    assert report(FAULTY, "2020-01-01", "2019-01-01") == 2
    assert "the end must come after the beginning." in capsys.readouterr().err
    assert report(FAULTY, "24.11.2026", "now") == 2
    assert (
        "--from '24.11.2026': must be a time: ISO 8601 such as" in capsys.readouterr().err
    )


def test_a_report_is_told_in_the_hosts_zone_and_in_utc(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case p02-report-times: 0.1.0 took local times as UTC and told UTC only."""
    rows = list(JournalViews(journal).rows(FAULTY))
    start_s = rows[0].verdict.end_ns // 10**9
    config, out = write_config(tmp_path), tmp_path / "r.html"
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        local = datetime.fromtimestamp(start_s - 1).isoformat()
        line = ["report", "-c", str(config), "--point", FAULTY, "--out", str(out)]
        assert main([*line, "--from", local, "--to", "today"]) == 0
        assert f"{local.replace('T', ' ')} IST" in out.read_text()
        utc = datetime.fromtimestamp(start_s - 1, UTC)
        assert f"in UTC: {utc:%Y-%m-%d %H:%M:%S} UTC to" in out.read_text()
        berlin = utc.astimezone(ZoneInfo("Europe/Berlin"))
        assert (
            main([*line, "--from", f"{berlin:%Y-%m-%dT%H:%M:%S}", "--tz", "Europe/Berlin"])
            == 0
        )
        assert f"{berlin:%Y-%m-%d %H:%M:%S %Z}" in out.read_text()
        assert main([*line, "--from", "-1h"]) == 0
        assert main([*line, "--from", "yesterday"]) == 0
        assert main([*line, "--from", "-1h", "--tz", "Mars/Base"]) == 2
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.floats(-5, 5), st.floats(-3, 3))
def test_a_cell_has_a_colour(level: float, share: float) -> None:
    assert re.fullmatch(r"#[0-9a-f]{6}", cell_colour(level, share))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span, 5)
    assert len(found) <= 7
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in found)


def test_neighbouring_bands_are_one() -> None:
    cells = np.zeros((6, 4), np.float32)
    cells[1:3], cells[5], cells[4] = 1.0, 0.5, -9.0
    assert [(first, last, round(share, 6)) for first, last, share in main_bands(cells)] == [
        (1, 2, 0.8),
        (5, 5, 0.2),
    ]
    assert main_bands(-np.abs(cells)) == []


def test_colours_have_the_same_limit_for_every_window_of_a_model() -> None:
    limits = {
        full_colour(evidence)
        for index in range(5)
        if (evidence := verdict("a/b", index, 0, index % 2 == 0).leading)
    }
    assert limits == {0.2}


def test_an_unjudged_window_has_no_evidence() -> None:
    assert unjudged(verdict("a/b", 0, 0, True), Status.BAD_DATA, "gap").leading is None
