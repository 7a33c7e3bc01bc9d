"""Trends for notebooks: columns that say what the windows come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.journal.trend_columns import TIERS, read_trend, read_trend_bands
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.verdict import Status, Verdict
from tests.verdicts import GRID, SECOND_NS, make_verdict, map_of

SENSORS = ("press 7/bearing", "press 8/bearing")
START_NS = 1_767_225_600 * SECOND_NS  # 2026-01-01


def window(index: int) -> Verdict:
    """One in 400 s, by turns of two sensors; the last is IDLE."""
    end_ns = START_NS + (1 + 400 * index) * SECOND_NS
    found = make_verdict(index, SENSORS[index % 2])
    status = Status.IDLE if index == 39 else Status.NG
    return replace(found, start_ns=end_ns - SECOND_NS, end_ns=end_ns, status=status)


VERDICTS = [window(index) for index in range(40)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = Journal(tmp_path / "journal")
    journal.commit(Batch(verdicts=VERDICTS))
    journal.close()
    return tmp_path / "journal"


@pytest.mark.parametrize("tier", TIERS)
def test_columns_sum_up_the_windows(path: Path, tier: str) -> None:
    table = read_trend(path, tier=tier)
    assert {len(column) for column in table.values()} == {len(table["start"])}
    for sensor in SENSORS:
        ours = table["point"] == sensor
        windows = [v for v in VERDICTS if v.sensor == sensor and v.status is Status.NG]
        n, mean = table["probability_n"][ours], table["probability_mean"][ours]
        assert table["windows_ng"][ours].sum() == n.sum() == len(windows)
        expected = np.mean([v.probability or 0.0 for v in windows])
        assert np.nansum(n * mean) / n.sum() == pytest.approx(expected, rel=1e-5)
        assert np.all(np.diff(table["start"][ours]).astype(int) > 0)
    assert table["windows_idle"].sum() == 1


def test_a_span_and_a_point_can_be_chosen(path: Path) -> None:
    hour_ns = 3600 * SECOND_NS
    table = read_trend(
        path, SENSORS[0], "hours", START_NS + hour_ns, START_NS + 3 * hour_ns
    )
    assert set(table["point"]) == {SENSORS[0]}
    assert table["start"].tolist() == [START_NS + hour_ns, START_NS + 2 * hour_ns]


def test_bands_are_the_mean_of_the_windows_maps(path: Path) -> None:
    (bands,) = read_trend_bands(path, SENSORS[0], "days", kind="network")
    windows = [v for v in VERDICTS if v.sensor == SENSORS[0]]
    expected = np.mean([map_of(v).sum(axis=1) for v in windows], axis=0)
    np.testing.assert_allclose(bands["values"], [expected], atol=4e-3)
    assert bands["n_windows"].tolist() == [len(windows)]
    assert bands["f_edges_hz"].tolist() == list(GRID.f_edges_hz)
    (spectrum,) = read_trend_bands(path, SENSORS[0], "days")
    assert spectrum["values"].shape == (1, len(GRID.f_edges_hz) - 1)


def test_a_span_without_rows_is_empty(path: Path) -> None:
    assert len(read_trend(path, "nobody")["start"]) == 0
    assert read_trend_bands(path, "nobody") == []
