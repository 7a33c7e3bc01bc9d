"""Which windows are shed, and the events of beginning and end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.pipeline.overload import Overload
from monitor.records.signal import Window

SECOND_NS = 10**9
NOW_NS = 1_700_000_000 * SECOND_NS


def window(age_s: float) -> Window:
    """One second long; it ended age_s ago."""
    start_ns = NOW_NS - round((age_s + 1) * SECOND_NS)
    return Window("m/p", 0, 0, start_ns, 100.0, np.zeros((1, 100), np.float32), 100)


def test_a_window_is_as_old_as_its_end() -> None:
    overload = Overload()
    assert not overload.sheds(window(4.9), 5.0, NOW_NS)
    assert overload.sheds(window(5.1), 5.0, NOW_NS)
    assert not overload.sheds(window(1e6), None, NOW_NS)
    assert not overload.sheds(window(-3600.0), 5.0, NOW_NS)  # a clock ahead of ours


def test_one_event_at_its_beginning_and_one_at_its_end() -> None:
    overload, events = Overload(), []
    for n_late in (0, 2, 3, 0, 0, 1, 0):
        for _ in range(n_late):
            overload.sheds(window(10.0), 5.0, NOW_NS)
        if (event := overload.tick(NOW_NS)) is not None:
            events.append((event.kind, event.text.split()[0]))
    assert events == [
        ("overload", "windows"),
        ("overload_over", "5"),
        ("overload", "windows"),
        ("overload_over", "1"),
    ]


def test_a_window_as_old_as_the_limit_is_judged() -> None:
    assert not Overload().sheds(window(5.0), 5.0, NOW_NS)


def test_the_event_says_how_late_the_oldest_of_its_second_was() -> None:
    overload = Overload()
    said = []
    for ages in ((7.0, 30.0, 9.0), (), (6.0,)):
        for age_s in ages:
            overload.sheds(window(age_s), 5.0, NOW_NS)
        if (event := overload.tick(NOW_NS)) is not None and event.kind == "overload":
            said.append(event.text.split("the oldest by ")[1].split(":")[0])
    assert said == ["30 s", "6 s"]


def shed(overload: Overload, sensor: str, first_sample: int) -> None:
    late = replace(window(10.0), sensor=sensor, first_sample=first_sample)
    assert overload.sheds(late, 5.0, NOW_NS)


def test_a_sensor_of_which_nothing_is_judged_for_two_ticks_is_named_once() -> None:
    """With its newest window; another that is judged now and then is not named."""
    overload, named = Overload(), []
    for tick in range(6):
        shed(overload, "m/never", 100 * tick)
        shed(overload, "m/now-and-then", 100 * tick)
        if tick % 2:
            judged = replace(window(1.0), sensor="m/now-and-then")
            assert not overload.sheds(judged, 5.0, NOW_NS)
        named.append(overload.unjudged())
    assert named == [[], [], [("m/never", 200)], [], [], []]


def test_one_that_was_named_and_judged_again_can_be_named_anew() -> None:
    overload, named = Overload(), []
    for late in (True, True, True, False, True, True, True):
        if late:
            shed(overload, "m/p", 0)
        else:
            overload.sheds(window(1.0), 5.0, NOW_NS)
        named.append(bool(overload.unjudged()))
    assert named == [False, False, True, False, False, False, True]


def test_one_that_is_late_by_less_than_a_second_is_late_by_0_s() -> None:
    overload = Overload()
    for _ in range(2):  # anew after each second
        overload.sheds(window(0.4), 0.1, NOW_NS)
        event = overload.tick(NOW_NS)
        assert event is not None
        assert "the oldest by 0 s:" in event.text
        overload.tick(NOW_NS)
