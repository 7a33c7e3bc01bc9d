"""An edge node behind a real broker, which the real service finds in the middle of its session."""

from __future__ import annotations

import threading

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.records.verdict import Status
from monitor.signal.payload import sparkplug_message
from tests.integration.conftest import MakeService
from tests.pipeline.test_edge_nodes import KIND, NCMD, session
from tests.servers.mosquitto import Mosquitto, wait_until
from tests.servers.recording import Recording

SUBSCRIPTION = {
    "topic": "spBv1.0/plant/DDATA/{machine}/{point}",
    "payload": {
        "format": "sparkplug",
        "metrics": ["vibration/x", "vibration/y"],
        "dtype": "int16",
    },
}
RULE = {"sample_rate_hz": 1000, "channels": ["x", "y"], "window_s": 0.1}


class EdgeNode:
    """Publishes the reference client's messages, and hears what it is asked."""

    def __init__(self, port: int) -> None:
        self.commands: list[paho.MQTTMessage] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _client, _data, message: self.commands.append(
            message
        )
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(NCMD)
        assert subscribed.wait(5)

    def send(self, *numbers: int) -> None:
        """QoS 0, as Sparkplug wants its data."""
        for number in numbers:
            message = session()[number]
            self._client.publish(message.topic, message.payload).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_the_service_asks_for_a_birth_reads_by_alias_and_sees_the_death(
    make_service: MakeService, broker: Mosquitto
) -> None:
    service = make_service(
        Recording(), commissioned=False, subscriptions=[SUBSCRIPTION], rule=RULE
    )
    service.start()
    edge = EdgeNode(broker.port)
    edge.send(2)  # by aliases that nobody has named
    wait_until(lambda: edge.commands, 10, "a birth is asked for")
    asked = sparkplug_message.read(bytes(edge.commands[0].payload), 1 << 20)
    assert [metric.name for metric in asked.metrics] == ["Node Control/Rebirth"]
    assert not edge.commands[0].retain
    edge.send(0, 1, 2, 3)
    service.wait(lambda: len(service.rows()) == 2, 10, "two windows")
    assert service.stop()[0] == 0
    service.start()  # the births are remembered
    edge.send(4, 5, 6, KIND.index("NDEATH"))
    service.wait(lambda: "silent" in service.event_kinds(), 10, "the death is seen")
    assert len(service.rows()) == 3
    last = service.reader().newest("line-1/press")
    assert last is not None
    assert (last.status, last.reason) == (Status.NO_DATA, "death_certificate")
    assert len(edge.commands) == 1
    service.check_books()
    edge.close()
    assert service.stop()[0] == 0
