"""Two years of a machine that begins to fail, as pictures: CAMSHAFT_PICTURES=FOLDER keeps them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.verdict import Status
from tests.browser import chromium
from tests.page_stage import SECOND_NS, Served, serve, unjudged, verdict

SENSOR = "mill-2/spindle"
N_DAYS, N_FAILING = 730, 70
HOUR_NS = 3600 * SECOND_NS
EVERY_H = 6


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("years")
    fill(folder / "camshaft.journal", time.time_ns() - N_DAYS * 24 * HOUR_NS)
    with serve(folder) as page:
        yield page


def fill(path: Path, start_ns: int) -> None:
    """A window every six hours; none runs on Sundays. More and more are faulty in the end."""
    rng = np.random.default_rng(1)
    batch = Batch()
    for index in range(N_DAYS * 24 // EVERY_H):
        day = index * EVERY_H / 24
        worn = max(0.0, (day - N_DAYS + N_FAILING) / N_FAILING)
        faulty = bool(rng.random() < 0.8 * worn)
        at_ns = start_ns + index * EVERY_H * HOUR_NS
        one = verdict(SENSOR, index, at_ns - index * SECOND_NS, faulty)
        rms_ms2 = 1.3 + 0.1 * rng.standard_normal() + 1.5 * worn**2
        one = replace(one, indicators={"rms_ms2": float(rms_ms2)})
        if int(day) % 7 == 6:
            one = unjudged(one, Status.IDLE, "not_running")
        batch.verdicts.append(one)
    journal = Journal(path)
    journal.commit(batch)
    journal.close()


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [("trend", 1180, 900, "light"), ("trend-phone", 390, 844, "dark")],
)
def test_two_years_fit_a_desk_and_a_phone(
    name: str, width: int, height: int, scheme: str, served: Served, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("CAMSHAFT_PICTURES", tmp_path))
    with chromium() as browser:
        page: Any = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            locale="en-GB",
            timezone_id="UTC",
        )
        page.set_default_timeout(30_000)
        page.goto(f"{served.address}/#/trend/mill-2%2Fspindle")
        page.wait_for_selector(".trend-caption:not(:empty)")
        page.wait_for_function("document.querySelectorAll('canvas').length >= 2")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=folder / f"{name}.png")
