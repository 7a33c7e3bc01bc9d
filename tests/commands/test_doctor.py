"""camshaft doctor against real servers: every line of a healthy installation, and the line that
names each fault.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from monitor import cli
from monitor.evidence.model_folder import BUNDLED_MODELS, MANIFEST_NAME, SELF_TEST_FILE
from monitor.evidence.network import Classifier
from tests.servers.certificates import TestAuthority
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.mosquitto import Mosquitto, free_port, needs_mosquitto
from tests.servers.mqtt_clients import beside, publisher, send
from tests.servers.service import influx_part

MODEL = BUNDLED_MODELS / "cnc-milling"
TOPIC = "vibration/mill/spindle/waveform"


class Plant:
    """A configuration in a folder, and the doctor's opinion of it."""

    def __init__(self, folder: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.mqtt: dict[str, Any] = {"port": port}
        self.rule: dict[str, Any] = {"sample_rate_hz": 2000, "channels": ["x", "y", "z"]}
        self.more: dict[str, Any] = {}

    def doctor(self, wait_s: float = 5.0) -> tuple[int, dict[str, str]]:
        """Exit code, and by step all that was printed of it, with the last state in front."""
        path = self.folder / "camshaft.yaml"
        tree = {
            "mqtt": self.mqtt,
            "subscriptions": [
                {
                    "topic": "vibration/{machine}/{point}/waveform",
                    "payload": {"format": "raw"},
                }
            ],
            "sensors": [self.rule],
            **self.more,
        }
        path.write_text(yaml.safe_dump(tree))
        code = cli.main(["doctor", "-c", str(path), "--wait", str(wait_s)])
        steps: dict[str, str] = {}
        step = ""
        for line in self._capsys.readouterr().out.splitlines():
            if not line.startswith(" "):
                step = line[9:23].strip()
            steps[step] = f"{steps.get(step, '')}{line.strip()}\n"
        return code, steps


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as mosquitto:
        yield mosquitto


@pytest.fixture
def plant(tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> Plant:
    return Plant(tmp_path, broker.port, capsys)


@contextmanager
def sensor(port: int, payload: bytes, topic: str = TOPIC, qos: int = 1) -> Iterator[None]:
    """Publishes the same message again and again."""

    def work(stop: threading.Event) -> None:
        with publisher(port) as client:
            while not stop.wait(0.05):
                client.publish(topic, payload, qos=qos)

    with beside(work):
        yield


GOOD = np.ones(300, "<i2").tobytes()


# -- all is well ----------------------------------------------------------------------------------


@needs_mosquitto
def test_a_healthy_plant(
    plant: Plant, broker: Mosquitto, influx_standin: InfluxStandIn, influxdb: InfluxDatabase
) -> None:
    plant.rule["model"] = "cnc-milling"
    plant.more["influx"] = influx_part(influx_standin.url, plant.folder)
    with sensor(broker.port, GOOD):
        code, steps = plant.doctor()
    assert code == 0
    assert list(steps) == [
        "configuration",
        "name",
        "TCP",
        "login",
        "subscription",
        "message",
        "rate",
        "model",
        "journal",
        "InfluxDB",
    ]
    assert {line.split()[0] for text in steps.values() for line in text.splitlines()} == {
        "ok"
    }
    assert (
        "mill/spindle: 3 channels x 100 samples at 2000 Hz, 0 m/s² RMS" in steps["message"]
    )
    (series,) = influxdb.query("SELECT * FROM monitor_probe")
    assert series.column("ok") == [1]


@needs_mosquitto
def test_it_leaves_no_session_and_no_journal(plant: Plant, broker: Mosquitto) -> None:
    with sensor(broker.port, GOOD):
        assert plant.doctor()[0] == 0
    assert not list(plant.folder.glob("*.journal*"))
    assert "camshaft-probe" in broker.log_path.read_text()
    broker.stop()
    assert (
        not broker.database_path.exists()
        or b"camshaft-probe" not in broker.database_path.read_bytes()
    )


# -- what may be wrong ----------------------------------------------------------------------------


def failed(plant: Plant, step: str, match: str, wait_s: float = 10.0) -> dict[str, str]:
    code, steps = plant.doctor(wait_s)
    assert code == 1
    assert f"FAILED   {step}" in steps[step]
    assert match in steps[step]
    return steps


def test_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant = Plant(tmp_path, 1883, capsys)
    plant.more = {"colour": "blue", "max_lag_s": -1}
    code, steps = plant.doctor()
    assert code == 2
    assert list(steps) == ["configuration"]
    assert steps["configuration"].count("FAILED") == 2


def test_host_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant = Plant(tmp_path, 1883, capsys)
    plant.mqtt["host"] = "no-such-host.invalid"
    steps = failed(plant, "name", "no-such-host.invalid: the host name is not known")
    assert [step for step, text in steps.items() if text.startswith("skipped")] == [
        "TCP",
        "login",
        "subscription",
        "message",
    ]
    assert steps["journal"].startswith("ok")


def test_nothing_listens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant = Plant(tmp_path, port := free_port(), capsys)
    steps = failed(plant, "TCP", f"127.0.0.1:{port}: nothing listens there")
    assert "-> is the broker running and listening there?" in steps["TCP"]


@needs_mosquitto
def test_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority, other = (
        TestAuthority(tmp_path / "ca"),
        TestAuthority(tmp_path / "other", "Another authority"),
    )
    with Mosquitto(
        tmp_path / "broker", server_certificate=authority.issue("server")
    ) as broker:
        plant = Plant(tmp_path, broker.port, capsys)
        plant.mqtt["tls"] = {"ca_file": str(other.ca_file)}
        failed(plant, "TLS", "comes from an authority that tls.ca_file does not hold")
        plant.mqtt["tls"] = {"ca_file": str(tmp_path / "absent")}
        failed(plant, "TLS", "cannot be read")
        plant.mqtt["tls"] = {"ca_file": str(authority.ca_file)}
        steps = failed(plant, "message", "nothing came", wait_s=0.1)
        assert "the server's certificate holds for 1 more days" in steps["TLS"]
        assert steps["TLS"].startswith("warning")
        assert steps["login"].startswith("ok")


@needs_mosquitto
def test_login(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Mosquitto(tmp_path / "broker", users={"camshaft": "right"}) as broker:
        plant = Plant(tmp_path, broker.port, capsys)
        failed(plant, "login", "Not authorized")
        (tmp_path / "password").write_text("right")
        plant.mqtt |= {
            "username": "camshaft",
            "password": {"file": str(tmp_path / "password")},
        }
        steps = failed(
            plant,
            "message",
            "nothing came on vibration/{machine}/{point}/waveform",
            wait_s=0.1,
        )
        assert "as 'camshaft'" in steps["login"]
        plant.mqtt["password"] = {"file": str(tmp_path / "absent")}
        failed(plant, "login", "cannot be read")


@needs_mosquitto
@pytest.mark.parametrize(
    ("payload", "rule", "match"),
    [
        (b"\0" * 7, {}, "7 bytes are not a whole number of 6 bytes (3 channels of int16)"),
        (GOOD, {"match": "other/*"}, "no rule under sensors matches 'mill/spindle'"),
    ],
)
def test_messages_nobody_could_use(
    plant: Plant, broker: Mosquitto, payload: bytes, rule: dict[str, Any], match: str
) -> None:
    plant.rule |= rule
    with sensor(broker.port, payload):
        failed(plant, "message", match)


@needs_mosquitto
def test_models(plant: Plant, broker: Mosquitto) -> None:
    with sensor(broker.port, GOOD):
        plant.rule["model"] = "absent"
        failed(plant, "model", "no manifest.yaml in any of")
        changed = plant.folder / "changed"
        shutil.copytree(MODEL, changed)
        with (changed / "model.tflite").open("ab") as file:
            file.write(b"!")
        plant.rule["model"] = str(changed)
        failed(plant, "model", "the file was changed after the model was made")
        plant.rule |= {"model": "cnc-milling", "sample_rate_hz": 25_600}
        failed(
            plant,
            "model",
            "cnc-milling wants 3 channel(s) at 2000 Hz, sensors '*' have 3 at 25600 Hz",
        )


def with_self_test(folder: Path, error: float) -> Path:
    """A copy of the bundled model with stored logits that are `error` beside what the
    network says.
    """
    shutil.copytree(MODEL, folder)
    settings = Classifier(MODEL).manifest.settings
    noise = (
        np.random.default_rng(0)
        .normal(-60, 10, (4, 3, settings.n_bands, settings.n_frames))
        .astype(np.float32)
    )
    np.savez(
        folder / SELF_TEST_FILE,
        psd_db=noise,
        logit=Classifier(MODEL).predict(noise)[0] + np.float32(error),
    )
    tree = yaml.safe_load((folder / MANIFEST_NAME).read_text())
    tree["files"][SELF_TEST_FILE] = hashlib.sha256(
        (folder / SELF_TEST_FILE).read_bytes()
    ).hexdigest()
    (folder / MANIFEST_NAME).write_text(yaml.safe_dump(tree))
    return folder


@needs_mosquitto
def test_self_test(plant: Plant, broker: Mosquitto) -> None:
    with sensor(broker.port, GOOD):
        plant.rule["model"] = str(with_self_test(plant.folder / "good", 0.0))
        code, steps = plant.doctor()
        assert code == 0
        assert "self-test of 4 windows agrees" in steps["model"]
        plant.rule["model"] = str(with_self_test(plant.folder / "other", 0.5))
        failed(plant, "model", "logits of the self-test differ by")


@needs_mosquitto
def test_journal(plant: Plant, broker: Mosquitto) -> None:
    with sensor(broker.port, GOOD):
        plant.more["journal"] = {"path": "no/such/folder/camshaft.journal"}
        failed(plant, "journal", "No such file or directory")
        (plant.folder / "junk.journal").write_bytes(b"no database at all" * 100)
        plant.more["journal"] = {"path": "junk.journal"}
        failed(plant, "journal", "junk.journal")
        plant.more["journal"] = {"path": "camshaft.journal", "max_bytes": 1 << 60}
        code, steps = plant.doctor()
        assert code == 0
        assert steps["journal"].startswith("warning")


@needs_mosquitto
def test_influx(
    plant: Plant, broker: Mosquitto, influx_standin_alone: InfluxStandIn
) -> None:
    with sensor(broker.port, GOOD):
        plant.more["influx"] = influx_part(influx_standin_alone.url, plant.folder)
        (plant.folder / "influx-token").write_text("wrong")
        failed(plant, "InfluxDB", "answered 401")
        plant.more["influx"] = influx_part(
            influx_standin_alone.url, plant.folder, bucket="absent"
        )
        failed(plant, "InfluxDB", "404")
        plant.more["influx"] = influx_part(f"http://127.0.0.1:{free_port()}", plant.folder)
        failed(plant, "InfluxDB", "gave no answer")
        plant.more["influx"] = influx_part(
            influx_standin_alone.url, plant.folder, token={"env": "NOT_SET_ANYWHERE"}
        )
        failed(plant, "InfluxDB", "this environment variable is not set")


# -- brokers with limits --------------------------------------------------------------------------


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    ("limit", "step", "match"),
    [
        ("retain_available false", "login", "keeps no retained messages"),
        ("max_qos 0", "subscription", "is granted with QoS 0 only: messages can be lost"),
    ],
)
def test_a_broker_that_cannot_take_our_last_will(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    protocol: str,
    limit: str,
    step: str,
    match: str,
) -> None:
    """Cases s01-retain-unavailable and s02-max-qos-0: the service asks with the same will."""
    with Mosquitto(tmp_path / "broker", extra=limit) as broker:
        plant = Plant(tmp_path, broker.port, capsys)
        plant.mqtt["protocol"] = protocol
        with sensor(broker.port, GOOD, qos=0):
            code, steps = plant.doctor()
    assert code == 0
    assert steps["message"].startswith("ok")
    if protocol == "3.1.1" and step == "login":
        match = "the broker takes no retained last will of QoS 1"
    assert match in steps[step]
    assert "warning" in steps[step]


@needs_mosquitto
def test_a_user_who_may_only_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    access = tmp_path / "access"
    access.write_text("topic read #\ntopic write vibration/#\n")
    with (
        Mosquitto(tmp_path / "broker", extra=f"acl_file {access}") as broker,
        sensor(broker.port, GOOD),
    ):
        code, steps = Plant(tmp_path, broker.port, capsys).doctor()
    assert code == 0
    assert (
        "status and alarm topics under camshaft/camshaft/: Not authorized"
        in steps["publishing"]
    )


@needs_mosquitto
def test_a_retained_message_is_no_sign_of_life(plant: Plant, broker: Mosquitto) -> None:
    """Case d22-retained-waveform: it is of some earlier time."""
    send(broker.port, GOOD, topic=TOPIC, retain=True)
    failed(plant, "message", "nothing but a retained message came on", wait_s=0.5)
    with sensor(broker.port, GOOD):
        assert plant.doctor()[0] == 0


@needs_mosquitto
def test_an_ipv6_address_in_brackets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Case s10-ipv6: the service took [::1], the doctor called it an unknown name."""
    with Mosquitto(tmp_path / "broker", address="::1") as broker:
        for host in ("::1", "[::1]"):
            plant = Plant(tmp_path, broker.port, capsys)
            plant.mqtt["host"] = host
            steps = failed(plant, "message", "nothing came", wait_s=0.1)
            assert steps["name"] == "ok       name           ::1 is ::1\n"
            assert steps["login"].startswith("ok")
