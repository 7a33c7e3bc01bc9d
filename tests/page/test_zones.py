"""Zones of ISO 20816 behind a velocity's trend: the configured limits, and nothing without them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from tests.browser import chromium
from tests.page.asking import Asking
from tests.page_stage import SECOND_NS, serve, verdict

SENSOR, BARE = "mill-2/spindle", "mill-3/spindle"
START_NS = 1_700_000_000 * SECOND_NS
MACHINES = "machines: [{match: 'mill-2/*', zones: {group: 2, foundation: rigid}}]"
LIMITS = [1.4, 2.8, 4.5]
SLOW = "velocity_rms_from_2hz_mm_s.z"


def fill_velocity(path: Path, hours: int = 60) -> None:
    """A velocity that wanders from zone A to C."""
    batch = Batch()
    rng = np.random.default_rng(4)
    for hour in range(hours):
        for sensor in (SENSOR, BARE):
            for part in range(4):
                at_ns = START_NS + (4 * hour + part) * 900 * SECOND_NS
                one = verdict(sensor, 0, at_ns, False)
                velocity = 0.9 * np.exp(1.3 * hour / hours) * rng.uniform(0.85, 1.15)
                values = {"velocity_rms_mm_s": velocity, SLOW: velocity, "crest": 3.0}
                batch.verdicts.append(
                    replace(one, segment=4 * hour + part, indicators=values)
                )
    journal = Journal(path)
    journal.commit(batch)
    journal.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zones")
    fill_velocity(folder / "camshaft.journal")
    return folder


def zones_of(page: Asking, sensor: str, quantity: str) -> Any:
    query = urlencode({"sensor": sensor, "quantity": quantity})
    cookie = {"Cookie": page.ask("GET", "/").cookie}
    return page.ask("GET", f"/api/trend?{query}", headers=cookie).tree["zones_mm_s"]


def test_a_velocity_has_its_machines_limits_and_nothing_else_has(folder: Path) -> None:
    page = Asking(folder, MACHINES)
    assert zones_of(page, SENSOR, "velocity_rms_mm_s") == LIMITS
    assert zones_of(page, SENSOR, SLOW) == LIMITS
    for quantity in ("crest", "probability", "velocity_rms_mm_s_of_another_kind"):
        assert zones_of(page, SENSOR, quantity) is None
    assert zones_of(page, BARE, "velocity_rms_mm_s") is None


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("desktop", 1180, "light"), ("phone", 390, "dark")]
)
def test_the_zones_are_drawn_and_said(
    name: str, width: int, scheme: Any, folder: Path, tmp_path: Path
) -> None:
    """Each band has its colour, and none runs out of the window. CAMSHAFT_PICTURES=FOLDER keeps
    the pictures.
    """
    pictures = Path(os.environ.get("CAMSHAFT_PICTURES", tmp_path))
    with chromium() as browser, serve(folder, MACHINES) as served:
        viewport = {"width": width, "height": 720}
        window = browser.new_page(color_scheme=scheme, viewport=viewport)
        faults: list[str] = []
        window.on("pageerror", lambda error: faults.append(str(error)))
        place = f"{served.address}/#/trend/mill-{{}}%2Fspindle"
        window.goto(place.format(2))
        window.wait_for_selector(".trend-caption:not(:empty)")
        assert not window.locator(".zone-legend").is_visible()
        window.select_option("select[aria-label='Quantity']", "velocity_rms_mm_s")
        window.wait_for_selector(".zone-legend .zone.D")
        said = window.inner_text(".zone-legend")
        assert "A 0 to 1.4 mm/s, as good as new" in said
        assert "D above 4.5 mm/s" in said
        colours = [window.evaluate(COLOUR_AT, share) for share in (0.97, 0.5, 0.05)]
        assert len({tuple(colour) for colour in colours}) == 3  # A, B or C, and C or D
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        window.screenshot(path=pictures / f"zones-{name}-{scheme}.png")
        assert faults == []


# Of the chart's canvas, near its right border, at a share of the height of its first grid.
COLOUR_AT = """share => {
  const canvas = document.querySelector('.trend-chart canvas');
  const scale = canvas.width / canvas.clientWidth;
  const [top, bottom] = [34, canvas.clientHeight - 76];
  const x = (70) * scale, y = (top + share * (bottom - top)) * scale;
  return [...canvas.getContext('2d').getImageData(x, y, 1, 1).data];
}"""
