"""Diagnoses that somebody wants: of a point in whatever state, once, never without an answer."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.configured import configured_rules
from monitor.pipeline.diagnosing import Diagnoser
from monitor.pipeline.pipeline import Pipeline
from monitor.records.batch import Batch
from monitor.records.diagnosis import ASKED, Ask
from monitor.records.signal import Message
from monitor.records.verdict import Status
from monitor.simulator.known import KnownMachine
from tests.pipeline.test_diagnosing import (
    RATE_HZ,
    SECOND_NS,
    Asked,
    config,
    diagnoser,
    feed,
    rpm,
)
from tests.signals import START_NS

ASKED_NS = 7
ASK = Ask(1, "m/p", ASKED_NS, "Ann")


@pytest.mark.parametrize("status", [Status.OK, Status.NG, Status.LEARNING])
def test_it_is_answered_once_when_there_is_as_much_signal_as_is_kept(
    status: Status,
) -> None:
    asked = Asked()
    one = diagnoser(asked)
    one.ask(ASK)
    one.ask(Ask(2, "m/p", 0, "Bo"))
    steps = []
    for index in range(30):
        feed(one, index, status, "clear")
        steps.append(one.step(0))
    answered = [found for found in steps if found is not None]
    assert [found.asks for found in answered] == [(ASK, Ask(2, "m/p", 0, "Bo"))]
    assert asked.questions[0].asked_by == "Ann and Bo"
    seconds = sum(stretch.shape[1] for stretch in asked.questions[0].stretches) / RATE_HZ
    assert seconds == 9
    assert asked.questions[0].rate == 0.001
    assert (one.n_bytes > 0) == (status is Status.NG)


@pytest.mark.parametrize(
    ("status", "alarm", "stays"),
    [
        (Status.OK, "clear", False),
        (Status.OK, "raised", True),
        (Status.NG, "clear", True),
        (Status.NG, "raised", True),
    ],
)
def test_once_it_is_answered_the_signal_of_a_sensor_that_is_well_goes(
    status: Status, alarm: str, stays: bool
) -> None:
    one = diagnoser(Asked())
    one.ask(ASK)
    for index in range(9):
        feed(one, index, status, alarm if index == 8 else "clear")
    answers = [one.step(0), one.step(0)]
    assert any(found is not None and found.asks == (ASK,) for found in answers)
    assert (one.n_bytes > 0) == stays


@pytest.mark.parametrize("status", [Status.IDLE, Status.BAD_DATA, Status.NO_DATA])
def test_what_is_no_signal_of_a_running_machine_is_given_up(status: Status) -> None:
    one = diagnoser(Asked())
    one.ask(ASK)
    for index in range(20):
        feed(one, index, status, "clear")
        assert one.step(0) is None
    assert one.given_up(ASKED_NS + 600 * SECOND_NS) == []
    assert one.given_up(ASKED_NS + 600 * SECOND_NS + 1) == [ASK]
    assert one.given_up(ASKED_NS + 600 * SECOND_NS + 1) == []


def test_after_a_minute_what_signal_there_is_must_do() -> None:
    asked = Asked()
    one = diagnoser(asked)
    one.ask(ASK)
    feed(one, 0, Status.OK, "clear")
    assert one.step(0) is None
    feed(one, 1, Status.OK, "clear", received_ns=ASKED_NS + 60 * SECOND_NS)
    assert one.step(0) is None
    feed(one, 2, Status.OK, "clear", received_ns=ASKED_NS + 60 * SECOND_NS + 1)
    assert one.step(0) is not None
    assert [stretch.shape[1] for stretch in asked.questions[0].stretches] == [3 * RATE_HZ]


def test_an_alarm_of_the_same_sensor_has_its_own_diagnosis() -> None:
    asked = Asked()
    one = diagnoser(asked)
    one.ask(ASK)
    steps = []
    for index in range(20):
        feed(one, index, Status.NG, "raised")
        steps.append(one.step(0))
    answered = [found for found in steps if found is not None]
    assert [(found.is_first, bool(found.asks)) for found in answered] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def of_pipeline(machine: KnownMachine, sensor: str) -> list[Batch]:
    """Ten seconds of a machine that nobody commissioned and no network judges."""
    known = config(rpm=rpm(), tolerance=0.01)
    rule = known.sensors[0].model_copy(update={"model": None})
    pipeline = Pipeline(
        configured_rules(known.model_copy(update={"sensors": (rule,)})), {}, {}, 0.0
    )
    samples, found = machine.block(10 * RATE_HZ).astype("<f4"), []
    for index, block in enumerate(np.split(samples, 10, axis=1)):
        now_ns = START_NS + index * SECOND_NS
        pipeline.ask([Ask(1, sensor, START_NS, "Ann")], now_ns)
        pipeline.process(
            [Message(f"v/{sensor}", block.tobytes(), now_ns)], now_ns, float(index)
        )
        found.append(pipeline.take_batch(with_tails=True))
    return found


def answer(found: list[Batch]) -> str:
    """The one answer, which an event tells as well."""
    ((answer, event),) = [
        (answer, event)
        for batch in found
        for answer in batch.answers
        for event in batch.events
        if event.kind == ASKED
    ]
    assert event.text == f"asked by Ann: {answer.text}"
    return answer.text


def test_a_broken_part_is_named_before_anybody_has_commissioned_the_sensor() -> None:
    text = answer(of_pipeline(KnownMachine("outer race", 2), "m/p"))
    assert text.startswith("outer race, drive end: BPFO at 20")


@pytest.mark.parametrize("seed", range(3))
def test_of_a_healthy_machine_nothing_stands_out(seed: int) -> None:
    """Its geometry is another's: whatever is looked for, it does not have."""
    text = answer(of_pipeline(KnownMachine("healthy", seed), "m/p"))
    assert text.startswith("nothing stands out: nearest is ")


def test_a_point_that_no_machine_fits_is_answered_at_once() -> None:
    found = of_pipeline(KnownMachine("healthy", 0), "n/p")
    assert (
        answer(found[:1])
        == "no entry of machines fits this point, so no part of it is known"
    )
    assert not any(batch.answers for batch in found[1:])


def test_signal_that_had_to_make_room_is_collected_anew() -> None:
    one = Diagnoser(Asked(), lambda _sensor, _name: None)
    one.ask(ASK)
    for index in range(9):
        feed(one, index, Status.OK, "clear")
    one._forget("m/p")
    assert one.step(0) is None
    for index in range(20, 29):
        feed(one, index, Status.OK, "clear")
    assert one.step(0) is not None
