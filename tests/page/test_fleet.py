"""The fleet in Chromium: what rises fastest first, and groups by the levels of names."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.trend import DAY_S
from tests.browser import chromium, words
from tests.page_stage import SECOND_NS, Served, serve, verdict
from tests.verdicts import novelty

DAY_NS = DAY_S * SECOND_NS
# Growth a day; the sensors' seeds scatter it.
GROWTH = {
    "hamburg.line-1.press-1/motor": 1.00,
    "hamburg.line-1.press-2/motor": 1.04,
    "hamburg.line-2.fan-1/motor": 0.98,
    "kiel.line-1.fan-2/motor": 1.01,
}
NEW = "kiel.line-1.fan-3/motor"  # a few days are no slope

FIRST = "#fleet > .grid:first-child > .tile:first-child:has-text('press-2')"


def fill_days(path: Path, days: int = 27) -> None:
    """A window a day of each point, whose novelty grows by a factor a day."""
    start_ns = time.time_ns() - days * DAY_NS
    batch = Batch()
    for sensor, growth in GROWTH.items():
        for day in range(days):
            one = verdict(sensor, 0, start_ns + day * DAY_NS, False, seed=day)
            (_, found) = one.evidence
            assert found.cells is not None
            grown = novelty(found.cells * growth**day, threshold=1000.0)
            both = one.evidence[0], grown
            batch.verdicts.append(replace(one, segment=day + 1, evidence=both))
    batch.verdicts.append(verdict(NEW, 0, time.time_ns() - 60 * SECOND_NS, False))
    journal = Journal(path)
    journal.commit(batch)
    journal.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("fleet")
    fill_days(folder / "camshaft.journal")
    with serve(folder) as page:
        yield page


@pytest.fixture(scope="module")
def window(served: Served) -> Iterator[Any]:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(served.address)
        page.wait_for_selector(".tile")
        yield page


def names(page: Any) -> list[str]:
    """Of the machines, in the order of the tiles."""
    return [text.split(".")[-1] for text in words(page.locator(".tile .name b"))]


def test_what_rises_fastest_comes_first_with_its_interval(window: Any) -> None:
    window.select_option("select[aria-label='Order']", "slope")
    window.wait_for_selector(FIRST)
    found = names(window)
    assert found[0] == "press-2"
    assert found[-1] == "fan-3"  # nothing is known of it
    assert found.index("fan-1") > found.index("press-1")
    (first,) = words(window.locator(".tile").first)
    assert "rising by" in first
    assert "to +" in first
    (falling,) = words(window.locator(".tile:has-text('fan-1')"))
    assert "falling by" in falling
    window.reload()
    window.wait_for_selector(FIRST)  # it is remembered
    window.select_option("select[aria-label='Order']", "worst")


def test_groups_by_the_levels_of_names_beside_a_search(window: Any) -> None:
    choice = window.locator("select[aria-label='Groups']")
    assert choice.locator("option").all_inner_texts() == [
        "No groups",
        "By machine",
        "By level 1: hamburg, kiel",
        "By level 2: hamburg.line-1, hamburg.line-2, …",
    ]
    titles = window.locator(".machine h2")
    choice.select_option("1")
    assert sorted(titles.all_inner_texts()) == ["hamburg\n3 points", "kiel\n2 points"]
    choice.select_option("2")
    assert titles.count() == 3
    window.fill("input[type=search]", "fan")
    found = titles.all_inner_texts()
    assert sorted(found) == ["hamburg.line-2\n1 point", "kiel.line-1\n2 points"]
    window.reload()
    window.wait_for_selector(".machine")
    assert titles.count() == 3
    choice.select_option("none")
    assert window.locator(".machine").count() == 0


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("desktop", 1180, "light"), ("phone", 390, "dark")]
)
def test_screenshots(
    name: str, width: int, scheme: Any, window: Any, tmp_path: Path
) -> None:
    """Nothing runs out of the window. CAMSHAFT_PICTURES=FOLDER keeps the pictures."""
    folder = Path(os.environ.get("CAMSHAFT_PICTURES", tmp_path))
    window.set_viewport_size({"width": width, "height": 720})
    window.emulate_media(color_scheme=scheme)
    window.fill("input[type=search]", "")
    window.select_option("select[aria-label='Order']", "slope")
    window.select_option("select[aria-label='Groups']", "1")
    window.wait_for_selector(".machine .tile.small .slope")
    window.locator("input[type=search]").blur()
    window.screenshot(path=folder / f"fleet-rising-{name}-{scheme}.png")
    assert window.evaluate("document.documentElement.scrollWidth") <= width
