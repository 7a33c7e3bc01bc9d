"""The demo: its stage, its cast, what it holds the service to, and the whole of it through a real
broker.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config_sensors import SensorSettings
from monitor.demo import machines, stage
from monitor.demo.machines import Actor, payload
from monitor.demo.stage import DemoError, camshaft
from monitor.records.signal import Message
from monitor.records.verdict import Status, Verdict
from monitor.signal.payload.json_object import JsonPayload
from tests.paths import ROOT
from tests.payloads import decode_one

RULES_WITHOUT_MODEL: dict[str, Any] = {
    "subscriptions": [
        {"topic": "demo/{machine}/{point}/waveform", "payload": {"format": "json"}}
    ],
    "sensors": [{"sample_rate_hz": 1000}],
}


def history(*judged: tuple[Status, str]) -> list[Verdict]:
    """One verdict a second."""
    return [
        Verdict("m/p", 0, 0, 100, n * 10**9, (n + 1) * 10**9, status, alarm=alarm)
        for n, (status, alarm) in enumerate(judged)
    ]


OK, NG = (Status.OK, "clear"), (Status.NG, "clear")
ALARM, LEARNING = (Status.NG, "raised"), (Status.LEARNING, "clear")
HEALTHY = Actor("m/p", "healthy", 1)
FAULTY = Actor("m/p", "bearing", 1, onset=0.5)
NEW = Actor("m/p", "quiet", 1, onset=0.5, has_model=False)


@pytest.mark.parametrize(
    ("actor", "judged", "complaint"),
    [
        (HEALTHY, [OK, NG, OK], None),
        (HEALTHY, [OK, ALARM, OK], "an alarm while healthy"),
        (HEALTHY, [NG, NG], "never called OK while healthy"),
        (HEALTHY, [], "never called OK while healthy"),
        (FAULTY, [OK, OK, NG, ALARM], None),
        (FAULTY, [OK, ALARM, NG, ALARM], "an alarm while healthy"),
        (FAULTY, [OK, OK, ALARM, OK], "no alarm at the end, though faulty"),
        (FAULTY, [NG, NG, NG, ALARM], "never called OK while healthy"),
        (NEW, [LEARNING, OK, NG, ALARM], None),
        (NEW, [OK, OK, NG, ALARM], "never LEARNING, though without a model"),
    ],
)
def test_the_demo_says_what_the_service_got_wrong(
    actor: Actor, judged: list[tuple[Status, str]], complaint: str | None
) -> None:
    found = actor.what_is_wrong(history(*judged), onset_ns=2 * 10**9)
    assert found == ([] if complaint is None else [f"m/p: {complaint}"])


@pytest.mark.parametrize(
    ("named", "is_right"),
    [("outer race, drive end", True), ("cage, drive end", False), ("", False)],
)
def test_the_demo_says_what_the_service_named_wrong(named: str, is_right: bool) -> None:
    actor = Actor("m/p", "bearing", 1, part="outer race")
    assert (actor.is_named_wrong(named) == []) == is_right
    assert HEALTHY.is_named_wrong(named) == []


def test_what_the_machines_publish_is_what_the_service_reads() -> None:
    samples = np.arange(8, dtype=np.float32).reshape(1, 8)
    rules = SensorSettings(sample_rate_hz=machines.SAMPLE_RATE_HZ)
    form = JsonPayload(format="json", encoding="base64", dtype="float32", time_format="ns")
    message = Message(
        "demo/m/p/waveform", payload(samples, 123_456_789, 7), received_ns=10**18
    )
    chunk = decode_one(message, form, "m/p", rules, 1 << 20)
    np.testing.assert_array_equal(chunk.samples, samples)
    assert (chunk.start_ns, chunk.sequence) == (123_456_789, 7)


def test_too_short_a_demo_is_refused() -> None:
    ran = subprocess.run(
        camshaft("demo", "--seconds", 5), capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 2
    assert (
        ran.stderr
        == "--seconds = 5: must be at least 20 (unit: seconds), the faults need time to grow.\n"
    )


@pytest.mark.parametrize(
    "installed", [True, False], ids=["Mosquitto if installed", "amqtt"]
)
def test_the_stage_stands(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broker and service come up and see each other, and both are gone afterwards."""
    if not installed:
        monkeypatch.setattr(stage, "find_mosquitto", lambda: None)
    with stage.stage(tmp_path, RULES_WITHOUT_MODEL) as on:
        assert on.client.is_connected
        assert on.broker.protocol == ("3.1.1" if on.broker.name == "amqtt" else "5")
        assert on.client.publish(
            "demo/m/p/waveform", json.dumps({"samples": [1.0, 2.0, 1.5] * 500})
        )
        deadline_s = time.monotonic() + 10
        while on.reader.last_row_id() < 1 and time.monotonic() < deadline_s:
            time.sleep(0.02)
        assert on.reader.latest()["m/p"].verdict.status is Status.LEARNING
        service = on.service
    assert service.process.returncode == 0
    if not installed:
        assert on.broker.name == "amqtt"


def test_a_service_that_does_not_start_is_shown_with_its_own_words(tmp_path: Path) -> None:
    words = r"(?s)service ended with exit code 2.*colour.*there is no such key"
    with (
        pytest.raises(DemoError, match=words),
        stage.stage(tmp_path, RULES_WITHOUT_MODEL | {"colour": "blue"}),
    ):
        pass


def words_of(picture: Path) -> list[str]:
    """What a saved view says, line by line. Figures are #; bars, borders and which broker was there
    are left out.
    """
    text = re.compile(r'<text [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', re.DOTALL)
    lines: dict[float, list[tuple[float, str]]] = {}
    for x, y, said in text.findall(picture.read_text(encoding="utf-8")):
        lines.setdefault(float(y), []).append((float(x), html.unescape(said)))
    return [_masked(" ".join(said for _, said in sorted(lines[y]))) for y in sorted(lines)]


def _masked(line: str) -> str:
    line = re.sub(
        r"Camshaft demo · \S+ \S+ MQTT \S+", "Camshaft demo ·", line.replace("\xa0", " ")
    )
    line = re.sub(r"[─╭╮╰╯│▀█░▆]+", " ", line)
    line = re.sub(r"[+-]?\d[\d.,]*", " # ", line)
    return " ".join(line.split())


def test_the_whole_demo_and_the_picture_of_it_in_the_readme(tmp_path: Path) -> None:
    """As `make demo ARGS="--seconds 25 --json"` runs it: every machine is called what it is, and
    the books close. docs/demo.svg, by `make picture`, says what this view says.
    """
    now = tmp_path / "now.svg"
    ran = subprocess.run(
        camshaft("demo", "--seconds", 25, "--json", "--picture", now),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = json.loads(ran.stdout.splitlines()[-1])
    assert figures["windows"] >= 3 * 25 + 2 * 25
    assert figures["ok"] > 0
    assert figures["ng"] > 0
    assert figures["learning"] > 0
    assert figures["bad_data"] == figures["dropped"] == 0
    assert figures["max_residual"] < 1e-3
    assert Path(figures["journal"]).exists()
    status = subprocess.run(
        camshaft("status", "-c", Path(figures["journal"]).with_suffix(".yaml")),
        capture_output=True,
    )
    assert status.returncode == 0
    kept = words_of(ROOT / "docs" / "demo.svg")
    assert len(kept) > 20
    assert kept == words_of(now), "the demo looks otherwise by now: run make picture"
