"""Verdicts and events in Kafka: what a record says, that each arrives at least once and in order,
and what is told while Kafka is away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from monitor.config_outputs import KafkaOutputSettings
from monitor.journal.cursors import Cursor
from monitor.journal.reader import Row
from monitor.journal.views import summary_of
from monitor.journal.writer import Journal
from monitor.outputs.kafka import KafkaOutput
from monitor.outputs.runner import Runner
from monitor.plain_values import verdict_tree
from monitor.records.batch import Batch, Event
from monitor.records.verdict import Verdict
from tests.servers.certificates import TestAuthority
from tests.servers.kafka import Kafka, MockKafka, real_kafka
from tests.servers.mosquitto import Mosquitto, needs_mosquitto
from tests.servers.recording import Cut, Publisher, Recording
from tests.servers.service import Service, configuration
from tests.verdicts import make_verdict

TOPIC = "camshaft-verdicts"
N_SENSORS = 3
UNLIMITED = "max_queued_messages 0\nmax_inflight_messages 1000\n"


class Plant:
    """A journal with rows, and the output in a process of its own, as it were."""

    def __init__(self, path: Path, brokers: str, **settings: Any) -> None:
        self.path = path
        tree = {"brokers": brokers.split(","), "timeout_s": 5, **settings}
        self._settings = KafkaOutputSettings.model_validate(tree)
        self.journal = Journal(path)
        self._n = 0
        self.start()

    def start(self) -> None:
        self.output = KafkaOutput(self._settings, "plant-1")
        kinds = self.output.kinds
        self.cursor = Cursor(self.path, self.output.name, kinds, self.output.from_start)
        self.runner = Runner(self.output, self.cursor, jitter=lambda: 1.0)

    def happen(self, n: int) -> None:
        """So many verdicts, and an event behind them."""
        verdicts = [self._verdict(number) for number in range(self._n, self._n + n)]
        self._n += n
        event = Event(10**18 + self._n, verdicts[-1].sensor, "alarm_raised", "so it is")
        self.journal.commit(Batch(verdicts=verdicts, events=[event]))

    def _verdict(self, number: int) -> Any:
        sensor = f"mill/p{number % N_SENSORS}"
        return make_verdict(number, sensor=sensor, start_ns=10**18 + number * 10**9)

    def run(self, n_steps: int = 50) -> float:
        """Until it has nothing to do, or has to wait. Returns the seconds."""
        for _ in range(n_steps):
            if delay_s := self.runner.step(0.0, 10**18):
                return delay_s
        return 0.0

    def stop(self) -> None:
        self.output.close()
        self.cursor.close()

    def close(self) -> None:
        self.stop()
        self.journal.close()


def trees(records: list[Message]) -> list[dict[str, Any]]:
    return [json.loads(record.value() or b"") for record in records]


@pytest.fixture
def plant(tmp_path: Path, mock_kafka: MockKafka) -> Iterator[Plant]:
    found = Plant(tmp_path / "journal", mock_kafka.brokers)
    yield found
    found.close()


def test_every_row_arrives_once_under_its_sensor_in_order(
    plant: Plant, mock_kafka: MockKafka
) -> None:
    n = 1200  # more than two batches
    plant.happen(n)
    plant.run()
    records = mock_kafka.records(TOPIC)
    found = trees(records)
    assert len({tree["id"] for tree in found}) == len(found) == n + 1
    for record, tree in zip(records, found, strict=True):
        assert record.key() == tree["sensor"].encode()
        assert tree["instance"] == "plant-1"
    for number in range(N_SENSORS):
        rows = [
            tree["row"]
            for tree in found
            if tree["type"] == "verdict" and tree["sensor"] == f"mill/p{number}"
        ]
        assert rows == sorted(rows)
        assert len(rows) == n / N_SENSORS
    (event,) = [tree for tree in found if tree["type"] == "event"]
    assert event == {
        "id": f"plant-1/alarm_raised/{10**18 + n}/mill/p2",
        "type": "event",
        "event_id": event["event_id"],
        "sensor": "mill/p2",
        "machine": "mill",
        "point": "p2",
        "at": "2001-09-09T01:46:40.000Z",
        "kind": "alarm_raised",
        "text": "so it is",
        "model_id": "",
        "instance": "plant-1",
    }
    plant.run()
    assert len(mock_kafka.records(TOPIC)) == n + 1


def test_a_verdict_says_what_the_api_says(plant: Plant, mock_kafka: MockKafka) -> None:
    verdict = make_verdict(7, sensor="mühle/a")
    plant.journal.commit(Batch(verdicts=[verdict]))
    (row,) = plant.cursor.pending(2)
    assert isinstance(row.content, Verdict)
    plant.run()
    (record,) = mock_kafka.records(TOPIC)
    (tree,) = trees([record])
    assert record.key() == "mühle/a".encode()
    assert record.timestamp()[1] == verdict.end_ns // 1_000_000
    said = {name: tree.pop(name) for name in ("id", "type", "instance")}
    assert said == {
        "id": f"plant-1/verdict/{verdict.end_ns}/mühle/a",
        "type": "verdict",
        "instance": "plant-1",
    }
    assert tree == verdict_tree(summary_of(Row(row.row_id, row.content, is_undone=False)))


def test_an_event_of_no_sensor_goes_under_the_instance(
    plant: Plant, mock_kafka: MockKafka
) -> None:
    plant.journal.commit(Batch(events=[Event(10**18, "", "overload", "too much")]))
    plant.run()
    (record,) = mock_kafka.records(TOPIC)
    assert record.key() == b"plant-1"


def test_cut_off_before_the_cursor_moved_it_sends_the_same_ids_again(
    tmp_path: Path, mock_kafka: MockKafka
) -> None:
    """A kill between Kafka's report and the journal's commit."""
    plant = Plant(tmp_path / "journal", mock_kafka.brokers)
    plant.happen(10)
    rows = plant.cursor.pending(100)
    assert len(plant.output.step(rows, 0).accepted) == 11
    plant.stop()
    plant.start()
    plant.run()
    plant.close()
    ids = [tree["id"] for tree in trees(mock_kafka.records(TOPIC))]
    assert len(ids) == 22
    assert sorted(ids) == sorted([*set(ids), *set(ids)])


def test_while_kafka_is_away_rows_wait_and_one_sentence_says_why(tmp_path: Path) -> None:
    plant = Plant(tmp_path / "journal", "127.0.0.1:1", timeout_s=1)
    plant.happen(5)
    assert plant.run() > 0
    assert plant.runner.trouble.startswith(
        "Kafka kafka does not take rows (topic camshaft-verdicts): 127.0.0.1:1"
    )
    assert plant.runner.trouble.endswith("Connection refused. They wait in the journal.")
    assert len(plant.cursor.pending(100)) == 6
    plant.close()


# -- with a real Kafka ----------------------------------------------------------------------------


def test_a_real_kafka_killed_in_between_gets_every_row_in_order(tmp_path: Path) -> None:
    with real_kafka(tmp_path / "kafka") as cluster:
        cluster.create_topic(TOPIC, 3)
        plant = Plant(tmp_path / "journal", cluster.brokers, timeout_s=2, batch_rows=50)
        plant.happen(200)
        plant.run(2)  # two batches
        cluster.kill()
        plant.happen(100)
        assert plant.run() > 0
        cluster.start()
        now_s = 1000.0
        for _ in range(100):
            now_s += plant.runner.step(now_s, 10**18)
            if not plant.cursor.pending(1):
                break
        plant.close()
        found = trees(cluster.records(TOPIC))
    ids = dict.fromkeys(tree["id"] for tree in found)
    assert len(ids) == 302
    for number in range(N_SENSORS):
        own = [
            tree["row"]
            for tree in found
            if tree["sensor"] == f"mill/p{number}" and "row" in tree
        ]
        firsts = list(dict.fromkeys(own))
        assert firsts == sorted(firsts)


def test_tls_and_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right ones arrive; with a wrong one the sentence says what is wrong."""
    authority = TestAuthority(tmp_path / "ca")
    other = TestAuthority(tmp_path / "other")
    cluster = real_kafka(
        tmp_path / "kafka",
        server_certificate=authority.issue("kafka"),
        users={"camshaft": "right"},
    )
    cluster.trust(
        security_protocol="SASL_SSL",
        ssl_ca_location=str(authority.ca_file),
        sasl_mechanism="PLAIN",
        sasl_username="camshaft",
        sasl_password="right",
    )
    login = {"username": "camshaft", "password": {"env": "KAFKA"}, "mechanism": "PLAIN"}
    with cluster:
        cluster.create_topic(TOPIC)
        for name, word, ca, said in (
            ("right", "right", authority, ""),
            ("password", "wrong", authority, "Authentication failed"),
            ("authority", "right", other, "certificate verify failed"),
        ):
            monkeypatch.setenv("KAFKA", word)
            plant = Plant(
                tmp_path / name,
                cluster.brokers,
                timeout_s=3,
                tls={"ca_file": str(ca.ca_file)},
                **login,
            )
            plant.happen(5)
            plant.run()
            assert said in plant.runner.trouble
            assert bool(plant.runner.trouble) == bool(said)
            assert "wrong" not in plant.runner.trouble
            plant.close()
        assert len(cluster.records(TOPIC)) == 6


