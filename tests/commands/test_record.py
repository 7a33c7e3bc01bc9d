"""Live data written down, and read back as recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.commands.record import Recorder
from monitor.config import ConfigError
from monitor.config_file import parse_config
from monitor.recordings.manifest import load_manifest, read
from monitor.records.signal import Message
from tests.signals import START_NS, configure, messages, noise


def test_what_was_recorded_is_what_was_sent_and_a_gap_starts_a_new_file(tmp_path: Path) -> None:
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


def test_a_sensor_without_a_rule_and_a_folder_that_exists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SENSOR = 'x/y': no rule"):
        Recorder(configure(sensor={"match": "m/*"}), "x/y", tmp_path / "a")
    with pytest.raises(ConfigError, match=r"is there already"):
        Recorder(configure(), "m/p", tmp_path)
