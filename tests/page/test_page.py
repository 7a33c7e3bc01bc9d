"""The page in a real browser, and by hand where a browser would never ask so."""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.commands import page as page_command
from monitor.journal.labels import labelled
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.records.batch import Batch, Event
from monitor.records.occlusion import BESIDE_THE_MAP
from monitor.records.verdict import Status
from monitor.report import findings as report
from monitor.report import html as report_page
from monitor.settings import ConfigError
from tests.browser import words
from tests.page_stage import (
    FAULT_BAND,
    GRID,
    RATE_HZ,
    Served,
    fill,
    fill_many,
    serve,
    unjudged,
    verdict,
    write_config,
)
from tests.paths import ROOT
from tests.plant import SENSOR, Plant
from tests.servers.stripping_proxy import StrippingProxy

SCREENSHOTS = ROOT / "docs" / "screenshots"
FAULTY = "mill-2/spindle"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def window(browser: Any) -> Iterator[Any]:
    """A browser window of its own; a fault in a script or a refused request fails the test."""
    context = browser.new_context(
        viewport={"width": 1300, "height": 900}, timezone_id="Asia/Kolkata", locale="en-GB"
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda message: (
            faults.append(message.text) if "Content Security" in message.text else None
        ),
    )
    page.on(
        "request",
        lambda request: faults.extend(
            [] if request.url.startswith("http://127.0.0.1:") else [request.url]
        ),
    )
    yield page
    context.close()
    assert faults == []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page over a small plant. Tests may add labels and rows;
    they look at machines of their own.
    """
    folder = tmp_path_factory.mktemp("page")
    fill(folder / "camshaft.journal")
    with serve(folder) as page:
        yield page


def open_point(window: Any, served: Served, sensor: str) -> None:
    window.goto(f"{served.address}/#/point/{sensor.replace('/', '%2F')}")
    window.wait_for_selector("#sum:not(:empty)")


def until(true: Callable[[], Any], seconds: float = 5.0) -> Any:
    deadline_s = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.02)
    return found


# -- what a person sees ---------------------------------------------------------------------------


def test_the_fleet_shows_what_is_not_ok_first(window: Any, served: Served) -> None:
    window.goto(served.address)
    window.wait_for_selector(".tile")
    tiles = window.locator(".tile")
    found = words(tiles)
    first = found[0]
    assert "NG" in first
    assert "ALARM" in first
    assert "mill-2" in first
    assert "kHz" in first
    statuses = [tile.split("\n")[0] for tile in found]
    assert set(statuses) == {"NG", "NO DATA", "BAD DATA", "LEARNING", "OK", "IDLE"}
    assert statuses[0] == "NG"
    # a shape beside each colour
    assert window.locator(".tile svg.shape").count() == tiles.count()


def test_a_faulty_machine_shows_where_its_evidence_lies(
    window: Any, served: Served
) -> None:
    open_point(window, served, FAULTY)
    row = JournalViews(served.journal).newest(FAULTY)
    assert row is not None
    _, tree, _ = served.ask("GET", f"/api/rows/{row.row_id}", headers=served.cookie())
    bands = next(e["bands"] for e in tree["evidence"] if e["kind"] == "network")
    assert bands.index(max(bands)) == FAULT_BAND
    band = row.band
    assert band is not None
    assert band.low_hz < GRID.f_edges_hz[FAULT_BAND] < band.high_hz
    # As everywhere: neighbouring bands are one.
    held = f"{band.low_hz / 1000:.2f}–{band.high_hz / 1000:.2f} kHz hold {band.share:.0%}"
    held = held.replace("%", " %")
    assert held in window.inner_text(".strongest")
    assert held in window.inner_text(".now .where")
    assert "NG" in window.inner_text(".now .state")


def test_the_bars_add_up_to_the_logit(window: Any, served: Served) -> None:
    open_point(window, served, FAULTY)
    reached, total = (
        float(window.get_attribute("#sum", f"data-{name}")) for name in ("reached", "total")
    )
    assert reached == pytest.approx(total, abs=1e-3)
    assert f"= logit +{total:.3f}, above its threshold 0.400." in window.inner_text("#sum")
    window.click("details:has(table) summary")
    rows = window.locator("table tbody tr").all_inner_texts()
    assert len(rows) == 1 + GRID.shape[0] + 1  # bias, bands, logit
    last_sum = float(rows[-2].split("\t")[-1].replace("−", "-"))
    assert last_sum == pytest.approx(total, abs=2e-3)


def test_an_alarms_window_shows_what_its_logit_rests_on(
    browser: Any, served: Served
) -> None:
    views = JournalViews(served.journal)
    (event,) = views.events_back(None, 9, FAULTY, ["alarm_raised"])
    row_id = views.row_at(FAULTY, event.at_ns)
    assert row_id is not None
    stored = views.occlusion(row_id)
    assert stored is not None
    _, tree, _ = served.ask("GET", f"/api/rows/{row_id}", headers=served.cookie())
    shown = np.array(tree["occlusion"]["cells"], np.float32)
    np.testing.assert_array_equal(shown, stored.falls)
    (band,), panel = stored.bands, "section[aria-label='What the logit rests on']"
    viewport = {"width": 360, "height": 740}
    page = browser.new_context(viewport=viewport, color_scheme="dark").new_page()
    try:
        page.goto(f"{served.address}/#/point/{FAULTY.replace('/', '%2F')}/row/{row_id}")
        page.wait_for_selector(f"{panel} canvas")
        said = page.inner_text(f"{panel} .without").replace("−", "-")
        assert f"the logit would be {band.logit:.2f} (OK), not" in said
        assert "kHz" in said
        assert BESIDE_THE_MAP in page.inner_text(panel)
        assert page.locator(panel).bounding_box()["width"] <= viewport["width"]
        page.keyboard.press("ArrowRight")  # to a window that raised none
        page.wait_for_selector(panel, state="hidden")
    finally:
        page.context.close()


def test_it_works_below_a_path_of_a_reverse_proxy(
    window: Any, served: Served, tmp_path: Path
) -> None:
    """Case p01-sub-path: the page came, its script, style and data were 404."""
    failed: list[str] = []
    window.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    with StrippingProxy(served.port, "/camshaft") as proxy:
        window.goto(f"{proxy.address}/camshaft/")
        window.wait_for_selector(".tile")
        connected = (
            "!['', 'not connected'].includes(document.querySelector('#link').textContent)"
        )
        window.wait_for_function(connected)
        window.locator(".tile", has_text="mill-2").first.click()
        window.wait_for_url("**/camshaft/#/point/**")
        window.wait_for_selector("#sum:not(:empty)")
        window.click("#nav-events")
        window.wait_for_selector(".events li")
        assert window.url.startswith(f"{proxy.address}/camshaft/#/")
        assert proxy.strays == []
        window.goto("about:blank")  # so that nothing is asked of a proxy that has gone
    assert failed == []
    fill(tmp_path / "camshaft.journal", n_windows=12)
    (tmp_path / "word").write_text("correct horse")
    password = f"page: {{password: {{file: {tmp_path / 'word'}}}}}"
    with serve(tmp_path, password) as page, StrippingProxy(page.port, "/camshaft") as proxy:
        window.goto(f"{proxy.address}/camshaft/")
        assert window.url == f"{proxy.address}/camshaft/login"
        window.fill("#password", "correct horse")
        window.click("button[type=submit]")
        window.wait_for_selector(".tile")
        window.goto(f"{proxy.address}/camshaft/#/events")
        window.click("#logout")
        window.wait_for_selector("#password")
        assert proxy.strays == []


def test_times_are_told_in_one_way(browser: Any, served: Served) -> None:
    """Where clocks have twelve hours, the page said 2:37 PM here and 14:37 there."""
    context = browser.new_context(timezone_id="America/Chicago", locale="en-US")
    page = context.new_page()
    try:
        open_point(page, served, FAULTY)
        shown = page.inner_text("body")
        assert re.search(r"\d\d:\d\d:\d\d", shown)
        page.goto(f"{served.address}/#/events")
        page.wait_for_selector(".events li")
        shown += page.inner_text("body")
        page.goto(f"{served.address}/#/")
        page.wait_for_selector(".tile")
        shown += page.inner_text("body")
        assert not re.findall(r"\d.?[AP]M", shown)
    finally:
        context.close()


def test_times_are_in_the_zone_of_who_looks(window: Any, served: Served) -> None:
    open_point(window, served, FAULTY)
    assert "GMT+5:30" in window.inner_text(".facts")


def test_the_keyboard_walks_through_the_past(window: Any, served: Served) -> None:
    window.goto(served.address)
    window.wait_for_selector(".tile")
    window.locator(".tile").first.focus()
    window.keyboard.press("Enter")
    window.wait_for_selector("#sum:not(:empty)")
    newest = window.inner_text(".facts")
    window.keyboard.press("ArrowLeft")
    window.wait_for_function(
        "text => document.querySelector('.facts').textContent !== text", arg=newest
    )
    assert window.get_attribute("button:has-text('Live')", "aria-pressed") == "false"
    window.keyboard.press("c")
    window.wait_for_selector("h2:has-text('Last OK window')")
    window.keyboard.press("l")
    window.wait_for_function(
        "text => document.querySelector('.facts').textContent === text", arg=newest
    )


def test_it_fits_on_a_phone(browser: Any, served: Served) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, color_scheme="dark"
    )
    page = context.new_page()
    open_point(page, served, FAULTY)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


# -- live -----------------------------------------------------------------------------------------


def test_200_sensors_are_followed(window: Any, tmp_path: Path) -> None:
    sensors = [f"machine-{i:03}/bearing" for i in range(200)]
    journal = Journal(tmp_path / "camshaft.journal")
    start_ns = time.time_ns()
    journal.commit(
        Batch(verdicts=[verdict(sensor, 0, start_ns, False) for sensor in sensors])
    )
    with serve(tmp_path) as served:
        window.goto(served.address)
        until(lambda: window.locator(".tile.OK").count() == 200)
        journal.commit(
            Batch(verdicts=[verdict(sensor, 1, start_ns, True) for sensor in sensors])
        )
        until(lambda: window.locator(".tile.NG").count() == 200)
    journal.close()


def test_a_point_follows_its_newest_window(window: Any, served: Served) -> None:
    sensor = "pump-3/bearing"
    open_point(window, served, sensor)
    newest = JournalViews(served.journal).newest(sensor)
    assert newest is not None
    journal = Journal(served.journal)
    journal.commit(
        Batch(verdicts=[replace(verdict(sensor, 0, newest.end_ns, True), segment=2)])
    )
    journal.close()
    window.wait_for_selector(".now .state.NG")


# -- labels and alarms ----------------------------------------------------------------------------


def test_a_label_set_in_the_page_is_in_the_journal(window: Any, served: Served) -> None:
    open_point(window, served, FAULTY)
    window.fill("#label-form [name=author]", "Ann")
    window.fill("#label-form [name=comment]", HOSTILE)
    window.select_option("#label-form [name=failure_mode]", "bearing")
    window.click("#label-form button:has-text('NG confirmed')")
    window.wait_for_selector(".labels q")
    assert window.text_content(".labels q") == HOSTILE
    assert window.locator(".labels img, .events img").count() == 0
    assert window.title() != "owned"
    found = labelled(served.journal)[-1]
    assert (
        found.label.word,
        found.label.failure_mode,
        found.label.author,
        found.label.comment,
    ) == (
        "NG confirmed",
        "bearing",
        "Ann",
        HOSTILE,
    )
    newest = JournalViews(served.journal).newest(FAULTY)
    assert newest is not None
    assert newest.row_id == found.row_id


def test_an_alarm_is_acknowledged_in_the_event_list(window: Any, tmp_path: Path) -> None:
    fill(tmp_path / "camshaft.journal")
    with serve(tmp_path) as served:
        window.goto(f"{served.address}/#/events")
        window.click("li.alarm_raised button:has-text('Acknowledge')")
        window.fill(".acknowledge [name=author]", "Ann")
        window.fill(".acknowledge [name=comment]", "bearing ordered")
        window.click(".acknowledge button[type=submit]")
        window.wait_for_selector("li.alarm_acknowledged")
        assert "acknowledged by Ann: bearing ordered" in window.inner_text(
            "li.alarm_acknowledged"
        )
        window.click("nav >> text=Fleet")
        window.wait_for_selector(".tile.NG .alarm.acknowledged")
    found = JournalViews(tmp_path / "camshaft.journal").alarm_events()[FAULTY]
    assert found.kind == "alarm_acknowledged"


def test_a_sensor_is_commissioned_from_the_page(window: Any, tmp_path: Path) -> None:
    """The same guard as the command line's: refused while NG, even so with a name and a reason."""
    plant = Plant(tmp_path, RATE_HZ, window_s=1.0)
    plant.run(60)
    with serve(tmp_path, journal="journal") as served:
        window.goto(f"{served.address}/#/point/{SENSOR.replace('/', '%2F')}")
        form = "#commission-form"
        answer = f"{form} .answer"
        window.fill(f"{form} [name=author]", "")
        window.fill(f"{form} [name=n_windows]", "60")
        window.click(f"{form} button[type=submit]")
        window.wait_for_selector(f"{answer}:has-text('The name is missing')")
        window.fill(f"{form} [name=author]", "Ann")
        window.click(f"{form} button[type=submit]")
        window.wait_for_selector(f"{answer}:has-text('by Ann: from 60 windows of one run')")
        plant.run(60, level=8.0)
        window.click(f"{form} button[type=submit]")
        window.wait_for_selector(f"{answer}:has-text('an alarm stands since')")
        assert len(plant.events("commissioned")) == 1
        window.check(f"{form} [name=even_so]")
        window.click(f"{form} button[type=submit]")
        window.wait_for_selector(f"{answer}:has-text('say why')")
        window.fill(f"{form} [name=comment]", "bearing replaced")
        window.click(f"{form} button[type=submit]")
        window.wait_for_selector(f"{answer}:has-text('Even so, as')")
        plant.run(9, level=8.0)
        window.click(f"{form} button:has-text('Undo')")
        window.wait_for_selector(f"{answer}:has-text('is undone; the commissioning of')")
        window.reload()
        window.wait_for_selector(
            ".facts:has-text('judged by a commissioning that was undone')"
        )
    kinds = [
        event.kind for event in plant.views().new_events(0, -1) if "alarm" not in event.kind
    ]
    assert kinds == ["commissioned", "commissioned", "commissioning_undone"]


