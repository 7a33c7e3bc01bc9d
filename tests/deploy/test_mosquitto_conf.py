"""The shipped broker configuration, run as it is (its port and folder aside): a flood against a
slow subscriber.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, wait_until
from tests.servers.mqtt_clients import TOPIC, Listener, publisher

SHIPPED = ROOT / "deploy" / "mosquitto" / "camshaft.conf"
N_MESSAGES = 4000  # four times what Mosquitto's defaults keep for a client


def shipped(folder: Path, port: int) -> str:
    text = SHIPPED.read_text()
    for old, new in [
        ("listener 1883 127.0.0.1", f"listener {port} 127.0.0.1"),
        (
            "persistence_location /var/lib/mosquitto/",
            f"persistence_location {folder}/\nuser root",
        ),
        ("sys_interval 10", "sys_interval 1"),
    ]:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def defaults(_folder: Path, port: int) -> str:
    return f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nsys_interval 1\n"


def flood(broker: Mosquitto) -> None:
    with publisher(broker.port) as client:
        for number in range(N_MESSAGES):
            sent = client.publish(TOPIC, f"{number:05d}".encode() + bytes(500), qos=1)
        sent.wait_for_publish(30)


@needs_mosquitto
@pytest.mark.parametrize(
    ("config", "n_dropped"), [(shipped, 0), (defaults, N_MESSAGES - 1000 - 20)]
)
def test_a_flood_against_a_slow_subscriber(
    tmp_path: Path, config: Callable[[Path, int], str], n_dropped: int
) -> None:
    broker = Mosquitto(tmp_path, config=lambda port: config(tmp_path, port))
    with broker, Listener(broker.port, acknowledge=False, receive_maximum=20) as listener:
        listener.ready()
        flood(broker)
        if n_dropped:  # this test has teeth: with the defaults it fails
            wait_until(
                lambda: listener.client.counters.dropped_by_broker == n_dropped,
                why="the defaults drop",
            )
            return
        for number in range(N_MESSAGES):
            wait_until(lambda number=number: len(listener.messages) > number)  # type: ignore[misc]
            message = listener.messages[number]
            assert message.payload[:5] == f"{number:05d}".encode()
            assert message.delivery is not None
            listener.client.settle([message.delivery.token])
        assert listener.client.counters.dropped_by_broker == 0


@needs_mosquitto
def test_the_flood_survives_a_restart_of_the_broker(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, config=lambda port: shipped(tmp_path, port))
    with broker:
        with Listener(broker.port) as listener:
            listener.ready()
        flood(broker)
        broker.restart()
        with Listener(broker.port) as listener:
            wait_until(lambda: len(listener.messages) == N_MESSAGES, timeout_s=30)
            assert [int(payload[:5]) for payload in listener.payloads] == list(
                range(N_MESSAGES)
            )
