"""Trends on the page: the right rows for each span, links, and the way from years to one window."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from monitor.journal.commissioning import CommissioningStore, Request
from monitor.journal.writer import Journal
from monitor.page.trend import bands_view, most_serious
from monitor.records.batch import Batch, Event, KeptWindow
from monitor.records.commissioned import Baseline, Commissioned
from monitor.records.trend import DAY_S, HOUR_S, TrendRow
from tests.browser import chromium
from tests.page_stage import GRID, SECOND_NS, Served, serve, verdict

SENSOR, OTHER = "mill-2/spindle", "mill-3/spindle"
DAY_NS = DAY_S * SECOND_NS
N_DAYS = 730
FAULTY_DAY = 700


@pytest.fixture(scope="module")
def start_ns() -> int:
    return (time.time_ns() // DAY_NS - N_DAYS) * DAY_NS


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, start_ns: int) -> Iterator[Served]:
    """Two years: a window every other day, and one NG."""
    folder = tmp_path_factory.mktemp("trend")
    batch = Batch()
    for day in range(0, N_DAYS, 2):
        at_ns = start_ns + day * DAY_NS + 3600 * SECOND_NS
        one = verdict(SENSOR, day, 0, day == FAULTY_DAY)
        batch.verdicts.append(
            replace(
                one, start_ns=at_ns, end_ns=at_ns + SECOND_NS, indicators={"rms_ms2": 1.5}
            )
        )
    batch.verdicts.append(verdict(OTHER, 0, start_ns + 600 * DAY_NS, True))
    changed_ns = start_ns + 300 * DAY_NS
    batch.events.append(Event(changed_ns, SENSOR, "model_changed", "another model", "5e3a"))
    batch.events.append(Event(changed_ns, SENSOR, "repair_noted", "oiled, by Kim"))
    batch.events.append(Event(changed_ns, SENSOR, "silent", "no mark on a trend"))
    journal = Journal(folder / "camshaft.journal")
    samples = np.zeros((1, 8), np.float32)
    kept = batch.verdicts[FAULTY_DAY // 2]
    batch.kept_windows.append(
        KeptWindow(SENSOR, kept.segment, kept.first_sample, 2000.0, samples, "ng")
    )
    journal.commit(batch)
    journal.close()
    link = sqlite3.connect(folder / "camshaft.journal")
    link.execute("DELETE FROM verdict_row WHERE row_id <= 2")  # thinned
    link.commit()
    commission(folder / "camshaft.journal", start_ns)
    with serve(folder) as page:
        yield page


def commission(path: Path, at_ns: int) -> None:
    """SENSOR, of two channels' levels: 0 dB and 10 dB in the middle of their ranges."""
    levels = np.zeros((2, GRID.shape[0]), np.float32)
    levels[1] = 10
    baseline = Baseline(levels - 3, levels + 3, 25.0)
    own = Commissioned(SENSOR, GRID.f_edges_hz, baseline, None, "", 0.1, 50, at_ns)
    store = CommissioningStore(path)
    store.record(Request(SENSOR, 50), own, None, at_ns)
    store.close()


@pytest.fixture(scope="module")
def session(served: Served) -> dict[str, str]:
    return served.cookie()


def ask(served: Served, session: dict[str, str], **values: Any) -> tuple[int, Any]:
    query = urlencode({"sensor": SENSOR, **values})
    return served.ask("GET", f"/api/trend?{query}", headers=session)[:2]


