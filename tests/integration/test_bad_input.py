"""Whatever comes in: one clear message each, and the service goes on, or refuses to start with exit
code 2.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from monitor.records.verdict import Status
from monitor.signal.spectrogram import default_settings
from tests.integration.conftest import MakeService
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.mosquitto import Mosquitto, free_port
from tests.servers.recording import T0_NS, TOPIC, Publisher, Recording, make_cut
from tests.servers.service import Service, configuration, influx_part
from tests.small_network import write_folder

RECORDING = Recording(n_sensors=1, duration_s=5.0)
SENSOR = RECORDING.sensors[0]
RAW_TOPIC = "vibration/m00/bearing/waveform"
JSON_TOPIC = "json/m00/bearing"


def test_bad_payloads_are_counted_kept_and_passed_over(
    make_service: MakeService, publisher: Publisher
) -> None:
    """Between them and after them the good ones go through."""
    both = [
        {"topic": TOPIC, "payload": {"format": "raw", "dtype": "float32"}},
        {
            "topic": "json/{machine}/{point}",
            "payload": {"format": "json", "time_format": "ns"},
        },
    ]
    rule = {
        "match": "m*",
        "sample_rate_hz": 2000,
        "window_s": 0.5,
        "expected_period_s": 3600,
    }
    service = make_service(
        RECORDING, subscriptions=both, sensors=[rule], mqtt={"max_payload_bytes": 100_000}
    )
    service.start()
    good = np.zeros(100, "<f4").tobytes()
    bad = {
        "bad_length": (RAW_TOPIC, b"\x00" * 399, {}),
        "empty": (RAW_TOPIC, b"", {}),
        "not_json": (JSON_TOPIC, b"\xff\xfe garbage", {}),
        "too_nested": (JSON_TOPIC, b"[" * 50_000, {}),
        "not_numbers": (JSON_TOPIC, b'{"samples": ["x", "y"]}', {}),
        "wrong_channels": (JSON_TOPIC, b'{"samples": [[1, 2], [3, 4]]}', {}),
        "no_samples": (JSON_TOPIC, b'{"values": [1]}', {}),
        "too_large": (RAW_TOPIC, b"\x00" * 100_004, {}),
        "bad_time": (RAW_TOPIC, good, {"start_time": "yesterday"}),
        "bad_rate": (RAW_TOPIC, good, {"sample_rate_hz": "-5"}),
        "bad_sequence": (RAW_TOPIC, good, {"sequence": "one"}),
        "unmatched_sensor": ("vibration/pump/bearing/waveform", good, {}),
    }
    cuts = list(RECORDING.cut(0.1))
    for n, (topic, payload, properties) in enumerate(bad.values()):
        publisher.publish(topic, payload, properties)
        publisher.send(cuts[n])
    publisher.play(cuts[len(bad) :])
    service.wait_taken(RECORDING)
    counters = service.check_books().counters
    found = {
        name.removeprefix("bad_payloads."): n
        for name, n in counters.items()
        if name.startswith("bad_payloads.")
    }
    assert found == dict.fromkeys(bad, 1)
    kept = {one["reason"]: one for one in service.reader().bad_payloads()}
    assert kept.keys() == bad.keys()
    for reason, (topic, payload, _) in bad.items():
        assert (kept[reason]["topic"], kept[reason]["head"]) == (topic, payload[:64])
        assert kept[reason]["detail"].endswith(".")
    assert len(service.rows()) == RECORDING.n_windows
    assert service.stop()[0] == 0


def test_times_from_long_ago_are_taken_and_a_step_in_time_is_reported(
    make_service: MakeService, publisher: Publisher
) -> None:
    """The past is nothing wrong: recordings are replayed. A step of an hour ends the segment, both
    ways.
    """
    service = make_service(Recording(n_sensors=1, duration_s=5.0), commissioned=False)
    service.start()
    samples = RECORDING.samples[0]
    for n, offset_s in enumerate([0, 3600, 0]):
        for k in range(3):  # 1.5 windows
            piece = samples[(3 * n + k) * 500 : (3 * n + k + 1) * 500]
            start_ns = T0_NS + (3 * n + k) * 250_000_000 + offset_s * 10**9
            publisher.send(make_cut(SENSOR, piece, 3 * n + k, start_ns))
    publisher.flush()
    service.wait(lambda: len(service.rows()) == 5)
    rows = list(service.rows().values())
    assert [(v.segment, v.status, v.reason, v.n_samples) for v in rows] == [
        (0, Status.LEARNING, "not_commissioned", 1000),
        (0, Status.BAD_DATA, "time_jump", 500),
        (1, Status.LEARNING, "not_commissioned", 1000),
        (1, Status.BAD_DATA, "time_jump", 500),
        (2, Status.LEARNING, "not_commissioned", 1000),
    ]
    service.check_books()


def test_a_rate_that_is_not_the_sensors_own_is_never_ok(
    make_service: MakeService, publisher: Publisher
) -> None:
    service = make_service(RECORDING)
    service.start()
    for cut in RECORDING.cut(0.5):
        publisher.publish(
            cut.topic, cut.payload, dict(cut.properties) | {"sample_rate_hz": "2100"}
        )
    publisher.flush()
    service.wait_taken(RECORDING)
    assert {(v.status, v.reason) for v in service.rows().values()} == {
        (Status.BAD_DATA, "rate_mismatch")
    }
    service.check_books()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full(1000, 3.0, np.float32), "flat_line"),
        (np.full(1000, np.nan, np.float32), "not_finite"),
        (np.clip(RECORDING.samples[0, :1000] * 50, -20, 20), "clipped"),
    ],
    ids=["flat_line", "not_finite", "clipped"],
)
def test_signals_that_tell_nothing_are_bad_data(
    values: np.ndarray, reason: str, make_service: MakeService, publisher: Publisher
) -> None:
    service = make_service(RECORDING, rule={"full_scale_ms2": 20.0})
    service.start()
    publisher.send(make_cut(SENSOR, values[None], 0, T0_NS))
    publisher.flush()
    service.wait(lambda: service.rows())
    (verdict,) = service.rows().values()
    assert (verdict.status, verdict.reason) == (Status.BAD_DATA, reason)
    assert service.check_books().samples[SENSOR]["judged_bad", reason] == 1000


@pytest.mark.parametrize("damage", ["changed", "no_network", "no_manifest"])
def test_a_model_that_cannot_be_trusted_stops_the_start(
    damage: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    write_folder(folder, default_settings(2000, 1000), 1, b"not a network", [1.0], 0.0)
    if damage == "changed":
        (folder / "model.tflite").write_bytes(b"not a network!")
    elif damage == "no_manifest":
        (folder / "manifest.yaml").unlink()
    config = configuration(free_port(), RECORDING)
    config["sensors"] = [{"sample_rate_hz": 2000, "model": str(folder)}]
    with Service(tmp_path / "service", config) as service:
        code, said = service.run_to_end()
    assert code == 2
    assert len(said.splitlines()) == 1, said
    assert str(folder) in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mqtt: {port: 99999}", "mqtt.port = 99999"),
        ("a: [", "is not YAML"),
        ("- 1", "must hold keys and values"),
        ("mqtt: {password: {env: NO_SUCH_VARIABLE}, username: u}", "NO_SUCH_VARIABLE"),
    ],
    ids=["value", "yaml", "list", "secret"],
)
def test_a_configuration_that_cannot_be_used_stops_the_start(
    text: str, said: str, tmp_path: Path
) -> None:
    config = configuration(free_port(), RECORDING)
    with Service(tmp_path, config) as service:
        rest = json.dumps({key: value for key, value in config.items() if key != "mqtt"})[
            1:-1
        ]
        whole = "{" + rest + "}" if text.startswith("mqtt") else ""
        service.config_path.write_text(
            f"{{{text}, {whole[1:]}" if whole else text, encoding="utf-8"
        )
        code, log = service.run_to_end()
        assert code == 2
        assert said in log
        assert "Traceback" not in log
        service.config_path.unlink()
        code, log = service.run_to_end()
        assert code == 2
        assert "cannot be read: No such file or directory" in log


def test_a_journal_of_somebody_else_stops_the_start(tmp_path: Path) -> None:
    with Service(tmp_path, configuration(free_port(), RECORDING)) as service:
        service.journal_path.write_bytes(b"\x89PNG" + bytes(5000))
        code, said = service.run_to_end()
        assert code == 2
        assert "camshaft.journal" in said
        assert len(said.splitlines()) == 1, said
        assert service.journal_path.read_bytes().startswith(b"\x89PNG")


def test_two_services_on_one_journal_are_refused(make_service: MakeService) -> None:
    service = make_service(RECORDING)
    service.start()
    with Service(service.folder, service.config) as second:
        second.log_path = service.folder / "second.log"
        code, said = second.run_to_end()
    assert code == 2
    assert "another Camshaft service uses it" in said
    assert service.stop()[0] == 0


def test_an_absent_broker_is_waited_for(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    with Service(tmp_path / "service", configuration(broker.port, RECORDING)) as service:
        service.start(online=False)
        service.wait(lambda: "No connection to broker" in service.log())
        assert service.log().count("No connection to broker") == 1
        assert "trying again" in service.log()
        with broker, Publisher(broker.port) as publisher:
            service.wait(lambda: "Connected to broker" in service.log())
            time.sleep(0.05)
            publisher.play(RECORDING.cut(0.1))
            service.wait_taken(RECORDING)
            assert service.stop()[0] == 0


def test_an_absent_influxdb_is_waited_for(
    make_service: MakeService,
    publisher: Publisher,
    influxdb: InfluxDatabase,
    tmp_path: Path,
) -> None:
    port = free_port()
    service = make_service(
        RECORDING, influx=influx_part(f"http://127.0.0.1:{port}", tmp_path)
    )
    service.start()
    publisher.play(RECORDING.cut(0.1))
    service.wait(
        lambda: len(service.rows()) == RECORDING.n_windows,
        why="verdicts do not wait for InfluxDB",
    )
    service.wait(lambda: "Rows wait in the journal" in service.log())
    assert service.check_books().rows(["influx"])["verdict"][2] == RECORDING.n_windows
    standin = InfluxStandIn(forward=influxdb.write, port=port)
    try:
        service.wait_taken(RECORDING)
    finally:
        standin.close()
    (series,) = influxdb.query("SELECT count(novelty) FROM vibration_verdict")
    assert series.column("count") == [RECORDING.n_windows]
    assert service.log().count("Rows wait in the journal") == 1
    service.check_books()
