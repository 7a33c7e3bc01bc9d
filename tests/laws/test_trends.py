"""Trends are the sums of their windows, however the windows came into the journal."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError
from monitor.journal.trend_reader import TrendReader
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.evidence import Grid
from monitor.records.sketch import RELATIVE_ERROR
from monitor.records.trend import DAY_S, TIERS_S, TrendRow, band_sums, slot_ns
from monitor.records.verdict import Status, Verdict
from tests.verdicts import GRID, make_verdict

SECOND_NS = 10**9
START_NS = 1_767_225_600 * SECOND_NS  # 2026-01-01
EVER = (0, 2**62)
OTHER_GRID = Grid((0.0, 50.0, 1000.0), GRID.t_edges_s)


def window(
    index: int, at_s: float, status: Status = Status.NG, n_sensor: int = 0
) -> Verdict:
    """The index-th window of a sensor, a second long; its end is at_s after START_NS."""
    grid = OTHER_GRID if index % 7 == 6 else GRID
    end_ns = START_NS + round(at_s * 1e9)
    found = make_verdict(
        index, f"press {n_sensor}/bearing", grid, start_ns=end_ns - SECOND_NS, end_ns=end_ns
    )
    indicators = {"rms_mm_s": 1.0 + index % 5, "kurtosis": -0.5 * index}
    found = replace(found, status=status, indicators=indicators)
    if status in (Status.BAD_DATA, Status.NO_DATA):
        found = replace(found, evidence=(), grid=None, spectrum_db=None)
    return found


def sums(stored: Iterable[tuple[int, int, Verdict]], tier_s: int) -> list[TrendRow]:
    """What a sensor's windows (row, end, verdict) come to, computed in one go."""
    rows: dict[int, TrendRow] = {}
    for row_id, end_ns, verdict in sorted(stored, key=lambda one: one[0]):
        start_ns = slot_ns(tier_s, end_ns)
        row = rows.setdefault(start_ns, TrendRow(tier_s, start_ns))
        row.add(row_id, verdict, band_sums(verdict))
    return [rows[start_ns] for start_ns in sorted(rows)]


def check_sums(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Every tier of every sensor holds what the journal's own windows come to."""
    by_key = {(v.sensor, v.segment, v.first_sample): v for v in verdicts}
    stored: dict[str, list[tuple[int, int, Verdict]]] = {}
    for row in JournalReader(path).rows():
        v = row.verdict
        whole = by_key[v.sensor, v.segment, v.first_sample]
        stored.setdefault(v.sensor, []).append((row.row_id, v.end_ns, whole))
    reader = TrendReader(path)
    for sensor, windows in stored.items():
        for tier_s in TIERS_S:
            found = reader.rows(sensor, tier_s, *EVER)
            expected = sums(windows, tier_s)
            assert [row.start_ns for row in found] == [row.start_ns for row in expected]
            for one, other in zip(found, expected, strict=True):
                check_equal(one, other)


def check_equal(found: TrendRow, expected: TrendRow) -> None:
    assert found.windows == expected.windows
    assert found.span_ns == expected.span_ns
    assert found.worst_row == expected.worst_row
    assert set(found.spreads) == set(expected.spreads)
    for name, spread in expected.spreads.items():
        one = found.spreads[name]
        assert one.n == spread.n
        assert one.buckets == spread.buckets
        assert one.total == pytest.approx(spread.total, rel=1e-5, abs=1e-4)
        assert one.low == pytest.approx(spread.low, rel=6e-4)
        assert one.high == pytest.approx(spread.high, rel=6e-4)
    assert set(found.bands) == set(expected.bands)
    for f_edges, bands in expected.bands.items():
        one_bands = found.bands[f_edges]
        assert one_bands.n == bands.n
        np.testing.assert_allclose(one_bands.power, bands.power, rtol=4e-3)
        for kind, cells in bands.cells.items():
            np.testing.assert_allclose(one_bands.cells[kind], cells, rtol=4e-3, atol=4e-3)


# Times that stay in one slot, cross borders of each tier, and step back.
steps = st.lists(
    st.sampled_from(
        [1.0, 1.0, 1.0, 599.0, 601.0, 3601.0, 90_000.0, -1.0, -700.0, -4000.0, -1e5]
    ),
    max_size=25,
)
statuses = st.lists(st.sampled_from(list(Status)), min_size=25, max_size=25)
cuts = st.lists(st.integers(0, 4), min_size=25, max_size=25)


@settings(max_examples=40)
@given(steps, statuses, cuts, st.integers(0, 2**10))
def test_every_tier_is_the_sum_of_the_journals_windows(
    moves: list[float], words: list[Status], sizes: list[int], chance: int
) -> None:
    """Batches cut anyhow, restarts, batches committed twice, a clock that steps, late windows."""
    times = 1e6 + np.cumsum(moves)
    verdicts = [
        window(index, at_s, words[index], index % 2)
        for index, at_s in enumerate(times.tolist())
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        journal = Journal(path)
        left = list(verdicts)
        for index, size in enumerate(sizes):
            batch, left = left[:size], left[size:]
            journal.commit(Batch(verdicts=batch))
            if chance >> (index % 8) & 1:  # the service died; the broker sends it all again
                journal.close()
                journal = Journal(path)
                journal.commit(Batch(verdicts=batch))
        journal.commit(Batch(verdicts=left))
        journal.close()
        if verdicts:
            check_sums(path, verdicts)


def test_a_transaction_that_fails_leaves_no_trace_in_the_trends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    verdicts = [window(index, 599.5 + index) for index in range(6)]
    journal.commit(Batch(verdicts=verdicts[:3]))
    with monkeypatch.context() as patch:
        patch.setattr("monitor.journal.writer.remembered.store", _disk_is_full)
        with pytest.raises(JournalError):
            journal.commit(Batch(verdicts=verdicts[3:]))
    journal.commit(Batch(verdicts=verdicts[3:]))
    journal.close()
    check_sums(path, verdicts)


def _disk_is_full(*_arguments: object) -> None:
    raise JournalError("the journal cannot be written: the disk is full.")


def test_a_window_that_ends_on_the_border_belongs_to_the_row_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.commit(Batch(verdicts=[window(0, 600.0), window(1, 601.0)]))
    rows = TrendReader(tmp_path / "journal").rows("press 0/bearing", 600, *EVER)
    assert [row.start_ns for row in rows] == [START_NS, START_NS + 600 * SECOND_NS]


def test_idle_and_bad_windows_have_time_but_no_values(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    words = [Status.IDLE, Status.BAD_DATA, Status.NO_DATA, Status.OK, Status.OK]
    journal.commit(
        Batch(verdicts=[window(i, 10.0 + i, word) for i, word in enumerate(words)])
    )
    (row,) = TrendReader(tmp_path / "journal").rows("press 0/bearing", DAY_S, *EVER)
    assert row.windows == Counter(words)
    assert row.span_ns["OK"] == 2 * SECOND_NS
    assert {spread.n for spread in row.spreads.values()} == {2}


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.floats(0, 1))
def test_quantiles_keep_the_stated_error(values: list[float], share: float) -> None:
    row = TrendRow(600, 0)
    for value in values:
        row._add_value("x", value, None)
    true = sorted(values)[int(share * (len(values) - 1))]
    assert abs(row.spreads["x"].quantile(share) - true) <= RELATIVE_ERROR * abs(true) + 1e-8
