"""Sensors judged by a bundled network: the map's cells add up to the logit, wherever one reads
them.
"""

from __future__ import annotations

from pathlib import Path

from monitor.config_file import load_config
from monitor.evidence.model_folder import find_model, load_model_manifest
from monitor.records.verdict import Status
from tests.integration.conftest import MakeService
from tests.integration.maps import check_maps
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.recording import Publisher, Recording
from tests.servers.service import NEVER_S, Service, assert_same_rows, influx_part
from tests.verdicts import bias_of, map_of, score_of

RECORDING = Recording(n_sensors=2, duration_s=7.5, sample_rate_hz=25_600, window_s=1.0)
RULE = {"sample_rate_hz": 25_600, "model": "simulator", "expected_period_s": NEVER_S}


def test_cells_and_bias_add_up_to_the_logit_in_journal_and_influxdb(
    make_service: MakeService,
    publisher: Publisher,
    influx_standin: InfluxStandIn,
    influxdb: InfluxDatabase,
    tmp_path: Path,
) -> None:
    influx = influx_part(influx_standin.url, tmp_path)
    service = make_service(RECORDING, commissioned=False, sensors=[RULE], influx=influx)
    service.start()
    publisher.play(RECORDING.cut(0.1))
    service.wait_taken(RECORDING)
    rows = service.rows()
    assert len(rows) == RECORDING.n_windows
    manifest = load_model_manifest(find_model("simulator", None))
    for v in rows.values():
        assert v.status in (Status.OK, Status.NG)
        assert v.model_id == manifest.id
        assert map_of(v) is not None
        assert score_of(v) is not None
        assert v.residual is not None
        assert v.residual < 1e-3
        assert bias_of(v) == manifest.head.bias
    check_maps("network", "vibration_cam", rows, influxdb)
    service.check_books()


def test_logits_do_not_depend_on_how_mqtt_cuts_the_stream(
    make_service: MakeService, publisher: Publisher
) -> None:
    found = []
    for message_s in (0.007, 0.1, 1.0, 5.0):
        service = make_service(RECORDING, commissioned=False, sensors=[RULE])
        service.start()
        publisher.play(RECORDING.cut(message_s))
        service.wait_taken(RECORDING)
        found.append(service.rows())
        assert service.stop()[0] == 0
    for other in found[1:]:
        assert_same_rows(other, found[0])


def test_a_model_comes_and_goes_at_sighup_without_a_lost_sample(
    make_service: MakeService, publisher: Publisher
) -> None:
    """The same window length: the network judges from the next window on,
    and the segment goes on.
    """
    service = make_service(RECORDING)
    without = service.config
    service.start()
    cuts = list(RECORDING.cut(0.1))
    third = len(cuts) // 3
    publisher.play(cuts[:third])
    service.configure({**without, "sensors": [RULE]})
    service.reload()
    publisher.play(cuts[third : 2 * third])
    service.wait(lambda: any(v.model_id for v in service.rows().values()))
    broken = {**RULE, "model": _changed_copy(service)}
    service.configure({**without, "sensors": [broken]})
    service.reload()
    assert "Reload refused" in service.log()
    publisher.play(cuts[2 * third :])
    service.wait_taken(RECORDING)
    rows = sorted(
        (v for v in service.rows().values() if v.sensor == RECORDING.sensors[0]),
        key=lambda v: v.start_ns,
    )
    assert (
        sum(v.n_samples for v in rows)
        == RECORDING.n_samples // RECORDING.n_window * RECORDING.n_window
    )
    assert {v.status for v in rows} <= {Status.OK, Status.NG}
    models = [v.model_id for v in rows]
    assert models == sorted(models)  # '' first, then the model to the end
    assert models[0] == ""
    assert models[-1] != ""
    service.check_books()


def _changed_copy(service: Service) -> str:
    """A copy of the bundled model with one byte of its network changed."""
    assert load_config(service.config_path).models_folder is None
    folder = service.folder / "changed"
    folder.mkdir()
    for path in find_model("simulator", None).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = bytearray((folder / "model.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.tflite").write_bytes(bytes(content))
    return str(folder)
