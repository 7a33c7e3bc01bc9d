"""A sensor that is not understood stands on the page, with what to change."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.journal.writer import Journal
from monitor.records.batch import BadPayload, Batch, Event
from monitor.records.verdict import Status
from tests.browser import words
from tests.page_stage import Served, fill, serve, unjudged, verdict

SWAPPED, REFUSED, NAMELESS = "gear-6/input", "crane-2/hoist", "plant/gateway-4/up"
FORMAT_TEXT = (
    "its numbers look like big-endian, not like little-endian int16:"
    " set payload.byte_order: big"
)
JSON_TEXT = (
    "Payload is not JSON: Expecting value."
    " It seems to be gzip: set payload.compression: gzip."
)


def not_understood() -> Batch:
    """Two sensors that cannot be judged for what they send, and a topic without a name."""
    now_ns, batch = time.time_ns(), Batch()
    for sensor, reason, kind, text in (
        (SWAPPED, "implausible_format", "format_wrong", FORMAT_TEXT),
        (REFUSED, "not_understood", "not_understood", JSON_TEXT),
    ):
        row = verdict(sensor, 0, now_ns - 60 * 10**9, False)
        batch.verdicts.append(unjudged(row, Status.BAD_DATA, reason))
        batch.events.append(Event(now_ns, sensor, kind, text))
    gzip = bytes.fromhex("1f8b0800000000000203")
    for topic, name in ((f"v/{REFUSED}", REFUSED), (NAMELESS, "")):
        bad = BadPayload(now_ns, topic, "not_json", JSON_TEXT, 1312, gzip, name)
        batch.bad_payloads += [bad] * 20
    return batch


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("refused")
    fill(folder / "camshaft.journal", n_windows=20)
    journal = Journal(folder / "camshaft.journal")
    journal.commit(not_understood())
    journal.close()
    with serve(folder) as page:
        yield page


def opened(browser: Any, served: Served, address: str = "", **options: Any) -> Any:
    page = browser.new_context(
        locale="en-GB", timezone_id="Asia/Kolkata", **options
    ).new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{served.address}/{address}")
    return page


def test_the_fleet_shows_them_with_the_sentence(browser: Any, served: Served) -> None:
    page = opened(browser, served)
    tile = page.locator(".tile", has_text="gear-6")
    (found,) = words(tile)
    assert "BAD DATA" in found
    assert "set payload.byte_order: big" in found
    (nameless,) = words(page.locator("#refused .tile"))
    assert NAMELESS in nameless
    assert "not understood" in nameless
    assert "set payload.compression: gzip" in nameless
    assert page.locator("#refused .tile").count() == 1  # the other one has a name


def test_the_point_and_the_list_of_refusals_say_what_to_change(
    browser: Any, served: Served
) -> None:
    page = opened(browser, served, f"#/point/{SWAPPED.replace('/', '%2F')}")
    page.wait_for_selector(".trouble:not([hidden])")
    assert "set payload.byte_order: big" in page.locator(".trouble:visible").inner_text()
    page.goto(f"{served.address}/#/refused")
    page.wait_for_selector(".refusals li")
    entries = page.locator(".refusals li").all_inner_texts()
    assert len(entries) == 2
    for entry in entries:
        assert "20 messages" in entry
        assert "1312 bytes, the first 1f 8b 08" in entry
    assert any(entry.startswith(REFUSED) for entry in entries)


def test_new_refusals_appear_by_themselves(browser: Any, tmp_path: Path) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=2)
    with serve(tmp_path) as served:
        page = opened(browser, served)
        page.wait_for_selector(".tile")
        assert page.locator("#refused .tile").count() == 0
        journal = Journal(tmp_path / "camshaft.journal")
        journal.commit(not_understood())
        journal.close()
        page.wait_for_selector("#refused .tile")
        page.wait_for_selector(".tile:has-text('crane-2')")


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("desktop", 1300, "light"), ("phone", 390, "dark")]
)
def test_screenshots(
    name: str, width: int, scheme: str, browser: Any, served: Served, tmp_path: Path
) -> None:
    """Nothing runs out of the window. CAMSHAFT_PICTURES=FOLDER keeps the pictures."""
    folder = Path(os.environ.get("CAMSHAFT_PICTURES", tmp_path))
    for view, address, shown in (
        ("fleet", "", ".tile"),
        ("refused", "#/refused", ".refusals li"),
    ):
        viewport = {"width": width, "height": 640}
        page = opened(browser, served, address, viewport=viewport, color_scheme=scheme)
        page.wait_for_selector(shown)
        page.screenshot(path=folder / f"not-understood-{view}-{name}-{scheme}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
