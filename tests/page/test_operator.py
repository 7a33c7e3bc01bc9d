"""What an operator needs at three in the morning, in a real browser: desktop and phone."""

from __future__ import annotations

import io
import re
import sqlite3
import time
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.journal.mutes import MuteStore
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.page import users
from monitor.page.people import Role
from monitor.records.batch import Batch, Event
from tests.page_stage import N_WINDOW, RATE_HZ, Served, fill, fill_many, serve

FAULTY = "mill-2/spindle"
OVER = ("pump-3/bearing", "fan-9/motor")
THINNED = 30
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
LOOKS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Beside the stage's alarm two that cleared unseen, and a window that was thinned."""
    folder = tmp_path_factory.mktemp("few")
    path = folder / "camshaft.journal"
    fill(path)
    journal, now_ns = Journal(path), time.time_ns()
    for sensor in OVER:
        raised = Event(now_ns - 60 * 10**9, sensor, "alarm_raised", "network, bearing")
        journal.commit(Batch(events=[raised, Event(now_ns, sensor, "alarm_cleared", "OK")]))
    journal.close()
    link = sqlite3.connect(path)
    for table in ("map", "kept_window", "verdict_row"):
        link.execute(f"DELETE FROM {table} WHERE row_id = {THINNED}")
    link.commit()
    link.close()
    with serve(folder) as page:
        yield page


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    folder = tmp_path_factory.mktemp("many")
    worst = fill_many(folder / "camshaft.journal")
    with serve(folder) as page:
        yield page, worst


