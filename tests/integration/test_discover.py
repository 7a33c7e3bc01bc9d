"""From an unknown sensor to one's own in the journal and on the page, with nothing written by hand:
a real broker, `camshaft discover --yes`, `camshaft doctor`, `camshaft run`.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import yaml

from monitor import cli
from monitor.records.verdict import Status
from tests.discovery.senders import G, vibration
from tests.page_stage import Served, serve
from tests.paths import ROOT
from tests.servers.child import start_child
from tests.servers.mosquitto import Mosquitto, free_port, needs_mosquitto, wait_until
from tests.servers.mqtt_clients import beside, publisher
from tests.servers.service import Service

pytestmark = needs_mosquitto

RATE_HZ, N = 1600.0, 160
SENSORS = ("press-2/front", "press-2/rear")
LISTEN_S = 4.0
WHOLE_S = 60.0  # from nothing to the first window


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as mosquitto:
        yield mosquitto


@contextmanager
def unknown_sensors(port: int) -> Iterator[None]:
    """Two of them, ten messages a second each, in real time."""
    x = vibration(3, int(RATE_HZ * 120), RATE_HZ, np.random.default_rng(3))
    x[2] += G

    def work(stop: threading.Event) -> None:
        began_s, k = time.time(), 0
        with publisher(port) as client:
            while not stop.wait(max(0.0, began_s + (k + 1) * N / RATE_HZ - time.time())):
                part = np.round(x[:, k * N % x.shape[1] :][:, :N], 4)
                tree = {
                    "ts": round((began_s + k * N / RATE_HZ) * 1000),
                    "n": k,
                    "temp": 41.5,
                    "accel": dict(zip(("x", "y", "z"), part.tolist(), strict=True)),
                }
                for sensor in SENSORS:
                    client.publish(f"hall/{sensor}/vib", json.dumps(tree), qos=1)
                k += 1

    with beside(work):
        yield


def test_an_unknown_sensor_is_judged_within_a_minute(
    broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, where = tmp_path / "camshaft.yaml", f"127.0.0.1:{broker.port}"
    began_s = time.monotonic()
    with unknown_sensors(broker.port):
        words = ["discover", "--broker", where, "--seconds", str(LISTEN_S), "--yes"]
        assert cli.main([*words, "--out", str(out)]) == 0, capsys.readouterr().out
        said = capsys.readouterr().out
        assert cli.main(["check-config", str(out)]) == 0
        assert capsys.readouterr().out == f"{out}: good.\n"  # not even a warning
        assert cli.main(["doctor", "-c", str(out), "--wait", "5"]) == 0, (
            capsys.readouterr().out
        )
        diagnosis = capsys.readouterr().out
        with Service(tmp_path / "service", _with_journal(out)) as service:
            service.start()
            service.wait(lambda: len(service.rows()) >= 4, why="two windows of each sensor")
            statuses = {key[0]: verdict.status for key, verdict in service.rows().items()}
            assert service.command("status").returncode == 0
            page = _on_the_page(service)
    assert time.monotonic() - began_s < WHOLE_S
    assert statuses == dict.fromkeys(SENSORS, Status.LEARNING)
    assert page == set(SENSORS)
    assert "warning  message" not in diagnosis
    assert "FAILED" not in diagnosis
    assert "because  unit: m/s2" in said
    rule = yaml.safe_load(out.read_text())["sensors"][0]
    assert rule == {"sample_rate_hz": 1600, "channels": ["x", "y", "z"], "unit": "m/s2"}


def _on_the_page(service: Service) -> set[str]:
    """By the page, a process of its own."""
    with serve(service.folder, config=service.config_path) as served:
        return shown(served)


def _with_journal(path: Path) -> dict[str, object]:
    return dict(yaml.safe_load(path.read_text()), journal={"path": "camshaft.journal"})


def test_a_script_goes_from_a_clone_to_the_page(broker: Mosquitto, tmp_path: Path) -> None:
    """deploy/own-sensor.sh, by the programs of the environment that the tests run in."""
    port, began_s = free_port(), time.monotonic()
    told = {"FOLDER": str(tmp_path / "mine"), "PORT": str(port)}
    words = [f"127.0.0.1:{broker.port}", "--seconds", str(LISTEN_S), "--yes"]
    log, journal = tmp_path / "log", tmp_path / "mine" / "camshaft.journal"
    with unknown_sensors(broker.port), log.open("wb") as out:
        script = start_child(
            [ROOT / "deploy" / "own-sensor.sh", *words], out, {**os.environ, **told}
        )
        page = Served(port, script, journal, journal.with_name("camshaft.yaml"))
        try:
            wait_until(lambda: shown(page) == set(SENSORS), WHOLE_S, "sensors are shown")
            took_s = time.monotonic() - began_s
        finally:
            script.terminate()
            ended = script.wait(30)
    assert ended == 143, log.read_text()
    assert took_s < WHOLE_S
    assert f"http://127.0.0.1:{port}/" in log.read_text()
    assert shown(page) == set()  # neither page nor service is left


def shown(served: Served) -> set[str]:
    """The sensors of which the page has windows to show."""
    found = set()
    with suppress(OSError):  # does not listen
        cookie = served.cookie()
        for name in SENSORS:
            path = f"/api/timeline?sensor={name}"
            status, rows, _ = served.ask("GET", path, headers=cookie)
            assert status == 200, rows
            found |= {name} if rows else set()
    return found
