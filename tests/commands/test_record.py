"""Live data written down, and read back as recordings."""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from monitor.cli import main
from monitor.commands.record import Labels, Recorder, column
from monitor.config_file import parse_config, write_yaml
from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import read
from monitor.records.signal import Message
from monitor.settings import ConfigError
from tests.pipeline import test_edge_nodes, test_series
from tests.servers.mosquitto import Mosquitto, needs_mosquitto
from tests.servers.mqtt_clients import publisher
from tests.signals import START_NS, configure, messages, noise


def test_what_was_recorded_is_what_was_sent_and_a_gap_starts_a_new_file(
    tmp_path: Path,
) -> None:
    recorder = Recorder(configure(), "m/p", tmp_path / "out")
    signal = noise(3000)
    first, second, _lost, fourth = messages(signal, [1000, 700, 300, 1000])
    stray = messages(signal, [1000], sensor="other/p")[0]
    for message in (first, stray, second, replace(fourth, payload=b"odd"), fourth):
        recorder.take(message)
    recorder.close()
    assert (recorder.n_files, recorder.n_refused) == (2, 1)
    recordings = load_manifest(tmp_path / "out" / "manifest.yaml").recordings
    np.testing.assert_array_equal(read(recordings[0]), signal[:, :1700])
    np.testing.assert_array_equal(read(recordings[1]), signal[:, 2000:])
    assert recordings[0].label == "unlabelled"


def test_a_sensor_behind_an_edge_node_is_recorded_by_its_aliases(tmp_path: Path) -> None:
    """A birth is asked for; a death begins a new file."""
    config = test_edge_nodes.config()
    recorder = Recorder(config, "line-1/press", tmp_path / "out")
    early, *sent = [test_edge_nodes.session()[2], *test_edge_nodes.session()]
    recorder.take(early)
    assert [command.topic for command in recorder.take_commands()] == [test_edge_nodes.NCMD]
    for message in sent:
        recorder.take(message)
    assert not recorder.take_commands()
    recorder.close()
    assert (recorder.n_files, recorder.n_refused) == (2, 1)
    recordings = load_manifest(tmp_path / "out" / "manifest.yaml").recordings
    found = np.concatenate([read(one) for one in recordings], axis=1)
    np.testing.assert_array_equal(found, [np.arange(600), -np.arange(600)])


def test_a_series_is_recorded_whole(tmp_path: Path) -> None:
    signal = noise(1000)
    recorder = Recorder(configure(), "m/p", tmp_path / "out")
    for message in test_series.cut(signal[0], "a", 5):
        recorder.take(message)
    recorder.close()
    (recording,) = load_manifest(tmp_path / "out" / "manifest.yaml").recordings
    np.testing.assert_array_equal(read(recording), signal)


def test_a_sensor_that_its_messages_name(tmp_path: Path) -> None:
    """Case d07-sensor-in-payload: of two sensors on one topic, only the one asked for."""
    config = parse_config(
        {
            "subscriptions": [
                {
                    "topic": "Asset/+/Vibration",
                    "payload": {
                        "format": "json",
                        "machine": "assetId",
                        "point": "sensorId",
                        "samples": "value",
                    },
                }
            ],
            "sensors": [
                {"match": "*/spindle", "sample_rate_hz": 1000},
                {"match": "*/table", "sample_rate_hz": 1000, "channels": ["x", "y"]},
            ],
        },
        tmp_path,
    )
    recorder = Recorder(config, "A1000/spindle", tmp_path / "out")
    for point, value in (("spindle", [1.5] * 10), ("table", [[2.5] * 10, [3.5] * 10])):
        tree = {"assetId": "A1000", "sensorId": point, "value": value}
        recorder.take(Message("Asset/A1000/Vibration", json.dumps(tree).encode(), START_NS))
    recorder.close()
    assert (recorder.n_files, recorder.n_refused) == (1, 0)
    (recording,) = load_manifest(tmp_path / "out" / "manifest.yaml").recordings
    np.testing.assert_array_equal(read(recording), np.full((1, 10), 1.5))