@pytest.fixture
def look(browser: Any) -> Iterator[Any]:
    """Opens pages of a size and scheme; a fault in a script fails the test."""
    contexts, faults = [], []

    def opened(
        served: Served, address: str, size: str = "desktop", scheme: str = "light"
    ) -> Any:
        width, height = SIZES[size]
        viewport = {"width": width, "height": height}
        context = browser.new_context(
            viewport=viewport,
            color_scheme=scheme,
            timezone_id="Europe/Berlin",
            locale="en-GB",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{served.address}/{address}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def point(sensor: str) -> str:
    return f"#/point/{sensor.replace('/', '%2F')}"


def session(served: Served) -> dict[str, str]:
    _, _, headers = served.ask("GET", "/")
    cookie = {"Cookie": headers["set-cookie"].partition(";")[0]}
    return cookie | {
        "X-CSRF-Token": served.ask("GET", "/api/session", headers=cookie)[1]["csrf"]
    }


# -- the first ten seconds ------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_answer_is_above_the_fold(
    size: str, scheme: str, look: Any, served: Served
) -> None:
    """What, where, since when, how sure, what to do, and Acknowledge."""
    page = look(served, point(FAULTY), size, scheme)
    page.wait_for_selector("#sum:not(:empty)")
    height, width = SIZES[size][1], SIZES[size][0]
    for selector, words in (
        (".now .state", "NG"),
        (".now .alarm", "ALARM"),
        (".now .since", "alarm since"),
        (".now .where", "kHz hold"),
        (".now .sure", r"P\(NG\) 0\.\d+ .*NG in \d+ of the last 60 windows"),
        (".now .todo", "What to do"),
        (".now .todo > ol > li:last-child", "Check"),
        (".now button:has-text('Acknowledge')", "Acknowledge"),
    ):
        box = page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= height, selector
        assert re.search(words, page.inner_text(selector)), selector
    assert page.evaluate("scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def first_paints_ms(page: Any) -> Iterator[float]:
    """Of three loads: what else the machine does is no part of it."""
    for _ in range(3):
        page.reload()
        page.wait_for_function("() => document.querySelectorAll('.tile').length === 200")
        yield page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_from_200_points_to_the_worst_in_one_action(
    size: str, scheme: str, look: Any, many: tuple[Served, str]
) -> None:
    served, worst = many
    page = look(served, "", size, scheme)
    page.wait_for_function("() => document.querySelectorAll('.tile').length === 200")
    assert min(first_paints_ms(page)) < 1000
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    if size == "desktop":
        assert page.evaluate("document.documentElement.scrollHeight") < 2600
    page.locator(".tile").first.click()
    page.wait_for_selector(f".now .state.NG, h1:has-text('{worst.partition('/')[0]}')")
    assert page.url.endswith(point(worst))


def test_a_search_finds_what_the_tile_spells(look: Any, many: tuple[Served, str]) -> None:
    page = look(many[0], "")
    page.wait_for_selector(".tile")
    page.fill("input[type=search]", "fan-42 gearbox")
    assert page.locator(".tile").count() == 1
    page.fill("input[type=search]", "alarm over")
    assert page.locator(".tile").count() == 1
    page.fill("input[type=search]", "no such machine")
    assert "No machine fits" in page.inner_text(".empty")


def test_points_are_grouped_by_machine(look: Any, many: tuple[Served, str]) -> None:
    page = look(many[0], "")
    page.wait_for_selector(".tile")
    page.select_option("select[aria-label='Groups']", "machine")
    assert page.locator(".machine").count() == 50
    assert many[1].partition("/")[0] in page.locator(".machine h2").first.inner_text()
    page.reload()
    page.wait_for_selector(".machine")  # it is remembered


# -- alarms and mutes -----------------------------------------------------------------------------


def test_an_alarm_that_cleared_stays_until_acknowledged(look: Any, served: Served) -> None:
    sensor = OVER[0]
    page = look(served, "", "phone")
    page.wait_for_selector(".tile:has-text('pump-3') .alarm.unseen:has-text('ALARM OVER')")
    n = int(page.inner_text("#unseen"))
    assert page.title() == f"({n}) Camshaft"
    page.click("nav >> text=Events")
    page.click("button:has-text('To acknowledge')")
    page.wait_for_selector("li.open:has-text('pump-3')")
    page.wait_for_function(
        "n => document.querySelectorAll('.events li').length === n", arg=n
    )
    page.goto(f"{served.address}/{point(sensor)}")
    # Three actions, with an author.
    page.click(".now button:has-text('Acknowledge')")
    page.fill(".now [name=author]", "Ann")
    page.click(".now button[type=submit]")
    page.wait_for_function(
        "n => document.querySelector('#unseen').textContent === String(n - 1)", arg=n
    )
    assert page.locator(".now .alarm:visible").count() == 0
    assert JournalViews(served.journal).alarm_stories()[sensor].state == "clear"


def test_a_point_is_muted_with_an_end_and_not_without(look: Any, served: Served) -> None:
    sensor = "mill-1/table"
    page = look(served, point(sensor), "phone")
    page.click("button:has-text('Mute…')")
    page.fill(".now [name=author]", "Ann")
    page.click(".now button:has-text('Until then')")
    page.wait_for_selector(".now .answer:has-text('A mute without an end is refused')")
    page.click(".now button:has-text('Until Monday 06:00')")
    page.wait_for_selector(".now .answer:has-text('The reason is missing')")
    page.fill(".now [name=comment]", "test runs")
    page.click(".now button:has-text('Until Monday 06:00')")
    page.wait_for_selector(
        ".mute-note:has-text('by Ann: test runs. Alarms wait until then.')"
    )
    store = MuteStore(served.journal)
    mute = store.standing(time.time_ns())[sensor]
    end = time.gmtime(mute.until_ns / 1e9)
    assert (end.tm_wday, end.tm_min) == (0, 0)
    page.goto(f"{served.address}/#/")
    page.wait_for_selector(".tile:has-text('mill-1 table') .alarm.muted")
    page.goto(f"{served.address}/{point(sensor)}")
    page.click("button:has-text('End the mute')")
    page.click(".now button[type=submit]")
    page.wait_for_selector("button:has-text('Mute…')")
    assert store.standing(time.time_ns()) == {}
    store.close()
    page.wait_for_selector("li.unmuted:has-text('unmuted by Ann')")


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_mute_and_label_take_three_actions_by_name(
    size: str, scheme: str, look: Any, served: Served
) -> None:
    """So does an acknowledgement. The name is the one typed last, or that of who logged in."""
    page = look(served, point(FAULTY), size, scheme)
    page.wait_for_selector("#sum:not(:empty)")
    page.evaluate("localStorage.setItem('camshaft.author', 'Ann')")
    page.reload()
    page.wait_for_selector("#sum:not(:empty)")
    page.click(".now button:has-text('Mute…')")  # one
    page.keyboard.type("on my way")  # two: where the cursor stands
    page.click(".now button:has-text('For 1 hour')")  # three
    page.wait_for_selector(".mute-note:has-text('by Ann: on my way')")
    page.click(".now button:has-text('Label…')")  # one
    page.keyboard.press("Tab")  # past the name, which is known
    page.select_option("#label-form [name=failure_mode]", "bearing")  # two
    page.click("#label-form button:has-text('NG confirmed')")  # three
    page.wait_for_selector(".labels:has-text('NG confirmed (bearing)'):has-text('Ann')")
    page.wait_for_selector(".now .todo:has-text('Rolling bearing')")
    store = MuteStore(served.journal)
    assert store.unmute(FAULTY, "Ann", time.time_ns())
    store.close()


def test_a_viewer_is_told_which_role_it_takes(look: Any, tmp_path: Path) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=12)
    users.write_file(
        tmp_path / "users",
        {"Vic": users.User("Vic", Role.VIEWER, users.hash_password("correct horse"))},
    )
    with serve(tmp_path, f"page: {{users: {{file: {tmp_path / 'users'}}}}}") as served:
        page = look(served, "login")
        page.fill("#user", "Vic")
        page.fill("#password", "correct horse")
        page.click("[type=submit]")
        page.wait_for_selector(".tile")
        page.goto(f"{served.address}/{point(FAULTY)}")
        page.click(".now button:has-text('Mute…')")
        page.wait_for_selector(
            ".now:has-text('Mute takes the role operator; yours is viewer.')"
        )


