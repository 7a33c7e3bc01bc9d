"""Halving finds every refused line and loses no other, with few requests."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from monitor.journal.cursors import RowKey
from monitor.outputs.influx.in_flight import InFlight
from monitor.outputs.influx.refusals import Refusals

# True: a good line
rows_of_lines = st.lists(st.lists(st.booleans(), max_size=5), max_size=40)


def key_of(number: int) -> RowKey:
    return "verdict", number


@given(rows=rows_of_lines, max_lines=st.integers(1, 60))
def test_each_good_line_is_stored_once_and_each_bad_row_parked(
    rows: list[list[bool]], max_lines: int
) -> None:
    sent = [
        (
            key_of(number),
            [
                f"{number}.{place} {'good' if good else 'bad'}"
                for place, good in enumerate(row)
            ],
        )
        for number, row in enumerate(rows)
    ]
    in_flight = InFlight(sent, max_lines, Refusals())
    stored: list[str] = []
    n_requests = 0
    while not in_flight.done:
        n_requests += 1
        lines = in_flight.body().decode().split("\n")
        assert len(lines) == in_flight.n_lines <= max_lines
        if any(line.endswith("bad") for line in lines):
            in_flight.refuse("400")
        else:
            stored += lines
            in_flight.advance()
    all_lines = [line for _, lines in sent for line in lines]
    n_bad = sum(line.endswith("bad") for line in all_lines)
    assert sorted(stored) == sorted(line for line in all_lines if line.endswith("good"))
    assert set(in_flight.rejected) == {
        key for key, lines in sent if any(line.endswith("bad") for line in lines)
    }
    assert len(in_flight.accepted) + len(in_flight.rejected) == len(sent)
    n_slices = math.ceil(len(all_lines) / max_lines)
    assert n_requests <= n_slices + 2 * n_bad * math.ceil(
        math.log2(max(2, min(max_lines, len(all_lines))))
    )
