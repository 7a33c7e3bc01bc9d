"""Trends are the sums of the windows that the journal holds, whatever happened to it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from monitor.journal.indicators import indicators_of
from monitor.journal.reader import JournalReader
from monitor.journal.schema import connect_read_only
from monitor.journal.trend_reader import TrendReader
from monitor.records.trend import TIERS_S, TrendRow, band_sums, slot_ns
from monitor.records.verdict import Verdict

EVER = (0, 2**62)
SUMS, EXTREMES, BANDS = 1e-5, 6e-4, 2e-2  # the journal's spectra are in steps of 0.1 dB


def check_trend_sums(path: Path) -> None:
    """Every row of every tier. Raises AssertionError, which names the first that differs."""
    with closing(TrendReader(path)) as reader:
        for sensor, windows in _windows(path).items():
            for tier_s in TIERS_S:
                found = {row.start_ns: row for row in reader.rows(sensor, tier_s, *EVER)}
                expected = _sums(windows, tier_s)
                assert found.keys() == expected.keys(), f"{sensor}: rows of {tier_s} s"
                for start_ns, row in expected.items():
                    for what in _differences(found[start_ns], row):
                        at = f"{sensor}, {tier_s} s from {start_ns} on"
                        raise AssertionError(f"trends of {at}: {what}")


def _windows(path: Path) -> dict[str, list[tuple[int, Verdict]]]:
    """Of each sensor, as they were stored."""
    with closing(JournalReader(path)) as reader:
        rows = list(reader.rows())
    with closing(connect_read_only(path)) as link:
        indicators = indicators_of(link, [row.row_id for row in rows])
    found = defaultdict(list)
    for row in sorted(rows, key=lambda one: one.row_id):
        v = replace(row.verdict, indicators=indicators.get(row.row_id, {}))
        found[v.sensor].append((row.row_id, v))
    return found


def _sums(windows: list[tuple[int, Verdict]], tier_s: int) -> dict[int, TrendRow]:
    rows: dict[int, TrendRow] = {}
    for row_id, verdict in windows:
        start_ns = slot_ns(tier_s, verdict.end_ns)
        row = rows.setdefault(start_ns, TrendRow(tier_s, start_ns))
        row.add(row_id, verdict, band_sums(verdict))
    return rows


def _differences(found: TrendRow, expected: TrendRow) -> Iterator[str]:
    if found.windows != expected.windows:
        yield f"{found.windows} windows, the journal has {expected.windows}"
    for status, span_ns in expected.span_ns.items():
        # Of n windows that end at one time the journal moves the last by n - 1 nanoseconds.
        moved_ns = expected.windows[status] ** 2
        if abs(found.span_ns.get(status, 0) - span_ns) > moved_ns:
            yield f"seconds of {status}"
    if found.spreads.keys() != expected.spreads.keys():
        yield f"quantities {sorted(found.spreads)}, of windows {sorted(expected.spreads)}"
    for name in found.spreads.keys() & expected.spreads.keys():
        yield from _spread_differences(name, found, expected)
    if found.worst_row != expected.worst_row:
        yield f"worst window {found.worst_row}, the journal's is {expected.worst_row}"
    yield from _band_differences(found, expected)


def _spread_differences(name: str, found: TrendRow, expected: TrendRow) -> Iterator[str]:
    one, other = found.spreads[name], expected.spreads[name]
    if (one.n, sum(one.buckets.values())) != (other.n, other.n):
        yield f"{name}: {one.n} values, the windows have {other.n}"
    if not math.isclose(one.total, other.total, rel_tol=SUMS, abs_tol=1e-4):
        yield f"{name}: sum {one.total}, of the windows {other.total}"
    for low, high in ((one.low, other.low), (one.high, other.high)):
        if not math.isclose(low, high, rel_tol=EXTREMES):
            yield f"{name}: smallest or largest {low}, of the windows {high}"


def _band_differences(found: TrendRow, expected: TrendRow) -> Iterator[str]:
    if found.bands.keys() != expected.bands.keys():
        yield "sets of bands"
    for f_edges in found.bands.keys() & expected.bands.keys():
        one, other = found.bands[f_edges], expected.bands[f_edges]
        if one.n != other.n:
            yield f"bands of {one.n} windows, the journal has {other.n}"
        if not np.allclose(one.power, other.power, rtol=BANDS):
            yield "mean spectrum"
        for kind, cells in other.cells.items():
            if not np.allclose(one.cells[kind], cells, rtol=BANDS, atol=BANDS):
                yield f"mean map of {kind}"