@pytest.mark.parametrize(
    ("tree", "status", "sentence"),
    [
        ({"sensor": FAULTY}, 400, "The name is missing"),
        (
            {"sensor": "no/one", "author": "Ann"},
            400,
            "'no/one': the journal does not know it",
        ),
        ({"sensor": 7, "author": "Ann"}, 400, "'7': the journal does not know it"),
        (
            {"sensor": FAULTY, "author": "Ann", "n_windows": 0},
            400,
            "must be from 1 to 5000",
        ),
        ({"sensor": FAULTY, "author": "Ann", "even_so": True}, 400, "say why"),
        ({"sensor": FAULTY, "author": "Ann"}, 409, "not of the configuration's geometry"),
    ],
)
def test_a_commissioning_that_cannot_be(
    served: Served, tree: Any, status: int, sentence: str
) -> None:
    cookie = served.cookie()
    token = served.ask("GET", "/api/session", headers=cookie)[1]["csrf"]
    path = "/api/commissionings"
    assert served.ask("POST", path, tree, cookie)[0] == 403
    found = served.ask("POST", path, tree, cookie | {"X-CSRF-Token": token})
    assert found[0] == status
    assert sentence in found[1]["error"]


def test_hostile_names_are_shown_as_text(window: Any, tmp_path: Path) -> None:
    sensor = f"{HOSTILE}/<script>document.title='owned'</script>"
    journal = Journal(tmp_path / "camshaft.journal")
    rows = [verdict(sensor, 0, time.time_ns(), True)]
    journal.commit(
        Batch(
            verdicts=rows, events=[Event(rows[0].end_ns, sensor, "alarm_raised", HOSTILE)]
        )
    )
    journal.close()
    with serve(tmp_path) as served:
        window.goto(served.address)
        window.click(".tile")
        window.wait_for_selector("#sum:not(:empty)")
        assert HOSTILE in window.inner_text("h1")
        window.wait_for_selector("li.alarm_raised")
        assert HOSTILE in window.inner_text("li.alarm_raised .text")
        assert window.locator("main img").count() == 0
        assert window.title() != "owned"


