"""An imbalance that has grown since commissioning, through the whole service: what every machine
has is named live, against the sensor's own signal of when it was well.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from monitor.journal.writer import Journal
from monitor.records.machine import Machine
from monitor.records.signal import Float32
from monitor.simulator.known import KnownMachine
from tests.servers.mosquitto import Mosquitto
from tests.servers.service import NEVER_S, Service

RATE_HZ = 25_600
N_LEARNING, N_HEALTHY, N_BROKEN = 40, 12, 10  # seconds


def signal() -> tuple[Machine, Float32]:
    """A machine whose imbalance appears after it was commissioned."""
    onset_s = float(N_LEARNING + N_HEALTHY)
    machine = KnownMachine("imbalance", 5, onset_s=onset_s)
    n = (N_LEARNING + N_HEALTHY + N_BROKEN) * RATE_HZ
    return machine.machine, machine.block(n)[:1].astype("<f4")


def settings(broker: Mosquitto, machine: Machine) -> dict[str, object]:
    assert machine.speed is not None
    shaft = {"rpm": machine.speed.middle_hz * 60, "tolerance": 0.01}
    raw = {"format": "raw", "dtype": "float32"}
    return {
        "mqtt": {"port": broker.port, "keep_alive_s": 5},
        "subscriptions": [{"topic": "v/{machine}/{point}", "payload": raw}],
        "sensors": [{"sample_rate_hz": RATE_HZ, "expected_period_s": NEVER_S}],
        "machines": [{"match": "m/*", "shaft": shaft}],
        "journal": {"path": "camshaft.journal"},
    }


def sender(port: int) -> Callable[[Float32], None]:
    def send(samples: Float32) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", port)
        client.loop_start()
        for second in np.split(samples, samples.shape[1] // RATE_HZ, axis=1):
            client.publish("v/m/p", second.tobytes(), 1).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()

    return send


@pytest.mark.parametrize("restarts", [False, True])
def test_an_imbalance_grown_since_commissioning_is_named(
    broker: Mosquitto, tmp_path: Path, restarts: bool
) -> None:
    machine, samples = signal()
    send = sender(broker.port)
    learning, healthy, broken = np.split(
        samples, [N_LEARNING * RATE_HZ, (N_LEARNING + N_HEALTHY) * RATE_HZ], axis=1
    )
    with Service(tmp_path / "service", settings(broker, machine)) as service:
        service.start()
        send(learning)
        service.wait(lambda: len(service.rows()) == N_LEARNING, 60, "all are learned from")
        done = service.command("commission", "m/p", "--windows", N_LEARNING)
        assert done.returncode == 0, done.stderr
        service.wait(lambda: "commissioned" in service.log(), 10, "the service knows")
        send(healthy)
        n = N_LEARNING + N_HEALTHY
        service.wait(lambda: len(service.rows()) == n, 60, "all are judged")
        if restarts:
            service.stop()
            service.start()
        send(broken)
        service.wait(lambda: len(service.rows()) == n + N_BROKEN, 60, "all are judged")
        views = service.reader()
        found = views.diagnosis("m/p")
        assert service.stop()[0] == 0
    assert found is not None
    assert found.tree["named"] == "imbalance", found.text
    assert found.text.startswith("imbalance: 1× at")
    assert sum(part["points"] for part in found.tree["parts"]) == pytest.approx(
        found.tree["score"], rel=1e-9
    )
    with closing(Journal(tmp_path / "service" / "camshaft.journal")) as journal:
        kept = journal.healthy("m/p")
    assert kept is not None
    assert found.tree["healthy_ns"] == kept.at_ns
