"""Which windows are shed, and the events of beginning and end."""

from __future__ import annotations

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
