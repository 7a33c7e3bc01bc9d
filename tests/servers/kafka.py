"""A real Kafka of one or three brokers for tests, from Maven Central, on free loopback ports; and
librdkafka's own stand-in for quick tests.

The jars are fetched once, by Maven, into the repository's `.cache`, and are used only where their
checksums agree with those in `kafka_jars/SHA256SUMS`.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import logging
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.paths import ROOT
from tests.servers.certificates import Certificate
from tests.servers.child import start_child
from tests.servers.mosquitto import free_port, wait_until

POM = ROOT / "tests" / "servers" / "kafka_jars" / "pom.xml"
CHECKSUMS = POM.with_name("SHA256SUMS")
CACHE = ROOT / ".cache" / "kafka-4.1.1"
FETCH_S = 240.0
START_S = 90.0
ANSWER_S = 30.0
CLUSTER_ID = "Q2Ftc2hhZnRUZXN0czEyMw"  # 16 bytes in base64, as Kafka wants them
JAVA = (
    "java",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts sooner
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
# What a first run leaves beside the jars: the classes as Java had read them, with which it starts
# at half the cost, and the folder of a broker that has yet to begin.
CLASSES, FORMATTED = "classes.jsa", "formatted"
QUIET = logging.getLogger("tests.kafka")  # clients tell here of brokers that a test stopped
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


class NoKafka(Exception):
    """Why no real Kafka can be had."""


def kafka_jars() -> Path:
    """The folder of the jars, fetched and run once where it is not there. Raises NoKafka."""
    for program, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None and not (program == "mvn" and CACHE.is_dir()):
            raise NoKafka(f"{program} was not found (Debian package {package})")
    CACHE.parent.mkdir(exist_ok=True)
    with (CACHE.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not CACHE.is_dir():
            _fetch(CACHE)
        if not (CACHE / FORMATTED).is_dir():
            _first_run(CACHE)
    return CACHE


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        jars = Path(temporary) / "jars"
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        try:
            ran = subprocess.run(
                [*command, *options],
                capture_output=True,
                text=True,
                timeout=FETCH_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NoKafka(f"Maven had not fetched it within {FETCH_S:g} s") from None
        if ran.returncode != 0:
            raise NoKafka(f"Maven could not fetch it: {(ran.stdout + ran.stderr)[:300]}")
        # Not a reason to skip: what came is not what was tried.
        assert checksums(jars) == CHECKSUMS.read_text("ascii"), (
            "jars are not as SHA256SUMS has"
        )
        jars.rename(folder)


def _first_run(jars: Path) -> None:
    with tempfile.TemporaryDirectory(dir=jars.parent) as temporary:
        folder = Path(temporary)
        first = Kafka(folder, jars=jars)
        tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]
        command = [*JAVA, "-cp", f"{jars}/*", *tool, str(first.config_path(0))]
        subprocess.run(command, check=True, capture_output=True, timeout=START_S)
        shutil.copytree(folder / "data-0", folder / FORMATTED)
        first.start(0, f"-XX:ArchiveClassesAtExit={jars / CLASSES}")
        first.stop(0)
        (folder / FORMATTED).rename(jars / FORMATTED)


def checksums(folder: Path) -> str:
    """As sha256sum writes them, by name."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.glob("*.jar"))
    )


