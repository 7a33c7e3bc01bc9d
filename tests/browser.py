"""A real browser, without a window and without a word to the outside."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.servers.mosquitto import wait_until

CHROMIUM = (
    shutil.which("chromium")
    or shutil.which("chromium-browser")
    or shutil.which("google-chrome")
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]
FLAGS += ["--disable-sync"]


@contextmanager
def chromium() -> Iterator[Any]:
    """Playwright's browser object; skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: neither chromium nor google-chrome is on PATH")
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright for Python"
    )
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield opened
        finally:
            opened.close()


def words(elements: Any) -> list[str]:
    """What each element of a locator shows, once all were drawn: a tile that has just come is there
    before its words are.
    """
    found: list[str] = []

    def drawn() -> bool:
        found[:] = elements.all_inner_texts()
        return bool(found) and all(found)

    wait_until(drawn, 30, "every element has its words")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened
