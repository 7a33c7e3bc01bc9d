"""A clock that stands still, or keeps another zone's time, is noticed; a backlog is neither."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.signal import Chunk, Float64
from monitor.signal.plausibility.clock import Clock

NOW_NS, SECOND_NS = 1_700_000_000 * 10**9, 10**9


def told(stated_s: Float64, arrived_s: Float64) -> set[str]:
    """What is said of messages of a second each."""
    clock, samples = Clock(), np.zeros((1, 1000), np.float32)
    said = set()
    for stated, arrived in zip(stated_s, arrived_s, strict=True):
        start_ns, received_ns = (
            NOW_NS + round(one * SECOND_NS) for one in (stated, arrived)
        )
        said.add(clock.look(Chunk("m/p", samples, 1000.0, received_ns, start_ns)))
    return said - {""}


SECONDS = np.arange(100.0)


@pytest.mark.parametrize("hours", [1, -1, 5.5, 8, -11])
def test_another_zone(hours: float) -> None:
    (said,) = told(SECONDS + 3600 * hours, SECONDS + 1.3)
    assert said.startswith("time is ")
    assert said.endswith(
        "is it local time? Then set payload.time_zone; else set the sensor's clock"
    )


def test_a_clock_that_stands_still() -> None:
    (said,) = told(np.zeros(100), SECONDS)
    assert said.startswith("message time stands still")


@pytest.mark.parametrize(
    ("stated_s", "arrived_s"),
    [
        (SECONDS, SECONDS + 2.0),
        (np.floor(SECONDS / 20), SECONDS / 20),  # counts in whole seconds
        (SECONDS, 3600 + SECONDS / 10),  # a backlog of an hour
        (SECONDS, SECONDS + 900),  # a quarter of an hour late, always
        (SECONDS + 3600, 3601 + SECONDS),
    ],
    ids=["well", "whole seconds", "backlog", "late", "later"],
)
def test_what_is_right(stated_s: Float64, arrived_s: Float64) -> None:
    assert not told(stated_s, arrived_s)
