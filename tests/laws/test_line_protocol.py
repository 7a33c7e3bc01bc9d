"""What is written comes back: any text, any number, and maps that still add up."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import numpy as np
from hypothesis import given
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
from tests.servers.strict_line_protocol import parse
from tests.verdicts import GRID, bias_of, make_verdict, score_of

level = st.text(min_size=1, max_size=30).filter(lambda text: "/" not in text)
hostile = st.text(
    alphabet=st.sampled_from(list(',= \\"\n\r\t%0A25\x00\x7f\x85é☃#/i')), min_size=1, max_size=12
)
number = st.none() | st.floats(width=64)
finite = st.floats(-1e3, 1e3, width=32)
edges = st.lists(st.floats(0, 1e5), min_size=2, max_size=40, unique=True).map(sorted)
far_apart = edges.filter(lambda hz: min(np.diff(hz)) > 1e-6)


@given(machine=level | hostile.filter(lambda text: "/" not in text), point=level)
def test_any_machine_and_point_survive(machine: str, point: str) -> None:
    verdict = make_verdict(sensor=f"{machine}/{point}")
    rows = parse("\n".join(verdict_lines(verdict, maps=True)))
    assert len(rows) == 2 + 3 * GRID.shape[1]
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
    verdict = Verdict("m/p", 1, 0, 100, 0, end_ns, status, reason, tuple(evidence), running=running)
    (row,) = parse("\n".join(verdict_lines(verdict, maps=True)))
    assert (row.measurement, row.time_ns) == ("vibration_verdict", end_ns)
    assert (row.fields["status"], row.fields["reason"]) == (status, reason)
    assert row.fields.get("running") == running
    assert row.fields.get("ng") == {Status.OK: 0, Status.NG: 1}.get(status)
    sent = {e.unit for e in evidence}
    for name, value in numbers.items():
        kind_is_there = {"threshold": "logit", "novelty_threshold": "novelty"}.get(name, name)
        if kind_is_there not in sent:
            assert name not in row.fields
            continue
        assert row.fields.get(name) == (value if value is not None and np.isfinite(value) else None)
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
        [float(name) for name in names], centres, rtol=0, atol=0.5001 * 10.0**-decimals + 1e-9
    )


@given(index=st.integers(0, 10**6), columns=st.integers(1, 12), column_ms=st.integers(1, 1000))
def test_map_rows_sum_to_the_verdict_at_their_columns_ends(
    index: int, columns: int, column_ms: int
) -> None:
    grid = Grid(GRID.f_edges_hz, tuple(column * column_ms / 1000 for column in range(columns + 1)))
    verdict = make_verdict(index, grid=grid)
    rows = [
        row
        for row in parse("\n".join(verdict_lines(verdict, maps=True)))
        if row.measurement == "vibration_cam"
    ]
    assert score_of(verdict) is not None
    assert bias_of(verdict) is not None
    total = sum(int(value) for row in rows for value in row.fields.values())
    assert total == round(10_000 * (score_of(verdict) - bias_of(verdict)))
    assert [row.time_ns - verdict.start_ns for row in rows] == [
        (k + 1) * column_ms * 10**6 for k in range(columns)
    ]
