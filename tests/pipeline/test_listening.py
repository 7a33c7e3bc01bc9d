"""The clock that finds silent sensors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.pipeline.listening import ListeningClock


@given(
    st.lists(st.tuples(st.floats(0.001, 0.5), st.booleans()), max_size=200),
    st.floats(-1e6, 1e6),
)
def test_only_the_time_with_a_connection_counts(
    turns: list[tuple[float, bool]], begin_s: float
) -> None:
    """Case s04-silence-clock: a reconnect neither adds to it nor begins it anew."""
    clock, now_s = ListeningClock(begin_s), begin_s
    heard_s = 0.0
    for step_s, is_connected in turns:
        now_s += step_s
        heard_s += step_s if is_connected else 0.0
        assert clock.look(now_s, is_connected) == pytest.approx(heard_s, abs=1e-6)


def test_a_process_that_stood_still_heard_nothing() -> None:
    clock = ListeningClock(17.3)
    assert clock.look(17.4, True) == pytest.approx(0.1)
    assert clock.look(977.4, True) == pytest.approx(0.6)