def test_two_people_acknowledge_at_once(served: Served) -> None:
    event_id = JournalViews(served.journal).unacknowledged()[OVER[1]]
    path = "/api/acknowledgements"
    ann = {"event_id": event_id, "author": "Ann", "comment": "on my way"}
    assert served.ask("POST", path, ann, session(served))[0] == 200
    status, answer, _ = served.ask("POST", path, ann | {"author": "Bob"}, session(served))
    sentence = f"event_id = {event_id}: is acknowledged already by Ann."
    assert (status, answer["error"]) == (400, sentence)


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"sensor": FAULTY, "author": "Ann", "comment": "x"}, "A mute without an end"),
        (
            {"sensor": FAULTY, "until_ms": 1, "author": "Ann", "comment": "x"},
            "in the future",
        ),
        ({"sensor": FAULTY, "until_ms": "soon"}, "must be a whole number"),
        ({"sensor": "no/one", "until_ms": 1}, "the journal does not know it"),
        ({"sensor": ["x"], "until_ms": 1}, "the journal does not know it"),
    ],
)
def test_a_mute_that_cannot_be(tree: Any, sentence: str, served: Served) -> None:
    status, answer, _ = served.ask("POST", "/api/mutes", tree, session(served))
    assert status == 400
    assert sentence in answer["error"]


def test_a_repair_is_noted_by_name(look: Any, served: Served) -> None:
    page = look(served, point("mill-1/table"), "phone")
    page.click("button:has-text('Repaired…')")
    page.fill(".now [name=author]", "Ann")
    page.click(".now button[type=submit]")
    page.wait_for_selector(".now .answer:has-text('What was done is missing')")
    page.fill(".now [name=comment]", "bearing exchanged")
    page.click(".now button[type=submit]")
    page.wait_for_selector(
        "li.repair_noted:has-text('repair noted by Ann: bearing exchanged')"
    )


# -- windows, their links and their sound ---------------------------------------------------------


