"""The rate by arrival, step by step: how sure it is, what is remembered, and when it begins anew.
What it is good for is in tests/laws/test_arrivals.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from monitor.signal.arrivals import Arrivals

START_NS = 1_700_000_000_000_000_000
RATE_HZ = 1000.0


def feed(to: Arrivals, at_s: Iterable[float], n_each: int) -> None:
    for second in at_s:
        to.add(START_NS + round(second * 1e9), n_each, RATE_HZ)


def told(arrivals: Arrivals) -> tuple[float, ...] | None:
    """The rate, and between what it must lie."""
    found = arrivals.estimate()
    return None if found is None else (found.rate_hz, found.low_hz, found.high_hz)


def estimate(at_s: Iterable[float], n_each: int) -> tuple[float, ...] | None:
    arrivals = Arrivals()
    feed(arrivals, at_s, n_each)
    return told(arrivals)


def even(n: int, every_s: float, first_s: float = 0.0) -> list[float]:
    return [first_s + every_s * k for k in range(n)]


def near(rate_hz: float, low_hz: float, high_hz: float) -> object:
    return pytest.approx((rate_hz, low_hz, high_hz))


def test_eight_messages_tell_a_rate_as_surely_as_they_are_long() -> None:
    assert estimate(even(7, 0.5), 500) is None
    # seven messages of half a second, unsure by four times as much
    assert estimate(even(8, 0.5), 500) == near(1000, 3500 / 5.5, 3500 / 1.5)


def test_less_than_a_quarter_of_a_second_is_a_hiccup() -> None:
    assert estimate(even(8, 0.1), 100) == near(1000, 700 / 1.7, np.inf)
    assert estimate(even(21, 0.1), 100) == near(1000, 2000 / 3.0, 2000 / 1.0)


def test_the_scatter_about_the_line_makes_it_less_sure() -> None:
    """The last is late by what tilts the line; one in between by what it is off."""
    late_last = [*even(7, 1.0), 7.7]
    assert estimate(late_last, 200) == near(
        1400 / 7.7, 1400 / (7.7 + 4 * 0.6), 1400 / (7.7 - 4 * 0.6)
    )
    late_third = [0.0, 1.0, 2.4, *even(5, 1.0, 3.0)]
    assert estimate(late_third, 200) == near(200, 1400 / (7 + 1.6), 1400 / (7 - 1.6))


def test_two_at_one_time_go_on_and_one_before_the_last_begins_anew() -> None:
    arrivals = Arrivals()
    feed(arrivals, [0.0, 0.0, *even(6, 0.5, 1.0)], 500)
    assert told(arrivals) == near(1000, 3500 / 5.5, 3500 / 1.5)
    feed(arrivals, [3.9], 500)
    assert arrivals.estimate() is not None
    feed(arrivals, [3.0], 2000)
    assert arrivals.span_s == 0.0
    feed(arrivals, even(7, 0.5, 10.0), 500)
    assert arrivals.estimate() is None
    feed(arrivals, [13.5], 500)
    assert told(arrivals) == near(1000, 3500 / 5.5, 3500 / 1.5)


def test_few_arrivals_are_remembered_and_their_span_is_whole() -> None:
    arrivals = Arrivals()
    for count in range(1, 3000):
        feed(arrivals, [0.1 * count], 100)
        assert len(arrivals._points) < 64
        if count <= 64:
            assert arrivals.span_s == pytest.approx(0.1 * (count - 1))
        assert 0.1 * (count - 1) * (1 - 1 / 30) <= arrivals.span_s + 1e-6
        assert arrivals.span_s <= 0.1 * (count - 1) + 1e-6
    assert len(arrivals._points) > 30
    feed(arrivals, [0.0], 100)  # begins anew, and remembers each again
    feed(arrivals, even(20, 0.1), 100)
    assert len(arrivals._points) == 20


def test_it_is_measured_anew_after_ten_minutes() -> None:
    arrivals = Arrivals()
    spans_s = []
    for second in even(125, 10.0):
        feed(arrivals, [second], 10_000)
        spans_s.append(arrivals.span_s)
    assert spans_s[:61] == even(61, 10.0)
    assert spans_s[61] == 0.0
    assert spans_s[62:123] == even(61, 10.0)


def test_what_was_wrong_stands_for_a_minute_of_the_next_measurement() -> None:
    arrivals = Arrivals()
    feed(arrivals, even(20, 10.0), 5_000)
    wrong = arrivals.wrong
    assert wrong is not None
    feed(arrivals, [0.0], 5_000)  # our own clock has stepped back
    feed(arrivals, even(7, 10.0), 10_000)
    assert arrivals.wrong == wrong
    feed(arrivals, [70.0], 10_000)
    assert arrivals.wrong is None


def test_a_stream_that_begins_knows_nothing_of_the_one_before() -> None:
    arrivals = Arrivals()
    feed(arrivals, even(20, 1.0), 2_000)  # no backlog is expected
    assert arrivals.wrong is not None
    arrivals.begin(may_be_backlog=True)
    assert arrivals.wrong is None
    assert arrivals.span_s == 0.0
    feed(arrivals, even(100, 1.0, 1000.0), 2_000)
    assert arrivals.wrong is None
    arrivals.begin(may_be_backlog=True)
    feed(arrivals, even(100, 1.0, 3000.0), 2_000)  # it may wait as long again
    assert arrivals.wrong is None


def test_a_minute_at_the_right_rate_ends_what_a_backlog_excuses() -> None:
    for n_right, is_wrong in ((5, False), (80, True)):
        arrivals = Arrivals()
        arrivals.begin(may_be_backlog=True)
        feed(arrivals, even(n_right, 1.0), 1_000)
        feed(arrivals, even(300, 1.0, float(n_right)), 2_000)
        assert (arrivals.wrong is not None) == is_wrong
