"""The edge to the broker: a persistent session, acknowledgements by hand, nothing taken that was
not asked for.

The broker keeps what this process has not acknowledged, also while it is down: the client id is
fixed, clean start is off on every connection (paho's own default wipes the session when a process
starts), the session outlives the connection by `session_expiry_s`. Receive Maximum bounds what is
in flight, so memory is bounded where it counts.

MQTT 5's Maximum Packet Size is not set on purpose: a broker drops a larger message without a word
to either side (MQTT-3.1.2-24 and -25). A message over `max_payload_bytes` is taken, counted, its
first bytes handed on, and settled.

Threads: callbacks run on paho's network thread; `settle`, `publish`, `listen` and `stop`
may be called from any other. paho's `ack` only appends to a deque and wakes its thread by a socket
pair, which is safe from another thread while that thread runs; the lock here keeps an
acknowledgement from slipping into the next connection.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from monitor.config import MqttSettings
from monitor.log_limiter import LogLimiter
from monitor.records.signal import Delivery, Message
from monitor.sources.base import Connection
from monitor.sources.mqtt.paho_client import (
    connect_properties,
    paho_client,
    refusal,
    subscribe,
    user_properties,
)
from monitor.sources.mqtt.session import (
    PacketToken,
    ServerLimits,
    Unsettled,
    server_limits,
    shortfalls,
)
from monitor.tls import explain

# Mosquitto's count since its start, over all its clients
DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped"
LOG_PERIOD_S = 300.0
KEPT_BYTES = 256  # of an oversize message
MAX_QUEUED = 1000  # our own messages waiting for a connection

log = logging.getLogger(__name__)


@dataclass(slots=True)
class MqttCounters:
    """Counts since this process began. Written by the network thread alone."""

    connects: int = 0
    connection_losses: int = 0
    failed_connects: int = 0  # no connection, or TLS failed
    refused_connects: int = 0  # the broker said no: credentials, protocol
    refused_subscriptions: int = 0
    oversize: int = 0
    bad_topics: int = 0  # not UTF-8
    dropped_by_broker: int = 0  # as the broker counts since its own start, over all its clients


class _LastError(logging.Handler):
    """Keeps what paho says of a broken socket: its callbacks do not tell (a refused client
    certificate, for example).
    """

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        if "on socket" in str(record.msg):
            self.text = record.getMessage()


class MqttClient:
    """One session with one broker.

    deliver : called on the network thread for each message, in order. It may block to hold the
        broker back. Beyond
        keep_alive_s the broker gives the connection up, and sends what is not acknowledged again
        over the next.
    on_refuse : called with a message cut to its first bytes, and why; it is settled here.
    on_fault : called with any exception that nobody expected; the process should end.
    held_before : topic filters that the session may hold from an earlier process; unsubscribed
        where no longer wanted.
    """

    def __init__(
        self,
        settings: MqttSettings,
        filters: Sequence[str],
        deliver: Callable[[Message], None],
        instance: str,
        on_refuse: Callable[[Message, str], None] = lambda message, reason: None,
        on_fault: Callable[[Exception], None] = lambda error: None,
        backoff_s: tuple[float, float] = (1.0, 30.0),
        held_before: Iterable[str] = (),
    ) -> None:
        """Reads password and certificates, touches no network. Raises ConfigError where they cannot
        be used.
        """
        self.counters = MqttCounters()
        self.limits: ServerLimits | None = None
        self.status_topic = f"camshaft/{instance}/status"
        self._settings = settings
        self._filters = list(dict.fromkeys(filters))
        # No longer wanted; the session may still hold them.
        self._left = set(held_before) - set(filters)
        self._deliver, self._on_refuse, self._on_fault = deliver, on_refuse, on_fault
        self._lock = threading.Lock()
        self._connection = 0  # counts this process's connections
        self._live = False
        self._refused = False  # the broker answered, and said no
        self._stopping = False
        self._unsettled = Unsettled()
        self._asked: dict[int, list[str]] = {}  # filters by the packet id of their SUBSCRIBE
        self._leaving: dict[int, list[str]] = {}  # filters by the packet id of their UNSUBSCRIBE
        # By filter, of this connection: the broker's refusal, "" when granted.
        self._answers: dict[str, str] = {}
        self._log_limiter = LogLimiter(log, LOG_PERIOD_S)
        self._last_error = _LastError(logging.ERROR)
        self._thread: threading.Thread | None = None
        self._client = self._new_client(backoff_s)

    # -- for the service --------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect, for as long as it takes. Returns at once."""
        five = self._settings.protocol == "5"
        self._client.connect_async(
            self._settings.host,
            self._settings.port,
            self._settings.keep_alive_s,
            clean_start=False if five else paho.MQTT_CLEAN_START_FIRST_ONLY,
            properties=connect_properties(self._settings) if five else None,
        )
        before = set(threading.enumerate())
        self._client.loop_start()
        self._thread = next(
            (thread for thread in set(threading.enumerate()) - before if "paho" in thread.name),
            None,
        )

    def stop(self, timeout_s: float = 4.0) -> None:
        """Send what is due, say "offline", disconnect. The broker keeps the session."""
        self._stopping = True
        if self._live:
            farewell = self._client.publish(self.status_topic, "offline", qos=1, retain=True)
            if farewell.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                farewell.wait_for_publish(timeout_s)
        with self._lock:
            self._live = False
        self._client.disconnect()
        if self._thread is not None:
            # Not loop_stop: it would wait for ever on a host name that never resolves.
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                log.warning(
                    "The connection to %s did not close within %.0f s.", self._broker, timeout_s
                )

    @property
    def is_connected(self) -> bool:
        return self._live

    @property
    def subscribed(self) -> bool:
        """The broker has granted every topic filter on this connection."""
        with self._lock:
            return self._live and all(self._answers.get(topic) == "" for topic in self._filters)

    @property
    def remembered(self) -> frozenset[str]:
        """Topic filters that the broker's session holds, as far as we know: the wanted, and those
        still to leave.
        """
        with self._lock:
            return frozenset(self._left.union(self._filters))

    @property
    def is_alive(self) -> bool:
        """False when paho's network thread has ended though nobody stopped it: nothing will come
        any more.
        """
        return self._thread is not None and self._thread.is_alive()

    @property
    def n_unsettled(self) -> int:
        """QoS 1 messages delivered and not yet acknowledged."""
        return len(self._unsettled)

    def settle(self, token: object) -> bool:
        """Mark a message as settled. Its PUBACK leaves as soon as those of all earlier ones have.

        False, and nothing is sent, where the connection that delivered it is gone: the broker will
        deliver it again.
        """
        assert isinstance(token, PacketToken)
        with self._lock:
            if not self._live or token.connection != self._connection:
                return False
            self._acknowledge(token.packet_id)
        return True

    @property
    def connection(self) -> Connection:
        limits = self.limits
        return Connection(self.counters.connects, limits is None or limits.session_present)

    def health(self) -> dict[str, int | bool]:
        """The broker's side of monitor_health: counts since this process began."""
        counters = self.counters
        return {
            "broker_connected": self.is_connected,
            "broker_subscribed": self.subscribed,
            "broker_connects": counters.connects,
            "broker_connection_losses": counters.connection_losses,
            "broker_failed_connects": counters.failed_connects,
            "broker_refused_connects": counters.refused_connects,
            "broker_refused_subscriptions": counters.refused_subscriptions,
            "broker_dropped_messages": counters.dropped_by_broker,
            "oversize_messages": counters.oversize,
            "bad_topic_messages": counters.bad_topics,
            "unsettled_messages": self.n_unsettled,
        }

    def publish(self, topic: str, payload: str | bytes, retain: bool = False) -> bool:
        """Hand one message to the broker (QoS 1); up to 1000 wait for a connection. False where
        even these are full.
        """
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        return sent.rc in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN)

    def listen(self, topics: Sequence[str]) -> None:
        """Change to these topic filters without losing a message of those that stay."""
        with self._lock:
            new = list(dict.fromkeys(topics))
            added = [topic for topic in new if topic not in self._filters]
            self._left = (self._left | set(self._filters)) - set(new)
            self._filters = new
            self._answers = {
                topic: answer for topic, answer in self._answers.items() if topic in new
            }
            if self._live:
                self._subscribe(added)
                self._unsubscribe()

    # -- building ---------------------------------------------------------------------------------

    @property
    def _broker(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _new_client(self, backoff_s: tuple[float, float]) -> paho.Client:
        client = paho_client(self._settings, self._settings.client_id, persistent=True)
        client.manual_ack_set(True)
        client.will_set(self.status_topic, "offline", qos=1, retain=True)
        client.max_queued_messages_set(MAX_QUEUED)
        client.reconnect_delay_set(*backoff_s)  # type: ignore[arg-type]  # fractions of a second work
        client.enable_logger(self._error_logger())
        client.on_connect = self._guarded(self._on_connect)
        client.on_connect_fail = self._guarded(self._on_connect_fail)
        client.on_disconnect = self._guarded(self._on_disconnect)
        client.on_subscribe = self._guarded(self._on_subscribe)
        client.on_unsubscribe = self._guarded(self._on_unsubscribe)
        client.on_message = self._guarded(self._on_message)
        return client

    def _error_logger(self) -> logging.Logger:
        # Of its own: nothing of it reaches the log.
        logger = logging.Logger(f"{__name__}.paho", logging.ERROR)
        logger.addHandler(self._last_error)
        return logger

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """An exception in a callback would end paho's network thread while it still says it is
        connected.
        """

        def call(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as error:
                log.exception("Unexpected fault in %s.", callback.__name__)
                self._on_fault(error)

        return call

    # -- on the network thread: connection --------------------------------------------------------

    def _on_connect(
        self, _client: Any, _data: Any, flags: Any, code: ReasonCode, properties: Properties
    ) -> None:
        if code.is_failure:
            self._refused = True
            self.counters.refused_connects += 1
            self._log_limited(
                logging.ERROR, f"Broker {self._broker} refuses the connection: {refusal(code)}."
            )
            return
        with self._lock:
            self._connection += 1
            self._live = True
            self._unsettled.clear()
            self._answers.clear()
            self._subscribe(self._filters)
            if not flags.session_present:
                self._left.clear()
            self._unsubscribe()
            self._client.subscribe(DROPPED_TOPIC, 0)
        self.counters.connects += 1
        self._client.publish(self.status_topic, "online", qos=1, retain=True)
        session = "session resumed" if flags.session_present else "new session"
        protocol = f"MQTT {self._settings.protocol}"
        self._log_limited(
            logging.INFO, f"Connected to broker {self._broker}, {protocol}, {session}."
        )
        self._note_limits(server_limits(flags.session_present, properties))

    def _note_limits(self, limits: ServerLimits) -> None:
        """Warn of what the broker grants less than asked; once while it stays the same."""
        old, self.limits = self.limits, limits
        new = shortfalls(limits, self._settings)
        for text in new if old is None else set(new) - set(shortfalls(old, self._settings)):
            log.warning("Broker %s %s", self._broker, text)

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self.counters.failed_connects += 1
        # Paho calls this while it handles the error, and tells it no other way.
        reason = explain(sys.exc_info()[1])
        self._log_limited(
            logging.ERROR, f"No connection to broker {self._broker}: {reason}; trying again."
        )

    def _on_disconnect(
        self, _client: Any, _data: Any, flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        with self._lock:
            was_live, self._live = self._live, False
            self._unsettled.clear()
            self._asked.clear()
            self._leaving.clear()
        reason, self._last_error.text = self._last_error.text, ""
        if flags.is_disconnect_packet_from_server:
            reason = f"the broker says {code}"
        if self._stopping:
            return
        if was_live:
            self.counters.connection_losses += 1
            text = (
                f"Connection to broker {self._broker} lost: {reason or 'closed by the broker'};"
                " trying again."
            )
            self._log_limited(logging.WARNING, text)
        elif not self._refused:
            self.counters.failed_connects += 1
            text = (
                f"Broker {self._broker} closed the connection before it answered: {reason or code};"
                " trying again."
            )
            self._log_limited(logging.ERROR, text)
        self._refused = False

    def _log_limited(self, level: int, text: str) -> None:
        self._log_limiter.note(level, text, time.monotonic())

    # -- on the network thread: subscriptions -----------------------------------------------------

    def _subscribe(self, filters: Sequence[str]) -> None:
        """Call with the lock held: the answer may come before the packet id is noted."""
        if not filters:
            return
        packet_id = subscribe(self._client, self._settings, filters)
        if packet_id is not None:
            self._asked[packet_id] = list(filters)

    def _unsubscribe(self) -> None:
        """Call with the lock held, after _subscribe: what an old and a new filter both match is
        never unasked for.
        """
        if not self._left:
            return
        filters = sorted(self._left)
        packet_id = self._client.unsubscribe(filters)[1]
        if packet_id is not None:
            self._leaving[packet_id] = filters

    def _on_unsubscribe(
        self, _client: Any, _data: Any, packet_id: int, _codes: Any, _properties: Any
    ) -> None:
        with self._lock:
            self._left -= set(self._leaving.pop(packet_id, []))

    def _on_subscribe(
        self, _client: Any, _data: Any, packet_id: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        with self._lock:
            filters = self._asked.pop(packet_id, [])
            self._answers |= {
                topic: str(code) if code.is_failure else ""
                for topic, code in zip(filters, codes, strict=False)
            }
        for topic, code in zip(filters, codes, strict=False):
            if code.is_failure:
                self.counters.refused_subscriptions += 1
                log.error(
                    "Broker %s refuses the subscription to %r: %s; asked again at the next"
                    " connection.",
                    self._broker,
                    topic,
                    code,
                )
            elif code.value == 0:
                log.warning(
                    "Broker %s grants %r with QoS 0 only: messages can be lost on the way.",
                    self._broker,
                    topic,
                )

    # -- on the network thread: messages ----------------------------------------------------------

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        received_ns, payload = time.time_ns(), bytes(message.payload)
        delivery = self._register(message) if message.qos else None
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self.counters.bad_topics += 1
            self._settle(delivery)
            return
        if topic == DROPPED_TOPIC:
            self._note_dropped(payload)
            return
        record = Message(topic, payload, received_ns, user_properties(message), delivery)
        if len(payload) > self._settings.max_payload_bytes:
            self.counters.oversize += 1
            self._on_refuse(replace(record, payload=payload[:KEPT_BYTES]), "too_large")
            self._settle(delivery)
            return
        self._deliver(record)

    def _register(self, message: paho.MQTTMessage) -> Delivery:
        with self._lock:
            self._unsettled.add(message.mid)
            token = PacketToken(self._connection, message.mid)
            return Delivery(token, message.mid, message.dup)

    def _settle(self, delivery: Delivery | None) -> None:
        if delivery is not None:
            self.settle(delivery.token)

    def _acknowledge(self, packet_id: int) -> None:
        for due in self._unsettled.settle(packet_id):
            self._client.ack(due, 1)

    def _note_dropped(self, payload: bytes) -> None:
        """The count is the broker's, since its start and over all its clients; it begins anew when
        it restarts.
        """
        if not payload.isdigit() or len(payload) > 19:
            return
        before, now = self.counters.dropped_by_broker, int(payload)
        self.counters.dropped_by_broker = now
        if now > before:
            text = (
                f"Broker {self._broker} has dropped messages, ours or others' (its $SYS count):"
                " raise max_queued_messages and max_queued_bytes there, see"
                " deploy/mosquitto/camshaft.conf."
            )
            self._log_limited(logging.WARNING, text)
