"""A page of several instances: two journals of its machine, and the page of another machine."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from monitor.config_connections import Secret, TlsSettings
from monitor.config_file import load_config
from monitor.config_page import InstanceSettings
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.page import remote, remote_part
from monitor.page.application import Page
from monitor.page.merged import NO_ANSWER, SAME_MS, once
from monitor.page.remote import RemoteError, RemotePage
from monitor.page.remote_part import RemotePart
from monitor.records.batch import Batch, Event
from tests import page_stage
from tests.browser import chromium, words
from tests.page_stage import (
    SECOND_NS,
    Served,
    evidence,
    serve,
    verdict,
    write_config,
)
from tests.servers.certificates import TestAuthority
from tests.servers.mosquitto import free_port

TOKEN = "0123456789abcdef0123456789abcdef"
FAULTY, MOVED = "fan-9/motor", "pump-3/bearing"
HALL = "/at/hall-2/at/plant-1-2"  # where the page has FAULTY
N = 12
WAIT_S = 60


def fill(path: Path, sensors: dict[str, int]) -> None:
    """sensors : by name, how many seconds ago their newest window ended"""
    batch, now_ns = Batch(), time.time_ns()
    for sensor, ago_s in sensors.items():
        start_ns = now_ns - (ago_s + N) * SECOND_NS
        for index in range(N):
            found = verdict(sensor, index, start_ns, sensor == FAULTY)
            batch.verdicts.append(found)
            batch.kept_windows.append(evidence(found, sensor == FAULTY))
        if sensor == FAULTY:
            text = "network, 2720 to 4170 Hz hold 87% of the evidence for NG"
            batch.events.append(Event(now_ns - SECOND_NS, sensor, "alarm_raised", text))
    journal = Journal(path)
    journal.commit(batch)
    # Told from then on: these tests may take a minute.
    later_ns = now_ns + 3600 * SECOND_NS
    journal.store_health(later_ns, {"windows_per_s": 1.0, "broker_connected": True})
    journal.close()


def token_file(folder: Path) -> Path:
    path = folder / "token"
    path.write_text(TOKEN + "\n")
    return path


def hall_settings(folder: Path, more: str = "") -> str:
    token = f"{{name: office, token: {{file: {token_file(folder)}}}, reads: page}}"
    return f"page: {{tokens: [{token}]{more}}}"


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The other machine: two partitions of a member of a Kafka group."""
    folder = tmp_path_factory.mktemp("hall")
    fill(folder / "camshaft-2.journal", {FAULTY: 0})
    fill(folder / "camshaft-5.journal", {MOVED: 2})
    member = "\nsource: kafka\nkafka: {brokers: ['h:1'], topic: t, group: g}\n"
    with serve(folder, hall_settings(folder) + member) as served:
        yield served


def plant_settings(folder: Path, url: str) -> str:
    token = f"token: {{file: {token_file(folder)}}}"
    other = f"{{name: hall-2, url: '{url}', {token}}}"
    return f"page: {{instances: [{{name: annex, journal: annex.journal}}, {other}]}}"


def fill_plant(folder: Path) -> None:
    fill(folder / "camshaft.journal", {"mill-1/spindle": 0, MOVED: 600})
    fill(folder / "annex.journal", {"saw-4/blade": 0, "mill-1/spindle": 30})


