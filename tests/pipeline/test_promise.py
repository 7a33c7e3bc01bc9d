"""An alarm with a budget, through the real pipeline and journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from monitor.evidence.decide import Finding
from monitor.evidence.promise import describe, promised_s
from monitor.pipeline.alarm import Alarm
from monitor.pipeline.promise import Heard, Promise
from monitor.records.commissioned import Commissioned
from monitor.records.evidence import NO_CELLS, Evidence
from monitor.records.promise import PromiseState, Reference, Step
from monitor.records.verdict import Status, Verdict
from tests.pipeline.test_sensor import commissioned
from tests.plant import SENSOR, Plant
from tests.verdicts import novelty

BUDGET = {"budget": "60 per hour"}
HOUR_S, MONTH_S = 3600.0, 30 * 86_400.0


def plant_with(folder: Path, **alarm: object) -> Plant:
    """Commissioned from 100 s of healthy windows."""
    plant = Plant(folder, alarm={**BUDGET, **alarm})
    plant.run(100)
    assert plant.command(SENSOR, "--windows", "200") == 0
    plant.tick()
    return plant


def alarms(verdicts: Sequence[Verdict]) -> list[str]:
    return [verdict.alarm for verdict in verdicts]


def test_a_fault_raises_the_alarm_and_says_what_is_promised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = plant_with(tmp_path)
    promise = "At most one false alarm in 60 seconds of running is promised"
    assert promise in capsys.readouterr().out
    assert set(alarms(plant.run(60))) == {"clear"}
    assert alarms(plant.run(10, level=8.0))[-1] == "raised"
    (event,) = plant.events("alarm_raised")
    assert f"{promise} (from 200 healthy windows of one run in 100 seconds" in event.text


def test_it_clears_once_m_windows_are_ok_and_begins_anew(tmp_path: Path) -> None:
    plant = plant_with(tmp_path)
    plant.run(10, level=8.0)
    assert alarms(plant.run(5)) == ["raised"] * 4 + ["clear"] * 6
    assert plant.pipeline.sensors[SENSOR].verdicts.promise.alarm < 1
    assert alarms(plant.run(10, level=8.0))[-1] == "raised"


@pytest.mark.parametrize("piece_s", [1.1, 50.0])
def test_blocks_are_the_same_however_the_stream_is_cut_and_killed(
    tmp_path: Path, piece_s: float
) -> None:
    """Every message may be the last before a kill -9."""
    plant = plant_with(tmp_path)
    found = []
    for level in (1.0, 4.0, 1.0):
        for _ in range(round(10.2 / piece_s) or 1):
            found += plant.run(piece_s, level)
            plant.journal.close()
            plant.start(alarm=BUDGET)
    whole, alarm, states = Promise(PromiseState()), Alarm(3, 5, 0), []
    own = plant.store().active()[SENSOR]
    for verdict in found:
        finding = Finding(verdict.status, verdict.reason, verdict.evidence)
        heard = whole.hear(finding, own, None, 60.0, {})
        if alarm.update(verdict.status, heard.is_over) == "cleared":
            whole.begin_anew()
        states.append(alarm.state)
    assert alarms(found) == states
    assert set(states) == {"raised", "clear"}
    assert plant.pipeline.sensors[SENSOR].verdicts.promise == whole.state


def own(reference: Reference | None) -> Commissioned:
    return commissioned(0.0, model_id="", reference=reference, commissioning_id=7)


REFERENCE = Reference(
    n_windows=1000,
    n_runs=9,
    n_blocks=500,
    block=2,
    window_s=10.0,
    healthy_s=10_000.0,
    alarm={"novelty": (Step(0.5, 20.0),)},
    drift={"novelty": (Step(0.1, 2.0),)},
)


def finding(status: Status, score: float = 0.0) -> Finding:
    if status not in (Status.OK, Status.NG):
        return Finding(status, "")
    return Finding(status, "", (novelty(np.full((1, 1), score, np.float32), 0.4),))


def hear(
    promise: Promise, status: Status, score: float = 0.0, **context: float | str
) -> Heard:
    return promise.hear(finding(status, score), own(REFERENCE), None, HOUR_S, context)


def test_what_is_not_judged_neither_feeds_nor_resets_it() -> None:
    promise = Promise(PromiseState())
    hear(promise, Status.NG, 0.9)
    before = promise.state
    for status in (Status.BAD_DATA, Status.NO_DATA, Status.LEARNING):
        assert hear(promise, status) == Heard(is_over=False)
        assert promise.state == before
    hear(promise, Status.IDLE)
    assert (promise.state.n_in_block, promise.state.alarm_sum) == (1, before.alarm_sum)


def test_scores_that_are_not_ng_raise_nothing_but_ask_for_another_commissioning() -> None:
    promise = Promise(PromiseState())
    heard = [hear(promise, Status.OK, 0.3) for _ in range(200)]
    assert not any(one.is_over for one in heard)
    told = [one.drift for one in heard if one.drift]
    assert len(told) == 1
    assert "if it is healthy commission it again" in told[0]


def test_ng_windows_are_no_drift() -> None:
    promise = Promise(PromiseState())
    assert not any(hear(promise, Status.NG, 0.9).drift for _ in range(200))


def test_a_change_of_mode_is_told_apart_and_mutes_nothing() -> None:
    promise = Promise(PromiseState())
    hear(promise, Status.OK, 0.0, tool="T3", speed_rpm=1500.0)
    assert promise.told_apart({"tool": "T3", "speed_rpm": 1510.0}) == ""
    assert promise.told_apart({"tool": "T7", "speed_rpm": 900.0}) == (
        "tool has changed from T3 to T7 since the last OK window; speed_rpm has changed from"
        " 1500.0 to 900.0 since the last OK window"
    )
    hear(promise, Status.IDLE)
    assert "stood still since its last OK window" in promise.told_apart({})
    heard = [hear(promise, Status.NG, 0.9, tool="T7") for _ in range(10)]
    assert heard[-1].is_over


def test_another_commissioning_begins_anew() -> None:
    promise = Promise(PromiseState(3, alarm=9.0))
    hear(promise, Status.OK)
    assert promise.state.commissioning_id == 7
    assert promise.state.alarm == 0


def test_no_more_is_promised_than_the_reference_carries() -> None:
    assert promised_s(REFERENCE, HOUR_S) == HOUR_S
    assert promised_s(REFERENCE, MONTH_S) == 20_000.0
    text = describe(MONTH_S, REFERENCE)
    assert text == (
        "At most one false alarm in 5.6 hours of running is promised, not in 30 days: that needs"
        " healthy windows over 15 days of running, worth at least 24 independent blocks, and the"
        " commissioning has 1000 of 9 runs over 2.8 hours, worth 500."
    )


def test_without_enough_blocks_n_of_m_decides_and_says_so(tmp_path: Path) -> None:
    plant = Plant(tmp_path, alarm=BUDGET)
    plant.run(10)
    assert plant.command(SENSOR, "--windows", "12") == 0
    plant.tick()
    assert alarms(plant.run(3, level=8.0))[:3] == ["clear", "clear", "raised"]
    (event,) = plant.events("alarm_raised")
    assert "No promise, n of m decides: that needs healthy windows over" in event.text


def test_each_whole_block_counts_by_the_mean_of_its_windows() -> None:
    """Of two windows each: the first of the next block is kept for later."""
    promise = Promise(PromiseState())
    said = [hear(promise, Status.NG, 0.9) for _ in range(2)]
    said += [hear(promise, Status.OK, 0.3) for _ in range(5)]
    assert said == [Heard(is_over=False)] * 7
    alarm = ((20.2 + 1) * 0.2 + 1) * 0.2
    drift = ((0.2 + 1) * 2.2 + 1) * 2.2
    state = promise.state
    assert (state.n_in_block, state.commissioning_id) == (1, 7)
    assert (state.alarm, state.drift) == pytest.approx((alarm, drift))
    assert (state.alarm_sum, state.drift_sum) == pytest.approx((0.2, 2.2))


def test_a_cleared_alarm_s_detector_has_seen_nothing_and_drift_goes_on() -> None:
    promise = Promise(PromiseState(7, n_in_block=1, alarm=5.0, drift=3.0))
    promise.begin_anew()
    assert promise.state == PromiseState(7, n_in_block=1, alarm=0.0, drift=3.0)


def test_evidence_that_no_reference_knows_leaves_it_to_n_of_m() -> None:
    toy = Evidence("toy", "toy", 9.0, 1.0, NO_CELLS)
    found = Finding(Status.NG, "toy", (toy,))
    assert Promise(PromiseState()).hear(found, own(REFERENCE), None, HOUR_S, {}) == Heard()


@pytest.mark.parametrize(
    ("before", "now", "is_told"),
    [
        (95.0, 100.0, False),  # five in a hundred of the larger
        (100.0, 105.2, False),
        (100.0, 94.9, True),
        ("T3", "T3", False),
        ("3", 3.0, True),
        (3.0, "3", True),
    ],
)
def test_a_mode_is_another_where_a_value_differs_by_over_a_twentieth(
    before: float | str, now: float | str, is_told: bool
) -> None:
    promise = Promise(PromiseState())
    hear(promise, Status.OK, 0.0, mode=before)
    assert bool(promise.told_apart({"mode": now})) == is_told
