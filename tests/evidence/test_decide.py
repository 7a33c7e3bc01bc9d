"""From evidence to status, from statuses to an alarm."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.decide import Evidence, decide, probability
from monitor.pipeline.alarm import Alarm
from monitor.records.verdict import Status


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(), (Status.LEARNING, "not_commissioned")),
        (Evidence(logit=-1, threshold=0), (Status.OK, "")),
        (Evidence(logit=1, threshold=0), (Status.NG, "network")),
        (Evidence(novelty=2, novelty_threshold=1), (Status.NG, "novelty")),
        (Evidence(novelty=0.5, novelty_threshold=1), (Status.OK, "")),
        (Evidence(-1, 0, 2, 1), (Status.NG, "novelty")),
        (Evidence(1, 0, 0.5, 1), (Status.NG, "network")),
        (Evidence(1, 0, 2, 1), (Status.NG, "network+novelty")),
        (Evidence(-1, 0, 2, None), (Status.OK, "")),
    ],
)
def test_decide(evidence: Evidence, expected: tuple[Status, str]) -> None:
    assert decide(evidence) == expected


@given(st.floats(-1e6, 1e6))
def test_probability_is_the_sigmoid(logit: float) -> None:
    p = probability(logit)
    assert 0 <= p <= 1
    assert p + probability(-logit) == pytest.approx(1)
    if abs(logit) < 30:
        assert math.log(p / (1 - p)) == pytest.approx(logit, abs=1e-3)


def run(alarm: Alarm, word: str) -> list[str | None]:
    status = {"o": Status.OK, "n": Status.NG, "i": Status.IDLE, "b": Status.BAD_DATA}
    return [alarm.update(status[letter]) for letter in word]


def test_an_alarm_is_raised_after_n_of_m_and_cleared_with_hysteresis() -> None:
    alarm = Alarm(3, 5, 0)
    assert run(alarm, "nonon") == [None, None, None, None, "raised"]
    assert run(alarm, "oooo") == [None] * 4
    assert alarm.raised
    assert run(alarm, "o") == ["cleared"]


def test_a_machine_that_stands_still_has_not_been_repaired() -> None:
    alarm = Alarm(2, 3, 0)
    run(alarm, "nn")
    assert run(alarm, "iiiibbbb") == [None] * 8
    assert alarm.raised


@given(st.text("onib", max_size=200), st.integers(0, 200))
def test_an_alarm_goes_on_after_a_restart(word: str, stop: int) -> None:
    whole, first = Alarm(3, 5, 1), Alarm(3, 5, 1)
    said = run(whole, word)
    before = run(first, word[:stop])
    second = Alarm(3, 5, 1, first.recent, first.raised)
    assert before + run(second, word[stop:]) == said