class Kafka:
    """A cluster whose brokers are their own controllers. Use it as a context manager; kill and
    start brokers by their number from 0 as the test needs. Its files lie in `folder`.

    server_certificate : TLS
    users : name -> password, by SASL PLAIN; None lets anybody in
    settings : further lines of server.properties
    jars : as kafka_jars() has them; given only for the first run with them
    """

    def __init__(
        self,
        folder: Path,
        n_brokers: int = 1,
        *,
        server_certificate: Certificate | None = None,
        users: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
        jars: Path | None = None,
    ) -> None:
        self._jars = jars or kafka_jars()
        self._folder = folder
        self.n_brokers = n_brokers
        self.ports = [free_port() for _ in range(n_brokers)]
        self._voters = [free_port() for _ in range(n_brokers)]
        self._certificate = server_certificate
        self._users = users
        self._settings = settings or {}
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * n_brokers
        self._client: dict[str, Any] = {"logger": QUIET}
        self._prepare()

    @property
    def brokers(self) -> str:
        """What clients are told: host:port, by commas."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def client(self, **settings: object) -> dict[str, Any]:
        """A test's own client's configuration; dots are written as underscores."""
        extra = {name.replace("_", "."): value for name, value in settings.items()}
        return {**self._client, "bootstrap.servers": self.brokers, **extra}

    def trust(self, **settings: object) -> None:
        """What the test's own clients need for TLS and SASL."""
        self._client |= {name.replace("_", "."): value for name, value in settings.items()}

    # -- life -------------------------------------------------------------------------------------

    def start(self, broker: int | None = None, *options: str) -> None:
        """One broker, or all; returns once it answers. options : of Java"""
        chosen = range(self.n_brokers) if broker is None else [broker]
        classes = self._jars / CLASSES
        if classes.exists():
            options = (*options, f"-XX:SharedArchiveFile={classes}")
        for one in chosen:
            with self.log_path(one).open("ab") as log:
                command = [*JAVA, *options, "-cp", f"{self._jars}/*", "kafka.Kafka"]
                self._processes[one] = start_child([*command, self.config_path(one)], log)
        for one in chosen:
            wait_until(partial(self._answers, one), START_S, f"broker {one} answers")

    def log_path(self, broker: int = 0) -> Path:
        return self._folder / f"kafka-{broker}.log"

    def pid(self, broker: int = 0) -> int:
        process = self._processes[broker]
        assert process is not None
        return process.pid

    def stop(self, broker: int) -> None:
        """SIGTERM to one broker."""
        process = self._processes[broker]
        assert process is not None
        process.terminate()
        process.wait(START_S)
        self._processes[broker] = None

    def kill(self, broker: int | None = None) -> None:
        """SIGKILL to one broker, or to all."""
        for one in range(self.n_brokers) if broker is None else [broker]:
            process = self._processes[one]
            if process is not None:
                process.kill()
                process.wait(10)
                self._processes[one] = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()  # a test's data need no orderly end, which takes seconds

    # -- what a test does with it -----------------------------------------------------------------

    def create_topic(self, name: str, n_partitions: int = 1, **settings: object) -> None:
        """Copies on every broker. Settings are the topic's, dots written as underscores."""
        extra = {key.replace("_", "."): str(value) for key, value in settings.items()}
        topic = NewTopic(name, n_partitions, self.n_brokers, config=extra)
        admin = AdminClient(self.client())
        for future in admin.create_topics([topic], request_timeout=ANSWER_S).values():
            future.result(ANSWER_S)

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """As retention does: records before the offset are gone."""
        admin = AdminClient(self.client())
        wishes = admin.delete_records([TopicPartition(topic, partition, offset)])
        for future in wishes.values():
            future.result(ANSWER_S)

    def records(self, topic: str) -> list[Message]:
        """Every record that is in the topic now, by partition and offset."""
        return read_all(self.client(), topic)

    # -- inside -----------------------------------------------------------------------------------

    def config_path(self, broker: int) -> Path:
        return self._folder / f"kafka-{broker}.properties"

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for broker in range(self.n_brokers):
            lines = (f"{key}={value}" for key, value in self._properties(broker).items())
            self.config_path(broker).write_text("\n".join(lines) + "\n", "utf-8")
            if (self._jars / FORMATTED).is_dir():
                self._format(broker)

    def _format(self, broker: int) -> None:
        """As its StorageTool would, which takes a second."""
        folder = self._folder / f"data-{broker}"
        shutil.copytree(self._jars / FORMATTED, folder)
        properties = folder / "meta.properties"
        lines = properties.read_text("ascii")
        own = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        lines = re.sub(r"(?m)^directory\.id=.*$", f"directory.id={own}", lines)
        lines = re.sub(r"(?m)^node\.id=.*$", f"node.id={broker}", lines)
        properties.write_text(lines, "ascii")

    def _properties(self, broker: int) -> dict[str, object]:
        voters = (f"{n}@127.0.0.1:{port}" for n, port in enumerate(self._voters))
        outside = f"OUTSIDE://127.0.0.1:{self.ports[broker]}"
        return {
            "process.roles": "broker,controller",
            "node.id": broker,
            "controller.quorum.voters": ",".join(voters),
            "listeners": f"{outside},INSIDE://127.0.0.1:0,"
            f"CONTROLLER://127.0.0.1:{self._voters[broker]}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self._folder / f"data-{broker}",
            "auto.create.topics.enable": "false",
            "default.replication.factor": self.n_brokers,
            "min.insync.replicas": 2 if self.n_brokers > 2 else 1,
            "offsets.topic.num.partitions": 1,
            "offsets.topic.replication.factor": self.n_brokers,
            "transaction.state.log.replication.factor": self.n_brokers,
            "transaction.state.log.min.isr": 1,
            # A killed broker may come back once its session is over.
            "broker.session.timeout.ms": 1500,
            "broker.heartbeat.interval.ms": 300,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 500,
            **self._listeners(outside),
            **self._settings,
        }

    def _listeners(self, outside: str) -> dict[str, object]:
        """TLS and SASL for clients. Brokers among themselves speak plainly."""
        kind = "SASL_" if self._users is not None else ""
        kind += "SSL" if self._certificate is not None else "PLAINTEXT"
        protocols = {"OUTSIDE": kind, "INSIDE": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        found: dict[str, object] = {
            "listener.security.protocol.map": ",".join(
                f"{name}:{protocol}" for name, protocol in protocols.items()
            ),
            "inter.broker.listener.name": "INSIDE",
        }
        if self._certificate is not None:
            found |= _tls(self._certificate)
        if self._users is not None:
            found |= _sasl(self._users)
        return found

    def _answers(self, broker: int) -> bool:
        """As a member of the cluster, with a leader for each partition that it has."""
        process = self._processes[broker]
        if process is None or process.poll() is not None:
            said = self.log_path(broker).read_text("utf-8", "replace")
            raise AssertionError(f"Kafka ended at once: {said[-2000:]}")
        client = self.client(bootstrap_servers=f"127.0.0.1:{self.ports[broker]}")
        with contextlib.suppress(Exception):
            found = AdminClient(client).list_topics(timeout=2)
            return broker in found.brokers
        return False


def _tls(certificate: Certificate) -> dict[str, object]:
    """Java reads keys in PKCS 8, on one line with its breaks written out."""
    key = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", certificate.key],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    chain = certificate.certificate.read_text("ascii")
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.key": key.replace("\n", "\\n"),
        "ssl.keystore.certificate.chain": chain.replace("\n", "\\n"),
    }


