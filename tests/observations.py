"""For every key of the configuration two values, and where their difference is seen."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
import uvicorn
from starlette.exceptions import HTTPException
from starlette.requests import Request

from monitor.advice import advice_book
from monitor.cli import main
from monitor.commands import page as page_command
from monitor.config import Config
from monitor.config_machines import surroundings_at
from monitor.evidence import limits
from monitor.evidence.decide import Finding
from monitor.evidence.model_folder import ModelError, find_model
from monitor.forward.forwarder import Forwarder
from monitor.instances import local_instances
from monitor.journal.cursors import HealthFigures, JournalRow, Notified
from monitor.journal.views import StoredEvent
from monitor.journal.writer import Journal
from monitor.kafka.state_topic import StateTopic
from monitor.log_lines import LineHandler
from monitor.member.member import Member
from monitor.outputs.configured import Broker, configured_outputs
from monitor.outputs.influx.rows import lines_for
from monitor.outputs.influx.sender import InfluxOutput
from monitor.outputs.mail import Mail
from monitor.outputs.notices import NoticeRules
from monitor.outputs.syslog import Syslog
from monitor.outputs.webhook import Webhook
from monitor.page.application import Page
from monitor.page.users import NOBODY
from monitor.pipeline.configured import configured_rules
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.promise import Promise
from monitor.pipeline.router import Router
from monitor.records.batch import Batch
from monitor.records.commissioned import Baseline, Commissioned
from monitor.records.promise import PromiseState, Reference, Step
from monitor.records.signal import Message
from monitor.records.verdict import Status
from monitor.service import Service
from monitor.settings import ConfigError
from monitor.signal.payload.base import PayloadError
from monitor.sources.base import Callbacks
from monitor.sources.configured import configured_source, topic_filters
from monitor.sources.mqtt.client import MqttClient
from monitor.sources.mqtt.paho_client import connect_properties
from monitor.succession.start import take_partition
from tests.signals import START_NS
from tests.toy_source import FolderSource
from tests.verdicts import make_verdict, novelty

Tree = dict[str, Any]
Observe = Callable[[Config, Path, pytest.MonkeyPatch], Any]
TOPIC = "v/{machine}/{point}"
MODEL = {"model": "cnc-milling", "channels": ["x", "y", "z"], "window_s": None}
JSON = {"format": "json"}
INFLUX = {"url": "http://127.0.0.1:1", "bucket": "b"}
HOOK = {"name": "h", "url": "http://127.0.0.1:1/"}
PAGER = {**HOOK, "template": "pagerduty", "routing_key": {"env": "SECRET_ONE"}}
MAIL = {
    "name": "m",
    "host": "127.0.0.1",
    "username": "u",
    "password": {"env": "SECRET_ONE"},
    "sender": "a@plant.example",
    "to": ["b@plant.example"],
}
SYSLOG = {"name": "s", "address": "tcp://10.0.0.5"}
ENCRYPTED_SYSLOG = {"name": "s", "address": "tls://10.0.0.5"}


@dataclass(frozen=True)
class Observation:
    """after, before : what the two configurations have in place of base_tree's sections"""

    observe: Observe
    after: Tree
    before: Tree = field(default_factory=dict)


def base_tree() -> Tree:
    return {
        "subscriptions": [
            {"topic": TOPIC, "payload": {"format": "raw", "dtype": "float32"}}
        ],
        "sensors": [{"sample_rate_hz": 2000, "window_s": 0.5}],
        "journal": {"path": "journal"},
    }


def sensor(**changes: Any) -> Tree:
    rule = {"sample_rate_hz": 2000, "window_s": 0.5, **changes}
    return {"sensors": [{key: value for key, value in rule.items() if value is not None}]}


def payload(**values: Any) -> Tree:
    return {"subscriptions": [{"topic": TOPIC, "payload": values}]}


def journal(**values: Any) -> Tree:
    return {"journal": {"path": "journal", **values}}


# -- the broker -----------------------------------------------------------------------------------


def connection(config: Config, patch: pytest.MonkeyPatch) -> Tree:
    """What the client is, and asks for, when it connects."""
    asked: list[Any] = []

    def connect_async(client: paho.Client, *values: Any, **more: Any) -> None:
        asked.extend((client, values, more))

    patch.setattr(paho.Client, "connect_async", connect_async)
    patch.setattr(paho.Client, "loop_start", lambda _client: None)
    refused: list[str] = []
    callbacks = Callbacks(
        lambda message: refused.append("taken"),
        lambda message, reason: refused.append(reason),
        lambda error: None,
    )
    source = configured_source(config, callbacks, frozenset())
    assert isinstance(source, MqttClient)
    source.start()
    client, (host, port, keep_alive_s), more = asked
    message = paho.MQTTMessage(0, b"v/m/p")
    message.payload = bytes(1100)
    client.on_message(client, None, message)
    return {
        "host": host,
        "port": port,
        "keep_alive_s": keep_alive_s,
        "session": str(more["properties"]),
        "protocol": client.protocol,
        "client_id": client._client_id,
        "username": client.username,
        "password": client.password,
        "tls": client._ssl_context is not None,
        "too_large": refused,
        "status_topic": source.status_topic,
        "courtesies": list(source._courtesies_to_ask()),
    }


def broker(what: str) -> Observe:
    return lambda config, folder, patch: connection(config, patch)[what]


