"""The dashboards on what the real service wrote: recordings over a real broker into a real
InfluxDB.
"""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from monitor.outputs.influx.line_protocol import band_names, whole_cells
from monitor.records.signal import Float32
from monitor.records.verdict import Verdict
from tests.deploy.test_grafana import ANNOTATIONS, DASHBOARDS, PANELS, view_of
from tests.grafana_rules import View, frames, heatmap_rows, transformed
from tests.integration.conftest import MakeService
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.recording import T0_NS, Publisher, Recording, make_cut
from tests.servers.service import NEVER_S, Service, influx_part
from tests.verdicts import bias_of, map_of, score_of

MILL = "mill 3/spindle"
MADE_UP = Recording(n_sensors=2, duration_s=20.0)
RATE_HZ = 2000
MODEL = "cnc-milling"
# Nothing of the kind happens here.
MAY_BE_EMPTY = {
    "Silent now",
    "Velocity and zone",
    "Learning",
    "Idle",
    "Labels",
    "Models",
}
MAY_BE_EMPTY |= {"Vibration severity"}  # 2 kHz is too little for 1000 Hz
CAM, NOVELTY = "Why: evidence by frequency and time", "Where it is unlike itself"
SOON_S = 5.0


def milling(datasets: Path, n_windows: int = 4) -> Float32:
    """A bad run of a real milling machine, (3, n) in milli-g."""
    folder = datasets / "bosch-cnc"
    with (folder / "recordings.csv").open(newline="") as table:
        runs = [row for row in csv.DictReader(table) if row["label"] == "ng"]
    parts = []
    for row in [row for row in runs if row["group"] == runs[0]["group"]][:n_windows]:
        with h5py.File(folder / row["path"]) as file:
            parts.append(np.asarray(file["vibration_data"], np.float32).T)
    return np.concatenate(parts, axis=1)


def health_of(service: Service) -> dict[str, Any]:
    return (service.reader().health() or (0, {}))[1]


