"""An alarm through the whole service: what its logit rests on is stored, though nothing follows."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.records.signal import Float32
from tests.pipeline.test_occluding import N_SECONDS, RATE_HZ, signal
from tests.servers.mosquitto import Mosquitto
from tests.servers.service import NEVER_S, Service

N_WINDOWS = 10 * N_SECONDS  # of the bundled model for bearings
SENSOR = {"sample_rate_hz": RATE_HZ, "model": "bearing", "channels": ["x", "y"]}


def send(port: int, channel: Float32) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for second in np.split(np.repeat(channel, 2, axis=0), N_SECONDS, axis=1):
        client.publish("v/m/p", second.T.astype("<f4").tobytes(), 1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_what_an_alarms_logit_rests_on_is_stored(broker: Mosquitto, tmp_path: Path) -> None:
    raw = {"format": "raw", "dtype": "float32"}
    settings = {
        "mqtt": {"port": broker.port, "keep_alive_s": 5},
        "subscriptions": [{"topic": "v/{machine}/{point}", "payload": raw}],
        "sensors": [SENSOR | {"expected_period_s": NEVER_S}],
        "journal": {"path": "camshaft.journal"},
    }
    with Service(tmp_path / "service", settings) as service:
        service.start()
        send(broker.port, signal("healthy"))
        service.wait(lambda: len(service.rows()) == N_WINDOWS, 60, "all are learned from")
        done = service.command("commission", "m/p", "--windows", N_WINDOWS)
        assert done.returncode == 0, done.stderr
        service.wait(lambda: "commissioned" in service.log(), 10, "the service knows")
        send(broker.port, 4 * signal("outer race"))
        found = partial(service.reader().newest_occluded, "m/p", 0, 2**62)
        service.wait(lambda: found() is not None, 30, "the alarm's window is occluded")
        row_id = found()
        assert row_id is not None
        row, occlusion = service.reader().row(row_id), service.reader().occlusion(row_id)
        assert service.stop()[0] == 0
    assert row is not None
    assert occlusion is not None
    assert row.verdict.alarm == "raised"
    network = row.verdict.of_kind("network")
    assert network is not None
    assert all(band.logit < network.score for band in occlusion.bands)