def span(start_ns: int, from_day: float, to_day: float) -> dict[str, int]:
    edges = (start_ns + round(day * DAY_NS) for day in (from_day, to_day))
    return dict(
        zip(("from_ms", "to_ms"), (edge // 1_000_000 for edge in edges), strict=True)
    )


@pytest.mark.parametrize(
    ("from_day", "to_day", "tier_s"),
    [(0, 730, DAY_S), (690, 710, HOUR_S), (699.5, 701, 600), (700, 700.05, 0)],
)
def test_each_span_has_the_tier_that_shows_it(
    served: Served,
    session: dict[str, str],
    start_ns: int,
    from_day: float,
    to_day: float,
    tier_s: int,
) -> None:
    status, tree = ask(served, session, **span(start_ns, from_day, to_day))
    assert status == 200
    assert tree["tier_s"] == tier_s
    assert tree["quantities"] == ["network", "novelty", "probability", "rms_ms2"]
    assert any(
        row["status"] == "NG" and row["high"] > row["threshold"] for row in tree["rows"]
    )


def test_an_indicator_is_shown_in_rows_however_short_the_span(
    served: Served, session: dict[str, str], start_ns: int
) -> None:
    place = span(start_ns, 700, 700.05)
    _, tree = ask(served, session, **place, quantity="rms_ms2")
    assert tree["tier_s"] == 600
    assert [row["mean"] for row in tree["rows"]] == [1.5]


def test_marks_are_what_changes_the_picture(
    served: Served, session: dict[str, str]
) -> None:
    _, tree = ask(served, session)
    assert [event["kind"] for event in tree["events"]] == ["model_changed", "repair_noted"]


def test_a_worst_window_that_is_gone_is_told(
    served: Served, session: dict[str, str], start_ns: int
) -> None:
    """Rows of trends outlast windows, and windows their raw samples."""
    _, tree = ask(served, session, **span(start_ns, 0, 730))
    kept = [row["worst_kept"] for row in tree["rows"]]
    assert kept[:3] == ["", "", "window"]
    assert [row["worst_kept"] for row in tree["rows"] if row["status"] == "NG"] == [
        "samples"
    ]


def test_waterfalls_have_a_column_for_each_row_but_not_too_many(
    served: Served, session: dict[str, str]
) -> None:
    _, tree = ask(served, session, bands=1)
    bands = tree["bands"]
    n_bands = len(bands["f_edges_hz"]) - 1
    columns = bands["spectrum_db"]
    assert len(columns) == len(bands["start_ms"]) == len(bands["maps"]["network"])
    assert len(columns) <= 400
    assert {len(column) for column in columns if column} == {n_bands}


def test_the_baseline_is_the_commissioned_levels_middle(
    served: Served, session: dict[str, str]
) -> None:
    """The mean of the channels' power: of 0 dB and 10 dB, 7.4."""
    _, tree = ask(served, session, bands=1)
    assert tree["bands"]["baseline_db"] == [7.4] * GRID.shape[0]
    status, other = ask(served, session, bands=1, sensor=OTHER)
    assert (status, other["bands"]["baseline_db"]) == (200, None)


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"sensor": "nobody"}, 404, "no trends"),
        ({"from_ms": "x", "to_ms": "1"}, 400, "from_ms = 'x'"),
        ({"from_ms": "5", "to_ms": "5"}, 400, "must be later"),
        ({"from_ms": "9" * 15, "to_ms": "5"}, 400, "from_ms"),
        ({"sensor": "a' OR 1=1 --"}, 404, "no trends"),
    ],
)
def test_nonsense_gets_one_sentence(
    served: Served, session: dict[str, str], values: dict[str, str], status: int, words: str
) -> None:
    found = ask(served, session, **values)
    assert found[0] == status
    assert words in found[1]["error"]


def test_nothing_without_a_session(served: Served) -> None:
    for path in ("/api/trend", "/api/trend/points"):
        assert served.ask("GET", f"{path}?sensor={SENSOR}")[0] == 401


def test_many_points_at_once_are_bounded(served: Served, session: dict[str, str]) -> None:
    query = urlencode([("sensor", SENSOR)] * 40)
    _, trees, _ = served.ask("GET", f"/api/trend/points?{query}", headers=session)
    assert len(trees) == 25
    assert trees[0]["slope"]["low"] <= trees[0]["slope"]["high"]
    assert trees[0]["hours"] == []


def test_an_ng_is_shown_however_short_it_was() -> None:
    assert most_serious({"OK": 10, "NG": 1}) == "NG"
    assert most_serious({"OK": 10, "IDLE": 11}) == "IDLE"
    assert most_serious({}) == "NO_DATA"


def test_rows_without_bands_have_no_waterfall() -> None:
    assert bands_view([TrendRow(HOUR_S, 0)]) is None