@pytest.fixture
def plant(
    datasets: Path,
    make_service: MakeService,
    publisher: Publisher,
    influx_standin: InfluxStandIn,
    tmp_path: Path,
) -> Service:
    """A real machine judged by the bundled network, made-up ones by novelty, a stuck sensor; then a
    restart.
    """
    common = {
        "sample_rate_hz": RATE_HZ,
        "expected_period_s": NEVER_S,
        "alarm": {"n": 1, "m": 2},
    }
    mill = common | {
        "match": "mill*",
        "channels": ["x", "y", "z"],
        "unit": "mg",
        "model": MODEL,
    }
    sensors = [mill, common | {"window_s": MADE_UP.window_s}]
    service = make_service(
        MADE_UP, influx=influx_part(influx_standin.url, tmp_path), sensors=sensors
    )
    service.start()
    samples = milling(datasets)
    for first in range(0, samples.shape[1], RATE_HZ):
        start_ns = T0_NS + first * 10**9 // RATE_HZ
        publisher.send(
            make_cut(MILL, samples[:, first : first + RATE_HZ], first // RATE_HZ, start_ns)
        )
    publisher.play(MADE_UP.cut(0.5))
    publisher.send(make_cut("m99/stuck", np.zeros(RATE_HZ, np.float32), 0, T0_NS))
    service.wait_taken(MADE_UP)
    service.wait(
        lambda: "latency_p50_ms" in health_of(service), why="it reports its latency"
    )
    assert service.stop()[0] == 0
    service.start()
    service.wait(
        lambda: health_of(service)["uptime_s"] < SOON_S, why="it reports once more"
    )
    service.wait(
        lambda: (
            not any(
                counts.waiting
                for counts in service.reader().books().rows(["influx"]).values()
            )
        )
    )
    return service


def test_dashboards_show_what_the_service_wrote(
    plant: Service, influxdb: InfluxDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    """One test, as the plant takes a while: no query is empty on both sensors, and two maps are the
    journal's.
    """
    sensors = (MILL, MADE_UP.sensors[0])
    for dashboard, panel in PANELS:
        if dashboard["uid"] == "camshaft-trend":
            continue  # none of the recordings' ten minutes is over: test_trends.py
        for target in panel["targets"]:
            assert panel["title"] in MAY_BE_EMPTY or any(
                influxdb.query(
                    look(dashboard["uid"], influxdb, sensor).fill_in(target["query"])
                )
                for sensor in sensors
            ), f"{panel['title']}: nothing found"
    for dashboard, mark in ANNOTATIONS:
        if dashboard["uid"] == "camshaft-trend":
            continue
        found = influxdb.query(
            look(dashboard["uid"], influxdb).fill_in(mark["target"]["query"])
        )
        assert found or mark["name"] in MAY_BE_EMPTY
    for title, sensor in zip((CAM, NOVELTY), sensors, strict=True):
        shown, expected = (
            heatmap(title, sensor, influxdb),
            journals_map(title, sensor, plant),
        )
        assert len(expected) > 100
        assert shown == expected
        with capsys.disabled():
            print(
                f"\nGrafana, {title!r} of {sensor}: {len(shown)} cells, all as in the journal",
                end="",
            )


def heatmap(
    title: str, sensor: str, influxdb: InfluxDatabase
) -> dict[tuple[float, int], int]:
    """What the panel draws: value by band and end of column in ms."""
    (panel,) = (panel for _, panel in PANELS if panel["title"] == title)
    view = look("camshaft-point", influxdb, sensor)
    view = replace(
        view, interval_ms=int(view.fill_in(panel["interval"]).removesuffix("ms"))
    )
    (target,) = panel["targets"]
    rows = heatmap_rows(
        transformed(panel, frames(target, influxdb.query(view.fill_in(target["query"]))))
    )
    return {
        (float(row.name), time_ms): value
        for row in rows
        for time_ms, value in zip(row.times_ms, row.values, strict=True)
        if value is not None
    }


def journals_map(title: str, sensor: str, plant: Service) -> dict[tuple[float, int], int]:
    found: dict[tuple[float, int], int] = {}
    for row in plant.reader().rows(sensor):
        found |= expected_cells(row.verdict, title)
    return found


def look(uid: str, influxdb: InfluxDatabase, sensor: str = MILL) -> View:
    """The dashboard opened on a sensor, on the time of the recordings; the service's own on the
    last ten minutes.
    """
    machine, _, point = sensor.partition("/")
    if uid == "camshaft-point":
        return view_of(DASHBOARDS[uid], influxdb, machine=machine, point=point)
    view = view_of(DASHBOARDS[uid], influxdb)
    now_ms = time.time_ns() // 10**6
    return (
        replace(view, from_ms=now_ms - 600_000, to_ms=now_ms)
        if uid == "camshaft-service"
        else view
    )


def expected_cells(verdict: Verdict, title: str) -> dict[tuple[float, int], int]:
    """The journal's map as the panel should draw it: band, the multiple of a column's length at or
    before the column's end in ms, 1/10,000 of its unit.
    """
    if title == CAM:
        cells, total = (
            map_of(verdict),
            (score_of(verdict) or 0.0) - (bias_of(verdict) or 0.0),
        )
    else:
        cells, total = map_of(verdict, "novelty"), score_of(verdict, "novelty") or 0.0
    if cells is None or verdict.grid is None:
        return {}
    whole = whole_cells(cells, total)
    assert whole is not None
    edges_s = verdict.grid.t_edges_s
    column_ms = round(1000 * (edges_s[1] - edges_s[0]))
    ends_ms = [round((verdict.start_ns + end_s * 1e9) / 1e6) for end_s in edges_s[1:]]
    names = band_names(verdict.grid.f_edges_hz)
    return {
        (float(name), end // column_ms * column_ms): int(whole[f, t])
        for f, name in enumerate(names)
        for t, end in enumerate(ends_ms)
    }
