"""From evidence to status, from statuses to an alarm."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.decide import conclude, decide, who_decides
from monitor.pipeline.alarm import Alarm
from monitor.records.evidence import LOGIT, Evidence, Grid, probability
from monitor.records.verdict import Status

CELLS = np.zeros((2, 2), np.float32)


def network(score: float, threshold: float | None = 0.0, **changes: Any) -> Evidence:
    return Evidence("network", LOGIT, score, threshold, CELLS, **changes)


def novelty(score: float, threshold: float | None = 1.0, **changes: Any) -> Evidence:
    return Evidence("novelty", "novelty", score, threshold, CELLS, **changes)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([], (Status.LEARNING, "not_commissioned")),
        ([network(-1)], (Status.OK, "")),
        ([network(1)], (Status.NG, "network")),
        ([network(0)], (Status.OK, "")),
        ([novelty(2)], (Status.NG, "novelty")),
        ([novelty(0.5)], (Status.OK, "")),
        ([novelty(2, None)], (Status.LEARNING, "not_commissioned")),
        ([network(-1), novelty(2)], (Status.NG, "novelty")),
        ([network(1), novelty(0.5)], (Status.NG, "network")),
        ([network(1), novelty(2)], (Status.NG, "network+novelty")),
        ([network(-1), novelty(2, None)], (Status.OK, "")),
        ([network(-1), novelty(2, decides=False)], (Status.OK, "")),
        ([network(1, decides=False)], (Status.LEARNING, "not_commissioned")),
    ],
)
def test_decide(evidence: list[Evidence], expected: tuple[Status, str]) -> None:
    assert decide(evidence) == expected


@pytest.mark.parametrize(
    ("rule", "evidence", "decides"),
    [
        ("either", [network(1), novelty(2)], [True, True]),
        ("network", [network(1), novelty(2)], [True, False]),
        ("novelty", [network(1), novelty(2)], [False, True]),
        (
            "novelty",
            [network(1)],
            [True],
        ),  # the rule's kind is not there: what is there decides
    ],
)
def test_the_rule_s_kind_alone_decides_where_it_is_there(
    rule: str, evidence: list[Evidence], decides: list[bool]
) -> None:
    assert [found.decides for found in who_decides(evidence, rule)] == decides


@pytest.mark.parametrize("residual", [2e-3, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [network, novelty])
def test_any_map_that_does_not_add_up_is_no_verdict(
    kind: Callable[..., Evidence], residual: float
) -> None:
    grid = Grid((0.0, 1.0, 2.0), (0.0, 1.0, 2.0))
    found = conclude([kind(9.0, residual=residual)], "either", grid)
    assert (found.status, found.reason, found.evidence) == (
        Status.BAD_DATA,
        "map_mismatch",
        (),
    )


@pytest.mark.parametrize(
    ("residual", "status"), [(0.9e-3, Status.NG), (1e-3, Status.BAD_DATA)]
)
def test_a_map_may_miss_its_score_by_less_than_a_thousandth(
    residual: float, status: Status
) -> None:
    grid = Grid((0.0, 1.0, 2.0), (0.0, 1.0, 2.0))
    assert conclude([network(9.0, residual=residual)], "either", grid).status is status


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


def test_an_alarm_by_a_detector_is_cleared_by_m_windows_after_it() -> None:
    """Its block may end in OK windows; those before it do not count."""
    alarm = Alarm(3, 5, 0)
    assert [alarm.update(Status.OK, False) for _ in range(5)] == [None] * 5
    assert alarm.update(Status.OK, True) == "raised"
    assert [alarm.update(Status.OK, True) for _ in range(5)] == [None] * 4 + ["cleared"]


def test_an_alarm_by_windows_is_cleared_by_those_that_are_ng_no_more() -> None:
    alarm = Alarm(1, 3, 1)
    assert run(alarm, "oon") == [None, None, "raised"]
    assert run(alarm, "o") == ["cleared"]