def test_from_years_to_the_one_ng_window_and_a_link_that_reproduces_the_view(
    served: Served, session: dict[str, str], start_ns: int
) -> None:
    _, tree = ask(served, session)
    faulty_ms = (start_ns + FAULTY_DAY * DAY_NS + DAY_NS // 2) / 1_000_000
    share = (faulty_ms - tree["from_ms"]) / (tree["to_ms"] - tree["from_ms"])
    n_days = round((tree["to_ms"] - tree["from_ms"]) / (DAY_S * 1000))
    with chromium() as browser:
        window = browser.new_page(viewport={"width": 1300, "height": 1000})
        faults: list[str] = []
        window.on("pageerror", lambda error: faults.append(str(error)))
        window.goto(f"{served.address}/#/point/{SENSOR.replace('/', '%2F')}")
        window.click(".trend-link")  # one
        window.wait_for_selector(".trend-caption:not(:empty)")
        box = window.locator(".trend-chart").bounding_box()
        x = box["x"] + 64 + (box["width"] - 64 - 14) * share
        window.mouse.click(x, box["y"] + 200)  # two
        window.wait_for_selector(".trend-detail:has-text('1 NG')")
        link = window.evaluate("location.href")
        window.click("text=Open its worst window")  # three
        window.wait_for_selector("#sum:not(:empty)")
        assert "NG" in window.inner_text("main")
        assert "/row/" in window.evaluate("location.hash")
        again = browser.new_page(viewport={"width": 1300, "height": 1000})
        again.goto(link)
        again.wait_for_selector(".trend-caption:not(:empty)")
        assert again.evaluate("location.href") == link
        again.locator(".trend-chart").focus()
        for key in ("+", "+", "ArrowLeft", "Home"):
            again.keyboard.press(key)
        again.wait_for_selector(f".trend-caption:has-text('over {n_days} days')")
        assert faults == []


def test_an_answer_under_way_does_not_undo_a_later_move(
    served: Served, session: dict[str, str], start_ns: int
) -> None:
    """It came within the moment before the next question, and the span was the one before."""
    _, tree = ask(served, session)
    n_days = round((tree["to_ms"] - tree["from_ms"]) / (DAY_S * 1000))
    from_ms, to_ms = ((start_ns + day * DAY_NS) // 1_000_000 for day in (590, 620))
    held: list[Any] = []

    def hold_first(route: Any) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    with chromium() as browser:
        page = browser.new_page()
        page.goto(
            f"{served.address}/#/trend/{SENSOR.replace('/', '%2F')}/{from_ms}-{to_ms}/"
        )
        page.wait_for_selector(".trend-caption:has-text('over 30 days')")
        page.route("**/api/trend?*", hold_first)
        page.locator(".trend-chart").focus()
        page.keyboard.press("+")
        while not held:
            page.wait_for_timeout(5)
        page.keyboard.press("Home")
        held[0].continue_()
        page.wait_for_selector(f".trend-caption:has-text('over {n_days} days')")


def test_two_points_side_by_side_against_the_baseline_and_a_link_to_that(
    served: Served, start_ns: int
) -> None:
    from_ms, to_ms = ((start_ns + day * DAY_NS) // 1_000_000 for day in (590, 620))
    with chromium() as browser:
        window = browser.new_page(viewport={"width": 1300, "height": 1000})
        faults: list[str] = []
        window.on("pageerror", lambda error: faults.append(str(error)))
        window.goto(
            f"{served.address}/#/trend/{SENSOR.replace('/', '%2F')}/{from_ms}-{to_ms}/"
        )
        window.wait_for_selector(".trend-caption:not(:empty)")
        window.click("text=Side by side")
        window.wait_for_selector(
            ".trend-panes.two .trend-pane + .trend-pane .trend-caption"
        )
        window.select_option("[aria-label='Second point']", OTHER)
        window.click("text=Compare with baseline")
        window.wait_for_function("location.hash.includes('baseline')")
        window.wait_for_function(f"location.hash.includes('{OTHER.partition('/')[0]}')")
        assert "against the commissioned baseline" in window.inner_text(".trend-pane")
        left, right = window.locator(".trend-chart").all()
        boxes = left.bounding_box(), right.bounding_box()
        assert boxes[0]
        assert boxes[1]
        assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
        assert boxes[0]["y"] == boxes[1]["y"]
        link = window.evaluate("location.href")
        again = browser.new_page(viewport={"width": 400, "height": 900})
        again.goto(link)
        again.wait_for_selector(".trend-pane + .trend-pane .trend-caption:not(:empty)")
        again.wait_for_selector("[aria-label='Second point']:visible")
        assert again.input_value("[aria-label='Second point']") == OTHER
        assert again.evaluate("location.href") == link
        width = again.evaluate("document.documentElement.scrollWidth")
        assert width <= 400
        assert faults == []
