"""Replay of recordings: cut purely, then published through a real Mosquitto and decoded again."""

from __future__ import annotations

import signal
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor import cli
from monitor.commands.play import PlayError, broker_settings, play
from monitor.config import MqttSettings
from monitor.config_sensors import SensorSettings
from monitor.os_signals import Signals
from monitor.recordings.manifest import RecordingSet, load_manifest, runs
from monitor.recordings.recording import RecordingError, read
from monitor.recordings.replay import PAUSE_S, Cut, PlayOptions, cuts, topic_of
from monitor.records.signal import Chunk, Float32
from monitor.records.topic import TopicPattern
from monitor.settings import ConfigError
from monitor.signal.payload.json_object import JsonPayload
from monitor.signal.payload.raw import RawPayload
from tests.paths import MANIFESTS
from tests.payloads import decode_one
from tests.servers.mosquitto import Mosquitto, free_port, needs_mosquitto, wait_until
from tests.servers.mqtt_clients import FILTER, Listener
from tests.servers.tcp_proxy import TcpProxy

RATE_HZ = 1000.0
START_NS = 1_700_000_000 * 10**9
PATTERN = TopicPattern.parse(PlayOptions.topic)


def continuous(folder: Path) -> RecordingSet:
    """Two machines; a has two runs, the first of two recordings that follow each other. Samples
    count up.
    """
    rows = ["path,machine,group,offset_s"]
    for index, (name, machine, group, offset_s) in enumerate(
        [
            ("a1", "a", "r1", 0),
            ("a2", "a", "r1", 2),
            ("a3", "a", "r2", 0),
            ("b1", "b", "r1", 0),
        ]
    ):
        np.save(folder / f"{name}.npy", np.arange(4000).reshape(2000, 2) + 9000 * index)
        rows.append(f"{name}.npy,{machine},{group},{offset_s}")
    return _manifest(folder, rows, "{format: npy, sample_rate_hz: 1000, channels: [x, y]}")


def snapshots(folder: Path) -> RecordingSet:
    """Three snapshots of 100 samples, 10 s apart, over midnight."""
    np.savez(
        folder / "s.npz",
        acc=np.arange(600.0).reshape(3, 100, 2),
        t=np.array([86390.0, 0.0, 10.0]),
    )
    files = (
        "{format: npz, key: acc, time_key: t, axes: [snapshot, time, channel], sample_rate_hz:"
        " 1000, channels: [x, y]}"
    )
    return _manifest(
        folder, ["path,machine,start", "s.npz,bearing,2024-01-01T00:00:00Z"], files
    )


def _manifest(folder: Path, rows: list[str], files: str) -> RecordingSet:
    (folder / "recordings.csv").write_text("\n".join(rows) + "\n")
    (folder / "manifest.yaml").write_text(f"name: played\nfiles: {files}\n")
    return load_manifest(folder / "manifest.yaml")


def joined(pieces: list[Cut]) -> Float32:
    return np.concatenate([piece.samples for piece in pieces], axis=1)


# -- cutting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("message_s", [None, 0.001, 0.007, 0.1, 1.0, 5.0])
def test_cutting_keeps_every_sample_in_order_and_time(
    tmp_path: Path, message_s: float | None
) -> None:
    manifest = continuous(tmp_path)
    found = list(
        cuts(manifest, PlayOptions(match="a/*", message_s=message_s, start=START_NS), 0)
    )
    expected = [
        read(recording)
        for run in runs(manifest)
        for recording in run
        if recording.machine == "a"
    ]
    np.testing.assert_array_equal(joined(found), np.concatenate(expected, axis=1))
    assert [cut.sequence for cut in found] == list(range(len(found)))
    for before, after in pairwise(found):
        end_ns = before.start_ns + round(before.samples.shape[1] * 1e9 / RATE_HZ)
        new_run = after.samples[0, 0] == 18_000
        assert after.start_ns - end_ns == (PAUSE_S * 1e9 if new_run else 0)


def test_sensors_play_side_by_side_in_the_order_messages_are_due(tmp_path: Path) -> None:
    found = list(cuts(continuous(tmp_path), PlayOptions(message_s=0.5, start=START_NS), 0))
    assert [cut.due_s for cut in found] == sorted(cut.due_s for cut in found)
    assert [cut.sensor for cut in found[:8]] == ["a/main", "b/main"] * 4
    assert found[0].due_s == 0.5  # a sensor sends a message when it has measured all of it


def test_a_snapshot_is_one_message_at_its_own_time(tmp_path: Path) -> None:
    manifest = snapshots(tmp_path)
    found = list(cuts(manifest, PlayOptions(start="recorded"), 0))
    assert [cut.samples.shape for cut in found] == [(2, 100)] * 3
    assert [cut.start_ns - found[0].start_ns for cut in found] == [
        0,
        10 * 10**9,
        20 * 10**9,
    ]
    assert found[0].start_ns == 1_704_067_200 * 10**9
    assert [cut.due_s for cut in found] == pytest.approx([0.1, 10.1, 20.1])


