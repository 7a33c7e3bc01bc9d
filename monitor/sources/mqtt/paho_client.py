"""A paho client built from our settings, and paho's wordings put into ours."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from monitor.config import MqttSettings
from monitor.records.topic import TopicFilter
from monitor.sources.mqtt.credentials import Credentials
from monitor.sources.mqtt.packets import Published
from monitor.sources.mqtt.wire import Wire
from monitor.tls import check_host

REFUSAL_HINTS = {
    "Not authorized": "check mqtt.username and mqtt.password, and the broker's access list",
    "Bad user name or password": "check mqtt.username and mqtt.password",
    "Unsupported protocol version": "set mqtt.protocol to 3.1.1",
    "Client identifier not valid": "check mqtt.client_id",
}


class WiredClient(paho.Client):
    """Paho's client, with a Wire for its socket where on_published is set.

    on_published : called on the network thread for each message that paho need
        not read. What it reads all the same comes to on_message; all are in
        order
    on_ended : called on the network thread with the error that ends it. Of an
        error of the system that it does not expect, paho leaves no word
    """

    on_published: Callable[[Published], None] | None = None
    on_ended: Callable[[Exception], None] | None = None
    _wire: Wire | None = None

    # Here paho, too, puts something in a socket's place, for websockets. If it never called this,
    # all messages would come to on_message, as ever.
    def _create_socket(self) -> Any:
        connection: Any = super()._create_socket()
        # An acknowledgement does not wait until the one before it has arrived.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.on_published is None:
            return connection
        is_five = self.protocol == paho.MQTTv5
        self._wire = Wire(connection, is_five, self.on_published, self.keepalive / 4)
        return self._wire

    def loop_forever(
        self, timeout: float = 1.0, retry_first_connection: bool = False
    ) -> MQTTErrorCode:
        """The network thread's work, from its begin to its end."""
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as error:
            if self.on_ended is None:
                raise
            self.on_ended(error)
            return MQTTErrorCode.MQTT_ERR_UNKNOWN

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Send PUBACKs in this order, all at once. From any thread."""
        *first, last = packet_ids
        if self._wire is not None:
            self._wire.acknowledge(first)
        else:
            for packet_id in first:
                self.ack(packet_id, 1)
        self.ack(last, 1)


def paho_client(
    settings: MqttSettings, credentials: Credentials, client_id: str, persistent: bool
) -> WiredClient:
    """A client that is not connected yet, with its login and TLS. Raises ConfigError where the
    host's name cannot be used.

    persistent : MQTT 3.1.1 only; in MQTT 5 connect() says it.
    """
    check_host(settings.host)
    five = settings.protocol == "5"
    client = WiredClient(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if five else not persistent,
        protocol=paho.MQTTv5 if five else paho.MQTTv311,
    )
    credentials.give(client)
    credentials.secure(client)
    return client


def subscribe(
    client: paho.Client,
    settings: MqttSettings,
    filters: Sequence[TopicFilter],
    qos: int = 1,
) -> int | None:
    """Ask for these topics. Returns the SUBSCRIBE's packet id, None without a
    connection.
    """
    if settings.protocol == "5":
        return client.subscribe([(one.text, _options(one, qos)) for one in filters])[1]
    return client.subscribe([(one.text, qos) for one in filters])[1]


def _options(topic: TopicFilter, qos: int) -> SubscribeOptions:
    """A retained message is wanted once, with a new subscription; a state at every start."""
    handling = (
        SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
        if topic.is_state
        else SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
    )
    return SubscribeOptions(qos=qos, retainHandling=handling)


def refusal(code: ReasonCode) -> str:
    """Why a broker refuses a connection, with a hint."""
    hint = REFUSAL_HINTS.get(str(code), "see the broker's log")
    return f"{code} ({hint})"


def connect_properties(settings: MqttSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = settings.session_expiry_s
    properties.ReceiveMaximum = settings.receive_maximum
    return properties


def user_properties(message: paho.MQTTMessage) -> dict[str, str]:
    return dict(getattr(message.properties, "UserProperty", ()))


def publish_properties(user: Mapping[str, str]) -> Properties | None:
    """What a PUBLISH carries beside its payload (MQTT 5)."""
    if not user:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = list(user.items())
    return properties
