"""camshaft discover against a real broker: what it writes, asks and refuses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml

from monitor import cli
from monitor.commands import discover
from tests.discovery.senders import vibration
from tests.servers.mosquitto import Mosquitto, needs_mosquitto
from tests.servers.mqtt_clients import beside, publisher

RATE_HZ, N = 1000.0, 50
X = vibration(1, 6000, RATE_HZ, np.random.default_rng(4))[0]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    users = {"reader": "correct horse"}
    with Mosquitto(tmp_path_factory.mktemp("broker"), users=users) as mosquitto:
        yield mosquitto


@pytest.fixture
def run(tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> Run:
    """discover with the broker's file: exit code, output, errors."""
    (tmp_path / "secret").write_text("correct horse\n")
    tree = {
        "mqtt": {
            "host": "127.0.0.1",
            "port": broker.port,
            "username": "reader",
            "password": {"file": str(tmp_path / "secret")},
        }
    }
    (tmp_path / "broker.yaml").write_text(yaml.safe_dump(tree))

    def run(*words: str) -> tuple[int, str, str]:
        out = ["--out", str(tmp_path / "camshaft.yaml")]
        code = cli.main(["discover", "-c", str(tmp_path / "broker.yaml"), *out, *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@contextmanager
def sensor(port: int) -> Iterator[None]:
    """No unit, no gravity: twenty messages a second."""

    def work(stop: threading.Event) -> None:
        began_s, k = time.time(), 0
        with publisher(port, username="reader", password="correct horse") as client:
            while not stop.wait(max(0.0, began_s + (k + 1) * N / RATE_HZ - time.time())):
                # By its own clock: arrivals are as even as the machine that runs the test.
                at_ms = round((began_s + k * N / RATE_HZ) * 1000)
                values = np.round(X[k * N : (k + 1) * N], 4).tolist()
                tree = {"ts": at_ms, "values": values, "seq": k}
                client.publish("plant/pump/vib", json.dumps(tree), qos=1)
                k += 1

    with beside(work):
        yield


@needs_mosquitto
def test_a_script_gets_the_question_and_gives_the_answer(
    run: Run, broker: Mosquitto, tmp_path: Path
) -> None:
    out = tmp_path / "camshaft.yaml"
    with sensor(broker.port):
        code, said, _ = run("--seconds", "2.5", "--yes")
        assert code == 1
        assert "? 1.unit: What is the unit of the samples?" in said
        assert not out.exists()
        code, said, _ = run("--seconds", "2.5", "--yes", "--answer", "unit=g")
    assert code == 0, said
    text = out.read_text()
    assert "# unit: g, as answered" in text
    assert "correct horse" not in text + said
    tree = yaml.safe_load(text)
    assert tree["mqtt"]["password"] == {"file": str(tmp_path / "secret")}
    assert tree["sensors"] == [{"sample_rate_hz": 1000, "unit": "g"}]
    assert tree["subscriptions"] == [
        {
            "topic": "plant/{machine}/vib",
            "payload": {
                "format": "json",
                "samples": "values",
                "time": "ts",
                "time_format": "ms",
                "sequence": "seq",
            },
        }
    ]
    code, _, err = run("--yes")  # what a person may have edited is not overwritten
    assert (code, err) == (2, f"--out = '{out}': exists already; name a new file.\n")


@needs_mosquitto
def test_a_person_is_asked_on_a_terminal(
    run: Run, broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of a choice is an answer."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    answers = iter(["2"])
    monkeypatch.setattr("builtins.input", lambda _prompt: next(answers))
    with sensor(broker.port):
        code, said, _ = run("--seconds", "2.5")
    assert code == 0, said
    assert "    2  g\n" in said
    assert (
        yaml.safe_load((tmp_path / "camshaft.yaml").read_text())["sensors"][0]["unit"]
        == "g"
    )


@needs_mosquitto
def test_nothing_heard_is_said(run: Run, tmp_path: Path) -> None:
    code, said, _ = run("--seconds", "0.5", "--topic", "nobody/#", "--yes")
    assert code == 1
    assert said == "Nothing came. Is a sensor running, and may this user read its topic?\n"
    assert not (tmp_path / "camshaft.yaml").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Name the broker: either --broker HOST[:PORT] or -c FILE."),
        (["--broker", "plant:x"], "--broker = 'plant:x': must be HOST or HOST:PORT."),
        (["--broker", "plant:99999"], "port = 99999: must be less than or equal to 65535."),
    ],
)
def test_what_cannot_be_a_broker_is_refused(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "camshaft.yaml")]
    assert cli.main(["discover", *words, *out]) == 2
    assert capsys.readouterr().err.strip() == sentence


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("plant", "plant", None),
        ("plant:1884", "plant", 1884),
        ("::1", "::1", None),
        ("[::1]:1884", "[::1]", 1884),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int | None) -> None:
    found = discover._address(text)
    assert (found["host"], found.get("port")) == (host, port)
