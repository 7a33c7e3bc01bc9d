"""The edge to the broker: a persistent session, acknowledgements by hand, nothing taken that was
not asked for.

The broker keeps what this process has not acknowledged, also while it is down:
the client id is fixed, clean start is off on every connection (paho's own
default wipes the session when a process starts), the session outlives the
connection by `session_expiry_s`. Receive Maximum bounds what is in flight, so
memory is bounded where it counts.

MQTT 5's Maximum Packet Size is not set on purpose: a broker drops a larger
message without a word to either side (MQTT-3.1.2-24 and -25). A message over
`max_payload_bytes` is taken, counted, its first bytes handed on, and settled.

What a broker cannot take is not asked of it again: a last will is retained, and
of QoS 1, only where it may be (session.py), and what it closes the connection
on is left out (courtesies.py).

Threads: callbacks run on paho's network thread; `settle`, `publish`, `listen`
and `stop` may be called from any other. paho's `ack` only appends to a deque
and wakes its thread by a socket pair, which is safe from another thread while
that thread runs; once for all that are settled together. The lock here keeps an
acknowledgement from slipping into the next connection.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from monitor.config import MqttSettings
from monitor.records.signal import Delivery, Message
from monitor.records.topic import TopicFilter
from monitor.settings import ConfigError
from monitor.sources.base import Connection
from monitor.sources.mqtt.broker_log import DROPPED_TOPIC, BrokerLog, MqttCounters
from monitor.sources.mqtt.courtesies import PUBLISHING, Courtesies
from monitor.sources.mqtt.credentials import Credentials
from monitor.sources.mqtt.losses import QUICK_S, Losses
from monitor.sources.mqtt.packets import Published
from monitor.sources.mqtt.paho_client import (
    WiredClient,
    connect_properties,
    paho_client,
    subscribe,
    user_properties,
)
from monitor.sources.mqtt.session import (
    PLAIN,
    PacketToken,
    PublishOptions,
    ReasonValue,
    ServerLimits,
    Unsettled,
    server_limits,
)
from monitor.thread_name import name_thread
from monitor.tls import explain

DROPPED_FILTER = TopicFilter(DROPPED_TOPIC, is_state=True)
KEPT_BYTES = 256  # of an oversize message
MAX_QUEUED = 1000  # our own messages waiting for a connection

log = logging.getLogger(__name__)


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

    deliver : called on the network thread for each message, in order. It may
        block to hold the broker back. Beyond keep_alive_s the broker gives the
        connection up, and sends what is not acknowledged again over the next.
    on_refuse : called with a message cut to its first bytes, and why; it is
        settled here.
    on_fault : called with any exception that nobody expected; the process
        should end.
    held_before : topic filters that the session may hold from an earlier
        process; unsubscribed where no longer wanted. With any, the broker
        should have a session of ours.
    """

    def __init__(
        self,
        settings: MqttSettings,
        filters: Sequence[TopicFilter],
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
        self._filters = _by_text(filters)
        # No longer wanted; the session may still hold them.
        held = set(held_before)
        self._left = held - set(self._filters)
        self._deliver, self._on_refuse, self._on_fault = deliver, on_refuse, on_fault
        self._lock = threading.Lock()
        self._connection = 0  # counts this process's connections
        self._live = False
        self._refused = False  # the broker answered, and said no
        self._stopping = False
        self._connected_s = 0.0  # when the newest connection was made
        self._unsettled = Unsettled()
        # filters by the packet id of their SUBSCRIBE
        self._asked: dict[int, list[str]] = {}
        # filters by the packet id of their UNSUBSCRIBE
        self._leaving: dict[int, list[str]] = {}
        # By filter, of this connection: the broker's refusal, "" when granted.
        self._answers: dict[str, str] = {}
        self._options = PublishOptions()  # of this connection, or of the next attempt
        self._courtesies = Courtesies()
        self._to_ask: deque[str] = deque()  # courtesies, on this connection
        # Of this connection, in order.
        self._publications: deque[paho.MQTTMessageInfo] = deque(maxlen=MAX_QUEUED)
        self._backoff_s = backoff_s
        self._losses = Losses(*backoff_s)
        self._log = BrokerLog(settings, f"camshaft/{instance}/#", bool(held))
        self._last_error = _LastError(logging.ERROR)
        self._thread: threading.Thread | None = None
        self._credentials = Credentials(settings)
        self._client = self._new_client()

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
            (
                thread
                for thread in set(threading.enumerate()) - before
                if "paho" in thread.name
            ),
            None,
        )

    def stop(self, timeout_s: float = 4.0) -> None:
        """Send what is due, say "offline", disconnect. The broker keeps the session."""
        self._stopping = True
        if self._live and self._courtesies.may(PUBLISHING):
            farewell = self._send(self.status_topic, "offline", retain=True)
            if farewell.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                farewell.wait_for_publish(timeout_s)
        with self._lock:
            self._live = False
        self._client.disconnect()
        if self._thread is not None:
            # Not loop_stop: it would wait for ever on a host name that never resolves.
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                self._log.not_closed(timeout_s)

    @property
    def is_connected(self) -> bool:
        return self._live

    @property
    def subscribed(self) -> bool:
        """The broker has granted every topic filter on this connection, but those left out."""
        with self._lock:
            return self._live and all(
                self._answers.get(one.text) == "" for one in self._wanted()
            )

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

    def settle(self, tokens: Iterable[object]) -> None:
        """Mark messages as settled. A PUBACK leaves as soon as those of all earlier messages have.

        Nothing is sent for one whose connection is gone: the broker will
        deliver it again.
        """
        with self._lock:
            here = [
                token.packet_id
                for token in tokens
                if isinstance(token, PacketToken) and token.connection == self._connection
            ]
            due = self._unsettled.settle(here) if self._live else []
            if due:
                self._client.acknowledge(due)

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
            "broker_refused_publications": counters.refused_publications,
            "broker_takeovers": counters.takeovers,
            "broker_session_contested": self.is_contested,
            "broker_dropped_messages": counters.dropped_by_broker,
            "oversize_messages": counters.oversize,
            "bad_topic_messages": counters.bad_topics,
            "unsettled_messages": self.n_unsettled,
        }

    @property
    def is_contested(self) -> bool:
        """Another client uses our client id, as far as we know."""
        lasts_s = time.monotonic() - self._connected_s if self._live else 0.0
        return self._losses.is_contested(lasts_s)

    def publish(
        self, topic: str, payload: str | bytes, retain: bool = False, qos: int = 1
    ) -> bool:
        """Hand one message to the broker; up to 1000 wait for a connection. False where even these
        are full.

        Where the broker does not let us publish, it is counted and let go.
        """
        if not self._courtesies.may(PUBLISHING):
            self.counters.refused_publications += 1
            return True
        sent = self._send(topic, payload, retain, qos)
        return sent.rc in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN)

    def listen(self, topics: Sequence[TopicFilter]) -> None:
        """Change to these topic filters without losing a message of those that stay."""
        with self._lock:
            old, self._filters = self._filters, _by_text(topics)
            added = [one for text, one in self._filters.items() if text not in old]
            self._left = (self._left | set(old)) - set(self._filters)
            self._answers = {
                text: answer
                for text, answer in self._answers.items()
                if text in self._filters
            }
            if self._live:
                self._subscribe(added)
                self._unsubscribe()

    def renew(self) -> None:
        """Read password and certificates again, and log what has changed. It holds from the next
        connection on.
        """
        try:
            self._renew()
        except ConfigError as error:
            log.error("%s What was read before stays in use.", error)

    # -- building ---------------------------------------------------------------------------------

    def _new_client(self) -> WiredClient:
        client = paho_client(
            self._settings, self._credentials, self._settings.client_id, persistent=True
        )
        client.manual_ack_set(True)
        client.max_queued_messages_set(MAX_QUEUED)
        client.enable_logger(self._error_logger())
        client.on_pre_connect = self._guarded(self._on_pre_connect)
        client.on_connect = self._guarded(self._on_connect)
        client.on_connect_fail = self._guarded(self._on_connect_fail)
        client.on_disconnect = self._guarded(self._on_disconnect)
        client.on_subscribe = self._guarded(self._on_subscribe)
        client.on_unsubscribe = self._guarded(self._on_unsubscribe)
        client.on_publish = self._guarded(self._on_publish)
        client.on_message = self._guarded(self._on_message)
        client.on_published = self._guarded(self._on_published)
        client.on_ended = self._ended
        self._pause(client)
        return client

    def _pause(self, client: paho.Client) -> None:
        """Set how long paho waits before its next attempt."""
        least_s, most_s = (
            self._losses.pause_s,
            max(self._losses.pause_s, self._backoff_s[1]),
        )
        client.reconnect_delay_set(least_s, most_s)  # type: ignore[arg-type]  # fractions work

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

    def _ended(self, error: Exception) -> None:
        """Nothing comes any more, and nothing we hand to paho leaves."""
        log.error("The network thread of MQTT has ended.", exc_info=error)
        with self._lock:
            self._live = False
        self._on_fault(error)

    # -- on the network thread: connection --------------------------------------------------------

    def _renew(self) -> None:
        for key in self._credentials.renew():
            log.info("%s has changed on disk: used from the next connection on.", key)

    def _on_pre_connect(self, client: paho.Client, _data: Any) -> None:
        """Before each attempt: with what the broker took last, and the credentials of now."""
        name_thread("mqtt")
        try:
            self._renew()
        except ConfigError as error:
            self._log.trouble(logging.ERROR, f"{error} What was read before stays in use.")
        self._credentials.give(client)
        if self._courtesies.may(PUBLISHING):
            options = self._options
            client.will_set(self.status_topic, "offline", options.qos, options.retain)
        else:
            client.will_clear()

    def _on_connect(
        self, _client: Any, _data: Any, flags: Any, code: ReasonCode, properties: Properties
    ) -> None:
        if code.is_failure:
            self._on_refusal(code)
            return
        limits = server_limits(flags.session_present, properties)
        with self._lock:
            self._publications.clear()
            self._connection += 1
            self._unsettled.clear()
            self._answers.clear()
            self._options = self._options.within(limits.publish_options)
            self._subscribe([one for one in self._filters.values() if not one.is_optional])
            if not flags.session_present:
                self._left.clear()
            self._unsubscribe()
            self._to_ask = deque(self._courtesies_to_ask())
            self._connected_s = time.monotonic()
            self._live = True
        self._log.connected(flags.session_present, is_first=not self.counters.connects)
        self._log.granted(self.limits, limits, self._options)
        self.limits = limits
        self.counters.connects += 1
        self._ask_courtesy()

    def _on_refusal(self, code: ReasonCode) -> None:
        self._refused = True
        self.counters.refused_connects += 1
        asked, self._options = self._options, self._options.without(code.value)
        if self._options == asked:
            self._log.refused(code)

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self.counters.failed_connects += 1
        if self._losses.no_connection():
            self._pause(self._client)
        # Paho calls this while it handles the error, and tells it no other way.
        self._log.no_connection(explain(sys.exc_info()[1]))

    def _on_disconnect(
        self, _client: Any, _data: Any, flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        with self._lock:
            was_live, self._live = self._live, False
            self._unsettled.clear()
            unanswered = [text for filters in self._asked.values() for text in filters]
            self._asked.clear()
            self._leaving.clear()
        reason, self._last_error.text = self._last_error.text, ""
        said = code.value if flags.is_disconnect_packet_from_server else 0
        if said:
            reason = f"the broker says {code}"
        if self._stopping:
            return
        if was_live:
            self.counters.connection_losses += 1
            self._on_loss(said, reason or "closed by the broker", unanswered)
        elif not self._refused:
            self._on_no_answer(reason or str(code))
        self._refused = False

    def _on_loss(self, said: int, reason: str, unanswered: Sequence[str]) -> None:
        """said : the broker's reason code, 0 where it gave none"""
        lasted_s = time.monotonic() - self._connected_s
        is_taken_over = said == ReasonValue.SESSION_TAKEN_OVER
        is_quick = lasted_s < QUICK_S and not is_taken_over
        # With QoS 0 nothing is ever answered.
        if self._options.qos and all(one.is_published() for one in self._publications):
            self._courtesies.answered(PUBLISHING)
        suspect = self._courtesies.suspect
        if suspect == PUBLISHING and is_quick:
            self._client.drop_out_messages()  # paho would send them again over the next connection
        left_out = self._courtesies.lost(is_quick, said == ReasonValue.NOT_AUTHORIZED)
        self._losses.lost(lasted_s, is_taken_over, bool(said or unanswered or suspect))
        self._pause(self._client)
        # Asked for again what was not granted in words: the broker may have learnt it.
        self._options = (
            PublishOptions() if self.limits is None else self.limits.publish_options
        )
        if self._losses.is_contested(0.0):
            self.counters.takeovers += 1
            self._log.contested(is_taken_over)
            return
        if unanswered:
            reason += f" before it answered our subscription to {', '.join(unanswered)}"
        self._log.lost(reason)
        if left_out:
            self._log.left_out(left_out)

    def _on_no_answer(self, reason: str) -> None:
        self.counters.failed_connects += 1
        self._log.no_answer(reason)
        # MQTT 3.1.1 has no reason codes: a broker that cannot take our last will just hangs up.
        if self._settings.protocol != "5":
            self._options = PublishOptions() if self._options == PLAIN else PLAIN

    # -- on the network thread: our own publications ----------------------------------------------

    def _send(
        self, topic: str, payload: str | bytes, retain: bool, qos: int = 1
    ) -> paho.MQTTMessageInfo:
        """Publish as well as this broker takes it."""
        options = self._options
        sent = self._client.publish(
            topic, payload, min(options.qos, qos), retain and options.retain
        )
        if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            with self._lock:
                while self._publications and self._publications[0].is_published():
                    self._publications.popleft()
                self._publications.append(sent)
        return sent

    def _on_publish(
        self, _client: Any, _data: Any, _packet_id: int, code: ReasonCode, _properties: Any
    ) -> None:
        if code.is_failure:
            self.counters.refused_publications += 1
            self._log.publication_refused(code)

    # -- on the network thread: subscriptions -----------------------------------------------------

    def _wanted(self) -> list[TopicFilter]:
        return [one for one in self._filters.values() if self._courtesies.may(one.text)]

    def _subscribe(self, filters: Sequence[TopicFilter], qos: int = 1) -> None:
        """Call with the lock held: the answer may come before the packet id is noted."""
        if not filters:
            return
        packet_id = subscribe(self._client, self._settings, filters, qos)
        if packet_id is not None:
            self._asked[packet_id] = [one.text for one in filters]

    def _ask_courtesy(self) -> None:
        """The next one that we may, where everything asked before has its answer. Status last."""
        with self._lock:
            if not self._live or self._asked or not self._to_ask:
                return
            name = self._to_ask.popleft()
            self._courtesies.asked(name)
            if name == DROPPED_TOPIC:
                self._subscribe([DROPPED_FILTER], qos=0)
            elif name != PUBLISHING:
                self._subscribe([TopicFilter(name)])
        if name == PUBLISHING:
            self._send(self.status_topic, "online", retain=True)

    def _courtesies_to_ask(self) -> Iterator[str]:
        yield from (one.text for one in self._wanted() if one.is_optional)
        if self._settings.watch_dropped and self._courtesies.may(DROPPED_TOPIC):
            yield DROPPED_TOPIC
        if self._courtesies.may(PUBLISHING):
            yield PUBLISHING

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
        self,
        _client: Any,
        _data: Any,
        packet_id: int,
        codes: list[ReasonCode],
        _properties: Any,
    ) -> None:
        with self._lock:
            filters = self._asked.pop(packet_id, [])
            for topic, code in zip(filters, codes, strict=False):
                self._answers[topic] = str(code) if code.is_failure else ""
                self._courtesies.answered(topic)
        self._ask_courtesy()
        if filters == [DROPPED_TOPIC]:  # not every broker counts, or lets us see it
            return
        for topic, code in zip(filters, codes, strict=False):
            self.counters.refused_subscriptions += code.is_failure
            self._log.subscription_answered(topic, code)

    # -- on the network thread: messages ----------------------------------------------------------

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        """What paho read itself: seldom."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self.counters.bad_topics += 1
            self._settle(self._register(message.qos, message.mid, message.dup))
            return
        self._on_published(
            Published(
                topic,
                bytes(message.payload),
                user_properties(message),
                message.qos,
                message.mid,
                message.dup,
                bool(message.retain),
            )
        )

    def _on_published(self, message: Published) -> None:
        topic, payload = message.topic, message.payload
        delivery = self._register(message.qos, message.packet_id, message.is_again)
        if topic == DROPPED_TOPIC:
            self._note_dropped(payload)
            self._settle(delivery)
            return
        record = Message(
            topic,
            payload,
            time.time_ns(),
            message.properties,
            delivery,
            message.retained,
        )
        if len(payload) > self._settings.max_payload_bytes:
            self.counters.oversize += 1
            self._on_refuse(replace(record, payload=payload[:KEPT_BYTES]), "too_large")
            self._settle(delivery)
            return
        self._deliver(record)

    def _register(self, qos: int, packet_id: int, is_again: bool) -> Delivery | None:
        if not qos:
            return None
        with self._lock:
            self._unsettled.add(packet_id)
            token = PacketToken(self._connection, packet_id)
        return Delivery(token, packet_id, is_again)

    def _settle(self, delivery: Delivery | None) -> None:
        if delivery is not None:
            self.settle([delivery.token])

    def _note_dropped(self, payload: bytes) -> None:
        """The count is the broker's, since its start and over all its clients; it begins anew when
        it restarts.
        """
        if not payload.isdigit() or len(payload) > 19:
            return
        before, now = self.counters.dropped_by_broker, int(payload)
        self.counters.dropped_by_broker = now
        if now > before:
            self._log.dropped()


def _by_text(filters: Sequence[TopicFilter]) -> dict[str, TopicFilter]:
    """Each text once. A state that is something else, too, stays a state."""
    found: dict[str, TopicFilter] = {}
    for one in filters:
        before = found.get(one.text, one)
        found[one.text] = TopicFilter(
            one.text,
            one.is_state or before.is_state,
            one.is_optional and before.is_optional,
        )
    return found
