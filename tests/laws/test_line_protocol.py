"""What is written comes back: any text, any number, and maps that still add up."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitor.outputs.influx.line_protocol import (
    band_names,
    event_line,
    health_line,
    verdict_lines,
    whole_cells,
)
from monitor.records.evidence import Evidence, Grid
from monitor.records.verdict import Status, Verdict
from tests.servers.strict_line_protocol import Row, parse
from tests.verdicts import GRID, bias_of, make_verdict, score_of

T0_NS = 1_700_000_000 * 10**9
level = st.text(min_size=1, max_size=30).filter(lambda text: "/" not in text)
hostile = st.text(
    alphabet=st.sampled_from(list(',= \\"\n\r\t%0A25\x00\x7f\x85é☃#/i')),
    min_size=1,
    max_size=12,
)
number = st.none() | st.floats(width=64)
finite = st.floats(-1e3, 1e3, width=32)
shortest_s = st.sampled_from([0.0, 0.003])  # a column's; under 2 ms its rows are spread
edges = st.lists(st.floats(0, 1e5), min_size=2, max_size=40, unique=True).map(sorted)
far_apart = edges.filter(lambda hz: min(np.diff(hz)) > 1e-6)


@given(machine=level | hostile.filter(lambda text: "/" not in text), point=level)
def test_any_machine_and_point_survive(machine: str, point: str) -> None:
    verdict = make_verdict(sensor=f"{machine}/{point}")
    rows = parse("\n".join(verdict_lines(verdict, maps=True)))
    # Verdict, quality, condition and context; two maps and the spectrum by columns.
    assert len(rows) == 4 + 3 * GRID.shape[1]
    for row in rows:
        assert {key: unquote(value) for key, value in row.tags.items()} == {
            "machine": machine,
            "point": point,
        }


@given(
    name=st.text(
        alphabet=st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="%\\/"),
        min_size=1,
    )
)
def test_ordinary_names_are_written_as_they_are(name: str) -> None:
    (row,) = parse(event_line(f"{name}/main", "label", 1, "x"))
    assert row.tags["machine"] == name


@given(left=hostile, right=hostile)
def test_two_names_never_become_one(left: str, right: str) -> None:
    same = health_line(left, {"a": 1}, 1) == health_line(right, {"a": 1}, 1)
    assert same == (left == right)


@given(kind=level, text=st.text(), author=hostile)
def test_any_text_of_an_event_survives(kind: str, text: str, author: str) -> None:
    (row,) = parse(event_line("m/p", kind, 7, text, "id", author))
    assert row.fields == {"text": text, "model_id": "id", "author": author}
    assert unquote(row.tags["kind"]) == kind
    assert row.time_ns == 7


@given(
    status=st.sampled_from(Status),
    reason=st.text(),
    numbers=st.fixed_dictionaries(
        {name: number for name in ("logit", "threshold", "novelty", "novelty_threshold")}
    ),
    running=st.sampled_from([None, True, False]),
    end_ns=st.integers(0, 2**62),
)
def test_a_verdict_comes_back(
    status: Status, reason: str, numbers: dict[str, Any], running: bool | None, end_ns: int
) -> None:
    cells = np.zeros((1, 1), np.float32)
    evidence = [
        Evidence(kind, unit, numbers[unit], numbers[threshold], cells)
        for kind, unit, threshold in (
            ("network", "logit", "threshold"),
            ("novelty", "novelty", "novelty_threshold"),
        )
        if numbers[unit] is not None
    ]
    verdict = Verdict(
        "m/p", 1, 0, 100, 0, end_ns, status, reason, tuple(evidence), running=running
    )
    (row,) = parse("\n".join(verdict_lines(verdict, maps=True)))
    assert (row.measurement, row.time_ns) == ("vibration_verdict", end_ns)
    assert (row.fields["status"], row.fields["reason"]) == (status, reason)
    assert row.fields.get("running") == running
    assert row.fields.get("ng") == {Status.OK: 0, Status.NG: 1}.get(status)
    sent = {e.unit for e in evidence}
    for name, value in numbers.items():
        kind_is_there = {"threshold": "logit", "novelty_threshold": "novelty"}.get(
            name, name
        )
        if kind_is_there not in sent:
            assert name not in row.fields
            continue
        assert row.fields.get(name) == (
            value if value is not None and np.isfinite(value) else None
        )
        assert type(row.fields.get(name)) in (float, type(None))


@given(
    cells=hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30), elements=finite
    ),
    off=st.floats(-1e-3, 1e-3),
)
def test_whole_cells_add_up_exactly(cells: np.ndarray, off: float) -> None:
    total = float(cells.sum(dtype=np.float64)) + off
    whole = whole_cells(cells, total)
    assert whole is not None
    assert int(whole.sum()) == round(10_000 * total)
    assert np.abs(whole - cells.astype(np.float64) * 10_000).max() <= 2 + 11 / cells.size


@given(hz=far_apart)
def test_band_names_are_numbers_in_order_and_all_different(hz: list[float]) -> None:
    names = band_names(tuple(hz))
    centres = [(low + high) / 2 for low, high in pairwise(hz)]
    assert len(set(names)) == len(centres)
    assert list(names) == sorted(names)  # as text, so any tool lists them by frequency
    assert len({len(name) for name in names}) == 1
    decimals = len(names[0].partition(".")[2])
    np.testing.assert_allclose(
        [float(name) for name in names],
        centres,
        rtol=0,
        atol=0.5001 * 10.0**-decimals + 1e-9,
    )


@st.composite
def streams(draw: st.DrawFn) -> list[Verdict]:
    """Windows of one sensor that follow each other, as real ones do: the start anywhere within a
    millisecond, columns of any length, each window's time that of its message,
    which jitters by less than a column.
    """
    start_ns = draw(st.integers(T0_NS, T0_NS + 10**9))
    rate_hz = draw(st.floats(700.0, 60_000.0))
    n_column = draw(st.integers(1 + int(rate_hz * draw(shortest_s)), 3 + int(rate_hz)))
    starts = [n_column * column for column in range(draw(st.integers(2, 12)))]
    n_samples = starts[-1] + n_column + draw(st.integers(0, n_column))
    assume(n_samples / rate_hz > 0.002)  # else 500 windows a second, between borders in ms
    grid = Grid(GRID.f_edges_hz, (*(n / rate_hz for n in starts), n_samples / rate_hz))
    jitter = st.integers(0, max(0, int((n_column / rate_hz - 0.003) * 1e9)))
    verdicts = []
    for index in range(draw(st.integers(2, 4))):
        end_ns = start_ns + round(n_samples / rate_hz * 1e9)
        verdicts.append(
            make_verdict(
                index,
                first_sample=index * n_samples,
                n_samples=n_samples,
                start_ns=start_ns,
                end_ns=end_ns,
                grid=grid,
            )
        )
        start_ns = end_ns - draw(jitter)
    return verdicts


@given(verdicts=streams())
def test_a_map_read_back_between_its_borders_adds_up(verdicts: list[Verdict]) -> None:
    rows = parse("\n".join(line for v in verdicts for line in verdict_lines(v, maps=True)))
    borders = [row.fields for row in rows if row.measurement == "vibration_verdict"]
    maps = [row for row in rows if row.measurement == "vibration_cam"]
    assert len({row.time_ns for row in maps}) == len(maps)
    for verdict, border in zip(verdicts, borders, strict=True):
        assert total_between(maps, border["map_start_ms"], border["end_ms"]) == cam_total(
            verdict
        )


@given(verdicts=streams())
def test_windows_without_jitter_add_up_from_their_start_too(
    verdicts: list[Verdict],
) -> None:
    """Of 263 windows of real milling data 224 did not: their first began half a millisecond past a
    whole one.
    """
    length_ns = verdicts[0].end_ns - verdicts[0].start_ns
    exact = [
        replace(
            verdict,
            start_ns=verdicts[0].start_ns + index * length_ns,
            end_ns=verdicts[0].start_ns + (index + 1) * length_ns,
        )
        for index, verdict in enumerate(verdicts)
    ]
    rows = parse("\n".join(line for v in exact for line in verdict_lines(v, maps=True)))
    borders = [row.fields for row in rows if row.measurement == "vibration_verdict"]
    maps = [row for row in rows if row.measurement == "vibration_cam"]
    for verdict, border in zip(exact, borders, strict=True):
        assert total_between(maps, border["start_ms"], border["end_ms"]) == cam_total(
            verdict
        )
        assert abs(int(border["start_ms"]) * 10**6 - verdict.start_ns) <= 500_000


def total_between(maps: list[Row], start_ms: Any, end_ms: Any) -> int:
    """As a query has it: time > start AND time <= end."""
    inside = [row for row in maps if start_ms * 10**6 < row.time_ns <= end_ms * 10**6]
    return sum(int(value) for row in inside for value in row.fields.values())


def cam_total(verdict: Verdict) -> int:
    total: float = score_of(verdict) - bias_of(verdict)
    return round(10_000 * total)


@given(
    start_ns=st.integers(T0_NS, T0_NS + 10**9),
    columns=st.integers(1, 12),
    column_us=st.integers(2_000, 1_000_000),
)
def test_map_rows_stand_at_their_columns_ends(
    start_ns: int, columns: int, column_us: int
) -> None:
    ends_s = [column * column_us / 1e6 for column in range(columns + 1)]
    grid = Grid(GRID.f_edges_hz, tuple(ends_s))
    end_ns = start_ns + columns * column_us * 1_000
    verdict = make_verdict(start_ns=start_ns, end_ns=end_ns, grid=grid)
    rows = parse("\n".join(verdict_lines(verdict, maps=True)))
    times_ns = [row.time_ns for row in rows if row.measurement == "vibration_cam"]
    assert all(time_ns % 10**6 == 0 for time_ns in times_ns)
    for time_ns, end_s in zip(times_ns, ends_s[1:], strict=True):
        assert abs(time_ns - start_ns - end_s * 1e9) <= 500_001
