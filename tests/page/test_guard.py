"""The page without a browser: names, sessions, the live feed, HTTPS."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from monitor.advice import advice_book
from monitor.config_file import load_config
from monitor.journal.writer import Journal
from monitor.page.access import Access
from monitor.page.address import HostNames, is_loopback
from monitor.page.feed import MAX_WAITING, Feed, Fleet, Source
from monitor.page.guard import FAILURES_PER_MINUTE, SESSION_S, Sessions
from monitor.page.people import ANYBODY
from monitor.page.plant import Plant
from monitor.page.views import waveform_view
from monitor.records.batch import Batch
from tests.page_stage import evidence, fill, serve, verdict, write_config
from tests.servers.certificates import TestAuthority
from tests.servers.child import run_child


@pytest.mark.parametrize(
    ("host", "header", "ours"),
    [
        ("127.0.0.1", "127.0.0.1:8477", True),
        ("127.0.0.1", "localhost:8477", True),
        ("127.0.0.1", "[::1]:8477", True),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "192.0.2.7", False),  # we do not listen there
        ("127.0.0.1", "plant.example", True),  # named by the configuration
        ("0.0.0.0", "192.0.2.7:8477", True),
        ("0.0.0.0", "evil.example:8477", False),
        ("0.0.0.0", "", False),
    ],
)
def test_host_names(host: str, header: str, ours: bool) -> None:
    assert HostNames(host, ["Plant.example"]).know(header) is ours


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("plant.example", False),
        ("", False),
    ],
)
def test_what_only_this_machine_reaches(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_a_session_ends() -> None:
    sessions = Sessions("correct horse")
    token = sessions.open(100.0)
    assert sessions.person(token, 100.0 + SESSION_S - 1) == ANYBODY
    assert sessions.person(token, 100.0 + SESSION_S) is None
    assert sessions.person("", 100.0) is None
    sessions.close(token)
    assert sessions.person(token, 100.0) is None


def test_a_csrf_word_belongs_to_one_session() -> None:
    sessions = Sessions(None)
    one, other = sessions.open(0.0), sessions.open(0.0)
    assert sessions.csrf_right(one, sessions.csrf(one))
    assert not sessions.csrf_right(one, sessions.csrf(other))
    assert not sessions.csrf_right(one, "é")


def test_guessing_is_slowed_down_for_the_guesser_alone() -> None:
    sessions = Sessions("correct horse")
    for _ in range(FAILURES_PER_MINUTE):
        assert sessions.may_try("198.51.100.1", 0.0)
        sessions.failed("198.51.100.1", 0.0)
    assert not sessions.may_try("198.51.100.1", 59.0)
    assert sessions.may_try("198.51.100.2", 59.0)
    assert sessions.may_try("198.51.100.1", 61.0)


def messages(text: str) -> tuple[str, Any]:
    name, data = text.strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_changes_are_small_and_a_slow_browser_gets_the_whole_again(tmp_path: Path) -> None:
    sensors = [f"m{i}/b" for i in range(50)]
    start_ns = time.time_ns()
    config = load_config(write_config(tmp_path))
    plant = Plant(config, lambda: config, Access(config.page, None), advice_book({}))
    journal = Journal(config.journal.path)
    journal.commit(
        Batch(verdicts=[verdict(sensor, 0, start_ns, False) for sensor in sensors])
    )

    async def watch() -> list[tuple[str, Any]]:
        feed = Feed(plant, lambda: False)
        await feed.begin()
        stream = feed.listen()
        got = [messages(await anext(stream))]
        reading = asyncio.create_task(feed.run())
        journal.commit(
            Batch(verdicts=[verdict(sensor, 1, start_ns, False) for sensor in sensors])
        )
        while got[-1][0] != "fleet":
            got.append(messages(await asyncio.wait_for(anext(stream), 5)))
        reading.cancel()
        for _ in range(MAX_WAITING + 5):
            feed._whole.tell("event: instances\ndata: []\n\n")
        got += [messages(await anext(stream)) for _ in range(2)]
        await stream.aclose()  # type: ignore[attr-defined]
        return got

    got = asyncio.run(watch())
    journal.close()
    assert got[0][0] == "snapshot"
    assert len(got[0][1]["sensors"]) == 50
    changes = next(data for name, data in got if name == "fleet")
    assert len(changes) == 50
    # As before.
    assert all("since_ms" not in change and "status" not in change for change in changes)
    assert len(json.dumps(changes)) < 50 * 110
    assert got[-2][0] == "snapshot"


def test_a_status_begins_with_its_first_window(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    rows = [verdict("m/b", index, 0, index >= 6) for index in range(10)]
    journal.commit(Batch(verdicts=rows[:8]))
    fleet = Fleet(Source(tmp_path / "j"))
    fleet.read(0.0)
    assert (fleet.shown["m/b"]["status"], fleet.shown["m/b"]["since_ms"]) == ("NG", 6000)
    journal.commit(Batch(verdicts=rows[8:]))
    fleet.read(0.0)
    assert (fleet.shown["m/b"]["since_ms"], fleet.shown["m/b"]["since_known"]) == (
        6000,
        True,
    )
    journal.close()


def test_a_waveform_keeps_its_extremes() -> None:
    samples = evidence(verdict("m/b", 0, 0, True), True).samples
    tree = waveform_view(samples, 12_800.0)
    assert len(tree["low"][0]) <= 1500
    assert max(tree["high"][0]) == pytest.approx(float(samples.max()))
    assert min(tree["low"][0]) == pytest.approx(float(samples.min()))


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs openssl to make a certificate"
)
def test_https(tmp_path: Path) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=2)
    authority = TestAuthority(tmp_path)
    issued = authority.issue("page")
    tls = f"{{certificate_file: {issued.certificate}, key_file: {issued.key}}}"
    with serve(tmp_path, f"page: {{tls: {tls}}}\n") as served:
        context = ssl.create_default_context(cafile=str(authority.ca_file))
        link = http.client.HTTPSConnection(
            "127.0.0.1", served.port, context=context, timeout=60
        )
        link.request("GET", "/")
        answer = link.getresponse()
        assert answer.status == 200
        assert "secure" in str(answer.headers["set-cookie"]).lower()
        assert "max-age" in answer.headers["strict-transport-security"]
        link.close()


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=2)
    with serve(tmp_path) as served:
        command = [
            sys.executable,
            "-m",
            "monitor.cli",
            "page",
            "-c",
            str(served.config),
            "--port",
            str(served.port),
        ]
        said = run_child(command)
    assert said.returncode == 2
    assert said.stderr.startswith(
        f"page.host = '127.0.0.1', page.port = {served.port}: cannot listen there: Address al"
    )
    assert said.stderr.count("\n") == 1
