"""One partition of a compacted topic, written by one owner at a time.

What is written belongs to transactions of one name. A new owner opens them
under it again: from then on Kafka refuses what an earlier one still sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from monitor.kafka.client import (
    KafkaError,
    KafkaException,
    Message,
    News,
    Producer,
    said,
    topic_setting,
)
from monitor.kafka.consumer import UnreachableError
from monitor.settings import ConfigError

ANSWER_S = 10.0
READ_S = 60.0
RECORDS_PER_READ, BATCH_S = 500, 0.1  # at most, or what comes within this time
# An owner that is cut off for longer is treated as one that has left.
TRANSACTION_MS = 600_000
Call = Callable[[float], object]
FENCED = (
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
)


class FencedError(Exception):
    """There is a newer owner; str() is one sentence."""


class StateTopic:
    """Used by one thread at a time. Methods raise UnreachableError while Kafka does not answer."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        group: str,
        topic: str,
        state_topic: str,
        partition: int,
    ) -> None:
        """connection : client.client_settings. topic : the one whose partition is served"""
        self.partition = partition
        self._connection, self._group = dict(connection), group
        self._topic, self.state_topic = topic, state_topic
        self._news = News()
        self._producer: Producer | None = None
        self.published: dict[bytes, bytes] = {}
        # What is to be called to end the transaction that did not end, and what holds then.
        self._unfinished: tuple[Call, Mapping[bytes, bytes]] | None = None

    def take_over(self) -> Mapping[bytes, bytes]:
        """Become the owner. Returns the newest record of each key. Raises ConfigError where the
        topic has other partitions than the data, or is not compacted.
        """
        producer = Producer(
            {
                **self._connection,
                "transactional.id": f"camshaft-{self._group}-{self._topic}-{self.partition}",
                "transaction.timeout.ms": TRANSACTION_MS,
                "error_cb": self._news.note,
            }
        )
        try:
            self._check_partitions(producer)
            self._check_policy()
            producer.init_transactions(ANSWER_S)
        except KafkaException as error:
            raise UnreachableError(self._why(error)) from error
        self.published = self._read()
        self._producer = producer
        return self.published

    def publish(self, wanted: Mapping[bytes, bytes]) -> None:
        """Have the topic hold these records and no others, all at once or not at all. Raises
        FencedError.
        """
        self._news.last_error = ""
        try:
            if self._unfinished is not None:
                self._finish(*self._unfinished)
            self._write(wanted)
        except KafkaException as error:
            if error.args[0].fatal() or error.args[0].code() in FENCED:
                raise FencedError(
                    f"Partition {self.partition} has a new owner, or Kafka was away for long"
                    f" ({said(error.args[0])}): this process ends."
                ) from error
            raise UnreachableError(self._why(error)) from error

    def close(self) -> None:
        """What was not committed is void."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(0)
            self._producer = None

    def _write(self, wanted: Mapping[bytes, bytes]) -> None:
        changed: dict[bytes, bytes | None] = {
            key: value for key, value in wanted.items() if self.published.get(key) != value
        }
        changed |= dict.fromkeys(self.published.keys() - wanted.keys())
        if not changed:
            return
        producer = self._producer
        assert producer is not None  # take_over comes first
        producer.begin_transaction()
        self._unfinished = producer.abort_transaction, self.published
        for key, value in changed.items():
            self._send(producer, key, value)
        self._finish(producer.commit_transaction, wanted)

    def _send(self, producer: Producer, key: bytes, value: bytes | None) -> None:
        while True:
            try:
                producer.produce(self.state_topic, value, key, partition=self.partition)
                return
            except BufferError:  # until some have left
                producer.poll(ANSWER_S)

    def _finish(self, call: Call, then: Mapping[bytes, bytes]) -> None:
        """End a transaction. A call that timed out goes on when it is made again, and no other may
        come before. then : what the topic holds after it
        """
        assert self._producer is not None  # take_over comes first
        self._unfinished = call, then
        try:
            call(ANSWER_S)
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                self._unfinished = self._producer.abort_transaction, self.published
            raise
        self._unfinished = None
        self.published = dict(then)

    def _check_partitions(self, producer: Producer) -> None:
        topics = (self._topic, self.state_topic)
        wanted, found = (
            len(producer.list_topics(one, ANSWER_S).topics[one].partitions)
            for one in topics
        )
        for n, topic in ((wanted, self._topic), (found, self.state_topic)):
            if n == 0:
                raise UnreachableError(f"there is no topic {topic}")
        if wanted != found:
            raise ConfigError(
                f"kafka.state_topic = {self.state_topic}: has {found} partitions,"
                f" {self._topic} has {wanted}: must be as many."
            )

    def _check_policy(self) -> None:
        """A topic that forgets what is old would forget commissionings."""
        policy = topic_setting(self._connection, self.state_topic, "cleanup.policy")
        if policy is not None and policy != "compact":
            raise ConfigError(
                f"kafka.state_topic = {self.state_topic}: has cleanup.policy = {policy}, so"
                " what does not change would be deleted: must be compact."
            )

    def _read(self) -> dict[bytes, bytes]:
        """To the end: what was committed, the newest of each key."""
        consumer = Consumer(
            {
                **self._connection,
                "group.id": self._group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "error_cb": self._news.note,
            }
        )
        try:
            place = TopicPartition(self.state_topic, self.partition)
            first, end = consumer.get_watermark_offsets(place, ANSWER_S)
            consumer.assign([TopicPartition(place.topic, place.partition, first)])
            return _newest(consumer, end)
        except KafkaException as error:
            raise UnreachableError(self._why(error)) from error
        finally:
            consumer.close()

    def _why(self, error: KafkaException) -> str:
        """A request that timed out does not know why; the connection may."""
        return self._news.last_error or said(error.args[0])


def _newest(consumer: Consumer, end: int) -> dict[bytes, bytes]:
    """Of each key. At a transaction's end there are marks that no reader sees."""
    found: dict[bytes, bytes] = {}
    deadline_s = time.monotonic() + READ_S
    while time.monotonic() < deadline_s:
        for record in consumer.consume(RECORDS_PER_READ, BATCH_S):
            error = record.error()
            if error is None:
                _note(found, record)
            elif error.code() != KafkaError._PARTITION_EOF:
                raise UnreachableError(said(error))
            elif (record.offset() or 0) >= end:
                return found
    raise UnreachableError(f"the state could not be read within {READ_S:g} s")


def _note(found: dict[bytes, bytes], record: Message) -> None:
    key, value = _raw(record.key()) or b"", _raw(record.value())
    if value is None:
        found.pop(key, None)
    else:
        found[key] = value


def _raw(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