def receive_maximum(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> str:
    return str(connect_properties(config.mqtt))


def certificate(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """Which file of mqtt.tls is read: none of them is there."""
    try:
        connection(config, patch)
    except ConfigError as error:
        return str(error)
    return ""


def secret(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """The broker's password, from where the configuration says."""
    (folder / "from-credential").write_text("of a credential")
    patch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    patch.setenv("SECRET_ONE", "one")
    patch.setenv("SECRET_TWO", "two")
    return connection(config, patch)["password"]


# -- messages and windows -------------------------------------------------------------------------


def read(config: Config, body: bytes | Tree) -> Any:
    """What the router makes of one message."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    message = Message("v/m/p", content, START_NS, {}, None)
    try:
        found = Router(configured_rules(config)).read(message, config.sensor)
    except PayloadError as error:
        return error.reason
    assert isinstance(found, list)
    (chunk,) = found
    return chunk.samples.tolist(), chunk.start_ns, chunk.sequence, chunk.sample_rate_hz


BYTES = np.arange(1, 7, dtype="<f4").tobytes()
OBJECT = {
    "samples": [1, 2, 3],
    "encoded": base64.b64encode(BYTES).decode(),
    "other": {
        "samples": [4, 5],
        "time": "2023-11-14T00:00:01Z",
        "sequence": 9,
        "rate": 1990.0,
    },
    "time": "2023-11-14T00:00:00Z",
    "time_s": 1_700_000_000.5,
    "sequence": 4,
    "sample_rate_hz": 2000.0,
    "spacing": 1 / 2010,
}


def raw(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> Any:
    return read(config, BYTES)


def json_message(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> Any:
    return read(config, OBJECT)


def verdicts(
    config: Config, _folder: Path, _patch: pytest.MonkeyPatch, now_ns: int = START_NS
) -> list[Any]:
    """Three seconds of a humming machine in messages of 0.7 s with a pause after the second."""
    pipeline = Pipeline(configured_rules(config), {}, {}, 0.0)
    rng = np.random.default_rng(3)
    at_s = (0.0, 0.7, 3.4, 4.1)
    for start_s in at_s:
        samples = rng.normal(size=1400).astype("<f4")
        times = {"start_time_ns": str(START_NS + round(start_s * 1e9))}
        message = Message("v/m/p", samples.tobytes(), START_NS, times, None)
        pipeline.process([message], now_ns, 0.0)
    batch = pipeline.take_batch(True)
    found = [(v.status, v.reason, v.n_samples, v.first_sample) for v in batch.verdicts]
    return [found, dict(batch.books)]


def late(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> list[Any]:
    return verdicts(config, folder, patch, START_NS + 60 * 10**9)


def overdue(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a sensor that sent once is missed, second by second."""
    pipeline = Pipeline(configured_rules(config), {}, {}, 0.0)
    pipeline.process([Message("v/m/p", bytes(400), START_NS, {}, None)], START_NS, 0.0)
    return [
        pipeline.sensors["m/p"].stopped(0, second + 0.5) is not None for second in range(10)
    ]


def alarms(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    """The alarm's state after each of a row of verdicts."""
    pipeline = Pipeline(configured_rules(config), {}, {}, 0.0)
    pipeline.process([Message("v/m/p", bytes(400), START_NS, {}, None)], START_NS, 0.0)
    alarm = pipeline.sensors["m/p"].verdicts.alarm
    states = []
    for letter in "NNNNNNOONOOOONOOOOOOOOOONOOON":
        alarm.update(Status.NG if letter == "N" else Status.OK)
        states.append(alarm.state)
    return states


def budgeted(
    config: Config, _folder: Path, _patch: pytest.MonkeyPatch
) -> list[bool | None]:
    """What an alarm's detector says of a row of NG windows; None where n of m decides."""
    steps = {"novelty": (Step(0.5, 9.0),)}
    reference = Reference(99, 9, 99, 1, 60.0, 6e5, steps, steps)
    level = np.zeros((1, 1), np.float32)
    baseline = Baseline(level, level, 0.4)
    own = Commissioned(
        "m/p",
        (0.0, 1.0),
        baseline,
        None,
        "",
        0.1,
        99,
        0,
        commissioning_id=1,
        reference=reference,
    )
    found = Finding(Status.NG, "novelty", (novelty(np.ones((1, 1), np.float32), 0.4),))
    promise = Promise(PromiseState())
    budget_s = config.sensors[0].alarm.budget_s
    return [promise.hear(found, own, None, budget_s, {}).is_over for _ in range(9)]


def kept(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> list[bool]:
    """Which of a row of verdicts keeps its map."""
    pipeline = Pipeline(configured_rules(config), {}, {}, 0.0)
    pipeline.process([Message("v/m/p", bytes(400), START_NS, {}, None)], START_NS, 0.0)
    choose = pipeline.sensors["m/p"].verdicts.maps.choose
    statuses = [Status.NG if n == 20 else Status.OK for n in range(40)]
    found = [choose(make_verdict(n, status=status)) for n, status in enumerate(statuses)]
    return [verdict.keeps_maps for verdict, _ in found]


def rule_of_a_pump(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> bool:
    return config.sensor("pump-1/gear") is None


def model_of(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> str:
    return configured_rules(config).analysers[0].model_id


def logit_threshold(
    config: Config, _folder: Path, _patch: pytest.MonkeyPatch
) -> float | None:
    analyser = configured_rules(config).analysers[0]
    return limits.logit_threshold(analyser.rule, None, analyser.manifest)


def model_folder(config: Config, folder: Path, _patch: pytest.MonkeyPatch) -> str:
    own = folder / "models" / "cnc-milling" / "current"
    own.mkdir(parents=True)
    (own / "manifest.yaml").touch()
    try:
        return str(find_model("cnc-milling", config.models_folder).relative_to(folder))
    except (ModelError, ValueError):
        return "the bundled one"


def filters(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    return [one.text for one in topic_filters(config)]


def machine(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> str:
    """What is known of the machine at the sensor of the messages above."""
    return str(surroundings_at(config.machines, "m/p"))


def described(**changes: Any) -> Tree:
    return {"machines": [{"match": "m/*", **changes}]}


def seen_in_machine(part: str, key: str, value: Any, **beside: Any) -> Observation:
    """A key of the one component of a kind."""
    return Observation(
        machine,
        described(**{part: [{**beside, key: value}]}),
        described(**{part: [beside]}),
    )


def seen_in_shaft(key: str, value: Any, **beside: Any) -> Observation:
    return Observation(
        machine,
        described(shaft={**beside, key: value}),
        described(shaft=beside or {"rpm": 1000}),
    )


def seen_in_zones(zones: Tree) -> Observation:
    before = {"group": 2, "foundation": "rigid"}
    return Observation(machine, described(zones=zones), described(zones=before))


BALLS = {"name": "a", "elements": 9, "element_mm": 8, "pitch_mm": 40}
RATIOS = {"name": "a", "elements": 9, "bpfo": 3.6, "bpfi": 5.4, "bsf": 2.4, "ftf": 0.4}
WHEEL = {"name": "a", "teeth": 20}
FAN = {"name": "a", "count": 6}
BELT = {"name": "a", "length_mm": 1000, "pulley_mm": 100}


# -- the journal and the log ----------------------------------------------------------------------


@contextmanager
def service(config: Config, folder: Path) -> Iterator[Service]:
    """The real service on a source without network; its threads do not run."""

    def source(
        _config: Config, callbacks: Callbacks, _remembered: frozenset[str]
    ) -> FolderSource:
        return FolderSource(folder, callbacks)

    running = Service(folder / "camshaft.yaml", config, source)
    try:
        yield running
    finally:
        if running._lock_file is not None:
            running._lock_file.close()


def judging_threads(config: Config, folder: Path, _patch: pytest.MonkeyPatch) -> int:
    with service(config, folder) as running:
        return running._workers.n


def thinned(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> list[Any]:
    asked: list[Any] = []

    def thin(_journal: Journal, *values: Any) -> Counter[str]:
        asked.extend(values)
        return Counter()

    patch.setattr(Journal, "thin", thin)
    patch.setattr(Journal, "thin_trends", thin)
    with service(config, folder) as running:
        running._thinner.step(0)
    return asked


def journal_file(config: Config, folder: Path, _patch: pytest.MonkeyPatch) -> list[str]:
    with service(config, folder):
        return sorted(path.name for path in folder.glob("*journal"))


def logging_after_reload(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """After SIGHUP: the root's level, a part's, and whether lines are JSON."""
    root, part = logging.getLogger(), logging.getLogger("monitor.sources")
    before, handlers = root.level, root.handlers
    root.handlers = [LineHandler()]
    try:
        with service(config, folder) as running:
            running._reload()
        return root.level, part.level, type(root.handlers[0].formatter)
    finally:
        root.handlers = handlers
        root.setLevel(before)
        part.setLevel(logging.NOTSET)


# -- outputs --------------------------------------------------------------------------------------


class Ear(ThreadingHTTPServer):
    """Takes every request down, and answers 204."""

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay_s, self.heard, self.closing = delay_s, list[Any](), Event()
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Ear

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Authorization"], body))
        self.server.closing.wait(self.server.delay_s)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *values: Any) -> None:
        """Tests are quiet."""


def at_ear(config: Config, ear: Ear, name: str) -> Any:
    """The settings of an output, with its address on the ear."""
    settings = config.influx[0] if name == "influx" else config.notifications.webhooks[0]
    url = settings.url.replace("127.0.0.1:1", f"127.0.0.1:{ear.server_port}")
    return settings.model_copy(update={"url": url})


def database(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """The request that a row makes: path with organisation and bucket, and the token."""
    patch.setenv("SECRET_ONE", "one")
    ear = Ear()
    output = InfluxOutput(at_ear(config, ear, "influx"), lambda row: ["m f=1 1"], "i")
    try:
        step = output.step([JournalRow("health", 0, HealthFigures(1, {}))], 1)
        return (
            [heard[:2] for heard in ear.heard],
            output.name,
            output.batch_rows,
            step.trouble,
        )
    finally:
        output.close()
        ear.stop()


def patience(name: str) -> Observe:
    """Whether an output waits a second for a slow server."""

    def observe(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> bool:
        ear = Ear(delay_s=30.0)
        begin_s = time.monotonic()
        try:
            if name == "influx":
                output = InfluxOutput(
                    at_ear(config, ear, name), lambda row: ["m f=1 1"], "i"
                )
                output.step([JournalRow("health", 0, HealthFigures(1, {}))], 1)
            else:
                tell(config, ear)
            return time.monotonic() - begin_s > 1.0
        finally:
            ear.stop()

    return observe


class Untold:
    """A webhook's cursor that has told one thing: an alarm was raised ten seconds ago."""

    def notified(self, sensor: str) -> Notified:
        return Notified("cleared", START_NS)

    def held(self) -> list[tuple[Notified, StoredEvent]]:
        return []

    def unanswered(self, before_ns: int, now_ns: int) -> list[tuple[Notified, StoredEvent]]:
        raised = StoredEvent(1, START_NS, "m/p", "alarm_raised", "network", "")
        return [(Notified("raised", START_NS), raised)] if before_ns >= START_NS else []

    def muted(self, now_ns: int) -> tuple[str, ...]:
        return ()

    def named_since(self, event: StoredEvent) -> tuple[str, str]:
        return "", ""


def tell(config: Config, ear: Ear) -> Any:
    settings = config.notifications
    rules = NoticeRules(
        config.instance, settings.cool_down_s, settings.remind_s, settings.page_url
    )
    hook = Webhook(at_ear(config, ear, "webhook"), Untold(), rules)
    event = StoredEvent(1, START_NS, "m/p", "alarm_raised", "network", "")
    hook.step([JournalRow("event", 1, event)], START_NS + 10 * 10**9)
    hook.step([], START_NS + 100 * 10**9)
    hook.close()
    return hook.name


def advised(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> Tree:
    """What is told to do where a bearing is named."""
    return advice_book(config.advice).of_text("bearing").tree()


def replaced(**changes: Any) -> Tree:
    return {"advice": {"bearing": {"do": ["Stop."], "check": ["Oil."]} | changes}}


def webhook(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    patch.setenv("SECRET_ONE", "Bearer one")
    ear = Ear()
    try:
        name = tell(config, ear)
    finally:
        ear.stop()
    return name, ear.heard


def mail(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """How a mail server is met, and what it is told."""
    patch.setenv("SECRET_ONE", "one")
    patch.setenv("SECRET_TWO", "two")
    said: list[Any] = []

    class Server:
        def __init__(self, *where: Any, **more: Any) -> None:
            said.extend((type(self).__name__, where[:2], more["timeout"]))

        def starttls(self, context: Any) -> None:
            said.append("starttls")

        def login(self, *who: str) -> None:
            said.append(who)

        def send_message(self, message: Any) -> dict[str, Any]:
            said.extend((message["From"], message["To"]))
            return {}

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None: ...

    patch.setattr("smtplib.SMTP", Server)
    patch.setattr("smtplib.SMTP_SSL", type("Encrypted", (Server,), {}))
    try:
        output = Mail(
            config.notifications.mails[0], Untold(), NoticeRules(config.instance, 0.0)
        )
    except ConfigError as error:
        return str(error)
    event = StoredEvent(1, START_NS, "m/p", "alarm_raised", "network", "")
    output.step([JournalRow("event", 1, event)], START_NS + 10 * 10**9)
    return output.name, said


def told_to_broker(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """What is published of two windows, a second after each other."""
    said: list[Any] = []

    def publish(topic: str, payload: str, retain: bool) -> bool:
        said.append((topic, payload))
        return True

    journal = Journal(config.journal.path)
    outputs = configured_outputs(config, Broker(publish, lambda: 1))
    for segment in range(2):
        one = make_verdict(segment=segment, start_ns=START_NS + segment * 10**9)
        journal.commit(Batch(verdicts=[one]))
        for output in outputs:
            output.runner.step(0.0, START_NS)
    for output in outputs:
        output.close()
    journal.close()
    return said


def syslog(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    said: list[Any] = []

    class Link:
        def sendall(self, data: bytes) -> None:
            said.append(data)

        def close(self) -> None: ...

    def connect(where: Any, timeout_s: float) -> Link:
        said.extend((where, timeout_s))
        return Link()

    patch.setattr("socket.create_connection", connect)
    try:
        output = Syslog(config.notifications.syslog[0])
    except ConfigError as error:
        return str(error)
    event = StoredEvent(1, START_NS, "m/p", "alarm_raised", "network", "")
    output.step([JournalRow("event", 1, event)], START_NS)
    return output.name, said


class QuietProducer:
    """In place of Kafka's client: what it was made with, and what it was asked to send."""

    def __init__(self, settings: Tree) -> None:
        self.said: list[Any] = [{**settings, "logger": None, "error_cb": None}]

    def produce(self, *what: Any, **_more: Any) -> None:
        self.said.append(what[0])

    def flush(self, timeout_s: float) -> None:
        self.said.append(timeout_s)

    def purge(self) -> None: ...

    def list_topics(self, topic: str, timeout: float) -> Any:
        self.said.append(topic)
        found = SimpleNamespace(error=None, partitions=[0])
        return SimpleNamespace(topics={topic: found})

    def __len__(self) -> int:
        return 0


@contextmanager
def no_kafka(patch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the producers made in the block were told."""
    patch.setenv("SECRET_ONE", "one")
    patch.setenv("SECRET_TWO", "two")
    made: list[Any] = []

    def make(settings: Tree) -> QuietProducer:
        found = QuietProducer(settings)
        made.append(found.said)
        return found

    with patch.context() as inner:
        inner.setattr("monitor.kafka.client.Producer", make)
        inner.setattr("monitor.forward.forwarder.topic_limit", lambda *_: 5)
        yield made


def forwarded(config: Config, _folder: Path, patch: pytest.MonkeyPatch) -> Any:
    if config.kafka is None:
        return None
    with no_kafka(patch) as made:
        Forwarder(config, config.kafka).find_topic()
    return made


KAFKA = {"brokers": ["h:1"]}
CONSUMERS = ("group.id", "session.timeout.ms")


@contextmanager
def no_consumers(patch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the consumers made in the block were told: their settings, and what to read."""
    made: list[Any] = []

    class Quiet:
        def __init__(self, settings: Tree) -> None:
            told = {key: value for key, value in settings.items() if key in CONSUMERS}
            made.append(told)

        def subscribe(self, topics: list[str], **_: Any) -> None:
            made.append(topics)

        def close(self) -> None:
            """It holds nothing."""

    with patch.context() as inner:
        inner.setattr("monitor.kafka.consumer.Consumer", Quiet)
        inner.setattr("monitor.kafka.group.Consumer", Quiet)
        yield made


def member(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    with no_consumers(patch) as made:
        Member(folder / "camshaft.yaml", config)
    return made


def told_source(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> Any:
    """Which source it is, and its partition."""
    callbacks = Callbacks(lambda _: None, lambda _message, _why: None, lambda _: None)
    source = configured_source(config, callbacks, frozenset())
    return type(source).__name__, source.health().get("kafka_partition")


def told_state(config: Config, _folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """Which topic is asked of a partition's owner before."""
    asked: list[str] = []

    def take_over(topic: StateTopic) -> dict[bytes, bytes]:
        asked.append(topic.state_topic)
        return {}

    patch.setattr(StateTopic, "take_over", take_over)
    take_partition(config, None)
    return asked


def told_kafka(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    with no_kafka(patch) as made:
        outputs = configured_outputs(config, None)
        for running in outputs:
            output = running.output
            output.step([JournalRow("verdict", 1, make_verdict())], START_NS)
            made.append([output.name, output.batch_rows])
            running.close()
    return made


def webhook_tls(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """What is said of a file that is not there."""
    try:
        webhook(config, folder, patch)
    except ConfigError as error:
        return str(error)
    return ""


def database_tls(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> str:
    try:
        database(config, folder, patch)
    except ConfigError as error:
        return str(error)
    return ""


def maps_of_an_ok_window(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> int:
    lines_of = lines_for(config.instance, config.influx[0].maps)
    return len(lines_of(JournalRow("verdict", 1, make_verdict(status=Status.OK))))


# -- what listens ---------------------------------------------------------------------------------


def page(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Tree:
    """What `camshaft page` listens with, and what its first answer is."""
    patch.setenv("SECRET_ONE", "long enough")
    Journal(config.journal.path).close()
    found: Tree = {}

    def run(server: uvicorn.Server, sockets: Any) -> None:
        found["certificate"] = str(server.config.ssl_certfile)
        found["key"] = str(server.config.ssl_keyfile)
        found["answer"] = asyncio.run(ask(server.config.app))

    patch.setattr(uvicorn.Server, "run", run)
    patch.setattr(
        page_command, "listen", lambda host, port: found.update(host=host, port=port)
    )
    patch.setattr("signal.signal", lambda *_: None)
    patch.setattr("os.nice", lambda _: None)
    assert main(["page", "-c", str(folder / "camshaft.yaml")]) == 0
    return found


async def ask(application: Any) -> Any:
    """GET / as a browser that knows the page as plant.example."""
    sent: list[Mapping[str, Any]] = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Any:
        # it stays, and says no more
        return await asyncio.get_running_loop().create_future()

    headers = [(b"host", b"plant.example")]
    scope: Tree = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    scope |= {"query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1"}
    await application(scope, receive, send)
    names = [name for name, _ in sent[0]["headers"]]
    cookies = [value for name, value in sent[0]["headers"] if name == b"set-cookie"]
    return sent[0]["status"], names, [b"Secure" in cookie for cookie in cookies]


def of_page(*names: str) -> Observe:
    return lambda config, folder, patch: [
        page(config, folder, patch)[name] for name in names
    ]


def page_asked(path: str, **headers: str) -> Observe:
    """What the page answers to a request from 192.0.2.1 with these headers."""

    def observe(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
        patch.setenv("SECRET_ONE", "0123456789abcdef0123")
        patch.setenv("SECRET_TWO", f"Ann:admin:{NOBODY}")
        Journal(config.journal.path).close()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        page = Page(config, lambda: config, None, lambda: False)
        request = Request(
            {
                "type": "http",
                "method": "GET",
                "path": path,
                "client": ("192.0.2.1", 40000),
                "headers": [(k.lower().encode(), v.encode()) for k, v in named.items()],
            }
        )
        found: list[Any] = [page._access.with_users]
        for ask in (page._access.may_read_api, page._access.may_read):
            with suppress(HTTPException):
                found.append(ask(request))
        return found

    return observe


def plant(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """The instances that the page shows, and what it would send to another page."""
    patch.setenv("SECRET_ONE", "0123456789abcdef0123")
    patch.setenv("SECRET_TWO", "fedcba98765432103210")
    try:
        page = Page(config, lambda: config, None, lambda: False)
    except ConfigError as error:
        return str(error)
    told = [tree for part in page._plant.parts() for tree in part.told()]
    of_pages = [
        (part._page.url, part._page._authorization()) for part in page._plant._remotes
    ]
    paths = [one.path for one in local_instances(config)]
    return [one["name"] for one in told], paths, of_pages


def beside(**changes: Any) -> Tree:
    one = {"name": "a", "journal": "other.journal", **changes}
    return {"page": {"instances": [one]}}


def elsewhere(**changes: Any) -> Tree:
    page = {"name": "a", "url": "https://h/", "token": {"env": "SECRET_ONE"}, **changes}
    return {"page": {"instances": [page]}}


def proxied(**changes: Any) -> Tree:
    return {"page": {"proxy": {"address": "192.0.2.1", **changes}}}


def with_token(**changes: Any) -> Tree:
    return {"page": {"tokens": [{"name": "a", "token": {"env": "SECRET_ONE"}, **changes}]}}


BEARER = {"Authorization": "Bearer 0123456789abcdef0123"}


def numbered_256(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> Any:
    """A message whose number needs nine bits."""
    return read(config, {"samples": [1, 2], "sequence": 256})


def told_of(**changes: Any) -> Tree:
    return {"context": [{"name": "speed", "topic": "c/{machine}/x"} | changes]}


def told(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> list[Any]:
    """What was told of a machine, and whether it ran, in the window two seconds later."""
    pipeline = Pipeline(configured_rules(config), {}, {}, 0.0)
    samples = np.random.default_rng(3).normal(size=1000).astype("<f4").tobytes()
    later_ns = START_NS + 2 * 10**9
    sent = [
        Message("c/m/x", b"30", START_NS),
        Message("c/m/x", b'{"a": 40, "b": 50}', START_NS),
        Message("v/m/p", samples, later_ns),
    ]
    pipeline.process(sent, later_ns, 0.0)
    batch = pipeline.take_batch(True)
    refused = [bad.reason for bad in batch.bad_payloads]
    return [refused, *((dict(v.context), v.running) for v in batch.verdicts)]


def failure_modes(config: Config, _folder: Path, _patch: pytest.MonkeyPatch) -> str:
    label = {"sensor": "m/p", "word": "unclear", "failure_mode": "cavitation"}
    message = Message("camshaft/label", json.dumps(label).encode(), START_NS, {}, None)
    try:
        Router(configured_rules(config)).read(message, config.sensor)
    except PayloadError as error:
        return error.reason
    return "taken"


def past(config: Config, folder: Path, _patch: pytest.MonkeyPatch) -> int:
    """Whether m/new, which was m/p once, can be exported."""
    journal = Journal(config.journal.path)
    journal.commit(Batch(verdicts=[make_verdict(sensor="m/p")]))
    journal.close()
    span = ["--from", "2023-11-01", "--to", "2023-12-01"]
    words = ["--point", "m/new", *span, "--as", "csv", "--out", str(folder / "out.csv")]
    return main(["export", "-c", str(folder / "camshaft.yaml"), *words])


def metrics(config: Config, folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """Where the service answers Prometheus."""
    asked: list[Any] = []

    class Answering:
        def shutdown(self) -> None: ...
        def server_close(self) -> None: ...
        def join(self) -> None: ...

    def start(port: int, host: str, _registry: Any) -> Any:
        asked.extend((host, port))
        return Answering(), Answering()

    patch.setattr("monitor.outputs.prometheus.start_http_server", start)
    from monitor.service import _serve_metrics

    _serve_metrics(config)()
    return asked


# -- every key ------------------------------------------------------------------------------------

NOT_THERE = {"certificate_file": "no-certificate", "key_file": "no-key"}
TLS_FILES = {"certificate_file": "/c.pem", "key_file": "/k.pem"}
USER = {"username": "u", "password": {"env": "SECRET_ONE"}}
PAGE_NAMES = {"host_names": ["plant.example"]}


def seen_by_broker(what: str, key: str, after: Any, **before: Any) -> Observation:
    return Observation(broker(what), {"mqtt": {**before, key: after}}, {"mqtt": before})


def seen_in_json(key: str, after: Any, **before: Any) -> Observation:
    return Observation(
        json_message, payload(**{**JSON, **before, key: after}), payload(**JSON, **before)
    )


def seen_in_verdicts(after: Tree, before: Tree | None = None) -> Observation:
    return Observation(verdicts, sensor(**after), sensor(**(before or {})))


def seen_by_webhook(key: str, after: Any) -> Observation:
    def hooks(hook: Tree) -> Tree:
        return {"notifications": {"cool_down_s": 0.0, "webhooks": [hook]}}

    return Observation(webhook, hooks({**HOOK, key: after}), hooks(HOOK))


def seen_by_mail(key: str, after: Any) -> Observation:
    def mails(one: Tree) -> Tree:
        return {"notifications": {"mails": [one]}}

    return Observation(mail, mails({**MAIL, key: after}), mails(MAIL))


def seen_by_syslog(key: str, after: Any) -> Observation:
    def servers(one: Tree) -> Tree:
        return {"notifications": {"syslog": [one]}}

    return Observation(syslog, servers({**SYSLOG, key: after}), servers(SYSLOG))


def seen_by_forward(key: str, after: Any, **before: Any) -> Observation:
    before = {"brokers": ["h:1"], **before}
    return Observation(forwarded, {"kafka": {**before, key: after}}, {"kafka": before})


def seen_by_kafka(key: str, after: Any, **before: Any) -> Observation:
    before = {"brokers": ["h:1"], **before}
    return Observation(
        told_kafka, {"kafka_output": {**before, key: after}}, {"kafka_output": before}
    )


def seen_by_database(key: str, after: Any) -> Observation:
    return Observation(database, {"influx": {**INFLUX, key: after}}, {"influx": INFLUX})


def seen_of_page(name: str, key: str, after: Any, **before: Any) -> Observation:
    before = {**PAGE_NAMES, **before}
    return Observation(of_page(name), {"page": {**before, key: after}}, {"page": before})


LOGIN = {"username": "u", "password": {"env": "SECRET_ONE"}}

OBSERVED: dict[str, Observation] = {
    "Config.instance": Observation(broker("status_topic"), {"instance": "other"}),
    "Config.models_folder": Observation(model_folder, {"models_folder": "models"}),
    "Config.max_lag_s": Observation(late, {"max_lag_s": 5}),
    "Config.workers": Observation(judging_threads, {"workers": 3}, {"workers": 1}),
    "MqttSettings.host": seen_by_broker("host", "host", "broker.example"),
    "MqttSettings.port": seen_by_broker("port", "port", 1884),
    "MqttSettings.protocol": Observation(
        lambda config, folder, patch: connection(config, patch)["protocol"],
        {"mqtt": {"protocol": "3.1.1"}},
    ),
    "MqttSettings.client_id": seen_by_broker("client_id", "client_id", "other"),
    "MqttSettings.keep_alive_s": seen_by_broker("keep_alive_s", "keep_alive_s", 7),
    "MqttSettings.session_expiry_s": seen_by_broker("session", "session_expiry_s", 61),
    "MqttSettings.receive_maximum": seen_by_broker("session", "receive_maximum", 3),
    "MqttSettings.max_payload_bytes": seen_by_broker(
        "too_large", "max_payload_bytes", 1024
    ),
    "PublishSettings.verdicts_every_s": Observation(
        told_to_broker,
        {"mqtt": {"publish": {"verdicts_every_s": 0}}},
        {"mqtt": {"publish": {}}},
    ),
    "PublishSettings.home_assistant": Observation(
        told_to_broker,
        {"mqtt": {"publish": {"home_assistant": "ha"}}},
        {"mqtt": {"publish": {}}},
    ),
    "MqttSettings.watch_dropped": seen_by_broker("courtesies", "watch_dropped", False),
    "MqttSettings.username": seen_by_broker("username", "username", "u"),
    "MqttSettings.password": Observation(
        secret,
        {"mqtt": USER},
        {"mqtt": {"username": "u", "password": {"env": "SECRET_TWO"}}},
    ),
    "MqttSettings.tls": seen_by_broker("tls", "tls", {}),
    "TlsSettings.ca_file": Observation(
        certificate, {"mqtt": {"tls": {"ca_file": "no-ca"}}}, {"mqtt": {"tls": {}}}
    ),
    "TlsSettings.certificate_file": Observation(certificate, {"mqtt": {"tls": NOT_THERE}}),
    "TlsSettings.key_file": Observation(
        certificate,
        {"mqtt": {"tls": {**NOT_THERE, "certificate_file": "/dev/null", "key_file": "a"}}},
    ),
    "Secret.file": Observation(
        secret,
        {"mqtt": {"username": "u", "password": {"file": "/dev/null"}}},
        {"mqtt": USER},
    ),
    "Secret.env": Observation(
        secret,
        {"mqtt": {"username": "u", "password": {"env": "SECRET_TWO"}}},
        {"mqtt": USER},
    ),
    "Secret.credential": Observation(
        secret,
        {"mqtt": {"username": "u", "password": {"credential": "from-credential"}}},
        {"mqtt": USER},
    ),
    "Subscription.topic": Observation(
        filters, {"subscriptions": [{"topic": "w/{machine}", "payload": {"format": "raw"}}]}
    ),
    "RawPayload.format": Observation(raw, payload(format="json")),
    "RawPayload.dtype": Observation(raw, payload(format="raw", dtype="int16")),
    "JsonPayload.format": Observation(json_message, payload(**JSON)),
    "JsonPayload.samples": seen_in_json("samples", "other.samples"),
    "JsonPayload.encoding": seen_in_json("encoding", "base64", samples="encoded"),
    "JsonPayload.dtype": seen_in_json(
        "dtype", "int16", samples="encoded", encoding="base64"
    ),
    "JsonPayload.time": seen_in_json("time", "other.time"),
    "JsonPayload.time_format": seen_in_json("time_format", "s", time="time_s"),
    "JsonPayload.sequence": seen_in_json("sequence", "other.sequence"),
    "JsonPayload.sample_rate_hz": seen_in_json("sample_rate_hz", "other.rate"),
    "JsonPayload.spacing_s": seen_in_json("spacing_s", "spacing", sample_rate_hz=None),
    "SensorSettings.match": Observation(rule_of_a_pump, sensor(match="fan-*")),
    "SensorSettings.acquisition": seen_in_verdicts(
        {"acquisition": "snapshot", "expected_period_s": 9}, {"expected_period_s": 9}
    ),
    "SensorSettings.expected_period_s": Observation(overdue, sensor(expected_period_s=2)),
    "SensorSettings.sample_rate_hz": seen_in_verdicts({"sample_rate_hz": 1000}),
    "SensorSettings.channels": Observation(raw, sensor(channels=["a", "b"])),
    "SensorSettings.unit": Observation(raw, sensor(unit="g")),
    "SensorSettings.scale": Observation(raw, sensor(scale=0.3)),
    "SensorSettings.sequence_bits": Observation(
        numbered_256, sensor(sequence_bits=8) | payload(**JSON), payload(**JSON)
    ),
    "SensorSettings.full_scale_ms2": seen_in_verdicts({"full_scale_ms2": 0.5}),
    "SensorSettings.model": Observation(model_of, sensor(**MODEL)),
    "SensorSettings.threshold": Observation(
        logit_threshold, sensor(**MODEL, threshold=7.0), sensor(**MODEL)
    ),
    "SensorSettings.window_s": seen_in_verdicts({"window_s": 0.25}),
    "SensorSettings.overlap": seen_in_verdicts({"overlap": 0.5}),
    "MachineSettings.match": Observation(machine, described(match="n/*"), described()),
    "MachineSettings.slip": Observation(machine, described(slip=0.01), described()),
    "ShaftSettings.rpm": seen_in_shaft("rpm", 1200),
    "ShaftSettings.context": Observation(
        machine,
        told_of() | described(shaft={"context": "speed"}),
        described(shaft={"rpm": 1000}),
    ),
    "ZoneSettings.group": seen_in_zones({"group": 1, "foundation": "rigid"}),
    "ZoneSettings.foundation": seen_in_zones({"group": 2, "foundation": "flexible"}),
    "ZoneSettings.limits_mm_s": seen_in_zones({"limits_mm_s": [1, 2, 3]}),
    "ShaftSettings.tolerance": seen_in_shaft("tolerance", 0.02, rpm=1000),
    "ShaftSettings.low_rpm": seen_in_shaft("low_rpm", 1100, low_rpm=1000, high_rpm=1200),
    "ShaftSettings.high_rpm": seen_in_shaft("high_rpm", 1300, low_rpm=1000, high_rpm=1200),
    "BearingSettings.name": seen_in_machine("bearings", "name", "b", **BALLS),
    "BearingSettings.at": seen_in_machine("bearings", "at", "q", **BALLS),
    "BearingSettings.shaft_ratio": seen_in_machine("bearings", "shaft_ratio", 2, **BALLS),
    "BearingSettings.designation": seen_in_machine(
        "bearings", "designation", "6203", name="a", designation="6205"
    ),
    "BearingSettings.elements": seen_in_machine("bearings", "elements", 8, **BALLS),
    "BearingSettings.element_mm": seen_in_machine("bearings", "element_mm", 7, **BALLS),
    "BearingSettings.pitch_mm": seen_in_machine("bearings", "pitch_mm", 41, **BALLS),
    "BearingSettings.contact_deg": seen_in_machine("bearings", "contact_deg", 15, **BALLS),
    "BearingSettings.bpfo": seen_in_machine("bearings", "bpfo", 3.61, **RATIOS),
    "BearingSettings.bpfi": seen_in_machine("bearings", "bpfi", 5.41, **RATIOS),
    "BearingSettings.bsf": seen_in_machine("bearings", "bsf", 2.41, **RATIOS),
    "BearingSettings.ftf": seen_in_machine("bearings", "ftf", 0.41, **RATIOS),
    "GearSettings.name": seen_in_machine("gears", "name", "b", **WHEEL),
    "GearSettings.at": seen_in_machine("gears", "at", "q", **WHEEL),
    "GearSettings.shaft_ratio": seen_in_machine("gears", "shaft_ratio", 2, **WHEEL),
    "GearSettings.teeth": seen_in_machine("gears", "teeth", 21, **WHEEL),
    "BladeSettings.name": seen_in_machine("blades", "name", "b", **FAN),
    "BladeSettings.at": seen_in_machine("blades", "at", "q", **FAN),
    "BladeSettings.shaft_ratio": seen_in_machine("blades", "shaft_ratio", 2, **FAN),
    "BladeSettings.count": seen_in_machine("blades", "count", 5, **FAN),
    "BeltSettings.name": seen_in_machine("belts", "name", "b", **BELT),
    "BeltSettings.at": seen_in_machine("belts", "at", "q", **BELT),
    "BeltSettings.shaft_ratio": seen_in_machine("belts", "shaft_ratio", 2, **BELT),
    "BeltSettings.length_mm": seen_in_machine("belts", "length_mm", 1100, **BELT),
    "BeltSettings.pulley_mm": seen_in_machine("belts", "pulley_mm", 110, **BELT),
    "MotorSettings.line_hz": Observation(
        machine, described(motor={"line_hz": 60}), described(motor={"line_hz": 50})
    ),
    "RunningSettings.limit_rms_ms2": seen_in_verdicts({"running": {"limit_rms_ms2": 50.0}}),
    "RunningSettings.topic": Observation(filters, sensor(running={"topic": "r/{machine}"})),
    "RunningSettings.context": Observation(
        told,
        told_of() | sensor(running={"context": "speed", "at_least": 99}),
        told_of() | sensor(running={"limit_rms_ms2": 1e-9}),
    ),
    "RunningSettings.at_least": Observation(
        told,
        told_of() | sensor(running={"context": "speed", "at_least": 99}),
        told_of() | sensor(running={"context": "speed", "at_least": 1}),
    ),
    "ContextSettings.name": Observation(told, told_of(name="pace"), told_of()),
    "ContextSettings.topic": Observation(told, told_of(topic="c/{machine}/y"), told_of()),
    "ContextSettings.format": Observation(
        told, told_of(format="json"), told_of(format="cbor")
    ),
    "ContextSettings.value": Observation(
        told, told_of(format="json", value="b"), told_of(format="json", value="a")
    ),
    "ContextSettings.scale": Observation(told, told_of(scale=60), told_of()),
    "ContextSettings.valid_s": Observation(told, told_of(valid_s=1), told_of()),
    "AlarmSettings.budget": Observation(budgeted, sensor(alarm={"budget": "1 per week"})),
    "AlarmSettings.n": Observation(alarms, sensor(alarm={"n": 2})),
    "AlarmSettings.m": Observation(alarms, sensor(alarm={"m": 9})),
    "AlarmSettings.clear": Observation(alarms, sensor(alarm={"clear": 1})),
    "JournalSettings.path": Observation(
        journal_file, {"journal": {"path": "other.journal"}}
    ),
    "JournalSettings.max_bytes": Observation(thinned, journal(max_bytes=1 << 33 | 1)),
    "TrendSettings.ten_minutes_days": Observation(
        thinned, journal(trends={"ten_minutes_days": 9})
    ),
    "TrendSettings.hours_days": Observation(thinned, journal(trends={"hours_days": 99})),
    "JournalSettings.maps": Observation(kept, journal(maps="ng")),
    "KeptWindowSettings.max_bytes": Observation(
        thinned, journal(kept_windows={"max_bytes": 1 << 21})
    ),
    "KeptWindowSettings.ok_every": Observation(
        kept, journal(maps="changes", kept_windows={"ok_every": 3}), journal(maps="changes")
    ),
    "KeptWindowSettings.around_change": Observation(
        kept,
        journal(maps="changes", kept_windows={"around_change": 5}),
        journal(maps="changes"),
    ),
    "InfluxSettings.name": seen_by_database("name", "other"),
    "InfluxSettings.url": seen_by_database("url", "http://127.0.0.1:1/below"),
    "InfluxSettings.org": seen_by_database("org", "plant"),
    "InfluxSettings.bucket": seen_by_database("bucket", "c"),
    "InfluxSettings.token": seen_by_database("token", {"env": "SECRET_ONE"}),
    "InfluxSettings.tls": Observation(
        database_tls,
        {"influx": {**INFLUX, "tls": {"ca_file": "no-ca"}}},
        {"influx": INFLUX},
    ),
    "InfluxSettings.batch_rows": seen_by_database("batch_rows", 7),
    "InfluxSettings.timeout_s": Observation(
        patience("influx"),
        {"influx": {**INFLUX, "timeout_s": 1.2}},
        {"influx": {**INFLUX, "timeout_s": 0.1}},
    ),
    "InfluxSettings.maps": Observation(
        maps_of_an_ok_window, {"influx": {**INFLUX, "maps": "ng"}}, {"influx": INFLUX}
    ),
    "WebhookSettings.name": seen_by_webhook("name", "other"),
    "WebhookSettings.url": seen_by_webhook("url", "http://127.0.0.1:1/below"),
    "WebhookSettings.authorization": seen_by_webhook(
        "authorization", {"env": "SECRET_ONE"}
    ),
    "WebhookSettings.fields": seen_by_webhook("fields", {"chat": "7"}),
    "WebhookSettings.tls": Observation(
        webhook_tls,
        {"notifications": {"webhooks": [{**HOOK, "tls": {"ca_file": "no-ca"}}]}},
        {"notifications": {"webhooks": [HOOK]}},
    ),
    "WebhookSettings.timeout_s": Observation(
        patience("webhook"),
        {"notifications": {"cool_down_s": 0, "webhooks": [{**HOOK, "timeout_s": 1.2}]}},
        {"notifications": {"cool_down_s": 0, "webhooks": [{**HOOK, "timeout_s": 0.1}]}},
    ),
    "NotificationSettings.cool_down_s": Observation(
        webhook,
        {"notifications": {"cool_down_s": 11, "webhooks": [HOOK]}},
        {"notifications": {"cool_down_s": 9, "webhooks": [HOOK]}},
    ),
    "NotificationSettings.remind_s": Observation(
        webhook,
        {"notifications": {"remind_s": 90, "cool_down_s": 0, "webhooks": [HOOK]}},
        {"notifications": {"remind_s": 110, "cool_down_s": 0, "webhooks": [HOOK]}},
    ),
    "NotificationSettings.page_url": Observation(
        webhook,
        {"notifications": {"page_url": "http://p/", "cool_down_s": 0, "webhooks": [HOOK]}},
        {"notifications": {"cool_down_s": 0, "webhooks": [HOOK]}},
    ),
    "WebhookSettings.template": seen_by_webhook("template", "slack"),
    "WebhookSettings.routing_key": Observation(
        webhook,
        {
            "notifications": {
                "cool_down_s": 0,
                "webhooks": [{**PAGER, "routing_key": {"env": "PATH"}}],
            }
        },
        {"notifications": {"cool_down_s": 0, "webhooks": [PAGER]}},
    ),
    "MailSettings.name": seen_by_mail("name", "other"),
    "MailSettings.host": seen_by_mail("host", "mail.example"),
    "MailSettings.port": seen_by_mail("port", 588),
    "MailSettings.security": seen_by_mail("security", "tls"),
    "MailSettings.username": seen_by_mail("username", "other"),
    "MailSettings.password": seen_by_mail("password", {"env": "SECRET_TWO"}),
    "MailSettings.sender": seen_by_mail("sender", "c@plant.example"),
    "MailSettings.to": seen_by_mail("to", ["c@plant.example"]),
    "MailSettings.tls": seen_by_mail("tls", {"ca_file": "no-ca"}),
    "MailSettings.timeout_s": seen_by_mail("timeout_s", 3),
    "SyslogSettings.name": seen_by_syslog("name", "other"),
    "SyslogSettings.address": seen_by_syslog("address", "tcp://10.0.0.8:6000"),
    "SyslogSettings.facility": seen_by_syslog("facility", "daemon"),
    "SyslogSettings.timeout_s": seen_by_syslog("timeout_s", 3),
    "SyslogSettings.tls": Observation(
        syslog,
        {"notifications": {"syslog": [{**ENCRYPTED_SYSLOG, "tls": {"ca_file": "no-ca"}}]}},
        {
            "notifications": {
                "syslog": [{**ENCRYPTED_SYSLOG, "tls": {"ca_file": "no-other"}}]
            }
        },
    ),
    "PageSettings.host": seen_of_page("host", "host", "::1"),
    "PageSettings.port": seen_of_page("port", "port", 8478),
    "PageSettings.password": seen_of_page("answer", "password", {"env": "SECRET_ONE"}),
    "PageSettings.host_names": Observation(of_page("answer"), {"page": PAGE_NAMES}),
    "PageSettings.tls": seen_of_page("certificate", "tls", TLS_FILES),
    "PageSettings.behind_https_proxy": seen_of_page("answer", "behind_https_proxy", True),
    "PageSettings.failure_modes": Observation(
        failure_modes, {"page": {"failure_modes": ["cavitation"]}}
    ),
    "PageSettings.formerly": Observation(
        past, {"page": {"formerly": {"m/new": ["m/p"]}}}, {"page": {}}
    ),
    "PageSettings.users": Observation(
        page_asked("/"), {"page": {"users": {"env": "SECRET_TWO"}}}
    ),
    "PageSettings.proxy": Observation(page_asked("/", X_Remote_User="Ann"), proxied()),
    "PageSettings.tokens": Observation(
        page_asked("/", **BEARER), with_token(), {"page": {}}
    ),
    "TokenSettings.name": Observation(
        page_asked("/", **BEARER), with_token(name="b"), with_token()
    ),
    "TokenSettings.token": Observation(
        page_asked("/", **BEARER), with_token(token={"env": "SECRET_TWO"}), with_token()
    ),
    "TokenSettings.reads": Observation(
        page_asked("/", **BEARER), with_token(reads="page"), with_token()
    ),
    "PageSettings.instances": Observation(plant, beside(), {"page": {}}),
    "InstanceSettings.name": Observation(plant, beside(name="b"), beside()),
    "InstanceSettings.journal": Observation(plant, beside(journal="b"), beside()),
    "InstanceSettings.url": Observation(plant, elsewhere(url="https://h/b/"), elsewhere()),
    "InstanceSettings.token": Observation(
        plant, elsewhere(token={"env": "SECRET_TWO"}), elsewhere()
    ),
    "InstanceSettings.tls": Observation(
        plant, elsewhere(tls={"ca_file": "/absent.pem"}), elsewhere()
    ),
    "ProxySettings.address": Observation(
        page_asked("/", X_Remote_User="Ann"), proxied(address="192.0.2.2"), proxied()
    ),
    "ProxySettings.user_header": Observation(
        page_asked("/", X_Remote_User="Ann"), proxied(user_header="Remote-User"), proxied()
    ),
    "ProxySettings.role_header": Observation(
        page_asked("/", X_Remote_User="Ann", X_Groups="admin"),
        proxied(role_header="X-Groups"),
        proxied(),
    ),
    "ProxySettings.role": Observation(
        page_asked("/", X_Remote_User="Ann"), proxied(role="operator"), proxied()
    ),
    "PageTlsSettings.certificate_file": seen_of_page(
        "certificate", "tls", {**TLS_FILES, "certificate_file": "/other.pem"}, tls=TLS_FILES
    ),
    "PageTlsSettings.key_file": seen_of_page(
        "key", "tls", {**TLS_FILES, "key_file": "/other.pem"}, tls=TLS_FILES
    ),
    "AdviceSettings.check": Observation(advised, replaced(check=["Heat."]), replaced()),
    "AdviceSettings.do": Observation(advised, replaced(do=["Call."]), replaced()),
    "AdviceSettings.source": Observation(advised, replaced(source="Works"), replaced()),
    "PrometheusSettings.host": Observation(
        metrics, {"prometheus": {"host": "127.0.0.2"}}, {"prometheus": {}}
    ),
    "PrometheusSettings.port": Observation(
        metrics, {"prometheus": {"port": 9478}}, {"prometheus": {}}
    ),
    "KafkaSettings.brokers": seen_by_forward("brokers", ["h:1", "h:2"]),
    "KafkaSettings.topic": seen_by_forward("topic", "other"),
    "KafkaSettings.username": seen_by_forward("username", "v", **LOGIN),
    "KafkaSettings.password": seen_by_forward("password", {"env": "SECRET_TWO"}, **LOGIN),
    "KafkaSettings.mechanism": seen_by_forward("mechanism", "PLAIN", **LOGIN),
    "KafkaSettings.tls": seen_by_forward("tls", {}),
    "KafkaSettings.group": Observation(
        member, {"kafka": {**KAFKA, "group": "other"}}, {"kafka": KAFKA}
    ),
    "KafkaSettings.session_timeout_s": Observation(
        member, {"kafka": {**KAFKA, "session_timeout_s": 9}}, {"kafka": KAFKA}
    ),
    "KafkaSettings.state_topic": Observation(
        told_state,
        {"source": "kafka", "kafka": {**KAFKA, "partition": 1, "state_topic": "state"}},
        {"source": "kafka", "kafka": {**KAFKA, "partition": 1}},
    ),
    "KafkaSettings.partition": Observation(
        told_source,
        {"source": "kafka", "kafka": {**KAFKA, "partition": 2}},
        {"source": "kafka", "kafka": {**KAFKA, "partition": 1}},
    ),
    "Config.source": Observation(
        told_source,
        {"source": "kafka", "kafka": {**KAFKA, "partition": 1}},
        {"kafka": {**KAFKA, "partition": 1}},
    ),
    "KafkaOutputSettings.brokers": seen_by_kafka("brokers", ["h:1", "h:2"]),
    "KafkaOutputSettings.topic": seen_by_kafka("topic", "other"),
    "KafkaOutputSettings.name": seen_by_kafka("name", "other"),
    "KafkaOutputSettings.timeout_s": seen_by_kafka("timeout_s", 3),
    "KafkaOutputSettings.batch_rows": seen_by_kafka("batch_rows", 3),
    "KafkaOutputSettings.username": seen_by_kafka("username", "v", **LOGIN),
    "KafkaOutputSettings.password": seen_by_kafka(
        "password", {"env": "SECRET_TWO"}, **LOGIN
    ),
    "KafkaOutputSettings.mechanism": seen_by_kafka("mechanism", "PLAIN", **LOGIN),
    "KafkaOutputSettings.tls": seen_by_kafka("tls", {}),
    "LoggingSettings.level": Observation(
        logging_after_reload, {"logging": {"level": "ERROR"}}
    ),
    "LoggingSettings.levels": Observation(
        logging_after_reload, {"logging": {"levels": {"monitor.sources": "debug"}}}
    ),
    "LoggingSettings.format": Observation(
        logging_after_reload, {"logging": {"format": "json"}}
    ),
}
