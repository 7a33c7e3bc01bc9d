"""What is told of a stream, once each; and the period that its pauses show."""

from __future__ import annotations

import pytest

from monitor.pipeline.remarks import Remarks
from monitor.records.batch import Event


def told_at_s(said: list[tuple[float, str]]) -> list[float]:
    """When of what was said an event came. said : at a time, a trouble or ''"""
    remarks, found = Remarks("m/p"), []
    for now_s, text in said:
        events = remarks.note("rate_wrong", text, 7, now_s)
        assert events in ([], [Event(7, "m/p", "rate_wrong", text)])
        found += [now_s] * len(events)
    return found


@pytest.mark.parametrize(
    ("said", "at_s"),
    [
        ([(0.0, "a"), (1.0, "a"), (9999.0, "b")], [0.0]),
        ([(0.0, ""), (1.0, "a")], [1.0]),
        ([(5.0, "a"), (6.0, ""), (3604.9, "a")], [5.0]),
        ([(5.0, "a"), (6.0, ""), (3605.0, "a")], [5.0, 3605.0]),
        ([(5.0, "a"), (6.0, ""), (7.0, "a"), (8.0, ""), (3605.0, "a")], [5.0, 3605.0]),
        (
            [(5.0, "a"), (6.0, ""), (3605.0, "a"), (3606.0, ""), (7204.0, "a")],
            [5.0, 3605.0],
        ),
    ],
)
def test_a_trouble_is_told_when_it_begins_and_once_an_hour_at_most(
    said: list[tuple[float, str]], at_s: list[float]
) -> None:
    assert told_at_s(said) == at_s


def test_each_kind_is_told_by_itself() -> None:
    remarks = Remarks("m/p")
    for kind in ("rate_wrong", "clock_wrong"):
        assert len(remarks.note(kind, "a", 7, 0.0)) == 1


@pytest.mark.parametrize(
    ("pauses_s", "periods_s"),
    [
        ([10.0], [None]),
        ([1.0, 1.0], [None, 1.0]),
        ([10.0, 12.5, 12.5], [None, 12.5, 12.5]),
        ([10.0, 12.6], [None, None]),
        ([10.0, 8.4], [None, 8.4]),
        ([10.0, 8.3, 8.3], [None, None, 8.3]),
        ([0.5, 0.5], [None, 0.5]),
        ([0.0, 0.0], [None, None]),
    ],
)
def test_two_pauses_that_are_alike_to_a_fifth_show_a_period(
    pauses_s: list[float], periods_s: list[float | None]
) -> None:
    remarks = Remarks("m/p")
    assert [remarks.period_s(pause_s) for pause_s in pauses_s] == periods_s
