"""Reading one partition, from a given offset, outside the group protocol."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from monitor.kafka.client import KafkaError, KafkaException, Message, News, said
from monitor.records.position import SourcePosition

QUEUED_KB = 16 << 10  # of records fetched ahead
ANSWER_S = 2.0
MS = 1_000_000  # nanoseconds
NO_TIME = 0  # timestamp_type


class OffsetGoneError(Exception):
    """The wanted offset is not in the partition: its records were deleted, or the topic was."""


class UnreachableError(Exception):
    """Kafka does not answer now; str() is one clause that says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """received_ns : Kafka's time of it, of ours where it has none. epoch : of its leader"""

    offset: int
    epoch: int | None
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes | None]]
    received_ns: int


class PartitionConsumer:
    """Used by one thread. Where nothing else is said, methods raise UnreachableError.

    connection : client.client_settings
    """

    def __init__(
        self,
        connection: Mapping[str, Any],
        group: str,
        topic: str,
        partition: int,
        news: News,
    ) -> None:
        self._topic, self._partition = topic, partition
        self._consumer = Consumer(
            {
                **connection,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",  # what is gone is stated, never passed over
                "queued.max.messages.kbytes": QUEUED_KB,
                "error_cb": news.note,
            }
        )

    def n_partitions(self) -> int:
        """0 where there is no such topic."""
        try:
            topics = self._consumer.list_topics(self._topic, timeout=ANSWER_S).topics
        except KafkaException as error:
            raise UnreachableError(said(error.args[0])) from error
        return len(topics[self._topic].partitions)

    def bounds(self) -> tuple[int, int]:
        """The earliest offset that is there, and the one after the newest."""
        place = TopicPartition(self._topic, self._partition)
        try:
            return self._consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        except KafkaException as error:
            raise UnreachableError(said(error.args[0])) from error

    def go_to(self, offset: int, epoch: int | None) -> None:
        """Read from there on. epoch : of the record before; a leader that has lost it says so"""
        place = TopicPartition(self._topic, self._partition, offset)
        if epoch is not None:
            place = TopicPartition(self._topic, self._partition, offset, "", epoch)
        self._consumer.assign([place])

    def read(self, n: int, timeout_s: float) -> list[Record]:
        """Up to n records; [] after timeout_s. Raises OffsetGoneError."""
        found = []
        for message in self._consumer.consume(n, timeout_s):
            error = message.error()
            if error is None:
                found.append(_record(message))
            elif found:
                break  # it is told again where it matters
            elif error.code() in (
                KafkaError._AUTO_OFFSET_RESET,
                KafkaError.OFFSET_OUT_OF_RANGE,
                KafkaError._LOG_TRUNCATION,
            ):
                raise OffsetGoneError(said(error))
            else:
                raise UnreachableError(said(error))
        return found

    def commit(self, position: SourcePosition) -> None:
        """Tell the group's lag tools. Nothing rests on it, so nobody waits for it."""
        place = TopicPartition(position.topic, position.partition, position.offset)
        self._consumer.commit(offsets=[place], asynchronous=True)

    def close(self) -> None:
        self._consumer.close()


def _record(message: Message) -> Record:
    kind, time_ms = message.timestamp()
    offset, key, value = message.offset(), message.key(), message.value()
    assert offset is not None  # of a record without error
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Record(
        offset,
        message.leader_epoch(),
        _bytes(key),
        _bytes(value) or b"",
        [(name, _bytes(text)) for name, text in pairs],
        time.time_ns() if kind == NO_TIME else time_ms * MS,
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