# -- nothing to show ------------------------------------------------------------------------------


def test_no_journal_then_an_empty_one_then_one_sensor(window: Any, tmp_path: Path) -> None:
    path = tmp_path / "camshaft.journal"
    with serve(tmp_path) as served:
        window.goto(served.address)
        window.wait_for_selector("#trouble:has-text('there is no such file yet')")
        journal = Journal(path)
        window.wait_for_selector(".empty:has-text('No verdict yet')")
        assert not window.is_visible("#trouble")
        found = verdict("mill-1/spindle", 0, time.time_ns(), False)
        journal.commit(
            Batch(verdicts=[unjudged(found, Status.LEARNING, "not_commissioned")])
        )
        journal.close()
        window.wait_for_selector(".tile.LEARNING")
        window.click(".tile")
        window.wait_for_selector(".now .state.LEARNING")


def test_a_journal_that_vanishes_and_comes_back(window: Any, tmp_path: Path) -> None:
    path = tmp_path / "camshaft.journal"
    fill(path, n_windows=5)
    with serve(tmp_path) as served:
        window.goto(served.address)
        window.wait_for_selector(".tile")
        for file in tmp_path.glob("camshaft.journal*"):
            file.unlink()
        window.wait_for_selector("#trouble:has-text('the file has vanished')")
        fill(path, n_windows=5)
        until(lambda: not window.is_visible("#trouble"))