@pytest.fixture(scope="module")
def plant(hall: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("plant")
    fill_plant(folder)
    with serve(folder, plant_settings(folder, hall.address)) as served:
        yield served


@contextmanager
def live(served: Served, headers: dict[str, str]) -> Iterator[Callable[[], Any]]:
    """next() gives the fleet as a browser has it after the next message."""
    link = socket.create_connection(("127.0.0.1", served.port), timeout=WAIT_S)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    link.sendall(f"GET /api/live HTTP/1.0\r\nHost: localhost\r\n{head}\r\n".encode())
    known: dict[str, Any] = {"sensors": {}}
    with link, link.makefile("rb") as lines:

        def next_state() -> Any:
            name = ""
            for line in lines:
                if line.startswith(b"event: "):
                    name = line[7:].decode().strip()
                if line.startswith(b"data: "):
                    break
            data = json.loads(line[6:])
            if name == "snapshot":
                known.update(data)
                known["sensors"] = {tree["sensor"]: tree for tree in data["sensors"]}
            if name == "fleet":
                for change in data:
                    known["sensors"][change["sensor"]].update(change)
            if name == "instances":
                known["instances"] = data
            return known

        yield next_state


def session(served: Served) -> dict[str, str]:
    _, _, headers = served.ask("GET", "/")
    cookie = {"Cookie": headers["set-cookie"].partition(";")[0]}
    _, tree, _ = served.ask("GET", "/api/session", headers=cookie)
    return {**cookie, "X-CSRF-Token": tree["csrf"]}


def fleet_once(served: Served, is_so: Callable[[Any], bool]) -> Any:
    """The fleet as soon as it is so."""
    deadline_s = time.monotonic() + WAIT_S
    with live(served, session(served)) as next_state:
        while not is_so(fleet := next_state()):
            assert time.monotonic() < deadline_s, fleet
    return fleet


def knows_all(fleet: Any) -> bool:
    return len(fleet["sensors"]) == 4


def test_each_point_stands_there_once_with_where_it_is_from(plant: Served) -> None:
    fleet = fleet_once(plant, knows_all)
    where = {name: tree["instance"] for name, tree in fleet["sensors"].items()}
    assert where == {
        "mill-1/spindle": "",
        MOVED: "hall-2/plant-1-5",  # ours has old windows of it
        FAULTY: "hall-2/plant-1-2",
        "saw-4/blade": "annex",
    }
    also = {name: tree["also"] for name, tree in fleet["sensors"].items()}
    assert also == {"mill-1/spindle": ["annex"], MOVED: [], FAULTY: [], "saw-4/blade": []}
    assert fleet["sensors"][FAULTY]["alarm"] == "raised"
    told = {one["instance"]: one["read_only"] for one in fleet["instances"]}
    partitions = {"hall-2/plant-1-2": True, "hall-2/plant-1-5": True}
    assert told == {"": False, "annex": False} | partitions


def test_another_page_is_told_of_this_machine_alone(plant: Served, hall: Served) -> None:
    """So two pages may show each other."""
    fleet_once(plant, knows_all)
    with socket.create_connection(("127.0.0.1", plant.port), timeout=WAIT_S) as link:
        cookie = session(plant)["Cookie"]
        head = f"Host: localhost\r\nCookie: {cookie}\r\n\r\n"
        link.sendall(f"GET /api/live?local=1 HTTP/1.0\r\n{head}".encode())
        with link.makefile("rb") as lines:
            data = next(line for line in lines if line.startswith(b"data: "))
    names = {tree["sensor"] for tree in json.loads(data[6:])["sensors"]}
    assert names == {"mill-1/spindle", MOVED, "saw-4/blade"}


def test_what_a_point_s_view_asks_is_answered_by_its_instance(
    plant: Served, hall: Served
) -> None:
    here, there = session(plant), session(hall)
    for path in (
        f"/api/timeline?sensor={FAULTY}&n=30",
        "/api/rows/3",
        "/api/rows/3/waveform",
        "/api/rows/3/spectrum",
        "/api/rows/3/last-ok",
        "/api/rows/999",
        "/api/diagnosis?row=3",
        "/api/events?n=5",
        "/api/events/1/row",
        f"/api/trend?sensor={FAULTY}",
    ):
        expected = hall.ask("GET", f"/at/plant-1-2{path}", headers=there)[:2]
        status, tree, _ = plant.ask("GET", HALL + path, headers=here)
        if status == 404:
            expected = 404, {"error": f"hall-2: {expected[1]['error']}"}
        assert (status, tree) == expected
    status, tree, _ = plant.ask("GET", "/at/annex/api/rows/1", headers=here)
    assert (status, tree["sensor"]) == (200, "saw-4/blade")
    sound = plant.ask("GET", f"{HALL}/api/rows/3/sound?channel=0", headers=here)
    assert sound[2]["content-type"] == "audio/wav"


def test_what_is_written_goes_to_the_journal_of_its_point_and_never_elsewhere(
    plant: Served, hall: Served
) -> None:
    headers = session(plant)
    tree = {"row_id": 1, "word": "unclear", "author": "Ann"}
    assert plant.ask("POST", "/at/annex/api/labels", tree, headers)[0] == 200
    status, answer, _ = plant.ask("POST", f"{HALL}/api/labels", tree, headers)
    assert status == 403
    assert hall.address in answer["error"]
    commission = {"sensor": "saw-4/blade", "author": "Ann"}
    path = "/at/annex/api/commissionings"
    assert plant.ask("POST", path, commission, headers)[0] == 409
    written = {}
    hall_journal = hall.journal.with_name("camshaft-2.journal")
    for name, path_of in (("own", plant.journal), ("hall", hall_journal)):
        views = JournalViews(path_of)
        written[name] = [event.kind for event in views.events_back(None, 50)]
        views.close()
    assert "label" not in written["own"] + written["hall"]
    views = JournalViews(plant.journal.with_name("annex.journal"))
    assert [event.kind for event in views.events_back(None, 1)] == ["label"]
    views.close()


@pytest.mark.parametrize(
    "path",
    [
        "/at/hall-2/api/export?sensor=a",
        "/at/hall-2/api/session",
        "/at/hall-2/api/live",
        "/at/hall-2/api/settings",
        "/at/hall-2/api/v1/points",
        "/at/hall-2/api/rows/3/../../settings",
        "/at/hall-2/at/..%2f/api/events",
        "/at/hall-2/at/plant-1-2/at/plant-1-5/api/events",
        "/at/elsewhere/api/events",
    ],
)
def test_nothing_but_views_of_points_is_passed_on(path: str, plant: Served) -> None:
    assert plant.ask("GET", path, headers=session(plant))[0] in (404, 405)
    assert plant.ask("GET", path)[0] in (401, 404, 405)


def test_a_page_that_goes_away_is_said_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its points stay meanwhile, with no status that they had."""
    for module in (remote, remote_part):
        monkeypatch.setattr(module, "SILENT_S", 1.0)
    monkeypatch.setattr(remote_part, "LAST_RETRY_S", 0.05)
    monkeypatch.setattr(remote_part, "FIRST_RETRY_S", 0.05)
    fill(tmp_path / "camshaft.journal", {FAULTY: 0})
    settings = hall_settings(tmp_path)
    port = free_port()
    monkeypatch.setattr(page_stage, "free_port", lambda: port)
    with ExitStack() as stack, ExitStack() as follower:
        hall = stack.enter_context(serve(tmp_path, settings))
        part = follower.enter_context(following(hall.address, tmp_path))
        until(part, lambda: FAULTY in part.shown)
        assert part.shown[FAULTY]["status"] == "NG"
        stack.close()
        until(part, lambda: part.shown[FAULTY]["status"] == NO_ANSWER)
        silent = part.shown[FAULTY]
        assert (silent["was"], silent["alarm"]) == ("NG", "raised")
        (told,) = part.told()
        assert told["silent"]["n"] == 1
        assert told["silent"]["why"] == "nothing listens there"
        assert abs(silent["since_ms"] / 1000 - time.time()) < WAIT_S
        stack.enter_context(serve(tmp_path, settings))
        until(part, lambda: part.shown[FAULTY]["status"] == "NG")
        assert "was" not in part.shown[FAULTY]


@contextmanager
def following(url: str, folder: Path, **more: Any) -> Iterator[RemotePart]:
    settings = InstanceSettings(
        name="hall-2", url=url, token=Secret(file=token_file(folder)), **more
    )
    stopping = threading.Event()
    part = RemotePart(settings, lambda _: None, stopping)
    part.start()
    yield part
    stopping.set()


def until(part: RemotePart, is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not is_so():
        part.read(time.monotonic())
        assert time.monotonic() < deadline_s, (part.told(), part.shown)
        time.sleep(0.01)


def test_over_https_the_authority_and_the_token_must_be_right(tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path / "authority")
    made = authority.issue("hall")
    files = f"tls: {{certificate_file: {made.certificate}, key_file: {made.key}}}"
    fill(tmp_path / "camshaft.journal", {FAULTY: 0})
    tls = TlsSettings(ca_file=authority.ca_file)
    with serve(tmp_path, hall_settings(tmp_path, f", {files}")) as hall:
        url = f"https://localhost:{hall.port}"
        with following(url, tmp_path, tls=tls) as part:
            until(part, lambda: FAULTY in part.shown)
        assert said(url, tmp_path).startswith("the server's certificate comes from")
        text = said(url, tmp_path, "f" * 32, tls=tls)
        assert text == "it refuses the token: This is no token of page.tokens."


def said(url: str, folder: Path, token: str = TOKEN, **more: Any) -> str:
    """Why an instance there does not answer."""
    (folder / "asked").write_text(token)
    secret = Secret(file=folder / "asked")
    settings = InstanceSettings(name="h", url=url, token=secret, **more)
    with pytest.raises(RemoteError) as refused:
        RemotePage(settings).ask("api/events")
    return str(refused.value)


def test_a_page_whose_clock_is_ahead_takes_over_no_point(tmp_path: Path) -> None:
    """Here its windows are as old as its message; of ours with newer ones these are shown."""
    fill(tmp_path / "camshaft.journal", {FAULTY: -86_400})
    with (
        serve(tmp_path, hall_settings(tmp_path)) as hall,
        following(hall.address, tmp_path) as part,
    ):
        until(part, lambda: FAULTY in part.shown)
    now_ms = time.time() * 1000
    assert part.shown[FAULTY]["end_ms"] <= now_ms
    own = part.shown[FAULTY] | {"instance": "", "end_ms": now_ms + SAME_MS}
    assert once([own, part.shown[FAULTY]])["instance"] == ""


# -- pages that are none --------------------------------------------------------------------------


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on a port of its own, each connection in a thread; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            with suppress(OSError):
                while True:
                    link, _ = server.accept()
                    threading.Thread(target=one, args=(link,), daemon=True).start()

        def one(link: socket.socket) -> None:
            with link, suppress(OSError):
                link.recv(4096)
                answer(link)

        threading.Thread(target=work, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n"
JSON, STREAM = OK % b"application/json", OK % b"text/event-stream"
HANGS = object()


def sending(*pieces: bytes | object) -> Callable[[socket.socket], None]:
    """Each piece, then nothing for as long as the other side waits."""

    def answer(link: socket.socket) -> None:
        for piece in pieces:
            if isinstance(piece, bytes):
                link.sendall(piece)
        if HANGS in pieces:
            link.recv(1)

    return answer


def dripping(link: socket.socket) -> None:
    """A byte now and then: each read of it succeeds."""
    link.sendall(JSON)
    while True:
        link.sendall(b" ")
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (sending(HANGS), "no answer in time"),
        (sending(JSON, b'{"a": ', HANGS), "no answer in time"),
        (dripping, "no answer in time"),
        (sending(b"\x00\xff nothing of HTTP\r\n\r\n"), "its answer is no HTTP"),
        (
            sending(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"),
            "it answers",
        ),
        (
            sending(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}"),
            "its answer broke off",
        ),
        (sending(JSON, b"x" * 5000), "its answer has more than"),
    ],
)
def test_a_page_that_is_none_is_told_within_bounds(
    answer: Any, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "ANSWER_S", 0.3)
    monkeypatch.setattr(remote, "MAX_BYTES", 4000)
    with answering(answer) as url:
        began_s = time.monotonic()
        assert why in said(url, tmp_path)
        assert time.monotonic() - began_s < 20


SNAPSHOT = b'event: snapshot\ndata: {"sensors": [], "instances": [], "refused": []}\n\n'


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (sending(JSON, b"{}"), "is no stream of events"),
        (sending(STREAM, b"<html></html>\n\n"), "cannot be read"),
        (sending(STREAM, b"event: snapshot\ndata: {]\n\n"), "Expecting"),
        (sending(STREAM, b'event: snapshot\ndata: {"sensors": NaN}\n\n'), "no JSON"),
        (sending(STREAM, b'event: snapshot\ndata: {"sensors": [7]}\n\n'), "a point is no"),
        (sending(STREAM, SNAPSHOT, b"event: fleet\ndata: [{}]\n\n"), "names no sensor"),
        (sending(STREAM, b"event: snapshot\ndata: " + b"[" * 9000 + b"\n\n"), "nested"),
        (sending(STREAM, b"event: beat\ndata: null\n\n"), "does not begin with all"),
        (sending(STREAM, SNAPSHOT), "the connection ended"),
        (sending(STREAM, SNAPSHOT, HANGS), "no answer in time"),
    ],
)
def test_a_stream_of_garbage_is_no_answer(
    answer: Any, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (remote, remote_part):
        monkeypatch.setattr(module, "SILENT_S", 0.3)
    with answering(answer) as url, following(url, tmp_path) as part:
        until(part, lambda: part.told() != [] and why in str(part.told()[0]["silent"]))
    assert part.shown == {}


# -- in a browser ---------------------------------------------------------------------------------


@contextmanager
def in_process(folder: Path, page: str) -> Iterator[str]:
    """The page in a thread of ours, which may change how patient it is; its address."""
    read = partial(load_config, write_config(folder, page))
    app = Page(read(), read, None, lambda: server.should_exit).application()
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(60)


def test_the_plant_in_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points of all, a remote one looked at and not acted on; then its page goes away.
    CAMSHAFT_PICTURES=FOLDER keeps pictures.
    """
    for module in (remote, remote_part):
        monkeypatch.setattr(module, "SILENT_S", 6.0)
    pictures = Path(os.environ.get("CAMSHAFT_PICTURES", tmp_path))
    for name in ("hall", "plant"):
        (tmp_path / name).mkdir()
    fill(tmp_path / "hall" / "camshaft.journal", {FAULTY: 0, MOVED: 2})
    fill_plant(tmp_path / "plant")
    with ExitStack() as halls, chromium() as browser:
        hall = halls.enter_context(serve(tmp_path / "hall", hall_settings(tmp_path)))
        settings = plant_settings(tmp_path, hall.address)
        with in_process(tmp_path / "plant", settings) as address:
            page = browser.new_page(viewport={"width": 1180, "height": 760})
            page.goto(address)
            page.wait_for_selector(f".tile.NG:has-text('{FAULTY.split('/')[0]}')")
            assert page.locator(".tile").count() == 4
            look(page, pictures, "plant-fleet")
            look_at_a_remote_point(page, pictures)
            look_at_what_it_was_here(page, address)
            page.click("#nav-events")
            page.wait_for_selector(".events li:has-text('hall-2')")
            assert page.locator(".events li:has-text('hall-2') button").count() == 0
            look(page, pictures, "plant-events")
            page.click("#nav-fleet")
            halls.close()
            page.wait_for_selector(".tile.NO_ANSWER >> nth=1")
            assert page.locator(".tile").count() == 4
            assert page.locator(".tile.OK").count() == 2
            (tile,) = words(page.locator(f".tile:has-text('{FAULTY.split('/')[0]}')"))
            assert "NO ANSWER" in tile
            assert "NG when last heard" in tile
            assert "hall-2: no answer since" in page.inner_text("#trouble")
            look(page, pictures, "plant-no-answer")
            page.click(f".tile:has-text('{FAULTY.split('/')[0]}')")
            page.wait_for_selector(".now.NO_ANSWER:has-text('NG when last heard')")
            page.wait_for_selector(
                ".trouble:has-text('hall-2 does not answer: nothing listens')"
            )
            look(page, pictures, "plant-no-answer-point")


def look_at_a_remote_point(page: Any, pictures: Path) -> None:
    page.click(f".tile:has-text('{FAULTY.split('/')[0]}')")
    page.wait_for_selector(".facts:has-text('P(NG)')")
    page.wait_for_selector(".evidence canvas, .chart canvas")
    assert "Shown from hall-2" in page.inner_text(".bar .elsewhere")
    assert page.locator(".actions").is_hidden()
    assert page.locator("#label-form, #commission-form").count() == 0
    look(page, pictures, "plant-point")


def look_at_what_it_was_here(page: Any, address: str) -> None:
    """A window of the point of before it moved: its number means another one elsewhere."""
    page.goto(f"{address}/#/point/pump-3%2Fbearing/row/13?at=")
    page.wait_for_selector(".details dd:text-is('13')")
    assert page.url.endswith("/row/13?at=")
    assert page.locator("#label-form").count() == 1


def look(page: Any, pictures: Path, name: str) -> None:
    """On a desktop and a phone, light and dark: nothing runs out of the window."""
    for device, width, scheme in (("desktop", 1180, "light"), ("phone", 390, "dark")):
        page.set_viewport_size({"width": width, "height": 760})
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=pictures / f"{name}-{device}-{scheme}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1180, "height": 760})
    page.emulate_media(color_scheme="light")
