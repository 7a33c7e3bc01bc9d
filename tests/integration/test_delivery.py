"""What came in over MQTT stands in the journal and in InfluxDB, row by row."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.records.verdict import Status
from tests.integration.conftest import MakeService
from tests.integration.maps import check_maps
from tests.servers.influx import InfluxDatabase, InfluxServer
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.mosquitto import Mosquitto
from tests.servers.recording import Publisher, Recording
from tests.servers.service import assert_same_rows, influx_part
from tests.verdicts import score_of

RECORDING = Recording(n_sensors=3, duration_s=15.0)


def test_journal_and_influxdb_agree_row_by_row(
    make_service: MakeService,
    publisher: Publisher,
    influx_standin: InfluxStandIn,
    influxdb: InfluxDatabase,
    tmp_path: Path,
) -> None:
    service = make_service(RECORDING, influx=influx_part(influx_standin.url, tmp_path))
    service.start()
    publisher.play(RECORDING.cut(0.1))
    service.wait_taken(RECORDING)
    rows = service.rows()
    assert len(rows) == RECORDING.n_windows
    assert {v.status for v in rows.values()} == {Status.OK, Status.NG}
    found = {
        (f"{series.tags['machine']}/{series.tags['point']}", time): dict(
            zip(series.columns, values, strict=True)
        )
        for series in influxdb.query(
            "SELECT * FROM vibration_verdict GROUP BY machine, point"
        )
        for values in series.values
        for time in values[:1]
    }
    assert found.keys() == {(v.sensor, v.end_ns) for v in rows.values()}
    for v in rows.values():
        row = found[v.sensor, v.end_ns]
        assert row["status"] == v.status.value
        assert row["ng"] == int(v.status is Status.NG)
        assert row["novelty"] == pytest.approx(score_of(v, "novelty"), abs=1e-12)
    check_maps("novelty", "vibration_novelty", rows, influxdb)
    service.check_books()
    assert service.stop()[0] == 0


def test_the_same_rows_however_mqtt_cuts_the_stream(
    make_service: MakeService, publisher: Publisher
) -> None:
    recording = Recording(n_sensors=2, duration_s=10.0)
    found = []
    for length_s in (0.007, 0.1, 1.0, 5.0):
        service = make_service(recording)
        service.start()
        publisher.play(recording.cut(length_s))
        service.wait_taken(recording)
        found.append(service.rows())
        assert service.stop()[0] == 0
        service.check_books()
    *others, longest = found
    assert len(longest) == recording.n_windows
    for rows in others:
        assert_same_rows(rows, longest)


def test_a_small_receive_maximum_and_a_silent_sensor_stall_nothing(
    make_service: MakeService, publisher: Publisher
) -> None:
    """Windows hold 350 messages, 20 may be in flight, and one of ten sensors falls silent in the
    middle.
    """
    recording = Recording(n_sensors=10, duration_s=5.25, window_s=2.5)
    service = make_service(recording, commissioned=False, mqtt={"receive_maximum": 20})
    service.start()
    silent = recording.sensors[3]
    for n, cut in enumerate(recording.cut(0.007)):
        if cut.sensor != silent or n < 1500:
            publisher.send(cut)
    publisher.flush()
    others = [sensor for sensor in recording.sensors if sensor != silent]
    service.wait_taken(recording, sensors=others)
    books = service.check_books()
    assert books.waiting[silent] == books.samples[silent]["received", ""] > 0
    counts = service.reader().counts()
    assert {sensor: counts[sensor] for sensor in others} == {
        sensor: {"LEARNING": 2} for sensor in others
    }
    assert service.stop()[0] == 0


@pytest.mark.parametrize(
    "mqtt", [{"receive_maximum": 2}, {"protocol": "3.1.1"}], ids=["ours", "the_brokers"]
)
def test_few_messages_in_flight_are_enough(
    mqtt: dict[str, object], make_service: MakeService, tmp_path: Path
) -> None:
    """Two by our Receive Maximum, or 20 by Mosquitto's default, which it does not tell. Windows
    hold 50 messages.
    """
    recording = Recording(n_sensors=2, duration_s=5.0)
    with (
        Mosquitto(tmp_path / "narrow", extra="max_queued_messages 0\n") as broker,
        Publisher(broker.port) as publisher,
    ):
        service = make_service(recording, mqtt={"port": broker.port, **mqtt})
        service.start()
        begin_s = time.monotonic()
        publisher.play(recording.cut(0.01))
        service.wait_taken(recording)
        # Each two, or twenty, of 1000 messages waiting 2 s: 100 s and more.
        assert time.monotonic() - begin_s < 30
        assert len(service.rows()) == recording.n_windows
        service.check_books()


def test_what_a_new_bucket_lacks_is_sent_again_by_the_running_service(
    make_service: MakeService,
    publisher: Publisher,
    influx_standin: InfluxStandIn,
    influx_server: InfluxServer,
    influxdb: InfluxDatabase,
    tmp_path: Path,
) -> None:
    """The bucket was deleted and made anew: the journal has its rows, and the span decides."""
    service = make_service(RECORDING, influx=influx_part(influx_standin.url, tmp_path))
    service.start()
    publisher.play(RECORDING.cut(0.1))
    service.wait_taken(RECORDING)
    service.wait_delivered()
    influx_server.empty(influxdb)
    assert _ends_ns(influxdb) == []
    ends_ns = sorted(v.end_ns for v in service.rows().values())
    from_ns, to_ns = ends_ns[len(ends_ns) // 3], ends_ns[-7]
    # Whole microseconds, as times are typed: the span's ends are not among the rows' own.
    span = [f"--{key}={_iso(at_ns)}" for key, at_ns in (("from", from_ns), ("to", to_ns))]
    wanted = [
        end_ns for end_ns in ends_ns if from_ns // 1000 <= end_ns // 1000 < to_ns // 1000
    ]
    preview = service.command("resend", *span, "--preview", "--author", "Kim")
    assert preview.returncode == 0
    # The recording crosses a full hour, so that rows of trends lie in the span, too.
    told = rf"influx would get {len(wanted)} verdict rows and \d+ trend rows again, of 2023-11-14"
    assert re.match(told, preview.stdout)
    assert service.status()["sending_again"] == {}
    ordered = service.command(
        "resend", *span, "--author", "Kim", "--comment", "bucket lost"
    )
    assert (ordered.returncode, ordered.stderr) == (0, "")
    service.wait(lambda: _ends_ns(influxdb) == wanted, why="the rows are there again")
    assert service.status()["sending_again"] == {}
    (event,) = [e for e in service.reader().events_back(None, 99) if e.kind == "resend"]
    assert event.text.endswith("asked for by Kim: bucket lost")
    service.check_books()
    refused = service.command("resend", "--from", "-1h", "--output", "plant")
    assert refused.returncode == 2
    assert "--output 'plant': must be an InfluxDB, one of influx." in refused.stderr
    assert service.stop()[0] == 0


def _ends_ns(influxdb: InfluxDatabase) -> list[int]:
    """The times of all verdicts there."""
    found = influxdb.query("SELECT severity FROM vibration_verdict GROUP BY machine, point")
    return sorted(time for series in found for time in series.column("time"))


def _iso(at_ns: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)
    return at.isoformat()
