"""Members of a Kafka group: a process for each partition, moved as members come and go."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from monitor.records.verdict import Verdict
from tests.servers.kafka import Kafka
from tests.servers.kafka_source import Members, Recorder, kafka_configuration
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, wait_until
from tests.servers.recording import Publisher, Recording
from tests.servers.service import (
    RowKey,
    Service,
    assert_same_rows,
    configuration,
)

RECORDING = Recording(n_sensors=6, duration_s=12.0)
MESSAGE_S = 0.13
N_PARTITIONS = 3
SESSION_S = 6.0


@pytest.fixture(scope="module")
def mqtt_rows(tmp_path_factory: pytest.TempPathFactory) -> dict[RowKey, Verdict]:
    """What one service says of the same messages over MQTT."""
    folder = tmp_path_factory.mktemp("mqtt")
    with Mosquitto(folder / "broker") as broker:
        with Service(folder / "service", configuration(broker.port, RECORDING)) as service:
            service.start()
            with Publisher(broker.port) as publisher:
                publisher.play(RECORDING.cut(MESSAGE_S))
            service.wait_taken(RECORDING)
            assert service.stop()[0] == 0
            return service.rows()


def members(folder: Path, kafka: Kafka, topic: str) -> Members:
    kafka.create_topic(topic, N_PARTITIONS)
    changes = {"group": topic, "session_timeout_s": SESSION_S}
    config = kafka_configuration(kafka.brokers, RECORDING, topic, None, kafka=changes)
    return Members(folder, config, N_PARTITIONS)


@needs_mosquitto
@pytest.mark.parametrize("n", [1, 3])
def test_members_say_what_one_service_says_over_mqtt(
    n: int, tmp_path: Path, kafka: Kafka, mqtt_rows: dict[RowKey, Verdict]
) -> None:
    with members(tmp_path, kafka, f"same-{n}") as group:
        names = [f"member-{index}" for index in range(n)]
        for name in names:
            group.start(name)
        Recorder(kafka, f"same-{n}").play(RECORDING.cut(MESSAGE_S))
        group.wait_taken(RECORDING)
        assert [group.stop(name) for name in names] == [0] * n
        assert_same_rows(group.rows(), mqtt_rows)
        group.check_books()
