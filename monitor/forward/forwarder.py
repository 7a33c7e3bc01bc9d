"""MQTT to Kafka: a message is acknowledged to its broker when Kafka has it on all replicas in sync.

    the source's thread   messages to the producer; waits while too much is on its way
    main thread           delivery reports, acknowledgements, signals, watchdog

At least once: what has no acknowledgement is delivered again by the MQTT broker,
also to the next process, with MQTT's own mark that it may be a repeat, which
goes along in a header.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from monitor import systemd
from monitor.config import Config, KafkaSettings
from monitor.exit_codes import EXIT_FAULT, EXIT_OK
from monitor.forward.in_flight import InFlight, Pending
from monitor.forward.routing import Place, Routing, split_context
from monitor.kafka.client import (
    KafkaError,
    KafkaException,
    News,
    client_settings,
    is_too_large,
    new_producer,
    said,
    topic_limit,
)
from monitor.kafka.record import Headers, headers_of
from monitor.log_limiter import LogLimiter
from monitor.os_signals import Signals
from monitor.outputs.retry import Backoff
from monitor.records.signal import Message
from monitor.settings import ConfigError
from monitor.sources.configured import topic_filters
from monitor.sources.mqtt.client import MqttClient
from monitor.text import first_bytes, printable
from monitor.thread_name import name_thread

MAX_BYTES = 256 << 20  # on their way
MIN_MESSAGES = 500  # of QoS 0
BATCH_BYTES = 1_000_000  # fits Kafka's own limit of a batch
# Records of a batch share one header and Kafka's limit is on the whole; below it the key, headers
# and a few fields of the record.
OVERHEAD_BYTES = 1 << 20
LINGER_MS = 5
POLL_S = 0.2
ANSWER_S = 2.0
STALL_S = 10.0  # without a report
LOOK_S = 60.0  # between two looks at the topic's partitions
HEALTH_S = 60.0
LOG_PERIOD_S = 600.0
FLUSH_S = 10.0
MQTT_LEAVE_S = 4.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """One copy of a message. partition : None where the key decides"""

    key: bytes
    headers: Headers
    partition: int | None
    pending: Pending


@dataclass(slots=True)
class Counts:
    """Messages since the start."""

    forwarded: int = 0
    n_bytes: int = 0
    repeats: int = 0  # marked so by MQTT
    too_large: int = 0
    unknown: int = 0  # of topics that nothing asks for
    no_room: int = 0  # of QoS 0


class Forwarder:
    """One run. Raises ConfigError where it cannot start."""

    def __init__(self, config: Config, settings: KafkaSettings) -> None:
        self.counts = Counts()
        self._config, self._settings = config, settings
        self._routing = Routing(config)
        self._in_flight = InFlight(
            max(config.mqtt.receive_maximum, MIN_MESSAGES), MAX_BYTES
        )
        self._connection = client_settings(
            settings, "kafka", f"camshaft-{config.instance}-forward"
        )
        self._news = News()
        self._producer: Any = None
        self._is_single = False  # each record is a batch of its own
        self._n_partitions = 0
        own = config.mqtt.model_copy(
            update={"client_id": f"{config.mqtt.client_id}-forward"}
        )
        self._source = MqttClient(
            own,
            topic_filters(config),
            self._take,
            f"{config.instance}-forward",
            self._refuse,
            self._fail,
        )
        self._limiter = LogLimiter(log, LOG_PERIOD_S)
        # Of the order in which records are sent, and of the limiter.
        self._lock = threading.RLock()
        self._again: deque[Record] = deque()
        self._again_s = 0.0
        self._backoff = Backoff()
        self._is_stalled = False
        self._signals = Signals()
        self._is_leaving = False
        self._fault = ""
        self._looked_s = self._told_s = 0.0
        self._n_told = 0

    def run(self) -> int:
        """Forward until SIGTERM or SIGINT. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signals.note)
        for doubt in split_context(self._config):
            log.warning("%s", doubt)
        systemd.notify("READY=1", "STATUS=Running.")
        if self.find_topic():
            self._source.start()
            self._serve()
        systemd.notify("STOPPING=1")
        self._leave()
        return EXIT_FAULT if self._fault else EXIT_OK

    # -- main thread ------------------------------------------------------------------------------

    def find_topic(self) -> bool:
        """Waits for Kafka and its topic. False where we are to leave before that."""
        finder = new_producer(self._connection, self._news, 0)
        while not self._must_leave():
            n_partitions, why = self._count_partitions(finder)
            if n_partitions:
                self._producer = self._made_producer()
                self._n_partitions = n_partitions
                log.info(
                    "Forwarding to Kafka's topic %s (%d partitions).",
                    self._settings.topic,
                    n_partitions,
                )
                self._backoff.after_success()
                return True
            self._note(logging.ERROR, f"{why} Messages wait at the MQTT broker.", "topic")
            self._pause(self._backoff.after_failure(None, random.random()))
        return False

    def _made_producer(self) -> Any:
        limit = topic_limit(self._connection, self._settings.topic)
        self._is_single = limit is None
        if limit is None:
            log.warning(
                "Kafka does not say the topic's max.message.bytes: each record is sent by itself,"
                " so that one that is too large takes no others with it."
            )
        # An own limit above every message: whether a record is too large, Kafka says.
        largest = self._config.mqtt.max_payload_bytes + OVERHEAD_BYTES
        further = {
            "message.max.bytes": largest,
            "batch.size": 1 if limit is None else min(BATCH_BYTES, limit),
            "linger.ms": LINGER_MS,
            # Bounded by InFlight.
            "queue.buffering.max.messages": 0,
            "queue.buffering.max.kbytes": 2**31 - 1,
        }
        return new_producer({**self._connection, **further}, self._news, 0)

    def _count_partitions(self, client: Any) -> tuple[int, str]:
        """0 and one sentence where they are not known."""
        name = self._settings.topic
        try:
            topic = client.list_topics(name, timeout=ANSWER_S).topics[name]
        except KafkaException as error:
            client.poll(0)
            why = self._news.last_error or said(error.args[0])
            return 0, f"Kafka cannot be reached: {why}."
        if topic.error is not None:
            return 0, f"kafka.topic = {name!r}: Kafka says {said(topic.error)}."
        return len(topic.partitions), ""

    def _serve(self) -> None:
        self._looked_s = self._told_s = time.monotonic()
        while not self._must_leave():
            self._producer.poll(POLL_S)
            now_s = time.monotonic()
            if self._news.fatal:
                self._fault = f"Kafka's client can do no more: {self._news.fatal}"
            if not self._source.is_alive:
                self._fault = "MQTT's thread has ended"
            self._send_again(now_s)
            self._look(now_s)
            self._tell(now_s)
            systemd.notify("WATCHDOG=1")
        if self._fault:
            log.critical("%s. What is not acknowledged is delivered again.", self._fault)

    def _must_leave(self) -> bool:
        while (number := self._signals.next(0.0)) is not None:
            if number != signal.SIGHUP:
                self._is_leaving = True
            else:
                self._source.renew()
        return self._is_leaving or bool(self._fault)

    def _pause(self, pause_s: float) -> None:
        end_s = time.monotonic() + pause_s
        while not self._must_leave() and (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(left_s, POLL_S))
            systemd.notify("WATCHDOG=1")

    def _leave(self) -> None:
        """Wait for the reports that still come, acknowledge, say goodbye."""
        self._in_flight.close()
        if self._producer is not None and not self._news.fatal:
            self._producer.flush(FLUSH_S)
        n_left = len(self._in_flight)
        if self._producer is not None:
            self._source.stop(MQTT_LEAVE_S)
            self._producer.purge()
            self._tell_counts()
        log.info(
            "Forwarding has ended.%s",
            f" {n_left} messages without Kafka's confirmation stay with the MQTT broker."
            if n_left
            else "",
        )

    def _look(self, now_s: float) -> None:
        """At what stands still, and at the topic's partitions."""
        oldest_s = self._in_flight.oldest_s
        if oldest_s > STALL_S:
            self._is_stalled = True
            why = self._news.last_error or "it does not say why"
            text = (
                f"Kafka has not confirmed {len(self._in_flight)} messages, the oldest for"
            )
            waits = "They wait at the MQTT broker, too."
            self._note(logging.ERROR, f"{text} {oldest_s:.0f} s: {why}. {waits}", "stalled")
            return
        if self._is_stalled:
            self._is_stalled = False
            log.info("Kafka takes records again.")
        if now_s - self._looked_s > LOOK_S:
            self._looked_s = now_s
            self._check_partitions()

    def _check_partitions(self) -> None:
        n_partitions, _ = self._count_partitions(self._producer)
        if n_partitions in (0, self._n_partitions):
            return
        log.error(
            "Kafka's topic %s has %d partitions now, %d before: sensors move to others, whose"
            " journals do not know them. Take a new topic instead.",
            self._settings.topic,
            n_partitions,
            self._n_partitions,
        )
        self._n_partitions = n_partitions

    def _tell(self, now_s: float) -> None:
        if now_s - self._told_s < HEALTH_S:
            return
        self._told_s = now_s
        self._tell_counts()

    def _tell_counts(self) -> None:
        counts = self.counts
        n_new, self._n_told = counts.forwarded - self._n_told, counts.forwarded
        log.info(
            "Forwarded %d messages since the last such line, %d in all (%.1f MB), %d of them"
            " repeats of MQTT; on their way %d (%.1f MB, the oldest for %.1f s); too large %d, of"
            " other topics %d, QoS 0 without room %d.",
            n_new,
            counts.forwarded,
            counts.n_bytes / 1e6,
            counts.repeats,
            len(self._in_flight),
            self._in_flight.n_bytes / 1e6,
            self._in_flight.oldest_s,
            counts.too_large,
            counts.unknown,
            counts.no_room,
        )

    # -- on MQTT's thread -------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        name_thread("mqtt")
        place = self._routing.place(message.topic)
        if place is None:
            self.counts.unknown += 1
            self._settle(message)
            return
        if self._in_flight.renew(message):
            return
        n_records = self._n_partitions if place.is_everywhere else 1
        pending = self._in_flight.begin(message, n_records)
        if pending is not None:
            for record in _records(place, pending, n_records):
                self._send(record)
        elif not self._in_flight.is_closed:
            self.counts.no_room += 1
            self._note(
                logging.ERROR,
                "A QoS 0 message found no room and is lost: send with QoS 1.",
                "no room",
            )

    def _refuse(self, message: Message, reason: str) -> None:
        """MQTT's own limit; the source has acknowledged it."""
        self.counts.too_large += 1
        self._note_too_large(message, f"larger than mqtt.max_payload_bytes ({reason})")

    def _fail(self, error: Exception) -> None:
        self._fault = f"MQTT's thread has failed: {printable(repr(error))}"

    # -- on either --------------------------------------------------------------------------------

    def _send(self, record: Record) -> None:
        with self._lock:
            if self._again:
                self._again.append(record)
            else:
                self._produce(record)

    def _produce(self, record: Record) -> bool:
        """False where it must be tried again. Call with the lock held."""
        message = record.pending.message
        where = {} if record.partition is None else {"partition": record.partition}
        try:
            self._producer.produce(
                self._settings.topic,
                message.payload,
                record.key,
                on_delivery=partial(self._report, record),
                timestamp=message.received_ns // 1_000_000,
                headers=record.headers,
                **where,
            )
        except BufferError:
            self._keep(record)
            return False
        except KafkaException as error:
            self._report(record, error.args[0], None)
            return is_too_large(error.args[0])
        return True

    def _report(self, record: Record, error: KafkaError | None, _message: Any) -> None:
        """What became of a record; of an error that may pass, it is sent again."""
        pending = record.pending
        if error is None:
            self._news.last_error = ""
        elif is_too_large(error):
            pending.is_refused = True
        else:
            if error.fatal():
                self._news.note(error)
            self._news.last_error = said(error)
            if not self._in_flight.is_closed:
                self._keep(record)
            return
        if self._in_flight.confirm(pending):
            self._done(pending)

    def _done(self, pending: Pending) -> None:
        message = pending.message
        if pending.is_refused:
            self.counts.too_large += 1
            self._note_too_large(message, "larger than Kafka's topic takes")
        else:
            self.counts.forwarded += 1
            self.counts.n_bytes += len(message.payload)
            is_repeat = message.delivery is not None and message.delivery.redelivered
            self.counts.repeats += is_repeat
        self._settle(message)

    def _settle(self, message: Message) -> None:
        if message.delivery is not None:
            self._source.settle([message.delivery.token])

    def _keep(self, record: Record) -> None:
        with self._lock:
            if not self._again:
                pause_s = self._backoff.after_failure(None, random.random())
                self._again_s = time.monotonic() + pause_s
            self._again.append(record)

    def _send_again(self, now_s: float) -> None:
        """All that wait, in their order; new ones queue behind them until all are sent."""
        if not self._again or now_s < self._again_s:
            return
        why = self._news.last_error or "its queue is full"
        self._note(logging.ERROR, f"Kafka refuses records for now: {why}.", "again")
        with self._lock:
            waiting = deque(self._again)
            self._again.clear()
            while waiting and self._produce(waiting.popleft()):
                pass
            self._again.extend(waiting)

    def _note_too_large(self, message: Message, why: str) -> None:
        head = first_bytes(message.payload)
        text = (
            f"A message is {why} and is not forwarded (topic {message.topic},"
            f" {len(message.payload):,} bytes, the first {head})."
        )
        self._note(logging.ERROR, printable(text, 600), f"too large {why}")

    def _note(self, level: int, text: str, trouble: str) -> None:
        with self._lock:
            self._limiter.note(level, text, time.monotonic(), trouble)


def _records(place: Place, pending: Pending, n_records: int) -> Iterator[Record]:
    key, headers = place.key.encode(), headers_of(pending.message)
    for number in range(n_records):
        yield Record(key, headers, number if place.is_everywhere else None, pending)


def forwarder(config: Config) -> Forwarder:
    """Raises ConfigError."""
    if config.kafka is None:
        raise ConfigError(
            "kafka: camshaft forward needs this section (brokers and topic), see docs/kafka.md."
        )
    return Forwarder(config, config.kafka)
