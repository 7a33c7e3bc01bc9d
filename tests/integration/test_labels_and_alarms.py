"""Labels that come by MQTT and alarms that leave by it,
through a real broker and the real service.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.journal.labels import labelled
from monitor.journal.views import JournalViews
from monitor.records.labels import TOPIC
from tests.integration.conftest import MakeService
from tests.servers.mosquitto import Mosquitto, wait_until
from tests.servers.recording import Publisher, Recording

RECORDING = Recording(n_sensors=1, duration_s=14.0)
SENSOR = RECORDING.sensors[0]


class Panel:
    """An operator's panel: sends labels, shows alarms."""

    def __init__(self, port: int) -> None:
        self.alarms: dict[str, dict[str, Any]] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._note
        self._connected = threading.Event()
        self._client.on_connect = lambda *_: self._connected.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._connected.wait(5)
        self._client.subscribe("camshaft/+/alarm/#", 1)

    def _note(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self.alarms[message.topic] = {
            "retained": message.retain,
            **json.loads(message.payload),
        }

    def label(self, payload: bytes) -> None:
        self._client.publish(TOPIC, payload, 1).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def test_a_label_by_mqtt_reaches_the_journal(
    make_service: MakeService, publisher: Publisher, broker: Mosquitto
) -> None:
    service = make_service(RECORDING)
    service.start()
    publisher.play(RECORDING.cut(0.05))
    service.wait_taken(RECORDING)
    panel = Panel(broker.port)
    panel.label(b"nonsense")
    panel.label(json.dumps({"sensor": "no/such", "word": "unclear"}).encode())
    said = {
        "sensor": SENSOR,
        "word": "false alarm",
        "author": "Ann",
        "comment": "tool change",
    }
    panel.label(json.dumps(said).encode())
    wait_until(lambda: labelled(service.journal_path), 10, "the label is stored")
    panel.close()
    (found,) = labelled(service.journal_path)
    assert (found.label.word, found.label.author, found.label.comment) == (
        "false alarm",
        "Ann",
        "tool change",
    )
    newest = JournalViews(service.journal_path).newest(SENSOR)
    assert newest is not None
    assert found.row_id == newest.row_id
    reasons = sorted(bad["reason"] for bad in service.reader().bad_payloads())
    assert reasons == ["bad_label", "unknown_window"]
    service.check_books()
    assert service.stop()[0] == 0


def test_an_alarm_is_a_retained_message(
    make_service: MakeService, publisher: Publisher, broker: Mosquitto
) -> None:
    service = make_service(RECORDING, instance="plant-1", rule={"alarm": {"n": 1, "m": 1}})
    service.start()
    publisher.play(RECORDING.cut(0.05))
    service.wait_taken(RECORDING)
    topic = f"camshaft/plant-1/alarm/{SENSOR}"
    wait_until(
        lambda: JournalViews(service.journal_path).alarm_states(), 10, "there was an alarm"
    )
    change, _ = JournalViews(service.journal_path).alarm_states()[SENSOR]

    def shown() -> bool:
        panel = Panel(broker.port)  # a newcomer: only what is retained reaches it
        wait_until(lambda: topic in panel.alarms, 5, "the alarm is retained")
        found.update(panel.alarms[topic])
        panel.close()
        return bool(found["retained"] and found["event_id"] == change.event_id)

    found: dict[str, Any] = {}
    wait_until(shown, 10, "the newest state is shown")
    assert (
        found["state"]
        == {"alarm_raised": "raised", "alarm_cleared": "cleared"}[change.kind]
    )
    assert (found["machine"], found["point"]) == ("m00", "bearing")
    assert service.stop()[0] == 0


def test_receivers_that_never_answer_hold_up_no_alarm_topic(
    make_service: MakeService, publisher: Publisher, broker: Mosquitto
) -> None:
    """Twenty webhooks of ten seconds each shared a thread with the topics, once."""
    two = Recording(n_sensors=2, duration_s=14.0)
    first, second = two.sensors
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        silent.settimeout(20)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        hooks = [{"name": f"hook{n}", "url": address, "timeout_s": 10} for n in range(20)]
        service = make_service(
            two,
            instance="plant-1",
            rule={"alarm": {"n": 1, "m": 1}},
            notifications={"webhooks": hooks},
        )
        service.start()
        publisher.play(cut for cut in two.cut(0.05) if cut.sensor == first)
        # every webhook waits for an answer now
        hanging = [silent.accept()[0] for _ in hooks]
        panel = Panel(broker.port)
        publisher.play(cut for cut in two.cut(0.05) if cut.sensor == second)
        began_s = time.monotonic()
        topic = f"camshaft/plant-1/alarm/{second}"
        wait_until(
            lambda: topic in panel.alarms, 8, "the alarm is out though no webhook answers"
        )
        assert time.monotonic() - began_s < 8  # before the first of them gives up
        panel.close()
        assert service.stop()[0] == 0
        for connection in hanging:
            connection.close()