def test_a_journal_of_a_newer_version_is_named(window: Any, tmp_path: Path) -> None:
    path = tmp_path / "camshaft.journal"
    fill(path, n_windows=2)
    link = sqlite3.connect(path)
    link.execute("PRAGMA user_version = 99")
    link.close()
    with serve(tmp_path) as served:
        window.goto(served.address)
        window.wait_for_selector("#trouble:has-text('has version 99')")


def test_another_client_with_our_id_is_named(window: Any, tmp_path: Path) -> None:
    """Case s05-same-client-id."""
    journal = Journal(tmp_path / "camshaft.journal")
    health = {"broker_connected": False, "broker_session_contested": True}
    journal.store_health(time.time_ns(), health)
    with serve(tmp_path) as served:
        window.goto(served.address)
        window.wait_for_selector("#trouble:has-text('each takes messages from the other')")
        journal.store_health(time.time_ns(), health | {"broker_session_contested": False})
        window.wait_for_selector("#trouble:has-text('no connection to the MQTT broker')")
    journal.close()


# -- who may ask what -----------------------------------------------------------------------------


def test_nothing_is_green_of_a_service_that_is_silent(window: Any, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "camshaft.journal")
    health = {"windows_per_s": 9.0, "broker_connected": True}
    journal.store_health(time.time_ns() - 120 * 10**9, health)
    with serve(tmp_path) as served:
        window.goto(served.address)
        window.wait_for_selector("#trouble:has-text('The service last reported 2 min ago')")
        assert window.inner_text("#link") == "not up to date"
        assert window.locator("#link.live").count() == 0
        journal.store_health(time.time_ns(), health)
        window.wait_for_selector("#link.live:has-text('9.0 windows/s')")
    journal.close()


