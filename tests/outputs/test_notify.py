"""Notices of alarms: who is told what, never a storm, never a loss, over real HTTP where HTTP is
spoken.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config_connections import Secret, TlsSettings
from monitor.config_outputs import NotificationSettings, WebhookSettings
from monitor.journal.cursors import Cursor, Notified
from monitor.journal.labels import LabelStore
from monitor.journal.views import JournalViews, StoredEvent
from monitor.journal.writer import Journal
from monitor.outputs import notify
from monitor.outputs.alarm_topics import AlarmTopics, Publish
from monitor.outputs.notices import NoticeRules
from monitor.outputs.runner import Runner
from monitor.outputs.webhook import Webhook, cursor_name
from monitor.records.batch import Batch, Event
from monitor.settings import ConfigError
from tests.outputs.alarm_plant import SENSOR, AlarmPlant, HttpReceiver, http_receiver
from tests.servers.certificates import TestAuthority
from tests.servers.influx_standin import InfluxStandIn

SECOND_NS = 10**9
COOL_DOWN_S = 300.0


def event(event_id: int, kind: str, sensor: str = SENSOR) -> StoredEvent:
    return StoredEvent(
        event_id, event_id * SECOND_NS, sensor, f"alarm_{kind}", "network", "5e3a"
    )


# -- decisions ------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 400), max_size=40))
def test_no_storm_and_the_last_word_is_right(pauses_s: list[int]) -> None:
    """An alarm that comes and goes: at most one raise a cool-down, and in the end what was told is
    what holds.
    """
    told, now_ns, cool_down_ns = Notified(), 0, round(COOL_DOWN_S * 1e9)
    raises_ns: list[int] = []
    held: dict[int, StoredEvent] = {}
    state = "cleared"

    def send_due() -> None:
        nonlocal told
        if told.held_event is not None and not notify.is_quiet(told, now_ns, cool_down_ns):
            decision, told = notify.release(told, held[told.held_event], now_ns)
            if decision == "send" and told.state == "raised":
                raises_ns.append(now_ns)

    for index, pause_s in enumerate(pauses_s, start=1):
        for _ in range(pause_s):
            now_ns += SECOND_NS
            send_due()
        state = "raised" if state == "cleared" else "cleared"
        held[index] = event(index, state)
        decision, told = notify.take(told, held[index], now_ns, cool_down_ns)
        if decision == "send" and state == "raised":
            raises_ns.append(now_ns)
    now_ns += cool_down_ns
    send_due()
    assert told.state == state
    assert all(later - earlier >= cool_down_ns for earlier, later in pairwise(raises_ns))


def test_an_acknowledgement_is_told_at_once() -> None:
    _, told = notify.take(Notified(), event(1, "raised"), 0, SECOND_NS)
    assert notify.take(told, event(2, "acknowledged"), 1, SECOND_NS) == ("send", told)


def test_a_clock_set_back_does_not_silence() -> None:
    told = Notified("raised", 10**18)
    assert not notify.is_quiet(told, 10**18 - SECOND_NS, 300 * SECOND_NS)


def test_a_notice_says_it_all_in_its_text() -> None:
    tree = notify.notice("plant-1", event(7, "raised"), 3)
    assert tree["title"] == "Alarm: mill 2/spindle"
    assert (
        tree["text"]
        == "Alarm at mill 2/spindle: network (3 changes before it were held back)"
    )
    assert (tree["machine"], tree["point"], tree["at"]) == (
        "mill 2",
        "spindle",
        "1970-01-01T00:00:07.000Z",
    )


def test_a_topic_holds_no_wildcard() -> None:
    assert (
        notify.alarm_topic("plant-1", "mill#/+a") == "camshaft/plant-1/alarm/mill%23/%2Ba"
    )


NAMES = st.text("a+#%0\x0023B", min_size=1, max_size=6).map("m/{}".format)


@given(NAMES, NAMES)
def test_two_sensors_never_have_one_topic(one: str, other: str) -> None:
    topics = [notify.alarm_topic("plant-1", name) for name in (one, other)]
    assert (topics[0] == topics[1]) == (one == other)
    assert not set(topics[0]) & set("+#\0")


# -- webhooks -------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as found:
        found.address += "/hook"
        yield found


class Plant(AlarmPlant):
    """With a webhook. Alarms happen by the names of their states."""

    def __init__(self, path: Path, receiver: HttpReceiver, **settings: Any) -> None:
        found = WebhookSettings(
            name="chat", url=receiver.address, timeout_s=2.0, **settings
        )
        rules = NoticeRules("plant-1", COOL_DOWN_S)
        super().__init__(
            path, cursor_name(found), lambda cursor: Webhook(found, cursor, rules)
        )

    def happen(self, *states: str, sensor: str = SENSOR, text: str = "network") -> None:
        super().happen(*(f"alarm_{state}" for state in states), sensor=sensor, text=text)


@pytest.fixture
def plant(tmp_path: Path, receiver: HttpReceiver) -> Iterator[Plant]:
    found = Plant(tmp_path / "camshaft.journal", receiver)
    yield found
    found.close()


def states(receiver: HttpReceiver) -> list[str]:
    return [tree["state"] for tree in receiver.got]


def test_raised_acknowledged_cleared_arrive_in_order(
    plant: Plant, receiver: HttpReceiver
) -> None:
    plant.happen("raised")
    plant.run()
    store = LabelStore(plant.path)
    (alarm,) = JournalViews(plant.path).unacknowledged().values()
    store.acknowledge(alarm, "Ann", "bearing ordered", round(plant.now_s * 1e9))
    plant.run(COOL_DOWN_S + 1)
    plant.happen("cleared")
    plant.run()
    assert states(receiver) == ["raised", "acknowledged", "cleared"]
    assert "acknowledged by Ann: bearing ordered" in receiver.got[1]["text"]


def test_a_flapping_alarm_makes_no_storm(plant: Plant, receiver: HttpReceiver) -> None:
    for _ in range(100):
        plant.happen("raised", "cleared")
        plant.run(10.0)
    plant.run(2 * COOL_DOWN_S)
    assert states(receiver)[:2] == ["raised", "cleared"]
    assert states(receiver).count("raised") <= 1 + 1000 // COOL_DOWN_S
    assert states(receiver)[-1] == "cleared"
    assert sum(tree["n_held"] for tree in receiver.got) + len(receiver.got) >= 190


def test_one_point_does_not_silence_another(plant: Plant, receiver: HttpReceiver) -> None:
    plant.happen("raised")
    plant.happen("raised", sensor="fan 9/motor")
    plant.run()
    assert [tree["machine"] for tree in receiver.got] == ["mill 2", "fan 9"]


@pytest.mark.parametrize("status", [500, 503, 429, 401, 404, 302])
def test_what_is_not_taken_is_tried_again(
    plant: Plant, receiver: HttpReceiver, status: int
) -> None:
    receiver.status = status
    plant.happen("raised")
    plant.run(120.0)
    assert receiver.got == []
    receiver.status = 200
    plant.run(61.0)
    assert states(receiver) == ["raised"]


def test_a_restart_forgets_nothing_and_repeats_nothing(
    plant: Plant, receiver: HttpReceiver
) -> None:
    plant.happen("raised")
    plant.run()
    plant.happen("cleared")
    plant.run(5.0)
    plant.restart()
    plant.run(COOL_DOWN_S)
    assert states(receiver) == ["raised", "cleared"]


def test_a_refused_notice_does_not_block_the_next(
    plant: Plant, receiver: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 422
    plant.happen("raised")
    plant.run()
    assert "rejected the notice of event 1" in caplog.text
    assert plant.cursor.counts() == (0, 1)
    receiver.status = 200
    plant.happen("raised", sensor="fan 9/motor")
    plant.run()
    assert [tree["machine"] for tree in receiver.got] == ["fan 9"]


@pytest.mark.parametrize("status", [404, 422])
def test_an_answer_that_repeats_the_request_does_not_bring_its_secrets_into_the_log(
    tmp_path: Path,
    receiver: HttpReceiver,
    status: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHAT_TOKEN", "Bearer hunter2")
    receiver.status, receiver.address = status, f"{receiver.address}/T0K3N?key=k3y"
    receiver.says = b"The requested URL /hook/T0K3N?key=k3y was not found, Bearer hunter2."
    plant = Plant(
        tmp_path / "camshaft.journal", receiver, authorization=Secret(env="CHAT_TOKEN")
    )
    plant.happen("raised")
    plant.run()
    plant.close()
    assert f"{status} The requested URL ...?... was not found, ...." in caplog.text
    assert not any(secret in caplog.text for secret in ("T0K3N", "k3y", "hunter2"))


def test_a_new_webhook_hears_nothing_of_the_past(
    tmp_path: Path, receiver: HttpReceiver
) -> None:
    path = tmp_path / "camshaft.journal"
    journal = Journal(path)
    journal.commit(Batch(events=[Event(1, SENSOR, "alarm_raised")]))
    journal.close()
    plant = Plant(path, receiver)
    plant.run(10.0)
    assert receiver.got == []
    plant.close()


def test_secret_and_constants_go_along(
    tmp_path: Path, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT", "Bearer 123")
    plant = Plant(
        tmp_path / "j", receiver, authorization=Secret(env="CHAT"), fields={"chat_id": "42"}
    )
    plant.happen("raised")
    plant.run()
    assert receiver.headers[0]["Authorization"] == "Bearer 123"
    assert receiver.got[0]["chat_id"] == "42"
    plant.close()


def test_a_receiver_that_is_not_there_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant = Plant(tmp_path / "j", HttpReceiver("http://127.0.0.1:9/hook"))
    plant.happen("raised")
    plant.run(200.0)
    assert caplog.text.count("gave no answer") == 1  # said once, not at every try
    assert plant.cursor.counts() == (0, 0)
    plant.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"webhooks": [{"name": "a", "url": "ftp://x"}]},
            "must be a URL that begins with http",
        ),
        (
            {"webhooks": [{"name": "a", "url": "http://x"}] * 2},
            "each name may stand once only",
        ),
        ({"cool_down_s": -1}, "greater than or equal to 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NotificationSettings.model_validate(settings)


def test_a_secret_with_a_line_break_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT", "a\nX-Evil: 1")
    settings = WebhookSettings(
        name="chat", url="http://x.example", authorization=Secret(env="CHAT")
    )
    with pytest.raises(ConfigError, match="must be printable ASCII"):
        Webhook(
            settings,
            Cursor(tmp_path / "j", "webhook.chat", ["event"]),
            NoticeRules("plant-1", 0.0),
        )


def test_plain_http_to_a_tls_port_loses_no_notice(
    plant: Plant, receiver: HttpReceiver
) -> None:
    receiver.status = 400
    receiver.says = (
        b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title>"
    )
    plant.happen("raised")
    plant.run(10.0)
    assert "HTTPS port" in plant.runner.trouble
    receiver.status, receiver.says = 200, b""
    plant.run(60.0)
    assert states(receiver) == ["raised"]


def test_a_secret_replaced_on_disk_is_taken_without_a_restart(
    tmp_path: Path, receiver: HttpReceiver
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("Bearer one\n")
    plant = Plant(tmp_path / "j.journal", receiver, authorization=Secret(file=secret))
    plant.happen("raised")
    plant.run()
    secret.write_text("Bearer two\n")
    plant.happen("cleared")
    plant.run(COOL_DOWN_S + 1)
    plant.close()
    assert [headers["Authorization"] for headers in receiver.headers] == [
        "Bearer one",
        "Bearer two",
    ]


def test_a_webhook_with_a_private_authority(tmp_path: Path) -> None:
    """The server there takes no notices; that the handshake succeeds is the point."""
    authority = TestAuthority(tmp_path / "authority")
    server = authority.issue("chat")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    standin = InfluxStandIn(tls=context)
    receiver = HttpReceiver(address=standin.url)
    for tls, said in (
        (None, "comes from an authority that tls.ca_file does not hold"),
        (TlsSettings(ca_file=authority.ca_file), "answered 401"),
    ):
        plant = Plant(tmp_path / f"{said[:3]}.journal", receiver, tls=tls)
        plant.happen("raised")
        plant.run()
        assert said in plant.runner.trouble
        plant.close()
    standin.close()


# -- topics ---------------------------------------------------------------------------------------


class Topics:
    """The alarm topics in their runner, with a count of connections that tests set."""

    def __init__(self, path: Path, publish: Publish) -> None:
        self.n_connects = 0
        output = AlarmTopics(
            "plant-1", JournalViews(path), publish, lambda: self.n_connects
        )
        self.cursor = Cursor(path, output.name, output.kinds, output.from_start)
        self.runner = Runner(output, self.cursor)

    def step(self, n_connects: int) -> None:
        self.n_connects = n_connects
        while self.runner.step(0.0, 0) == 0:
            pass


def test_topics_carry_the_state_and_say_it_anew_to_a_new_connection(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    said: list[tuple[str, dict[str, Any]]] = []

    def publish(topic: str, payload: str, retain: bool) -> bool:
        assert retain
        said.append((topic, json.loads(payload)))
        return True

    topics = Topics(tmp_path / "j", publish)
    journal.commit(Batch(events=[Event(SECOND_NS, SENSOR, "alarm_raised", "network")]))
    topics.step(0)
    assert said == []
    topics.step(1)
    topics.step(1)
    assert [(topic, tree["state"], tree["since"]) for topic, tree in said] == [
        ("camshaft/plant-1/alarm/mill 2/spindle", "raised", "1970-01-01T00:00:01.000Z")
    ]
    LabelStore(tmp_path / "j").acknowledge(1, "Ann", "", 2 * SECOND_NS)
    topics.step(1)
    assert (said[-1][1]["state"], said[-1][1]["acknowledged"]) == (
        "acknowledged",
        "acknowledged by Ann",
    )
    topics.step(2)
    assert len(said) == 3
    journal.commit(Batch(events=[Event(3 * SECOND_NS, SENSOR, "alarm_cleared", "OK")]))
    topics.step(2)
    assert (said[-1][1]["state"], said[-1][1]["acknowledged"]) == ("cleared", None)


def test_what_the_broker_does_not_take_is_published_later(tmp_path: Path) -> None:
    journal, taken = Journal(tmp_path / "j"), [False, True]
    topics = Topics(tmp_path / "j", lambda *_: taken.pop(0))
    journal.commit(Batch(events=[Event(1, SENSOR, "alarm_raised")]))
    topics.step(1)
    topics.step(1)
    topics.step(1)
    assert taken == []
    assert topics.cursor.pending(10) == []
