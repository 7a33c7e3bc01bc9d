"""What the broker gets of us: verdicts as JSON, and what Home Assistant needs to find them, through
a real Mosquitto.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from jsonschema import Draft202012Validator
from paho.mqtt.enums import CallbackAPIVersion

from monitor.config import Config
from monitor.config_file import parse_config
from monitor.journal.announced import Announced
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.outputs.configured import Broker, RunningOutput, configured_outputs
from monitor.outputs.home_assistant import Devices, HomeAssistant, identifier
from monitor.page.api import DOCUMENT
from monitor.records.batch import Batch, Event
from monitor.records.verdict import Verdict
from tests.page_stage import SECOND_NS, verdict
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, wait_until
from tests.servers.mqtt_clients import Listener

START_NS = 1_764_000_000 * SECOND_NS
SENSOR = "mühle 2/spindle"
PREFIX = "homeassistant"

# The keys that Home Assistant's pages of 2026 document, and what they may hold:
# integrations/mqtt, sensor.mqtt and binary_sensor.mqtt. Unknown keys are errors of ours.
TOPIC = {"type": "string", "pattern": "^[^+#\0]+$"}
TEMPLATE = {"type": "string", "pattern": r"^\{\{.*\}\}$"}
TEXT = {"type": "string", "minLength": 1}


def only(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


COMMON = {
    "name": TEXT,
    "unique_id": TEXT,
    "state_topic": TOPIC,
    "value_template": TEMPLATE,
    "json_attributes_topic": TOPIC,
}
BINARY_SENSOR = only(
    ["platform", "unique_id", "state_topic"],
    platform={"const": "binary_sensor"},
    device_class={"const": "problem"},
    **COMMON,
)
SENSORS = only(
    ["platform", "unique_id", "state_topic"],
    platform={"const": "sensor"},
    device_class={"const": "enum"},
    options={"type": "array", "items": TEXT},
    unit_of_measurement=TEXT,
    state_class={"const": "measurement"},
    suggested_display_precision={"type": "integer", "minimum": 0},
    **COMMON,
)
GONE = only(["platform"], platform={"enum": ["sensor", "binary_sensor"]})
DISCOVERY = only(
    ["device", "origin", "components"],
    device=only(
        ["identifiers"],
        identifiers={"type": "array", "minItems": 1, "items": TEXT},
        name=TEXT,
        manufacturer=TEXT,
        model=TEXT,
        configuration_url={"type": "string", "pattern": "^https?://"},
    ),
    origin=only(["name"], name=TEXT, sw_version=TEXT, support_url=TEXT),
    availability_topic=TOPIC,
    components={
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z0-9_-]+$"},
        "additionalProperties": {"oneOf": [BINARY_SENSOR, SENSORS, GONE]},
    },
)
DISCOVERY_TOPIC = rf"^{PREFIX}/device/[a-zA-Z0-9_-]+/config$"


def config_of(folder: Path, match: str = "*", **publish: Any) -> Config:
    tree: dict[str, Any] = {
        "instance": "plant.1",
        "mqtt": {"publish": {"verdicts_every_s": 10, **publish}},
        "subscriptions": [{"topic": "v/{machine}/{point}", "payload": {"format": "raw"}}],
        "sensors": [{"match": match, "sample_rate_hz": 12800}],
        "journal": {"path": "journal"},
        "notifications": {"page_url": "https://plant.example/camshaft/"},
    }
    return parse_config(tree, folder)


# -- what is announced ----------------------------------------------------------------------------

NAMES = st.text(min_size=1, max_size=60).map(lambda name: name.replace("/", "-"))


@given(st.lists(st.tuples(NAMES, NAMES), max_size=6, unique=True))
def test_any_names_make_a_valid_device_of_each_machine(
    names: list[tuple[str, str]],
) -> None:
    sensors = [f"{machine}/{point}" for machine, point in names]
    found = Devices(config_of(Path("/")), PREFIX, "0.2.0").of(sensors)
    assert len(found) == len({machine for machine, _ in names})
    unique = []
    for topic, tree in found.items():
        Draft202012Validator({"pattern": DISCOVERY_TOPIC}).validate(topic)
        Draft202012Validator(DISCOVERY).validate(tree)
        unique += [component["unique_id"] for component in tree["components"].values()]
    assert len(unique) == len(set(unique)) == 4 * len(sensors)


@given(st.lists(st.text(max_size=50), unique=True, max_size=5))
def test_two_names_never_have_one_identifier(names: list[str]) -> None:
    names = [*names, *(identifier(name) for name in names)]
    assert len({identifier(name) for name in names}) == len(set(names))


def shown(component: dict[str, Any], state: Any) -> str:
    """As Home Assistant renders it."""
    template = Environment(autoescape=False).from_string(component["value_template"])
    return template.render(value_json=state)


@pytest.mark.parametrize(
    ("state", "expected"), [("cleared", "OFF"), ("raised", "ON"), ("acknowledged", "ON")]
)
def test_the_problem_is_on_while_the_alarm_stands(state: str, expected: str) -> None:
    (tree,) = Devices(config_of(Path("/")), PREFIX, "0").of(["m/p"]).values()
    assert shown(tree["components"]["p_problem"], {"state": state}) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            {
                "status": "NG",
                "probability": 0.9042,
                "band": {"low_hz": 2989.4, "high_hz": 3448.0, "share": 0.5},
            },
            ["NG", "90.42", "2989 to 3448 Hz"],
        ),
        (
            {"status": "BAD_DATA", "probability": None, "band": None},
            ["BAD_DATA", "None", "None"],  # unknown
        ),
    ],
)
def test_what_the_verdict_says_is_shown(found: dict[str, Any], expected: list[str]) -> None:
    (tree,) = Devices(config_of(Path("/")), PREFIX, "0").of(["m/p"]).values()
    parts = tree["components"]
    said = [shown(parts[f"p_{key}"], found) for key in ("status", "probability", "band")]
    assert said == expected


# -- through a broker -----------------------------------------------------------------------------


class Newcomer:
    """All topics as somebody finds them who comes new."""

    def __init__(self, port: int) -> None:
        self.retained: dict[str, Any] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._note
        self._client.on_connect = self._subscribe
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _subscribe(self, client: paho.Client, *_: object) -> None:
        client.subscribe("#", 1)

    def _note(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        text = message.payload.decode()
        is_json = text.startswith("{")
        if text:
            self.retained[message.topic] = json.loads(text) if is_json else text
        else:
            self.retained.pop(message.topic, None)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def looking(port: int) -> Iterator[dict[str, Any]]:
    found = Newcomer(port)
    try:
        yield found.retained
    finally:
        found.close()


def outputs_of(config: Config, listener: Listener) -> list[RunningOutput]:
    client = listener.client
    return configured_outputs(
        config, Broker(client.publish, lambda: client.connection.number)
    )


def run(outputs: list[RunningOutput], now_s: float) -> None:
    for one in outputs:
        while one.runner.step(now_s, START_NS + round(now_s * 1e9)) == 0:
            pass


def announcements(retained: dict[str, Any]) -> dict[str, Any]:
    return {topic: tree for topic, tree in retained.items() if topic.startswith(PREFIX)}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = Journal(tmp_path / "journal")
    rows = [verdict(sensor, 0, START_NS, False) for sensor in (SENSOR, "fan/motor")]
    found.commit(Batch(verdicts=rows))
    yield found
    found.close()


@needs_mosquitto
def test_home_assistant_finds_machines_alarms_and_whether_we_are_there(
    tmp_path: Path, journal: Journal
) -> None:
    with Mosquitto(tmp_path / "broker") as broker, looking(broker.port) as retained:
        with Listener(broker.port, instance="plant.1") as listener:
            listener.ready()
            outputs = outputs_of(config_of(tmp_path, home_assistant=PREFIX), listener)
            run(outputs, 0.0)
            wait_until(lambda: len(announcements(retained)) == 2, why="both are announced")
            tree = next(
                one
                for one in announcements(retained).values()
                if one["device"]["name"] == "mühle 2"
            )
            Draft202012Validator(DISCOVERY).validate(tree)
            problem = next(
                one
                for one in tree["components"].values()
                if one["platform"] == "binary_sensor"
            )
            sensors = [
                one for one in tree["components"].values() if one["platform"] == "sensor"
            ]

            def state() -> str:
                return shown(problem, retained[problem["state_topic"]])

            wait_until(lambda: problem["state_topic"] in retained)
            assert state() == "OFF"  # though there was no alarm yet
            assert retained[tree["availability_topic"]] == "online"
            said = [shown(one, retained[one["state_topic"]]) for one in sensors]
            assert said[0] == "OK"

            alarm = Event(START_NS, SENSOR, "alarm_raised", "network")
            journal.commit(
                Batch(events=[alarm], verdicts=[verdict(SENSOR, 1, START_NS, True)])
            )
            run(outputs, 1.0)
            wait_until(lambda: state() == "ON", why="the alarm arrives")
            topic = sensors[0]["state_topic"]
            wait_until(lambda: shown(sensors[0], retained[topic]) == "NG", why="so does NG")
            assert retained[problem["json_attributes_topic"]]["text"] == "network"
            for one in outputs:
                one.close()
        wait_until(lambda: retained[tree["availability_topic"]] == "offline", why="we left")


@needs_mosquitto
def test_what_is_gone_is_removed_and_what_a_broker_forgot_is_said_again(
    tmp_path: Path, journal: Journal
) -> None:
    journal.commit(Batch(verdicts=[verdict("fan/gear", 0, START_NS, False)]))
    seen: list[Any] = []
    with (
        Mosquitto(tmp_path / "broker") as broker,
        Listener(broker.port, instance="plant.1") as listener,
    ):
        listener.ready()

        def restarted(match: str, **publish: Any) -> None:
            """The service with another configuration."""
            outputs = outputs_of(config_of(tmp_path, match, **publish), listener)
            run(outputs, 0.0)
            for one in outputs:
                one.close()

        restarted("*", home_assistant=PREFIX)
        with looking(broker.port) as retained:
            wait_until(lambda: len(announcements(retained)) == 2)

            def fan() -> Any:
                return retained.get(f"{PREFIX}/device/camshaft_plant-1-{HASHED}_fan/config")

            assert len(fan()["components"]) == 8
            publish = listener.client.publish

            def spied(topic: str, payload: Any, retain: bool = False, qos: int = 1) -> bool:
                seen.append((topic, payload))
                return publish(topic, payload, retain, qos)

            listener.client.publish = spied  # type: ignore[method-assign]
            restarted("fan/motor", home_assistant=PREFIX)
            wait_until(lambda: len(announcements(retained)) == 1, why="the mill is gone")
            wait_until(lambda: len(fan()["components"]) == 4, why="the gear is gone")
            gone = next(
                json.loads(payload)["components"]
                for topic, payload in seen
                if "fan/config" in topic
            )
            # as they are to be removed
            assert {"platform": "binary_sensor"} in gone.values()

            broker.restart()  # it keeps nothing
            retained.clear()
            wait_until(lambda: listener.client.connection.number == 2)
            listener.ready()
            restarted("fan/motor", home_assistant=PREFIX)
            wait_until(lambda: len(announcements(retained)) == 1, why="said again")
            restarted("*")
            wait_until(lambda: announcements(retained) == {}, why="nothing is left")
    announced = Announced(tmp_path / "journal")
    assert announced.topics() == {}
    announced.close()


HASHED = identifier("plant.1").rpartition("-")[2]


def test_what_the_client_does_not_take_is_announced_later(
    tmp_path: Path, journal: Journal
) -> None:
    taken = [True, False, True, True]
    output = HomeAssistant(
        Devices(config_of(tmp_path), PREFIX, "0"),
        JournalViews(tmp_path / "journal"),
        Announced(tmp_path / "journal"),
        lambda *_: taken.pop(0),
        lambda: 1,
    )
    output.step([], START_NS)
    assert len(taken) == 2
    output.step([], START_NS + 1)
    assert taken == []
    output.step([], START_NS + 2)  # nothing more is due
    output.close()


# -- verdicts -------------------------------------------------------------------------------------


@contextmanager
def verdicts_said(
    folder: Path, every_s: float
) -> Iterator[tuple[Callable[[Verdict], None], list[dict[str, Any]]]]:
    """Store a verdict; what was said."""
    said: list[dict[str, Any]] = []

    def publish(topic: str, payload: str, retain: bool) -> bool:
        assert retain
        if topic.startswith("camshaft/plant.1/verdict/"):
            said.append(json.loads(payload))
        return True

    config = config_of(folder, verdicts_every_s=every_s)
    journal = Journal(config.journal.path)
    outputs = configured_outputs(config, Broker(publish, lambda: 1))

    def store(one: Verdict) -> None:
        journal.commit(Batch(verdicts=[one]))
        run(outputs, 0.0)

    yield store, said
    for one in outputs:
        one.close()
    journal.close()


def test_a_verdict_is_told_as_the_api_tells_it(tmp_path: Path) -> None:
    with verdicts_said(tmp_path, 0) as (store, said):
        store(verdict(SENSOR, 0, START_NS, True))
    document = json.loads(DOCUMENT.read_text("utf-8"))
    schema = document | {"$ref": "#/components/schemas/Verdict"}
    Draft202012Validator(schema).validate(said[0])
    assert said[0]["machine"] == "mühle 2"


@pytest.mark.parametrize(
    ("every_s", "expected"), [(0, 40), (10, 5), (86400, 3)]
)  # at the beginning, and at each change
def test_each_change_is_told_and_else_one_in_so_many_seconds(
    every_s: float, expected: int, tmp_path: Path
) -> None:
    with verdicts_said(tmp_path, every_s) as (store, said):
        for index in range(40):
            store(verdict(SENSOR, index, START_NS, 20 <= index < 25))
    assert len(said) == expected
    changes = [one["status"] for one in said]
    assert [
        status
        for status, before in zip(changes, ["", *changes], strict=False)
        if status != before
    ] == ["OK", "NG", "OK"]


def test_a_clock_set_back_does_not_silence(tmp_path: Path) -> None:
    with verdicts_said(tmp_path, 600) as (store, said):
        store(verdict(SENSOR, 100, START_NS, False))
        store(replace(verdict(SENSOR, 1, START_NS, False), segment=2))
    assert len(said) == 2