def test_elsewhere_without_a_password_is_refused(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    page_command.add_arguments(parser)
    config = write_config(tmp_path)
    with pytest.raises(
        ConfigError,
        match=r"page\.host = '0\.0\.0\.0': .* page\.password, page\.users or page\.proxy must",
    ):
        page_command.run(parser.parse_args(["-c", str(config), "--host", "0.0.0.0"]))


def test_a_page_for_others_asks_who_they_are(
    window: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=2)
    (tmp_path / "word").write_text("correct horse\n")
    with serve(
        tmp_path, f"page: {{password: {{file: {tmp_path / 'word'}}}}}\n", host="0.0.0.0"
    ) as served:
        for path in (
            "/api/session",
            "/api/live",
            "/api/events",
            "/api/timeline?sensor=x",
            "/api/rows/1",
        ):
            assert served.ask("GET", path)[0] == 401
        assert served.ask("POST", "/api/labels", {"row_id": 1, "word": "unclear"})[0] == 401
        assert served.ask("GET", "/")[0] == 303
        assert served.ask("POST", "/api/login", {"password": "wrong"})[0] == 403
        window.goto(served.address)
        window.fill("#password", "wrong")
        window.click("button")
        window.wait_for_selector("#answer:has-text('The password is wrong.')")
        window.fill("#password", "correct horse")
        window.click("button")
        window.wait_for_selector(".tile")
        cookie = window.context.cookies()[0]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert window.evaluate("document.cookie") == ""
        window.click("#logout")
        window.wait_for_selector("#password")
        header = {"Cookie": f"{cookie['name']}={cookie['value']}"}
        # The old session is over.
        assert served.ask("GET", "/api/session", headers=header)[0] == 401
        for _ in range(10):
            last = served.ask("POST", "/api/login", {"password": "wrong"})[0]
        assert last == 429


def test_only_our_own_page_may_write(served: Served) -> None:
    _, _, headers = served.ask("GET", "/")
    assert "httponly" in headers["set-cookie"].lower()
    assert "samesite=strict" in headers["set-cookie"].lower()
    cookie = {"Cookie": headers["set-cookie"].partition(";")[0]}
    word = {"X-CSRF-Token": served.ask("GET", "/api/session", headers=cookie)[1]["csrf"]}
    label = {"row_id": 1, "word": "unclear"}
    assert served.ask("POST", "/api/labels", label, cookie)[0] == 403
    assert (
        served.ask("POST", "/api/labels", label, cookie | {"X-CSRF-Token": "0" * 64})[0]
        == 403
    )
    assert (
        served.ask(
            "POST", "/api/labels", label, cookie | word | {"Origin": "http://evil.example"}
        )[0]
        == 403
    )
    assert (
        served.ask(
            "POST", "/api/labels", label, cookie | word | {"Content-Type": "text/plain"}
        )[0]
        == 415
    )
    assert (
        served.ask(
            "POST", "/api/labels", {**label, "comment": "x" * 20_000}, cookie | word
        )[0]
        == 413
    )
    status, answer, _ = served.ask(
        "POST", "/api/labels", {"row_id": 1, "word": "maybe"}, cookie | word
    )
    assert (status, answer["error"][:14]) == (400, "word = 'maybe'")
    status, answer, _ = served.ask(
        "POST", "/api/labels", {"row_id": 10**9, "word": "unclear"}, cookie | word
    )
    assert (status, answer["error"]) == (
        400,
        "There is no window row 1000000000 in the journal.",
    )
    assert served.ask("POST", "/api/labels", label, cookie | word)[0] == 200


def test_a_foreign_host_name_is_refused(served: Served) -> None:
    """DNS rebinding: a name of somebody else that leads to our address."""
    status, answer, _ = served.ask("GET", "/", headers={"Host": "evil.example"})
    assert (status, answer["error"]) == (
        421,
        "This host name is not ours: add it to page.host_names.",
    )


def test_the_browser_may_load_from_us_alone(served: Served) -> None:
    _, _, headers = served.ask("GET", "/")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/api/rows/99999999", "/api/events/99999999/row", "/static/../feed.py", "/nothing"],
)
def test_what_is_not_there_is_404(served: Served, path: str) -> None:
    assert served.ask("GET", path, headers=served.cookie())[0] == 404


