"""Halving finds every refused line and loses no other, with few requests."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from monitor.outputs.retry import OutboxRow, Shipment

rows_of_lines = st.lists(st.lists(st.booleans(), max_size=5), max_size=40)  # True: a good line


@given(rows=rows_of_lines, max_lines=st.integers(1, 60))
def test_each_good_line_is_stored_once_and_each_bad_row_parked(
    rows: list[list[bool]], max_lines: int
) -> None:
    sent = [
        OutboxRow(
            "verdict",
            number,
            [f"{number}.{place} {'good' if good else 'bad'}" for place, good in enumerate(row)],
        )
        for number, row in enumerate(rows)
    ]
    shipment = Shipment(sent, max_lines)
    stored: list[str] = []
    n_requests = 0
    while not shipment.done:
        n_requests += 1
        lines = shipment.body().decode().split("\n")
        assert len(lines) == shipment.n_lines <= max_lines
        if any(line.endswith("bad") for line in lines):
            shipment.refuse("400")
        else:
            stored += lines
            shipment.advance()
    all_lines = [line for row in sent for line in row.lines]
    n_bad = sum(line.endswith("bad") for line in all_lines)
    assert stored == [line for line in all_lines if line.endswith("good")]
    assert set(shipment.rejected) == {
        row.key for row in sent if any(line.endswith("bad") for line in row.lines)
    }
    assert len(shipment.accepted) + len(shipment.rejected) == len(sent)
    n_slices = math.ceil(len(all_lines) / max_lines)
    assert n_requests <= n_slices + 2 * n_bad * math.ceil(
        math.log2(max(2, min(max_lines, len(all_lines))))
    )
