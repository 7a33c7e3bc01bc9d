"""What tests of Kafka as a source share: records as `camshaft forward` writes them, and the service
that reads them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import Producer

from monitor.kafka.client import PARTITIONER
from monitor.kafka.record import headers_of
from monitor.records.signal import Message
from tests.servers.kafka import Kafka, MockKafka
from tests.servers.recording import Cut, Recording
from tests.servers.service import configuration


def kafka_configuration(
    brokers: str, recording: Recording, topic: str, partition: int | None, **changes: Any
) -> dict[str, Any]:
    """`changes` replace whole keys, those of kafka single ones."""
    kafka = {"brokers": brokers.split(","), "topic": topic} | changes.pop("kafka", {})
    if partition is not None:
        kafka["partition"] = partition
    found = configuration(1, recording, **changes)
    return {**found, "source": "kafka", "kafka": kafka}


class Recorder:
    """Writes messages to a topic, each by its sensor's key."""

    def __init__(self, kafka: Kafka | MockKafka, topic: str) -> None:
        client = kafka.client(acks="all", enable_idempotence=True)
        self._producer = Producer({**client, "partitioner": PARTITIONER})
        self._topic = topic

    def send(self, cut: Cut, partition: int | None = None, received_ns: int = 0) -> None:
        message = Message(cut.topic, cut.payload, received_ns, dict(cut.properties))
        where = {} if partition is None else {"partition": partition}
        self._producer.produce(
            self._topic,
            cut.payload,
            cut.sensor,
            headers=headers_of(message),  # type: ignore[arg-type]
            **where,
        )
        self._producer.poll(0)

    def play(self, cuts: Iterable[Cut], partition: int | None = None) -> int:
        n = 0
        for n, cut in enumerate(cuts, 1):
            self.send(cut, partition)
        self.flush()
        return n

    def flush(self) -> None:
        assert self._producer.flush(30) == 0