def test_a_sensor_without_a_rule_and_a_folder_that_exists_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"SENSOR = 'x/y': no rule"):
        Recorder(configure(sensor={"match": "m/*"}), "x/y", tmp_path / "a")
    words = ["record", "m/p", "--hours", "1", "-c", "absent.yaml", "--out", str(tmp_path)]
    assert main(words) == 2
    assert "exists already; name a new folder." in capsys.readouterr().err


def test_the_table_says_what_may_be_held_out(tmp_path: Path) -> None:
    """Each recording was of one group, the date: nothing could be held out of a day."""
    day_ns = 86400 * 10**9
    for name, labels in {
        "plain": Labels(),
        "all": Labels("ng", "batch-7", "M9", (("load", "80"), ("tool", "a,b"))),
    }.items():
        recorder = Recorder(configure(), "m/p", tmp_path / name, labels)
        for shift_ns in (0, 600 * 10**9, day_ns):
            for message in messages(noise(1000), [1000]):
                at_ns = int(message.properties["start_time_ns"]) + shift_ns
                properties = {"start_time_ns": str(at_ns)}
                recorder.take(replace(message, properties=properties))
        recorder.close()
    plain = load_manifest(tmp_path / "plain" / "manifest.yaml").recordings
    start = f"{datetime.fromtimestamp(START_NS / 1e9, UTC):%Y%m%dT%H%M%S}"
    next_day = f"{datetime.fromtimestamp((START_NS + day_ns) / 1e9, UTC):%Y%m%dT%H%M%S}"
    assert [one.group for one in plain] == [start, start, next_day]
    for one in load_manifest(tmp_path / "all" / "manifest.yaml").recordings:
        assert (one.machine, one.point, one.group, one.label) == (
            "M9",
            "p",
            "batch-7",
            "ng",
        )
        assert (one.value("load"), one.value("tool")) == ("80", "a,b")


@pytest.mark.parametrize("text", ["load", "=1", "load=", "label=ok", "a b=1", "group=x"])
def test_a_column_that_cannot_be(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be NAME=VALUE"):
        column(text)


@needs_mosquitto
@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        ("", b"", r"nothing came. Nothing at all was heard on vibration/\+/\+/waveform."),
        (
            "vibration/fan/motor/waveform",
            np.ones(100, "<f4").tobytes(),
            r"nothing came. Messages heard: fan/motor \(\d+\).",
        ),
        (
            "vibration/m/p/waveform",
            b"odd",
            r"nothing came. \d+ of its messages were refused, the last: ",
        ),
    ],
)
def test_a_sensor_that_says_nothing_ends_the_recording_with_what_was_heard(
    topic: str,
    payload: bytes,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It counted for ever."""
    with Mosquitto(tmp_path / "broker") as broker, talking(broker.port, topic, payload):
        path = tmp_path / "camshaft.yaml"
        write_yaml(
            path,
            {
                "mqtt": {"port": broker.port},
                "subscriptions": [
                    {
                        "topic": "vibration/{machine}/{point}/waveform",
                        "payload": {"format": "raw", "dtype": "float32"},
                    }
                ],
                "sensors": [{"sample_rate_hz": 1000}],
            },
        )
        out = tmp_path / "out"
        words = ["record", "m/p", "--hours", "0.01", "--timeout", "2", "--out", str(out)]
        begin_s = time.monotonic()
        assert main([*words, "-c", str(path)]) == 1
        assert time.monotonic() - begin_s < 30.0  # before its 36 s are over
    assert re.search(f"m/p: {said}", capsys.readouterr().err)
    assert not out.exists()


@contextmanager
def talking(port: int, topic: str, payload: bytes) -> Iterator[None]:
    """A sensor that sends ten messages a second, or none."""
    done = threading.Event()

    def talk() -> None:
        with publisher(port) as client:
            while not done.wait(0.1):
                client.publish(topic, payload, qos=1)

    thread = threading.Thread(target=talk)
    if topic:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if topic:
            thread.join()
