"""One partition of a Kafka topic as a source of messages.

Kafka's own commits do not count: the journal has the position, in the same
transaction as the verdicts, and reading begins there. So this process takes no
part in the group protocol; which process reads which partition is decided
outside (member.py).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.config import KafkaSettings
from monitor.kafka.client import News as ClientNews
from monitor.kafka.client import client_settings
from monitor.kafka.consumer import (
    OffsetGoneError,
    PartitionConsumer,
    Record,
    UnreachableError,
)
from monitor.log_limiter import LogLimiter
from monitor.records.position import Resumed, SourcePosition
from monitor.records.signal import Message
from monitor.records.topic import TopicFilter
from monitor.settings import ConfigError
from monitor.sources.base import Callbacks, Connection, News
from monitor.sources.kafka.progress import Progress
from monitor.sources.kafka.records import message_of
from monitor.thread_name import name_thread

RECORDS_PER_READ = 64
READ_S = 0.2
RETRY_S = 1.0
LOOK_S = 5.0  # between two looks at the topic's partitions
COMMIT_S = 1.0
LOG_PERIOD_S = 60.0
KEPT_BYTES = 256  # of a record that is refused
EARLIEST = 0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """run : of reading without a gap; offsets of one say nothing of the next"""

    run: int
    offset: int


@dataclass(slots=True)
class Counts:
    """Since this process began."""

    records: int = 0
    refused: int = 0
    gone: int = 0
    repeats: int = 0


class KafkaSource:
    """A source (sources.base.Source, Numbered). Raises ConfigError.

    commits : tell Kafka how far we are; not where a member of the group does
    """

    def __init__(
        self,
        settings: KafkaSettings,
        partition: int,
        instance: str,
        max_payload_bytes: int,
        callbacks: Callbacks,
        commits: bool,
    ) -> None:
        self._settings, self._partition = settings, partition
        self._max_payload_bytes, self._callbacks = max_payload_bytes, callbacks
        self._commits = commits
        self._client_id = f"camshaft-{instance}-{partition}"
        self._connection_settings = client_settings(settings, "kafka", self._client_id)
        self._news = ClientNews()
        self._lock = threading.Lock()  # of what both threads change
        self._progress = Progress(EARLIEST)
        self._runs = 0
        self._n_partitions = 0
        self._known_before = 0
        self._stored: SourcePosition | None = None
        self._asked: SourcePosition | None = None
        self._committed = -1
        self._connection = Connection(0, is_resumed=True)
        self._is_connected = False
        self._counts = Counts()
        self._log_limiter = LogLimiter(log, LOG_PERIOD_S)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka", daemon=True)

    def resume(self, resumed: Resumed) -> None:
        """Raises ConfigError where the journal is of another topic or partition."""
        position = resumed.position
        if position is None:
            return
        here = self._settings.topic, self._partition
        if (position.topic, position.partition) != here:
            raise ConfigError(
                f"kafka.partition = {self._partition} of topic {self._settings.topic!r}: the"
                f" journal has partition {position.partition} of {position.topic!r}; each"
                " partition needs a journal.path of its own."
            )
        self._stored = position
        self._n_partitions = position.n_partitions
        self._known_before = resumed.known_before

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stopping.set()
        self._thread.join(timeout_s)

    def listen(self, topics: Sequence[TopicFilter]) -> None:
        """A partition is read as a whole."""

    def renew(self) -> None:
        """Secrets are read at the start: the client keeps them for as long as it lives."""

    def position(self, tokens: Sequence[object]) -> SourcePosition | None:
        with self._lock:
            here = [
                t.offset for t in tokens if isinstance(t, Token) and t.run == self._runs
            ]
            self._progress.settle(here)
            if not self._n_partitions:
                return None
            self._asked = self._here()
            return self._asked

    def settle(self, tokens: Sequence[object]) -> None:
        with self._lock:
            self._stored = self._asked

    @property
    def is_connected(self) -> bool:
        return self._is_connected

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def connection(self) -> Connection:
        return self._connection

    @property
    def remembered(self) -> frozenset[str]:
        return frozenset()

    def health(self) -> Mapping[str, int | bool]:
        counts = self._counts
        return {
            "broker_connected": self._is_connected,
            "kafka_partition": self._partition,
            "kafka_offset": self._progress.offset,
            "kafka_records": counts.records,
            "kafka_refused_records": counts.refused,
            "kafka_records_gone": counts.gone,
            "kafka_records_again": counts.repeats,
            "unsettled_messages": self._progress.n_unsettled,
        }

    # -- the source's thread ----------------------------------------------------------------------

    def _run(self) -> None:
        name_thread("kafka")
        try:
            self._serve()
        except ConfigError as error:
            self._callbacks.fail(error)
        except Exception as error:
            log.exception("The Kafka thread failed.")
            self._callbacks.fail(error)

    def _serve(self) -> None:
        settings = self._settings
        consumer = PartitionConsumer(
            self._connection_settings,
            settings.group,
            settings.topic,
            self._partition,
            self._news,
        )
        try:
            while not self._stopping.is_set() and not self._begin(consumer):
                self._stopping.wait(RETRY_S)
            looked_s = committed_s = time.monotonic()
            while not self._stopping.is_set():
                self._step(consumer)
                now_s = time.monotonic()
                if now_s - looked_s >= LOOK_S:
                    self._look(consumer)
                    looked_s = time.monotonic()
                if now_s - committed_s >= COMMIT_S:
                    self._commit(consumer)
                    committed_s = now_s
            self._commit(consumer)
        finally:
            consumer.close()

    def _begin(self, consumer: PartitionConsumer) -> bool:
        """Find the topic and the first record to read. False: try again."""
        if not self._look(consumer):
            return False
        try:
            first, end = consumer.bounds()
        except UnreachableError as error:
            self._trouble(str(error))
            return False
        stored = self._stored
        if stored is None:
            self._read_from(consumer, first, None)
            how = "the earliest: the journal has none"
        elif first <= stored.offset <= end:
            self._read_from(consumer, stored.offset, stored.leader_epoch)
            how = "as the journal has it"
        else:
            self._state_gone(consumer, stored.offset, first, end)
            how = "the earliest that is left"
        self._connection = Connection(self._connection.number + 1, self._is_whole())
        self._is_connected = True
        log.info(
            "Connected to Kafka: partition %d of %d of topic %s from offset %d, %s.",
            self._partition,
            self._n_partitions,
            self._settings.topic,
            self._progress.offset,
            how,
        )
        return True

    def _is_whole(self) -> bool:
        return self._stored is not None and self._counts.gone == 0

    def _read_from(
        self, consumer: PartitionConsumer, offset: int, epoch: int | None
    ) -> None:
        with self._lock:
            self._progress = Progress(offset, epoch)
            self._runs += 1
        consumer.go_to(offset, epoch)

    def _state_gone(
        self, consumer: PartitionConsumer, offset: int, first: int, end: int
    ) -> None:
        """Records that nobody will ever judge, or a topic that was made anew."""
        n = max(1, first - offset)
        if offset < first:
            text = (
                f"{n:,} records of partition {self._partition} were deleted before they were"
                f" read: the journal stood at offset {offset}, the earliest left is {first}."
            )
        else:
            text = (
                f"Partition {self._partition} ends at offset {end}, the journal stood at"
                f" {offset}: its records are others than before; all are read, from {first} on."
            )
        self._counts.gone += n
        self._known_before = 0
        self._callbacks.tell(News("records_gone", text, n))
        self._read_from(consumer, first, None)

    def _look(self, consumer: PartitionConsumer) -> bool:
        """Whether Kafka answers and has the topic. Raises ConfigError where it is another."""
        try:
            n = consumer.n_partitions()
        except UnreachableError as error:
            self._trouble(str(error))
            return False
        if n == 0:
            self._trouble(f"there is no topic {self._settings.topic}")
            return False
        if self._n_partitions not in (0, n):
            raise ConfigError(
                f"kafka.topic = {self._settings.topic}: has {n} partitions, the journal knows"
                f" {self._n_partitions}: sensors would move between journals; go on with a new"
                " topic and new journals."
            )
        if self._partition >= n:
            raise ConfigError(
                f"kafka.partition = {self._partition}: topic {self._settings.topic} has"
                f" {n} partitions, from 0 to {n - 1}."
            )
        self._n_partitions = n
        self._is_connected = self._connection.number > 0
        return True

    def _step(self, consumer: PartitionConsumer) -> None:
        try:
            for record in consumer.read(RECORDS_PER_READ, READ_S):
                self._take(record)
        except UnreachableError as error:
            self._trouble(str(error))
            self._stopping.wait(READ_S)
        except OffsetGoneError:
            self._go_on_after_gap(consumer)

    def _go_on_after_gap(self, consumer: PartitionConsumer) -> None:
        """What was to be read next is gone, while we run."""
        try:
            first, end = consumer.bounds()
        except UnreachableError as error:
            self._trouble(str(error))
            return
        self._state_gone(consumer, self._next(), first, end)
        self._connection = Connection(self._connection.number + 1, is_resumed=False)

    def _next(self) -> int:
        with self._lock:
            return self._progress.next_offset

    def _take(self, record: Record) -> None:
        is_known = record.offset < self._known_before
        message = message_of(
            record.key,
            record.value,
            record.headers,
            record.received_ns,
            record.offset,
            Token(self._runs, record.offset),
            is_known,
        )
        with self._lock:
            self._progress.deliver(record.offset, record.epoch)
        self._counts.records += 1
        self._counts.repeats += is_known
        if message is None:
            topic = (record.key or b"").decode("utf-8", "replace")
            nameless = Message(topic, record.value[:KEPT_BYTES], record.received_ns)
            self._refuse(record.offset, nameless, "no_topic")
        elif len(record.value) > self._max_payload_bytes:
            cut = Message(message.topic, record.value[:KEPT_BYTES], record.received_ns)
            self._refuse(record.offset, cut, "too_large")
        else:
            self._callbacks.deliver(message)

    def _refuse(self, offset: int, message: Message, reason: str) -> None:
        self._counts.refused += 1
        self._callbacks.refuse(message, reason)
        with self._lock:
            self._progress.settle([offset])

    def _commit(self, consumer: PartitionConsumer) -> None:
        """What the journal has, for tools that show how far a group is behind."""
        stored = self._stored
        if not self._commits or stored is None or stored.offset == self._committed:
            return
        self._committed = stored.offset
        consumer.commit(stored)

    def _here(self) -> SourcePosition:
        return SourcePosition(
            self._settings.topic,
            self._partition,
            self._n_partitions,
            self._progress.offset,
            self._progress.epoch,
        )

    def _trouble(self, why: str) -> None:
        self._is_connected = False
        text = f"Kafka: {why}. What comes waits there."
        self._log_limiter.note(logging.WARNING, text, time.monotonic(), why)
