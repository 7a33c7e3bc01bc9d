"""The panel of a diagnosis, in a real browser, over a journal that the real pipeline filled."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.journal.asks import AskStore
from monitor.journal.writer import Journal
from monitor.pipeline.configured import configured_rules
from monitor.pipeline.pipeline import Pipeline
from monitor.records.signal import Message
from monitor.simulator.known import KnownMachine
from tests.browser import chromium
from tests.page_stage import Served, serve
from tests.pipeline.test_diagnosing import RATE_HZ, SECOND_NS, broken, config, rpm


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    fill(folder / "camshaft.journal")
    with serve(folder) as one:
        yield one


def fill(path: Path) -> None:
    pipeline = Pipeline(configured_rules(config(rpm=rpm())), {}, {}, 0.0)
    journal, start_ns = Journal(path), time.time_ns() - 5 * SECOND_NS
    for index, samples in enumerate(np.split(broken()[1], 4, axis=1)):
        now_ns = start_ns + index * SECOND_NS
        pipeline.process(
            [Message("v/m/p", samples.tobytes(), now_ns)], now_ns, float(index)
        )
        journal.commit(pipeline.take_batch(with_tails=True))
    journal.close()


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Any]:
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1300, "height": 900})
        opened.set_default_timeout(30_000)
        faults: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.goto(f"{served.address}/#/point/m%2Fp?tab=diagnosis")
        opened.wait_for_selector(".diagnosis canvas")
        yield opened
        assert faults == []


def test_the_name_and_its_sum_are_shown(page: Any) -> None:
    panel = page.locator(".diagnosis")
    assert "outer race, drive end: BPFO at 202" in panel.inner_text()
    first = panel.locator("table").first
    adds = [float(text) for text in first.locator("td:nth-child(3)").all_inner_texts()]
    assert sum(adds[:-1]) == pytest.approx(adds[-1], abs=0.01 * len(adds))
    assert panel.locator("table").count() == 2  # the verdict's own beside it


def test_the_cursor_follows_mouse_and_keyboard(page: Any) -> None:
    def cursor_hz() -> float:
        said = re.search(r"Cursor: ([\d.]+) Hz", page.locator(".diagnosis").inner_text())
        assert said is not None
        return float(said[1])

    assert cursor_hz() == pytest.approx(202, abs=2)
    page.focus(".diagnosis .spectrum")
    page.keyboard.press("ArrowRight")
    stepped = cursor_hz()
    assert 202 < stepped < 205
    page.hover(".diagnosis .spectrum", position={"x": 900, "y": 100})
    assert cursor_hz() > 2 * stepped
    assert "Cursor" in page.locator(".diagnosis").inner_text()


def test_orders_and_the_plain_spectrum(page: Any) -> None:
    for index, value in ((0, "spectrum"), (1, "orders"), (2, "log")):
        page.locator(".diagnosis select").nth(index).select_option(value)
    label = page.locator(".diagnosis .spectrum").get_attribute("aria-label")
    assert label is not None
    assert label.startswith("Spectrum: outer race")


def test_a_window_before_the_alarm_names_nothing(page: Any) -> None:
    page.goto(page.url.partition("#")[0] + "#/point/m%2Fp/row/1?tab=diagnosis")
    page.wait_for_selector("text=belongs to no alarm that was diagnosed")
    page.wait_for_selector(".diagnosis", state="hidden")


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [("diagnosis", 1180, 900, "light"), ("diagnosis-phone", 390, 844, "dark")],
)
def test_it_fits_a_desk_and_a_phone(
    name: str,
    width: int,
    height: int,
    scheme: str,
    page: Any,
    served: Served,
    tmp_path: Path,
) -> None:
    """CAMSHAFT_PICTURES=FOLDER keeps the pictures."""
    folder = Path(os.environ.get("CAMSHAFT_PICTURES", tmp_path))
    sheet = page.context.browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme
    )
    sheet.set_default_timeout(30_000)
    sheet.goto(f"{served.address}/#/point/m%2Fp?tab=diagnosis")
    sheet.wait_for_selector(".diagnosis canvas")
    assert sheet.evaluate("document.documentElement.scrollWidth") <= width
    sheet.locator(".diagnosis").scroll_into_view_if_needed()
    sheet.screenshot(path=folder / f"{name}.png")


def test_an_operator_asks_and_is_told_that_nothing_stands_out(
    page: Any, tmp_path: Path
) -> None:
    known = config(rpm=rpm(), tolerance=0.01)
    rule = known.sensors[0].model_copy(update={"model": None})
    rules = configured_rules(known.model_copy(update={"sensors": (rule,)}))
    pipeline, machine = Pipeline(rules, {}, {}, 0.0), KnownMachine("healthy", 2)
    journal, start_ns = (
        Journal(tmp_path / "camshaft.journal"),
        time.time_ns() - 12 * SECOND_NS,
    )

    def judge(index: int) -> None:
        """The index-th second."""
        now_ns = start_ns + index * SECOND_NS
        samples = machine.block(RATE_HZ).astype("<f4")
        pipeline.process(
            [Message("v/m/p", samples.tobytes(), now_ns)], now_ns, float(index)
        )
        journal.commit(pipeline.take_batch(with_tails=True))

    judge(0)
    with serve(tmp_path) as served:
        sheet = page.context.browser.new_page()
        sheet.set_default_timeout(30_000)
        sheet.goto(f"{served.address}/#/point/m%2Fp?tab=diagnosis")
        sheet.click("button.ask")
        sheet.fill("input[name=author]", "Ann")
        sheet.click("form.note button[type=submit]")
        sheet.wait_for_selector("text=Asked. The answer comes with")
        with closing(AskStore(journal.path)) as store:
            (wanted,) = store.open()
            assert (wanted.sensor, wanted.author) == ("m/p", "Ann")
            pipeline.ask([wanted], start_ns)
            for index in range(1, 11):
                judge(index)
            assert store.open() == []
        sheet.wait_for_selector(".diagnosis:has-text('nothing stands out')")
        assert "asked by Ann" in sheet.locator(".diagnosis").inner_text()
        sheet.close()
    journal.close()
