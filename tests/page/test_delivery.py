"""Refused rows on the page, and sending them again, with the guards of every other write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.journal.cursors import Cursor
from monitor.journal.views import JournalViews
from monitor.outputs.base import Step
from tests.browser import chromium
from tests.page_stage import Served, fill, serve

WHY = "422 <b>field type conflict</b>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Three of a plant's rows were refused by its database."""
    folder = tmp_path_factory.mktemp("delivery")
    path = folder / "camshaft.journal"
    fill(path, n_windows=12)
    cursor = Cursor(path, "influx", ("verdict", "event", "health"))
    while rows := cursor.pending(500):
        refused = {
            row.key: WHY for row in rows if row.key in [("verdict", n) for n in (3, 4, 9)]
        }
        accepted = [row.key for row in rows if row.key not in refused]
        cursor.settle(Step(accepted=accepted, rejected=refused), time.time_ns())
    cursor.close()
    with serve(folder, "influx: {url: 'http://127.0.0.1:9', bucket: b}\n") as page:
        yield page


def session(served: Served) -> dict[str, str]:
    _, _, headers = served.ask("GET", "/")
    cookie = {"Cookie": headers["set-cookie"].partition(";")[0]}
    _, tree, _ = served.ask("GET", "/api/session", headers=cookie)
    return cookie | {"X-CSRF-Token": tree["csrf"]}


def n_queued(served: Served) -> dict[str, int]:
    return JournalViews(served.journal).n_to_resend()


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"output": "webhook.x"}, "output = 'webhook.x': must be one of influx."),
        ({}, "output = 'None': must be one of influx."),
        ({"output": "influx", "refused_only": False}, "from_ms is missing"),
        ({"output": "influx", "from_ms": -1}, "from_ms = '-1': must be a whole number"),
        ({"output": "influx", "author": "x" * 81}, "author has 81 characters"),
        (
            {"output": "influx", "from_ms": 0, "to_ms": 1, "preview": False},
            "influx: no row of this span is to be sent again.",
        ),
    ],
)
def test_a_bad_wish_is_one_sentence(
    served: Served, wish: dict[str, Any], sentence: str
) -> None:
    status, tree, _ = served.ask("POST", "/api/resend", wish, session(served))
    assert status == 400
    assert sentence in tree["error"]


def test_strangers_neither_read_nor_order(served: Served) -> None:
    wish = {"output": "influx", "preview": False}
    assert served.ask("GET", "/api/delivery")[0] == 401
    assert served.ask("POST", "/api/resend", wish)[0] == 401
    cookie_alone = {"Cookie": session(served)["Cookie"]}
    assert served.ask("POST", "/api/resend", wish, cookie_alone)[0] == 403
    assert n_queued(served) == {}


def test_a_person_sees_what_was_refused_and_sends_it_again(served: Served) -> None:
    with chromium() as browser:
        window = browser.new_page(timezone_id="Asia/Kolkata")
        window.set_default_timeout(30_000)
        window.goto(f"{served.address}/#/delivery")
        window.wait_for_selector(".refused li")
        (shown,) = window.locator(".refused li").all_inner_texts()
        assert shown.startswith("3 × verdict, ")
        assert shown.endswith(f": {WHY}")  # its words stay words
        window.click(".preview")
        window.wait_for_selector(".resend form")
        plan = "influx would get 3 verdict rows (3 of them refused before) again."
        assert plan in window.inner_text(".resend")
        assert n_queued(served) == {}
        window.fill(".resend input[name=author]", "Ann")
        window.click(".resend form button[type=submit]")
        window.wait_for_selector("text=3 to be sent again")
        assert n_queued(served) == {"influx": 3}
        window.click("#nav-events")
        window.wait_for_selector(".events li.resend")
        event = window.inner_text(".events li.resend")
        assert "Rows sent again" in event
        assert "service" in event
        assert "asked for by Ann" in event