def test_loop_goes_on_with_sequence_and_time(tmp_path: Path) -> None:
    found = list(
        islice(cuts(snapshots(tmp_path), PlayOptions(loop=True, start=START_NS), 0), 7)
    )
    assert [cut.sequence for cut in found] == list(range(7))
    starts = [cut.start_ns for cut in found]
    assert starts == sorted(starts)
    assert len(set(starts)) == 7


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"message_s": 0}, "--message-s = 0: must be above 0 seconds"),
        ({"message_s": float("nan")}, "--message-s = nan"),
        ({"speed": -1}, "--speed = -1: must be 0"),
        ({"scale": 0}, "--scale = 0: must be above 0 m/s² per count"),
        ({"topic": "no/sensor"}, "--topic = 'no/sensor': must name {machine}"),
        ({"topic": "a/+/{machine}"}, "'\\+' must be a name"),
        (
            {"topic": "{site}/{machine}"},
            "'{site}' must be a name; a recording knows {machine}",
        ),
    ],
)
def test_options_that_cannot_be(
    tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(ConfigError, match=match):
        PlayOptions(**options).check()


def test_recordings_that_cannot_be_played(tmp_path: Path) -> None:
    manifest = continuous(tmp_path)
    with pytest.raises(RecordingError, match=r"manifest.yaml: no sensor matches 'c/\*'"):
        cuts(manifest, PlayOptions(match="c/*"), 0)
    with pytest.raises(
        RecordingError, match=r"row 2: a1.npy has no start time in the table"
    ):
        list(cuts(manifest, PlayOptions(start="recorded"), 0))
    with pytest.raises(
        RecordingError, match=r"'a\+b' cannot be one level of an MQTT topic"
    ):
        topic_of("a+b/p", PlayOptions.topic)


# -- publishing -----------------------------------------------------------------------------------


def received(
    listener: Listener, payload: RawPayload | JsonPayload, **settings: Any
) -> list[Chunk]:
    rules = SensorSettings.model_validate(
        {"sample_rate_hz": 1, "channels": ["x", "y"]} | settings
    )
    return [
        decode_one(message, payload, PATTERN.sensor(message.topic) or "", rules)
        for message in sorted(listener.messages, key=lambda message: message.received_ns)
    ]


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_what_is_played_arrives(tmp_path: Path, protocol: str, dtype: str) -> None:
    manifest = continuous(tmp_path)
    options = PlayOptions(
        speed=0,
        message_s=0.3,
        dtype=dtype,  # type: ignore[arg-type]
        scale=1.0,
        start=START_NS,
    )
    with (
        Mosquitto(tmp_path / "broker") as broker,
        Listener(broker.port, client_id="reader") as listener,
    ):
        listener.ready()
        settings = MqttSettings.model_validate({"port": broker.port, "protocol": protocol})
        report = play(manifest, settings, options)
        wait_until(lambda: len(listener.messages) == report.n_messages)
    how: RawPayload | JsonPayload = RawPayload.model_validate(
        {"format": "raw", "dtype": dtype}
    )
    if protocol == "3.1.1":
        how = JsonPayload.model_validate(
            {"format": "json", "encoding": "base64", "dtype": dtype}
        )
    chunks = received(listener, how)
    for sensor in ("a/main", "b/main"):
        sent = [cut for cut in cuts(manifest, options, 0) if cut.sensor == sensor]
        got = [chunk for chunk in chunks if chunk.sensor == sensor]
        np.testing.assert_array_equal(
            np.concatenate([chunk.samples for chunk in got], axis=1), joined(sent)
        )
        assert [(c.start_ns, c.sequence, c.sample_rate_hz) for c in got] == [
            (cut.start_ns, cut.sequence, cut.sample_rate_hz) for cut in sent
        ]
    assert (report.n_sensors, report.n_samples, report.n_clipped) == (2, 8000, 0)


@needs_mosquitto
def test_a_cut_connection_loses_nothing(tmp_path: Path) -> None:
    manifest, n_sent = continuous(tmp_path), 0
    with (
        Mosquitto(tmp_path / "broker") as broker,
        TcpProxy(broker.port) as proxy,
        Listener(broker.port, client_id="reader") as listener,
    ):
        listener.ready()

        def cut_now_and_then(_cut: Cut) -> None:
            nonlocal n_sent
            n_sent += 1
            if n_sent in (200, 500):
                proxy.cut()

        options = PlayOptions(speed=0, message_s=0.01, start=START_NS)
        report = play(manifest, MqttSettings(port=proxy.port), options, cut_now_and_then)
        wait_until(
            lambda: (
                len({(message.topic, message.payload) for message in listener.messages})
                == 800
            )
        )
    assert report.n_messages == 800


@needs_mosquitto
def test_speed_paces_the_messages(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        options = PlayOptions(match="b/*", speed=4, message_s=0.5)
        report = play(continuous(tmp_path), MqttSettings(port=broker.port), options)
    assert 0.5 <= report.elapsed_s < 5


@needs_mosquitto
def test_stop_ends_an_endless_play(tmp_path: Path) -> None:
    stop = Signals()
    with Mosquitto(tmp_path / "broker") as broker:
        options = PlayOptions(speed=0, loop=True)

        def stop_at_20(cut: Cut) -> None:
            if cut.sequence == 20:
                stop.note(signal.SIGINT)

        report = play(
            continuous(tmp_path), MqttSettings(port=broker.port), options, stop_at_20, stop
        )
    assert report.n_messages >= 21


def test_no_broker_is_one_clear_line(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(
        PlayError, match=f"No connection to broker 127.0.0.1:{port}: nothing listens there"
    ):
        play(continuous(tmp_path), MqttSettings(port=port), PlayOptions())


@needs_mosquitto
def test_clipped_numbers_are_counted(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        options = PlayOptions(speed=0, dtype="int16", scale=0.01, match="b/*")
        report = play(continuous(tmp_path), MqttSettings(port=broker.port), options)
    assert report.n_clipped == 4000  # 27,000 m/s² and more


# -- command line ---------------------------------------------------------------------------------


@needs_mosquitto
def test_command_plays_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    continuous(tmp_path)
    manifest = str(tmp_path / "manifest.yaml")
    with Mosquitto(tmp_path / "broker", users={"player": "secret"}) as broker:
        url = f"mqtt://player@127.0.0.1:{broker.port}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CAMSHAFT_BROKER_PASSWORD", "secret")
            assert cli.main(["play", manifest, "--broker", url, "--speed", "0"]) == 0
        assert "8 messages of 2 sensors, 8000 samples a channel" in capsys.readouterr().out
        assert cli.main(["play", manifest, "--broker", url, "--speed", "0"]) == 1
        assert "refuses the connection: Not authorized" in capsys.readouterr().err
    assert cli.main(["play", str(tmp_path / "absent.yaml")]) == 2
    assert cli.main(["play", manifest, "--broker", "http://x"]) == 2


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://host", ("host", 1883, None, False)),
        ("mqtts://some%40one@host", ("host", 8883, "some@one", True)),
        ("mqtt://[::1]:99", ("::1", 99, None, False)),
    ],
)
def test_broker_urls(url: str, expected: tuple[str, int, str | None, bool]) -> None:
    found = broker_settings(url, "5", None)
    assert (found.host, found.port, found.username, found.tls is not None) == expected


@pytest.mark.parametrize(
    "url", ["host", "http://host", "mqtt://", "mqtt://u:p@host", "mqtt://host:99999"]
)
def test_broker_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError, match="--broker"):
        broker_settings(url, "5", None)


