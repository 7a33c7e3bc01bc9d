"""Maps as InfluxDB has them, against the journal's."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.verdict import Verdict
from tests.servers.influx import InfluxDatabase
from tests.servers.service import RowKey
from tests.verdicts import bias_of, map_of, score_of


def check_maps(
    kind: str, measurement: str, rows: dict[RowKey, Verdict], influxdb: InfluxDatabase
) -> None:
    """The cells of a window's columns and the bias add up to its score, in the journal and in
    InfluxDB's integers, between the borders that stand there too.
    """
    borders = _published_borders(influxdb)
    for series in influxdb.query(f"SELECT * FROM {measurement} GROUP BY machine, point"):
        sensor = f"{series.tags['machine']}/{series.tags['point']}"
        times = np.array(series.column("time"))
        cells = np.array(
            [[value or 0 for value in row[1:]] for row in series.values], np.int64
        )
        for v in (v for v in rows.values() if v.sensor == sensor):
            score, bias, own = score_of(v, kind), bias_of(v, kind), map_of(v, kind)
            assert score is not None
            assert bias is not None
            assert own is not None
            assert own.sum(dtype=np.float64) + bias == pytest.approx(score, abs=1e-4)
            after_ns, until_ns = borders[v.sensor, v.end_ns]
            of_window = (times > after_ns) & (times <= until_ns)
            assert cells[of_window].sum() == round((score - bias) * 10_000)


def _published_borders(influxdb: InfluxDatabase) -> dict[tuple[str, int], tuple[int, int]]:
    """(sensor, end_ns) of a window: its map's borders in ns."""
    published = influxdb.query(
        "SELECT map_start_ms, end_ms FROM vibration_verdict GROUP BY machine, point"
    )
    return {
        (f"{one.tags['machine']}/{one.tags['point']}", end_ns): (
            start_ms * 10**6,
            end_ms * 10**6,
        )
        for one in published
        for end_ns, start_ms, end_ms in one.values
    }