def test_the_link_follows_the_window_and_the_tab(look: Any, served: Served) -> None:
    page = look(served, point(FAULTY))
    page.wait_for_selector("#sum:not(:empty)")
    page.click("button[title='Left arrow']")
    page.wait_for_url(re.compile(r"/row/\d+$"))
    shown = page.inner_text(".facts")
    page.click("#tab-spectrum")
    page.wait_for_url(re.compile(r"/row/\d+\?tab=spectrum$"))
    again = look(served, "#" + page.url.partition("#")[2])
    again.wait_for_selector(".spectrum canvas")
    assert again.inner_text(".facts") == shown


def test_a_link_to_a_window_that_was_thinned_says_so(look: Any, served: Served) -> None:
    page = look(served, f"{point('mill-1/spindle')}/row/{THINNED}")
    page.wait_for_selector(f".trouble:has-text('Window {THINNED} was thinned')")
    page.wait_for_selector("#sum:not(:empty)")  # the newest is shown
    status, answer, _ = served.ask("GET", "/api/rows/9999", headers=session(served))
    assert (status, answer["error"]) == (404, "There is no window 9999 in the journal.")


def test_the_spectrum_has_cursors_and_the_last_ok_window(look: Any, served: Served) -> None:
    page = look(served, f"{point(FAULTY)}?tab=spectrum")
    page.wait_for_selector(".spectrum canvas")
    page.locator(".spectrum").scroll_into_view_if_needed()
    for share in (0.55, 0.8):
        box = page.locator(".spectrum").bounding_box()
        page.locator(".spectrum").click(position={"x": box["width"] * share, "y": 200})
    assert re.search(r"Hz: −?\d.* apart .* Hz, ratio", page.inner_text(".cursors"))
    row = JournalViews(served.journal).newest(FAULTY)
    assert row is not None
    headers = session(served)
    _, tree, _ = served.ask("GET", f"/api/rows/{row.row_id}/spectrum", headers=headers)
    assert tree["step_hz"] == 1.0
    levels = np.array(tree["level_tenth_db"][0])
    assert levels.shape == (N_WINDOW // 2 + 1,)
    assert abs(int(levels.argmax()) - 300) <= 1  # the stage's sine
    assert tree["last_ok"]["row"] < row.row_id
    assert tree["baseline"] is None


def test_a_kept_window_is_heard_and_taken_home(served: Served) -> None:
    row = JournalViews(served.journal).newest(FAULTY)
    assert row is not None
    found = JournalViews(served.journal).kept_window(row.row_id)
    assert found is not None
    headers = session(served)

    def fetch(address: str) -> bytes:
        request = urllib.request.Request(f"{served.address}{address}", headers=headers)
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["content-type"] == "audio/wav"
            return bytes(answer.read())

    heard = fetch(f"/api/rows/{row.row_id}/sound?channel=0")
    with wave.open(io.BytesIO(heard)) as file:
        assert (file.getframerate(), file.getnframes()) == (RATE_HZ, N_WINDOW)
    taken = fetch(f"/api/rows/{row.row_id}/sound")
    np.testing.assert_array_equal(np.frombuffer(taken[44:], "<f4"), found[0][0])
    status, answer, _ = served.ask(
        "GET", f"/api/rows/{row.row_id}/sound?channel=7", headers=headers
    )
    assert (status, answer["error"]) == (
        400,
        "channel = 7: the window has 1, numbered from 0.",
    )


# Live, or not up to date where the service's last report is older by now.
CONNECTED = (
    "() => !['', 'not connected'].includes(document.querySelector('#link').textContent)"
)


def test_a_phone_that_slept_asks_anew(look: Any, served: Served) -> None:
    page = look(served, "", "phone")
    page.wait_for_selector(".tile")
    # At one stroke: what the server says in between would be heard at the later time.
    slept = """() => {
        const real = Date.now;
        Date.now = () => real() + 3_600_000;
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    with page.expect_request("**/api/live"):
        page.evaluate(slept)
    page.wait_for_function(CONNECTED)