@needs_mosquitto
def test_the_service_tells_kafka_of_every_verdict_through_kills(
    kafka: Kafka, tmp_path: Path
) -> None:
    topic = "of-service"
    kafka.create_topic(topic, 3)
    recording = Recording(n_sensors=3, duration_s=15.0)
    output = {"brokers": kafka.brokers.split(","), "topic": topic}
    with Mosquitto(tmp_path / "mosquitto", extra=UNLIMITED) as broker:
        config = configuration(broker.port, recording, kafka_output=output)
        with (
            Service(tmp_path / "service", config) as service,
            Publisher(broker.port) as publisher,
        ):
            service.commission(recording.commissioned())
            service.start()
            cuts = list(recording.cut(0.1))
            for part in range(3):
                publisher.play(_third(cuts, part))
                service.wait(lambda: kafka.records(topic), why="Kafka has some")
                service.kill()
                service.start()
            service.wait_taken(recording)
            wanted = {(row.verdict.sensor, row.row_id) for row in service.reader().rows()}

            def told() -> set[tuple[str, int]]:
                found = trees(kafka.records(topic))
                return {(t["sensor"], t["row"]) for t in found if t["type"] == "verdict"}

            service.wait(lambda: told() == wanted, why="Kafka has every verdict")
            kinds = {t["kind"] for t in trees(kafka.records(topic)) if t["type"] == "event"}
            assert service.stop()[0] == 0
            assert set(service.event_kinds()) == kinds
    assert len(wanted) >= recording.n_windows


def _third(cuts: list[Cut], part: int) -> list[Cut]:
    n = len(cuts) // 3
    return cuts[part * n : (part + 1) * n if part < 2 else len(cuts)]