def test_the_page_writes_nothing_but_labels(tmp_path: Path) -> None:
    """A reader that walks everywhere leaves the journal's contents as they were, while the service
    writes on.
    """
    fill(tmp_path / "camshaft.journal", n_windows=20)
    journal = Journal(tmp_path / "camshaft.journal")
    before = _contents(tmp_path / "camshaft.journal")
    with serve(tmp_path) as served:
        cookie = served.cookie()
        for path in (
            "/api/timeline?sensor=mill-2/spindle",
            "/api/rows/60",
            "/api/rows/60/last-ok",
            "/api/events",
        ):
            assert served.ask("GET", path, headers=cookie)[0] == 200
    assert _contents(tmp_path / "camshaft.journal") == before
    journal.close()


def _contents(path: Path) -> list[str]:
    link = sqlite3.connect(path)
    try:
        return list(link.iterdump())
    finally:
        link.close()


# -- pictures -------------------------------------------------------------------------------------


def test_pictures(browser: Any, tmp_path: Path) -> None:
    """Fleet, an OK and an NG point, one on a phone, a fleet of 200, and a report, as pictures.

    The README's own come from a running demo:
    CAMSHAFT_PICTURES=/tmp/camshaft-demo-.../demo.journal writes them to
    docs/screenshots.
    """
    demo = os.environ.get("CAMSHAFT_PICTURES")
    folder = SCREENSHOTS if demo else tmp_path
    folder.mkdir(exist_ok=True)
    if not demo:
        fill(tmp_path / "camshaft.journal", n_windows=30)
    with serve(tmp_path, journal=demo or "camshaft.journal") as served:
        page = sheet(browser, 1180, 760)
        page.goto(served.address)
        page.wait_for_selector(".tile")
        page.screenshot(path=folder / "fleet.png", clip=whole(1180, 420))
        for status in ("OK", "NG"):
            page.goto(served.address)
            page.locator(f".tile.{status}:has-text('P(NG)')").last.click()
            page.wait_for_selector("#sum:not(:empty)")
            page.wait_for_selector(".map canvas")
            name = folder / f"point-{status.lower()}.png"
            page.screenshot(path=name, full_page=True, clip=whole(1180, 1260))
        phone = sheet(browser, 390, 844)
        phone.goto(page.url)
        phone.wait_for_selector("#sum:not(:empty)")
        phone.screenshot(path=folder / "phone.png")
        picture_of_report(page, served, folder / "report.png")
    (tmp_path / "many").mkdir()
    fill_many(tmp_path / "many" / "camshaft.journal")
    with serve(tmp_path / "many") as served:
        page = sheet(browser, 1180, 760)
        page.goto(served.address)
        page.wait_for_selector(".tile.small")
        page.screenshot(path=folder / "fleet-200.png")
    for picture in ("fleet", "fleet-200", "phone", "point-ok", "point-ng", "report"):
        assert (folder / f"{picture}.png").stat().st_size > 10_000


def sheet(browser: Any, width: int, height: int) -> Any:
    viewport = {"width": width, "height": height}
    context = browser.new_context(viewport=viewport, timezone_id="UTC", locale="en-GB")
    return context.new_page()


def whole(width: int, height: int) -> dict[str, int]:
    return {"x": 0, "y": 0, "width": width, "height": height}


def picture_of_report(page: Any, served: Served, path: Path) -> None:
    views = JournalViews(served.journal)
    newest = [
        found for sensor in views.sensors() if (found := views.newest(sensor)) is not None
    ]
    worst = max(newest, key=lambda found: found.probability or 0.0)
    first = views.back_from(worst.sensor, None, 100)[-1]
    html = report_page.page(
        report.gather(views, "plant-1", worst.sensor, first.end_ns, worst.end_ns),
        time.time_ns(),
    )
    # the page's own policy would bind what is put in its place
    sheet = page.context.new_page()
    sheet.set_viewport_size({"width": 1060, "height": 1080})
    sheet.set_content(html)
    sheet.screenshot(path=path)
