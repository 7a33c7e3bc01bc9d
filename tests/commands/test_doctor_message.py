"""What the doctor says of one message, without a broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monitor.commands.doctor_broker import _judge
from monitor.config import Config
from monitor.config_file import parse_config
from monitor.records.signal import Message
from tests.signals import START_NS

TOPIC = "Asset/A1000/Vibration"


def config(**payload: Any) -> Config:
    how = {"format": "json", "machine": "assetId", "point": "sensorId", "samples": "v"} | payload
    return parse_config(
        {
            "subscriptions": [{"topic": "Asset/+/Vibration", "payload": how}],
            "sensors": [{"match": "A1000/*", "sample_rate_hz": 1000}],
        },
        Path("/etc/camshaft"),
    )


def judged(tree: Any, **payload: Any) -> tuple[str, str]:
    settings = config(**payload)
    message = Message(TOPIC, json.dumps(tree).encode(), START_NS)
    found = _judge(settings, settings.subscriptions[0], message)
    return found.state, found.text


def test_a_sensor_that_its_message_names() -> None:
    """Case d07-sensor-in-payload."""
    outcome, text = judged({"assetId": "A1000", "sensorId": "spindle", "v": [1, -1] * 50})
    assert outcome == "ok"
    assert text.startswith("A1000/spindle: 1 channels x 100 samples at 1000 Hz")


def test_several_sensors_of_one_message_are_all_named() -> None:
    parts = [{"assetId": "A1000", "sensorId": point, "v": [1, -1]} for point in ("a", "b")]
    outcome, text = judged(parts, parts=".")
    assert (outcome, text[:8]) == ("ok", "A1000/a:")
    assert text.endswith("and 1 more in this message: A1000/b")


def test_a_name_that_no_rule_fits_is_said() -> None:
    outcome, text = judged({"assetId": "B2000", "sensorId": "spindle", "v": [1]})
    assert outcome == "FAILED"
    assert "'B2000/spindle' fits none of the rules" in text
