"""Where samples lie in time, step by step. Its laws are in tests/laws/test_timeline.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.records.signal import Chunk
from monitor.records.stream import Position
from monitor.signal import timeline

S = 10**9
MS = 10**6
T = 1_700_000_000 * S  # a whole second
FINE = T + 137_259_731
DAY = 86_400 * S


def chunk(
    start_ns: int | None, n: int = 250, received_ns: int = T, sequence: int | None = None
) -> Chunk:
    samples = np.zeros((1, n), np.float32)
    return Chunk("m/p", samples, 1000.0, received_ns, start_ns, sequence)


def position(**known: Any) -> Position:
    return Position(**{"rate_hz": 1000.0, "n_window": 1000, "n_hop": 1000, **known})


@pytest.mark.parametrize(
    ("start_ns", "known", "off_ns"),
    [
        (FINE, {"expected_ns": FINE}, 0),
        (FINE, {"expected_ns": FINE - 5}, 5),
        (FINE, {"expected_ns": FINE + 5}, -5),
        (FINE, {"expected_ns": FINE - 5, "slack_ns": 3}, 5),  # of no coarse clock
        (T, {"expected_ns": T - 300 * MS, "slack_ns": 100 * MS}, 200 * MS),
        (T, {"expected_ns": T - 300 * MS, "slack_ns": 500 * MS}, 0),
        (T, {"expected_ns": T - 3 * S, "slack_ns": 9 * S}, 2 * S),
        (T, {"expected_ns": T + 500 * MS}, 0),
        (T, {"expected_ns": T + 2 * S}, -S - 1),
    ],
)
def test_how_far_a_time_is_off(start_ns: int, known: dict[str, int], off_ns: int) -> None:
    assert timeline.off_by_ns(position(**known), chunk(start_ns)) == off_ns


@pytest.mark.parametrize(
    ("start_ns", "n", "step_ns", "tolerance_ns"),
    [
        (FINE, 250, S, 125 * MS),
        (FINE, 1, S, 2 * MS),
        (FINE, 9000, S, S),
        (None, 250, S, 125 * MS),
        (T, 250, S, 375 * MS),
        (T, 1000, S, 500 * MS),  # a step is no longer than a message
        (T, 999, S, 1498_500_000),
        (T + 100 * MS, 50, S, 75 * MS),
        (T + 10 * MS, 5, S, 7_500_000),
        (T + 1 * MS, 5, S, 2_500_000),
        (T, 50, 100 * MS, 75 * MS),  # it counted in tenths before
        (T, 200, 100 * MS, 100 * MS),
    ],
)
def test_by_how_much_a_message_may_be_off(
    start_ns: int | None, n: int, step_ns: int, tolerance_ns: int
) -> None:
    known = position(clock_step_ns=step_ns)
    assert timeline.tolerance_ns(known, chunk(start_ns, n)) == tolerance_ns


@pytest.mark.parametrize(
    ("start_ns", "sequence", "known", "expected"),
    [
        (None, 5, {"sequence": 4}, True),
        (None, 5, {}, False),
        (None, None, {"sequence": 4}, False),
        (FINE, None, {}, False),
        (FINE, None, {"expected_ns": FINE}, True),
        (T, None, {"expected_ns": T}, False),
    ],
)
def test_what_shows_a_loss(
    start_ns: int | None, sequence: int | None, known: dict[str, int], expected: bool
) -> None:
    sent = chunk(start_ns, sequence=sequence)
    assert timeline.shows_losses(position(**known), sent) is expected


COVERED = [(T, T + 100 * S)]


@pytest.mark.parametrize(
    ("start_ns", "why"),
    [
        (None, "no_time"),
        (T + DAY, ""),
        (T + DAY + 1, "far_ahead"),
        (T - 3652 * DAY, ""),
        (T - 3652 * DAY - 1, "far_behind"),
        (T - S - 1, ""),
        (T - S, "runs_back"),
        (T + 99 * S - 1, "runs_back"),
        (T + 99 * S, ""),
    ],
)
def test_when_a_time_cannot_be_used(start_ns: int | None, why: str) -> None:
    known = position(covered=COVERED)
    timeline.begin(known, chunk(start_ns))
    assert known.on_arrival == why
    assert known.start_ns == (T if why else start_ns)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((T + 101 * S, T + 102 * S), [(T, T + 102 * S)]),
        ((T + 101 * S + 1, T + 102 * S), [*COVERED, (T + 101 * S + 1, T + 102 * S)]),
        ((T, T + 5 * S), COVERED),
        ((T - 1, T + 5 * S), [*COVERED, (T - 1, T + 5 * S)]),
    ],
)
def test_spans_with_verdicts(
    span: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    known = position(covered=list(COVERED))
    timeline.cover(known, *span)
    assert known.covered == expected


def test_of_seventeen_spans_the_nearest_older_two_become_one() -> None:
    known = position()
    spans_s = [(1000 * k, 1000 * k + 9) for k in range(14)]
    near_s = [(50_000, 50_009), (50_060, 52_060)]
    # the newest is nearer to the first, and stays
    for first_s, last_s in (*near_s, *reversed(spans_s), (90, 99)):
        timeline.cover(known, first_s * S, last_s * S)
    found_s = [(first // S, last // S) for first, last in known.covered]
    assert found_s == [*spans_s, (50_000, 52_060), (90, 99)]


def test_a_sample_lies_where_its_message_says() -> None:
    known = position(times=[(0, T), (500, T + 3 * S)], start_ns=T + 7 * S)
    at_ns = [timeline.time_of(known, sample) - T for sample in (0, 250, 499, 500, 750)]
    assert at_ns == [0, 250 * MS, 499 * MS, 3 * S, 3 * S + 250 * MS]
    known.times = []
    assert timeline.time_of(known, 250) == T + 7 * S + 250 * MS


@pytest.mark.parametrize(
    ("step_ns", "newest_ns", "begins_ns"),
    [
        (S, None, T),
        (S, T - 501 * MS, T),
        (S, T - 400 * MS, T + 100 * MS),
        (0, T - 400 * MS, T),  # of a fine clock each message is taken at its word
    ],
)
def test_windows_begin_half_a_hop_apart(
    step_ns: int, newest_ns: int | None, begins_ns: int
) -> None:
    known = position(times=[(0, T)], clock_step_ns=step_ns, newest_start_ns=newest_ns)
    assert timeline.begin_window(known, 1000) == begins_ns
    assert known.newest_start_ns == begins_ns


@pytest.mark.parametrize(
    ("span_ns", "step_ns", "rate_hz"),
    [
        (2 * S - 1, 0, None),
        (2 * S, 0, 500.0),
        (10 * S - 1, 100 * MS, None),
        (10 * S, 100 * MS, 100.0),
    ],
)
def test_times_tell_a_rate_once_they_are_far_enough_apart(
    span_ns: int, step_ns: int, rate_hz: float | None
) -> None:
    known = position(clock_step_ns=step_ns)
    assert timeline.measured_rate_hz(known) is None
    known.first_message = (1000, T)
    assert timeline.measured_rate_hz(known) is None
    known.last_message = (2000, T + span_ns)
    assert timeline.measured_rate_hz(known) == rate_hz
    known.first_message = None
    assert timeline.measured_rate_hz(known) is None


def test_times_are_kept_where_windows_begin() -> None:
    known, kept = position(), []
    for first in range(0, 2000, 250):
        timeline.place(known, chunk(FINE + first * MS), first)
        kept.append([sample for sample, _ in known.times])
    assert kept == [
        [0],
        [0, 250],
        [0, 500],
        [0, 750],
        [0, 1000],
        [0, 1000, 1250],
        [0, 1000, 1500],
        [0, 1000, 1750],
    ]
    assert all(time == FINE + sample * MS for sample, time in known.times)
    assert known.first_message == (0, FINE)
    assert known.last_message == (1750, FINE + 1750 * MS)
    assert known.expected_ns == FINE + 2000 * MS
    assert known.clock_step_ns == 0
    known.first_sample = 500  # windows begin at 500, 1500
    known.times = [(500, 0), (1400, 1)]
    timeline.place(known, chunk(FINE), 1500)
    assert [sample for sample, _ in known.times] == [500, 1500]


def test_whole_seconds_tell_ever_better_where_messages_begin() -> None:
    """The first began at .4 s; each lasts a quarter."""
    known, found = position(), []
    for number in range(7):
        true_ns = T + (400 + 250 * number) * MS
        timeline.place(known, chunk(true_ns // S * S), 250 * number)
        found.append(((known.expected_ns or 0) - T - 250 * MS, known.slack_ns))
    assert found == [
        (0, S - 1),
        (250 * MS, 750 * MS - 1),
        (500 * MS, 500 * MS - 1),
        (1000 * MS, 250 * MS - 1),
        (1250 * MS, 250 * MS - 1),
        (1500 * MS, 250 * MS - 1),
        (1750 * MS, 250 * MS - 1),
    ]
    assert known.clock_step_ns == S
    timeline.place(known, chunk(T + 2_100 * MS), 1750)
    assert (known.clock_step_ns, known.slack_ns) == (100 * MS, 0)


@pytest.mark.parametrize(
    ("delays_ms", "moved_ms"),
    [
        # each for twelve messages, one a second: so long the least is looked for
        ([700], 0),
        ([0, 700], 0),
        ([0, 700, 700], 700),
        ([700, 700], 700),
        ([700, 1500], 700),
        ([1500, 1100], 1100),
        ([500, 500], 0),
        ([501, 501], 501),
        ([5000, 4500], 0),  # a backlog
        ([5000, 4501], 4501),
        ([-500], 0),
        ([-501], -501),
        ([200, -600], -600),
        ([700, 700, 700, 700], 700),
        ([700, 700, 1400], 700),
        ([700, 700, 1400, 1400], 1400),
    ],
)
def test_what_arrives_late_all_the_time_is_moved_along(
    delays_ms: list[int], moved_ms: int
) -> None:
    known, second = position(on_arrival="no_time", start_ns=T), 0
    for delay_ms in delays_ms:
        for number in range(12):
            jitter_ms = 300 if number in (0, 3, 7) else 0
            received_ns = T + second * S + (delay_ms + jitter_ms) * MS
            timeline.place(known, chunk(None, 1000, received_ns), 1000 * second)
            second += 1
    last = 1000 * (second - 1)
    assert timeline.time_of(known, last) == T + (last + moved_ms) * MS
