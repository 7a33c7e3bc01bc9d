"""What a reload would change: told key by key and without secrets, ordered by name, and done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.config import Config
from monitor.config_file import load_config
from monitor.journal.in_use import InUse, InUseStore
from monitor.journal.views import JournalViews
from monitor.settings_in_use import NEEDS_RESTART, Change, changes, in_use
from tests.browser import chromium
from tests.page.asking import Asking
from tests.page_stage import fill, serve, write_config

SALT = bytes(16)
TOKEN = "T0KENT0KENT0KENT0KEN"
HOOK = f"notifications: {{webhooks: [{{name: chat, url: 'https://chat.example/{TOKEN}'}}]}}"


def read(folder: Path, more: str = "", **replaced: str) -> Config:
    """A configuration; replaced : what else stands in the file's text"""
    path = write_config(folder, more)
    text = path.read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return load_config(path)


def stored(config: Config) -> InUse:
    return in_use(config, 1, SALT)


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    config = read(tmp_path, HOOK)
    assert changes(stored(config), config, read(tmp_path, HOOK)) == []


def test_each_change_says_what_brings_it_into_force(tmp_path: Path) -> None:
    config = read(tmp_path)
    more = "page: {port: 8480}\nmqtt: {port: 1884}\nlogging: {level: DEBUG}"
    wanted = read(tmp_path, more, **{str(12800): "25600"})
    assert changes(stored(config), config, wanted) == [
        Change("logging.level", '"INFO"', '"DEBUG"', "reload"),
        Change("mqtt.port", "1883", "1884", "restart"),
        Change("page.port", "8477", "8480", "restart of the page"),
        Change("sensors[0].sample_rate_hz", "12800.0", "25600.0", "reload"),
    ]


def test_a_changed_secret_is_known_and_not_told(tmp_path: Path) -> None:
    config, wanted = read(tmp_path, HOOK), read(tmp_path, HOOK.replace(TOKEN, "another"))
    running = stored(config)
    assert TOKEN not in str(running)
    (change,) = changes(running, config, wanted)
    assert change.key == "notifications.webhooks[0].url"
    assert TOKEN not in str(change)
    assert change.takes == "restart"


def test_what_comes_and_goes_is_not_set_on_the_other_side(tmp_path: Path) -> None:
    without, with_hook = read(tmp_path), read(tmp_path, HOOK)
    come = changes(stored(without), without, with_hook)
    gone = changes(stored(with_hook), with_hook, without)
    assert {one.running for one in come if "[0]" in one.key} == {"not set"}
    assert {one.key for one in come} == {one.key for one in gone}


def test_sections_that_need_a_restart_are_sections() -> None:
    assert set(NEEDS_RESTART) <= Config.model_fields.keys()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "camshaft.journal", n_windows=2)
    store = InUseStore(tmp_path / "camshaft.journal")
    store.tell(stored(read(tmp_path)))
    store.close()
    return tmp_path


def settings_of(page: Asking) -> Any:
    cookie = page.ask("GET", "/").cookie
    return page.ask("GET", "/api/settings", headers={"Cookie": cookie}).tree


def test_a_file_that_cannot_be_used_is_one_sentence(folder: Path) -> None:
    page = Asking(folder)
    assert settings_of(page)["changes"] == []
    (folder / "camshaft.yaml").write_text("sensors: [{sample_rate_hz: -1}]")
    tree = settings_of(page)
    assert "sample_rate_hz = -1" in tree["wrong"]
    assert tree["changes"] == []


def test_without_a_service_nothing_is_claimed(tmp_path: Path) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=2)
    tree = settings_of(Asking(tmp_path))
    assert (tree["since_ms"], tree["changes"], tree["wrong"]) == (None, [], "")


def test_a_reload_is_asked_for_by_name_in_the_browser(folder: Path) -> None:
    with serve(folder) as served, chromium() as browser:
        served.config.write_text(served.config.read_text() + "\nlogging: {level: DEBUG}")
        page, faults = browser.new_page(viewport={"width": 390, "height": 844}), list[str]()
        page.set_default_timeout(8_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{served.address}/#/settings")
        assert page.locator("nav a").last.bounding_box()["x"] < 330  # all five are in sight
        row = page.wait_for_selector(".changes tr:has-text('logging.level')").inner_text()
        assert row.split() == [
            "logging.level",
            '"INFO"',
            '"DEBUG"',
            *["with", "the", "reload"],
        ]
        assert page.locator(".changes tbody tr").count() == 1  # --port is no change
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.click("button:has-text('Reload…')")
        page.fill("[name=author]", "Ann")
        page.click("form [type=submit]")
        page.wait_for_selector("[role=status]:has-text('within seconds')")
        assert faults == []
    store = InUseStore(folder / "camshaft.journal")
    assert [store.take(), store.take()] == [True, False]
    store.close()
    event = JournalViews(folder / "camshaft.journal").events_back(2**62, 1)[0]
    assert (event.kind, event.sensor) == ("reload_asked", "")
    assert "by Ann" in event.text