def _sasl(users: Mapping[str, str]) -> dict[str, object]:
    named = " ".join(f'user_{name}="{password}"' for name, password in users.items())
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.outside.plain.sasl.jaas.config": f"{module} required {named};",
    }


def read_all(client: Mapping[str, Any], topic: str) -> list[Message]:
    """Every record of the topic up to the end that it has now."""
    quick = {"group.id": "tests", "enable.auto.commit": False, "fetch.wait.max.ms": 20}
    # At the end of transactions there are marks that no reader sees.
    consumer = Consumer({**client, **quick, "enable.partition.eof": True})
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
        return [
            record
            for partition in sorted(partitions)
            for record in _read_partition(consumer, topic, partition)
        ]
    finally:
        consumer.close()


def _read_partition(consumer: Consumer, topic: str, partition: int) -> Iterator[Message]:
    place = TopicPartition(topic, partition)
    low, high = _ends(consumer, place)
    if low == high:
        return
    consumer.assign([TopicPartition(topic, partition, low)])
    while True:
        record = consumer.poll(ANSWER_S)
        assert record is not None, f"{topic} {partition}: no answer within {ANSWER_S:g} s"
        error = record.error()
        if error is None:
            yield record
            continue
        assert error.code() == KafkaError._PARTITION_EOF, error
        if (record.offset() or 0) >= high:
            return


def _ends(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """The first offset and the next; a leader just chosen does not know them yet."""
    deadline_s = time.monotonic() + ANSWER_S
    while True:
        try:
            return consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        except KafkaException as error:
            code = error.args[0].code()
            if code != KafkaError.OFFSET_NOT_AVAILABLE or time.monotonic() > deadline_s:
                raise
        time.sleep(0.05)


class MockKafka:
    """librdkafka's stand-in: a broker inside this process, as long as this lives. A topic is made
    when it is first named, with four partitions. It has no admin's requests.
    """

    def __init__(self) -> None:
        self._owner = Producer({"test.mock.num.brokers": 1, "logger": QUIET})
        found = self._owner.list_topics(timeout=ANSWER_S).brokers.values()
        self.brokers = ",".join(f"{one.host}:{one.port}" for one in found)

    def client(self, **settings: object) -> dict[str, Any]:
        """A test's own client's configuration; dots are written as underscores."""
        extra = {name.replace("_", "."): value for name, value in settings.items()}
        return {"logger": QUIET, "bootstrap.servers": self.brokers, **extra}

    def records(self, topic: str) -> list[Message]:
        """Every record that is in the topic now, by partition and offset."""
        return read_all(self.client(), topic)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One broker for every test that leaves it alone; skips where none can be had."""
    with real_kafka(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


def real_kafka(folder: Path, n_brokers: int = 1, **settings: Any) -> Kafka:
    """A cluster of a test's own, not started yet; skips where none can be had."""
    try:
        return Kafka(folder, n_brokers, **settings)
    except NoKafka as why:
        pytest.skip(f"needs a real Kafka: {why}")


@pytest.fixture
def mock_kafka() -> MockKafka:
    return MockKafka()
