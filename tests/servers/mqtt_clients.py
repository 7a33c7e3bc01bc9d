"""Clients of a test's broker: the service's own with a record of what it was given, and a plain
publisher.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.config import MqttSettings
from monitor.records.signal import Message
from monitor.records.topic import TopicFilter
from monitor.sources.mqtt.client import MqttClient
from tests.servers.mosquitto import wait_until

FILTER = "vibration/+/+/waveform"
TOPIC = "vibration/mill/spindle/waveform"


def as_filters(texts: Sequence[str | TopicFilter]) -> list[TopicFilter]:
    return [TopicFilter(one) if isinstance(one, str) else one for one in texts]


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Work in a thread of its own, until the event is set at the end of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Listener:
    """An MqttClient with what it was given."""

    def __init__(
        self,
        port: int,
        filters: Sequence[str | TopicFilter] = (FILTER,),
        acknowledge: bool = True,
        instance: str = "test",
        held_before: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        self.messages: list[Message] = []
        self.oversize: list[Message] = []
        self.faults: list[Exception] = []
        self._acknowledge = acknowledge
        self.client = MqttClient(
            MqttSettings.model_validate({"port": port, "keep_alive_s": 5} | settings),
            as_filters(filters),
            self._take,
            instance,
            on_refuse=lambda message, reason: self.oversize.append(message),
            on_fault=self.faults.append,
            backoff_s=(0.05, 0.2),
            held_before=held_before,
        )

    def _take(self, message: Message) -> None:
        self.messages.append(message)
        if self._acknowledge and message.delivery is not None:
            self.client.settle([message.delivery.token])

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    def wait_for(self, *payloads: bytes) -> None:
        wait_until(lambda: self.payloads == list(payloads), why=f"{payloads} arrive")

    def __enter__(self) -> Listener:
        self.client.start()
        return self

    def ready(self) -> None:
        wait_until(lambda: self.client.subscribed, why="connected and subscribed")

    def __exit__(self, *_: object) -> None:
        self.client.stop()
        assert self.faults == []


@contextmanager
def publisher(
    port: int, host: str = "127.0.0.1", ca_file: Path | None = None, **login: str
) -> Iterator[paho.Client]:
    """ca_file : over TLS"""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    if login:
        client.username_pw_set(**login)
    if ca_file is not None:
        client.tls_set(str(ca_file))
    client.connect(host, port)
    client.loop_start()
    wait_until(client.is_connected, why="the publisher is connected")
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def send(
    port: int, *payloads: bytes, topic: str = TOPIC, qos: int = 1, retain: bool = False
) -> None:
    """Publish, and wait until the broker has each of them."""
    with publisher(port) as client:
        for payload in payloads:
            client.publish(topic, payload, qos=qos, retain=retain).wait_for_publish(10)