# -- real recordings ------------------------------------------------------------------------------


@needs_mosquitto
def test_real_milling_recordings_arrive_as_they_are_read(
    datasets: Path, tmp_path: Path
) -> None:
    manifest = load_manifest(MANIFESTS / "bosch-cnc.yaml")
    options = PlayOptions(match="M02/*", speed=0, message_s=1.0)
    with (
        Mosquitto(tmp_path / "broker") as broker,
        Listener(broker.port, [FILTER], client_id="reader") as listener,
    ):
        listener.ready()
        report = play(manifest, MqttSettings(port=broker.port), options)
        wait_until(lambda: len(listener.messages) == report.n_messages)
    chunks = received(
        listener, RawPayload(format="raw", dtype="float32"), channels=["x", "y", "z"]
    )
    recordings = [
        recording
        for run in runs(manifest)
        for recording in run
        if recording.machine == "M02"
    ]
    assert report.n_samples == 10_000 * len(recordings)
    expected = np.concatenate([read(recording) for recording in recordings], axis=1)
    np.testing.assert_array_equal(
        np.concatenate([chunk.samples for chunk in chunks], axis=1), expected
    )


def test_real_bearing_snapshots_are_messages_ten_seconds_apart(datasets: Path) -> None:
    found = list(
        islice(
            cuts(
                load_manifest(MANIFESTS / "pronostia.yaml"),
                PlayOptions(match="Bearing1_2/*"),
                0,
            ),
            50,
        )
    )
    assert {cut.samples.shape for cut in found} == {(2, 2560)}
    steps_s = np.diff([cut.due_s for cut in found])
    np.testing.assert_allclose(steps_s, 10.0, atol=1.5)
