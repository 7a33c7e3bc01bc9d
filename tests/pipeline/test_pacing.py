"""When to commit: verdicts at once, messages in groups, tails before the broker runs dry."""

from __future__ import annotations

import pytest

from monitor.pipeline.pacing import MAX_GATHER_S, Due, Gathering, Pacer


def fresh(receive_maximum: int = 1000) -> Pacer:
    pacer = Pacer(receive_maximum)
    pacer.committed(0.0)
    return pacer


def test_there_are_three_answers() -> None:
    assert len(Due) == 3


def test_a_verdict_is_committed_as_soon_as_nothing_else_waits() -> None:
    assert fresh().due(0.01, 1, 0.0, 1, 0, True) is Due.VERDICTS
    assert fresh().due(0.01, 1, 0.0, 1, 5, True) is Due.NOTHING
    assert fresh().due(0.1, 1, 0.0, 1, 5, True) is Due.VERDICTS


def test_no_message_waits_longer_than_two_seconds() -> None:
    assert fresh().due(0.01, 3, 1.9, 0, 0, False) is Due.NOTHING
    assert fresh().due(0.01, 3, 2.0, 0, 0, False) is Due.TAILS


def test_tails_go_when_half_of_what_may_be_in_flight_is_pending() -> None:
    assert fresh(100).due(0.01, 49, 0.0, 9, 0, False) is Due.NOTHING
    assert fresh(100).due(0.01, 50, 0.0, 9, 0, False) is Due.TAILS
    assert fresh(2).due(0.01, 1, 0.0, 1, 0, False) is Due.TAILS


def test_a_broker_s_smaller_limit_is_learned_from_its_silence_and_forgotten_slowly() -> (
    None
):
    """It has 20 in flight, we would take 1000: after the first silence it never has to wait for us
    again.
    """
    pacer = fresh(1000)
    # still coming
    assert pacer.due(0.01, 20, 0.0, 5, 0, False) is Due.NOTHING
    # Nothing comes any more.
    assert pacer.due(0.02, 20, 0.0, 0, 0, False) is Due.TAILS
    # Now before it runs dry.
    assert pacer.due(0.03, 10, 0.0, 5, 0, False) is Due.TAILS
    for now_s in range(1, 11):
        pacer.due(float(now_s), 0, 0.0, 0, 0, False)
        pacer.committed(float(now_s))
    assert pacer.due(10.01, 12, 0.0, 5, 0, False) is Due.TAILS
    assert pacer.due(10.02, 11, 0.0, 5, 0, False) is Due.NOTHING
    for now_s in range(11, 300):
        pacer.due(float(now_s), 0, 0.0, 0, 0, False)
        pacer.committed(float(now_s))
    # The broker may have been given another limit.
    assert pacer.due(299.01, 400, 0.0, 5, 0, False) is Due.NOTHING


def test_silence_teaches_from_half_of_what_any_broker_has_in_flight() -> None:
    assert fresh().due(0.01, 10, 0.0, 0, 0, False) is Due.TAILS
    pacer = fresh()
    assert pacer.due(0.01, 9, 0.0, 0, 0, False) is Due.NOTHING
    assert pacer.due(0.02, 10, 0.0, 5, 0, False) is Due.NOTHING  # nothing was learned
    for n_pending, limit in ((15, 20), (30, 30)):
        pacer = fresh()
        pacer.due(0.01, n_pending, 0.0, 0, 0, False)
        assert pacer.due(0.02, limit // 2 - 1, 0.0, 5, 0, False) is Due.NOTHING
        assert pacer.due(0.03, limit // 2, 0.0, 5, 0, False) is Due.TAILS


def test_an_idle_pipeline_lets_nobody_wait() -> None:
    gathering = Gathering()
    assert gathering.wait_s == 0.0
    for _ in range(200):
        gathering.note(0.004, 0.006)
    assert gathering.wait_s == 0.0
    gathering.note(0.0, 0.0)
    assert gathering.wait_s == 0.0


def test_the_busier_it_is_the_longer_messages_gather() -> None:
    gathering = Gathering()
    for _ in range(2000):
        gathering.note(0.0065, 0.0035)
    half = gathering.wait_s
    assert half == pytest.approx(MAX_GATHER_S / 2, rel=0.01)
    for _ in range(2000):
        gathering.note(0.01, 0.0)
    assert gathering.wait_s == MAX_GATHER_S
    gathering.note(0.0, 1.0)  # a second of rest is remembered as such
    assert gathering.wait_s == 0.0


def test_other_threads_help_once_gathering_as_long_as_may_be_is_not_enough() -> None:
    gathering = Gathering()
    assert not gathering.needs_help
    for _ in range(2000):
        gathering.note(0.0079, 0.0021)
    assert gathering.wait_s < MAX_GATHER_S
    assert not gathering.needs_help
    for _ in range(2000):
        gathering.note(0.0081, 0.0019)
    assert gathering.wait_s == MAX_GATHER_S
    assert gathering.needs_help


def test_one_long_turn_of_a_quiet_pipeline_is_no_load() -> None:
    gathering = Gathering()
    gathering.note(0.3, 0.0)
    assert gathering.wait_s == 0.0
