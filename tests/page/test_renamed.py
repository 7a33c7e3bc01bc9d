"""page.formerly: a renamed point has the past of its old names, on the page and in files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from monitor.cli import main
from monitor.journal.writer import Journal
from monitor.records.batch import Batch, Event
from tests.browser import chromium
from tests.page.asking import Asking
from tests.page_stage import SECOND_NS, serve, verdict, write_config

OLD, NEW, BESIDE = "mill-2/spindle", "press-7/spindle", "mill-9/spindle"
PAGE = f"page: {{formerly: {{{NEW}: [{OLD}]}}}}"
START_NS = 1_700_000_000 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
SPAN = {"from_ms": START_NS // 10**6, "to_ms": START_NS // 10**6 + 600_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five windows of the old name, then seven of the new one; one more that never stops."""
    folder = tmp_path_factory.mktemp("renamed")
    batch = Batch()
    for index in range(12):
        sensor = OLD if index < 5 else NEW
        batch.verdicts.append(verdict(sensor, index, START_NS, index in (3, 9)))
    for day in (0, 3):
        at_ns = START_NS + day * DAY_NS
        batch.verdicts.append(verdict(BESIDE, day, at_ns, False))
    batch.events.append(
        Event(START_NS + 2 * SECOND_NS, OLD, "repair_noted", "oiled, by Kim")
    )
    journal = Journal(folder / "camshaft.journal")
    journal.commit(batch)
    journal.close()
    return folder


def ask(page: Asking, path: str, **values: Any) -> Any:
    cookie = {"Cookie": page.ask("GET", "/").cookie}
    return page.ask("GET", f"{path}?{urlencode(values)}", headers=cookie)


def test_trend_and_time_line_begin_with_the_old_name(folder: Path) -> None:
    page = Asking(folder, PAGE)
    tree = ask(page, "/api/trend", sensor=NEW, quantity="probability").tree
    assert tree["first_ms"] <= START_NS // 10**6
    assert sum(sum(row["windows"].values()) for row in tree["rows"]) == 12
    assert [event["kind"] for event in tree["events"]] == ["repair_noted"]
    assert tree["formerly"] == f"With what it was as {OLD}."
    rows = ask(page, "/api/timeline", sensor=NEW, n=9).tree
    assert [row["row"] for row in rows] == list(range(4, 13))
    earlier = ask(page, "/api/timeline", sensor=NEW, n=9, before_row=4).tree
    assert [row["row"] for row in earlier] == [1, 2, 3]


def test_without_it_a_renamed_point_is_a_new_one(folder: Path) -> None:
    page = Asking(folder)
    tree = ask(page, "/api/trend", sensor=NEW).tree
    assert sum(sum(row["windows"].values()) for row in tree["rows"]) == 7
    assert tree["formerly"] == ""
    assert len(ask(page, "/api/timeline", sensor=NEW).tree) == 7


def test_files_hold_both_names(folder: Path, tmp_path: Path) -> None:
    body = ask(
        Asking(folder, PAGE), "/api/export", sensor=NEW, **SPAN, **{"as": "verdicts"}
    )
    points = [row["point"] for row in csv.DictReader(body.body.decode().splitlines())]
    assert points == [OLD] * 5 + [NEW] * 7
    config = ["-c", str(write_config(folder, PAGE))]
    place = ["--point", NEW, "--from", "2023-11-14", "--to", "2023-11-16", "--tz", "UTC"]
    for more in ([], ["--rows", "days"]):
        out = tmp_path / f"out{len(more)}.csv"
        words = ["export", *config, *place, "--as", "csv", *more, "--out", str(out)]
        assert main(words) == 0
    assert (tmp_path / "out0.csv").read_bytes() == body.body
    (day,) = csv.DictReader((tmp_path / "out2.csv").read_text().splitlines())
    assert (day["point"], day["probability_n"]) == (NEW, "12.0")


def test_a_point_that_has_not_sent_under_its_new_name_is_exported_by_it(
    folder: Path, tmp_path: Path
) -> None:
    page = f"page: {{formerly: {{not-yet/there: [{OLD}]}}}}"
    config = ["-c", str(write_config(folder, page))]
    place = ["--point", "not-yet/there", "--from", "2023-11-14", "--to", "2023-11-16"]
    out = ["--as", "csv", "--out", str(tmp_path / "out.csv")]
    assert main(["export", *config, *place, *out]) == 0


def test_a_name_that_still_sends_is_told(folder: Path) -> None:
    page = f"page: {{formerly: {{{NEW}: [{BESIDE}, {OLD}]}}}}"
    tree = ask(Asking(folder, page), "/api/trend", sensor=NEW).tree
    assert tree["formerly"] == (
        f"With what it was as {BESIDE}, {OLD}. {BESIDE} has sent since {NEW} began: windows of"
        " both are added together."
    )


def test_a_browser_says_under_which_names(folder: Path) -> None:
    with chromium() as browser, serve(folder, PAGE) as served:
        window = browser.new_page()
        window.goto(f"{served.address}/#/trend/press-7%2Fspindle")
        window.wait_for_selector(f".trend-caption:has-text('as {OLD}')")
        assert "12 single windows" in window.inner_text(".trend-caption")
