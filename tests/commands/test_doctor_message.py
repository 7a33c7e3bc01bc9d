"""What the doctor says of one message, without a broker."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.commands.doctor_finding import Finding
from monitor.commands.doctor_message import Formats, Rates, judge_chunks, read_message
from monitor.config import Config
from monitor.config_file import parse_config
from monitor.records.signal import Message
from tests.pipeline.test_edge_nodes import session
from tests.signals import START_NS, configure, noise

TOPIC = "Asset/A1000/Vibration"


def config(**payload: Any) -> Config:
    how = {
        "format": "json",
        "machine": "assetId",
        "point": "sensorId",
        "samples": "v",
    } | payload
    return parse_config(
        {
            "subscriptions": [{"topic": "Asset/+/Vibration", "payload": how}],
            "sensors": [{"match": "A1000/*", "sample_rate_hz": 1000}],
        },
        Path("/etc/camshaft"),
    )


def judge(settings: Config, message: Message) -> tuple[str, str]:
    subscription = settings.subscriptions[0]
    found = read_message(settings, subscription, message)
    if not isinstance(found, Finding):
        found = judge_chunks(settings, subscription, found)
    return found.state, found.text


def judged(tree: Any, **payload: Any) -> tuple[str, str]:
    settings = config(**payload)
    message = Message(TOPIC, json.dumps(tree).encode(), START_NS)
    return judge(settings, message)


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


SPARKPLUG = {"format": "sparkplug", "metrics": ["vibration/x"], "dtype": "int16"}


@pytest.mark.parametrize(
    ("settings", "message", "text"),
    [
        (
            {"topic": "spBv1.0/plant/DDATA/{machine}/{point}", "payload": SPARKPLUG},
            session()[2],
            "the service reads it by its sender's birth certificate",
        ),
        (
            {"topic": "v/{machine}", "payload": {"format": "raw"}},
            Message("v/m", bytes(8), START_NS, {"__chunk": '{"messageId": "a"}'}),
            "one part of a longer payload",
        ),
        (
            {
                "topic": "v/{machine}",
                "payload": {
                    "format": "json",
                    "part_index": "i",
                    "part_count": "n",
                    "series": "s",
                },
            },
            Message("v/m", b'{"samples": [1], "i": 0, "n": 9, "s": "a"}', START_NS),
            "one part of a longer payload",
        ),
    ],
)
def test_what_other_messages_complete_is_a_warning(
    settings: dict[str, Any], message: Message, text: str
) -> None:
    found = configure(subscriptions=[settings])
    finding = read_message(found, found.subscriptions[0], message)
    assert isinstance(finding, Finding)
    assert finding.state == "warning"
    assert text in finding.text


def test_a_keep_alive_is_nothing_to_judge() -> None:
    topic = {"topic": "v/{machine}", "payload": {"format": "opcua", "fields": ["x"]}}
    found = configure(subscriptions=[topic])
    message = Message("v/m", b'{"MessageType": "ua-metadata"}', START_NS)
    assert read_message(found, found.subscriptions[0], message) == []


def raw(payload: dict[str, Any] | None = None, **sensor: Any) -> Config:
    return configure(
        subscriptions=[
            {
                "topic": "vibration/{machine}/{point}/waveform",
                "payload": payload or {"format": "raw", "dtype": "float32"},
            }
        ],
        sensor=sensor,
    )


def waveform(n: int, **properties: str) -> Message:
    data = noise(n)[0].astype("<f4").tobytes()
    return Message("vibration/m/p/waveform", data, START_NS, properties)


def test_a_snapshot_shorter_than_its_window_fails() -> None:
    """Case d31-snapshot-too-short: doctor said ok, and nothing was ever judged."""
    short = raw(acquisition="snapshot", window_s=1.0)
    assert judge(short, waveform(1024)) == (
        "FAILED",
        "m/p: a snapshot of 0.512 s is shorter than window_s = 1 s: it is never judged",
    )
    assert judge(short, waveform(2000))[0] == "ok"
    assert judge(raw(window_s=1.0), waveform(1024))[0] == "ok"
    model = raw(acquisition="snapshot", model="cnc-milling", channels=["x", "y", "z"])
    assert "than the model's window of" in judge(model, waveform(3 * 64))[1]


@pytest.mark.parametrize(
    ("time_format", "stated", "text"),
    [
        ("ms", START_NS / 1e9, "54 years behind: is payload.time_format s?"),
        ("us", START_NS / 1e9, "54 years behind: is payload.time_format s?"),
        ("us", START_NS // 10**6, "54 years behind: is payload.time_format ms?"),
        ("s", 7.5, "54 years behind: is payload.time_format right"),
        ("s", START_NS // 10**9 + 7200, "time is 2 hours ahead: is it local time?"),
        ("s", START_NS // 10**9 - 7200, "time is 2 hours behind: is it local time?"),
        (
            "s",
            START_NS // 10**9 + 9 * 86_400,
            "time is 9 days ahead: is payload.time_format",
        ),
    ],
)
def test_a_time_in_another_unit_or_zone(time_format: str, stated: float, text: str) -> None:
    """Case d16-seconds-as-ms: seconds where milliseconds are set were accepted, in 1970."""
    tree = {"assetId": "A1000", "sensorId": "spindle", "v": [1, -1], "time": stated}
    outcome, said = judged(tree, time_format=time_format)
    assert outcome == "warning"
    assert text in said


def test_a_measured_rate_is_a_rate() -> None:
    """Cases d28-measured-rate and d29-odr-off."""
    assert judge(raw(), waveform(100, sample_rate_hz="2004.7"))[0] == "ok"
    outcome, text = judge(raw(), waveform(100, sample_rate_hz="2080"))
    assert outcome == "warning"
    assert text.startswith("m/p: runs at 2080 Hz, 2000 Hz is configured")
    assert "set sample_rate_hz" in text


@pytest.mark.parametrize(
    ("n_each", "state", "text"),
    [
        (500, "ok", "samples a second arrive"),
        (1000, "FAILED", "payload.dtype or the number"),
    ],
)
def test_arrival_tells_a_factor_of_two(n_each: int, state: str, text: str) -> None:
    """float32 read as int16, or two channels as one: all were ok without a word."""
    settings = raw()
    rates = Rates(settings)
    for number in range(20):
        at_ns = START_NS + number * 250_137_311
        found = read_message(
            settings,
            settings.subscriptions[0],
            replace(waveform(n_each), received_ns=at_ns),
        )
        assert not isinstance(found, Finding)
        rates.take(found)
    (finding,) = rates.findings()
    assert finding.state == state
    assert text in finding.text
    assert not rates.are_open


def test_a_refused_message_says_what_it_looks_like() -> None:
    settings = config()
    packed = gzip.compress(b'{"assetId": "A1000", "sensorId": "spindle", "v": [1]}')
    found = read_message(
        settings, settings.subscriptions[0], Message(TOPIC, packed, START_NS)
    )
    assert isinstance(found, Finding)
    assert found.hint.startswith(f"{len(packed)} bytes, the first 1f 8b 08")
    assert found.hint.endswith("It seems to be gzip: set payload.compression: gzip.")


@pytest.mark.parametrize(
    ("payload", "data", "key"),
    [
        ("int16", noise(2000)[0].astype("<f4").tobytes(), "set payload.dtype: float32"),
        (
            "int16",
            (300 * noise(2000)[0]).astype(">i2").tobytes(),
            "set payload.byte_order: big",
        ),
        ("int16", b"1.25,3.5,-0.25\r\n" * 200, "set payload.format: csv"),
        (
            "float32",
            (1e4 * noise(2000)[0]).astype("<i4").tobytes(),
            "set payload.dtype: int32",
        ),
        ("float32", (18_000 * noise(2000)[0]).astype("<f4").tobytes(), "full_scale_ms2"),
    ],
)
def test_bytes_that_are_not_what_the_settings_say(
    payload: str, data: bytes, key: str
) -> None:
    """Case d10-csv-text-payload: doctor said ok at 18,000 and at infinite m/s²."""
    settings = raw({"format": "raw", "dtype": payload})
    subscription, formats = settings.subscriptions[0], Formats(settings)
    message = Message("vibration/m/p/waveform", data, START_NS)
    found = read_message(settings, subscription, message)
    assert not isinstance(found, Finding)
    formats.take(subscription, message, found)
    (finding,) = formats.findings()
    assert finding.state == "FAILED"
    assert key in finding.text
    assert formats.finding("m/p") is None  # said once
