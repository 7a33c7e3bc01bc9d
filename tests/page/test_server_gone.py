"""The page's server goes while somebody looks: one sentence, and no fault in any script."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.page_stage import fill, serve

POINT = "#/point/mill-2%2Fspindle"
SENTENCE = "The page's server does not answer."
# Where somebody is, what they press then, and where the sentence stands.
AT_TOP, IN_FORM = "main .trouble", "form .answer"
PLACES = {
    "fleet to point": ("", [".tile"], AT_TOP),
    "fleet to events": ("", ["#nav-events"], AT_TOP),
    "refused": ("", ["#nav-refused"], AT_TOP),
    "delivery": ("", ["#nav-delivery"], AT_TOP),
    "filter": ("#/events", ["button:has-text('Labels')"], AT_TOP),
    "trend": ("#/trend/mill-2%2Fspindle", ["button:has-text('All')"], AT_TOP),
    "earlier": (POINT, ["button:has-text('Earlier')"], AT_TOP),
    "step": (POINT, ["button[title='Left arrow']", "button:has-text('Live')"], AT_TOP),
    "compare": (POINT, ["button:has-text('Compare')"], AT_TOP),
    "tab": (POINT, ["#tab-spectrum"], AT_TOP),
    "label": (POINT, ["#label-form button:has-text('unclear')"], IN_FORM),
    "commission": (POINT, ["#commission-form [type=submit]"], IN_FORM),
    "acknowledge": (
        "#/events",
        [".events button:has-text('Acknowledge')", "form.note [type=submit]"],
        IN_FORM,
    ),
}
READY = {"": ".tile", "#/events": ".events li", POINT: "#sum:not(:empty)"}


@dataclass
class Open:
    page: Any
    faults: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def opened(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Open]:
    """A page at each place, whose server has ended since."""
    folder, pages = tmp_path_factory.mktemp("gone"), dict[str, Open]()
    fill(folder / "camshaft.journal")
    with serve(folder) as served:
        for place, (address, _, _) in PLACES.items():
            pages[place] = open_page(browser, f"{served.address}/{address}")
            ready = READY.get(address, ".trend-caption:not(:empty)")
            pages[place].page.wait_for_selector(ready)
    return pages


def open_page(browser: Any, address: str) -> Open:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(8_000)
    found = Open(page)
    page.on("pageerror", lambda error: found.faults.append(str(error)))
    page.goto(address)
    return found


@pytest.mark.parametrize("place", PLACES)
def test_a_sentence_says_that_the_server_does_not_answer(
    place: str, opened: dict[str, Open]
) -> None:
    _, presses, where = PLACES[place]
    page = opened[place].page
    for selector in presses:
        page.locator(selector).first.click()
        for author in page.locator("form.note:visible [name=author]").all():
            author.fill("Ann")
    page.wait_for_selector(f'{where}:visible:has-text("{SENTENCE}")')
    assert "Failed to fetch" not in page.inner_text("body")
    assert opened[place].faults == []


def test_what_was_known_stays(opened: dict[str, Open]) -> None:
    """Whoever reads the list of events still can."""
    page = opened["acknowledge"].page
    assert page.locator(".events li").count() > 0
    page.wait_for_selector("#trouble:has-text('No connection to the page')")


def test_the_login_says_so_too(browser: Any, tmp_path: Path) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=2)
    (tmp_path / "password").write_text("correct horse")
    settings = f"page: {{password: {{file: {tmp_path / 'password'}}}}}"
    with serve(tmp_path, settings) as served:
        opened = open_page(browser, f"{served.address}/")
    opened.page.fill("#password", "correct horse")
    opened.page.click("[type=submit]")
    opened.page.wait_for_selector(f'#answer:visible:has-text("{SENTENCE}")')
    assert opened.faults == []
