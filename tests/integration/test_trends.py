"""InfluxDB's trends are the journal's, whatever is killed meanwhile."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monitor.journal.schema import connect_read_only
from monitor.journal.trend_reader import TrendReader
from monitor.journal.trends import open_rows
from monitor.outputs.influx.trend_lines import SPANS, trend_lines
from monitor.records.trend import FED_TIERS_S, ChangedTrends, slot_ns
from tests.integration.conftest import MakeService
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import Fault, InfluxStandIn
from tests.servers.recording import T0_NS, Cut, Publisher, Recording, make_cut
from tests.servers.service import NEVER_S, Service, influx_part
from tests.servers.strict_line_protocol import parse

RECORDING = Recording(n_sensors=2, duration_s=30.0)
EVERY_NS = 130 * 10**9  # between windows: two hours of a plant in a minute's recording
EVER = (0, 2**62)
Rows = dict[tuple[str, str, int], dict[str, Any]]  # by sensor, span and time


def snapshots() -> list[Cut]:
    """A message is a window. The clock of every tenth stands an hour back."""
    cuts = []
    n = RECORDING.n_window
    for number in range(RECORDING.n_samples // n):
        start_ns = T0_NS + number * EVERY_NS
        if number % 10 == 8:
            start_ns -= 3600 * 10**9
        for index, sensor in enumerate(RECORDING.sensors):
            piece = RECORDING.samples[index, number * n : (number + 1) * n]
            cuts.append(make_cut(sensor, piece, number, start_ns))
    return cuts


def journals_rows(service: Service) -> Rows:
    reader = TrendReader(service.journal_path)
    lines = [
        line
        for sensor in RECORDING.sensors
        for tier_s in FED_TIERS_S
        for line in trend_lines(ChangedTrends(sensor, reader.rows(sensor, tier_s, *EVER)))
    ]
    reader.close()
    return {
        (f"{row.tags['machine']}/{row.tags['point']}", row.tags["span"], row.time_ns): dict(
            row.fields
        )
        for row in parse("\n".join(lines))
    }


def stored_rows(influxdb: InfluxDatabase) -> Rows:
    query = "SELECT * FROM vibration_trend GROUP BY machine, point, span"
    return {
        (f"{one.tags['machine']}/{one.tags['point']}", one.tags["span"], values[0]): {
            name: value
            for name, value in zip(one.columns[1:], values[1:], strict=True)
            if value is not None
        }
        for one in influxdb.query(query)
        for values in one.values
    }


def closed(rows: Rows, service: Service) -> Rows:
    """Without the rows that are still open, or part of which is: sent once they are not."""
    with closing(connect_read_only(service.journal_path)) as link:
        still_open = {
            (sensor, SPANS[tier_s], slot_ns(tier_s, row.end_ns))
            for sensor in RECORDING.sensors
            for row in open_rows(link, sensor).values()
            for tier_s in FED_TIERS_S
            if row.tier_s <= tier_s
        }
    return {key: row for key, row in rows.items() if key not in still_open}


def all_sent(service: Service) -> bool:
    counts = service.reader().books().rows(["influx"])
    return "trend" in counts and not any(one.waiting for one in counts.values())


@pytest.mark.parametrize("is_killed", [False, True])
def test_influxdb_has_the_journals_trends(
    is_killed: bool,
    make_service: MakeService,
    publisher: Publisher,
    influx_standin: InfluxStandIn,
    influxdb: InfluxDatabase,
    tmp_path: Path,
) -> None:
    """The service is killed three times amid the windows, and answers of InfluxDB are lost."""
    sensors = [
        {
            "sample_rate_hz": RECORDING.sample_rate_hz,
            "window_s": RECORDING.window_s,
            "expected_period_s": NEVER_S,
        }
    ]
    influx = influx_part(influx_standin.url, tmp_path)
    service = make_service(RECORDING, influx=influx, sensors=sensors)
    service.start()
    cuts = snapshots()
    quarter = len(cuts) // 4
    for part in range(4):
        if (
            is_killed and part < 3
        ):  # a fault each: the sender waits twice as long after every one
            influx_standin.faults.append(
                Fault(("lose_answer", "reset", "lose_answer")[part])
            )
        publisher.play(cuts[part * quarter : (part + 1) * quarter])
        if is_killed and part < 3:
            service.kill()
            service.start()
    service.wait_taken(RECORDING)
    service.wait(lambda: all_sent(service), why="InfluxDB has every row of trends")
    expected, found = journals_rows(service), stored_rows(influxdb)
    n_windows = sum(
        sum(int(v) for name, v in row.items() if name.startswith("windows_"))
        for key, row in expected.items()
        if key[1] == "hour"
    )
    assert n_windows == RECORDING.n_windows
    done = closed(expected, service)
    assert len(done) >= 2 * (10 + 2)
    assert {key: found.get(key) for key in done} == done
    assert found.keys() <= expected.keys()
