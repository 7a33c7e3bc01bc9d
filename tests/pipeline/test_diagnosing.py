"""Alarms are diagnosed: when, of which signal, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from monitor.config import Config
from monitor.pipeline.configured import configured_rules
from monitor.pipeline.diagnosing import LONGEST_S, Diagnoser, in_events
from monitor.pipeline.pipeline import Pipeline
from monitor.records.batch import Batch, Event
from monitor.records.diagnosis import DIAGNOSED, Diagnosed, Question
from monitor.records.machine import Machine, Surroundings
from monitor.records.signal import Float32, Message, Window
from monitor.records.verdict import Status
from monitor.simulator.known import KnownMachine
from tests.signals import START_NS
from tests.verdicts import make_verdict

RATE_HZ, SECOND_NS = 25_600, 10**9
RPM = "rpm"


@cache
def broken() -> tuple[KnownMachine, Float32]:
    """A machine with a broken outer race, and four seconds of it."""
    machine = KnownMachine("outer race", 2)
    return machine, machine.block(4 * RATE_HZ).astype("<f4")


def config(**shaft: Any) -> Config:
    ratios = broken()[0].machine.bearings[0].ratios
    own = {name: getattr(ratios, name) for name in ("bpfo", "bpfi", "bsf", "ftf")}
    bearing = {"name": "drive end", "elements": ratios.n_elements, **own}
    raw = {"format": "raw", "dtype": "float32"}
    return Config.model_validate(
        {
            "subscriptions": [{"topic": "v/{machine}/{point}", "payload": raw}],
            "sensors": [{"sample_rate_hz": RATE_HZ, "model": "simulator"}],
            "context": [{"name": RPM, "topic": "rpm/{machine}"}],
            "machines": [{"match": "m/*", "shaft": shaft, "bearings": [bearing]}],
        }
    )


def batches(known: Config, rpm: bytes = b"") -> list[Batch]:
    """A second of the broken machine each."""
    pipeline = Pipeline(configured_rules(known), {}, {}, 0.0)
    found = []
    for index, samples in enumerate(np.split(broken()[1], 4, axis=1)):
        now_ns = START_NS + index * SECOND_NS
        sent = [Message("rpm/m", rpm, now_ns)] if rpm else []
        sent.append(Message("v/m/p", samples.tobytes(), now_ns))
        pipeline.process(sent, now_ns, float(index))
        found.append(pipeline.take_batch(with_tails=True))
    return found


def rpm() -> float:
    speed = broken()[0].machine.speed
    assert speed is not None
    return speed.middle_hz * 60


def only_alarm(found: list[Batch]) -> tuple[str, Diagnosed]:
    """The text of the one alarm, and the one diagnosis, of the same commit."""
    ((event, diagnosis),) = [
        (event, diagnosis)
        for batch in found
        for event in batch.events
        for diagnosis in batch.diagnoses
    ]
    assert event.kind == "alarm_raised"
    return event.text, diagnosis


def test_the_alarm_names_the_part_and_its_lines_add_up() -> None:
    text, found = only_alarm(batches(config(rpm=rpm())))
    assert found.tree["named"] == "outer race, drive end"
    assert text.endswith(found.text)
    assert found.text.startswith("outer race, drive end: BPFO at 202")
    points = [part["points"] for part in found.tree["parts"]]
    assert sum(points) == pytest.approx(found.tree["score"], rel=1e-9)
    of_bands = [sum(part["points_by_band"]) for part in found.tree["parts"]]
    assert of_bands == pytest.approx(points, rel=1e-9)
    assert found.tree["chance"] < found.tree["rate"]


def test_a_speed_that_is_told_names_it_too() -> None:
    _, found = only_alarm(batches(config(context=RPM), f"{rpm():.1f}".encode()))
    assert found.tree["named"] == "outer race, drive end"


@pytest.mark.parametrize(
    ("rpm_told", "why"),
    [
        (b"", "rpm was never told; impulses every 4.9 ms"),
        (b"0", "the shaft stands still: rpm = 0 1/min"),
    ],
)
def test_without_a_speed_nothing_is_named_and_the_verdicts_stay(
    rpm_told: bytes, why: str
) -> None:
    without, named = batches(config(context=RPM), rpm_told), batches(config(rpm=rpm()))
    text, found = only_alarm(without)
    assert not found.is_named
    assert f"part not named: {found.tree['why_not']}" in text
    assert why in text
    statuses = [[v.status for b in some for v in b.verdicts] for some in (without, named)]
    assert statuses[0] == statuses[1]


def test_nothing_is_loaded_where_no_machine_is_known() -> None:
    rules = configured_rules(config(rpm=1000).model_copy(update={"machines": ()}))
    assert rules.answer is None


# -- which signal ---------------------------------------------------------------------------------


class Asked:
    """Answers without looking, and remembers what it was asked."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    def __call__(self, question: Question) -> Diagnosed:
        self.questions.append(question)
        nothing = np.zeros(0, np.float32)
        return Diagnosed(
            question.sensor, question.at_ns, "", {"named": ""}, nothing, nothing
        )


KNOWN = Surroundings(Machine())


def diagnoser(asked: Asked) -> Diagnoser:
    return Diagnoser(asked, lambda _sensor, _name: None)


def feed(
    to: Diagnoser, index: int, status: Status, alarm: str, n: int = RATE_HZ, **more: Any
) -> None:
    """The index-th second of a sensor; its samples count."""
    name = more.get("sensor", "m/p")
    first = index * RATE_HZ
    samples = np.arange(first, first + n, dtype=np.float32)[None]
    window = Window(name, 1, first, 0, float(RATE_HZ), samples, more.get("n_new", n))
    verdict = replace(make_verdict(index, name), status=status, alarm=alarm)
    rule = config(rpm=1000).sensors[0]
    to.take(verdict, window, rule, KNOWN, more.get("received_ns", 0))


def test_collecting_begins_with_the_first_ng_and_no_stretch_spans_a_gap() -> None:
    asked = Asked()
    one = diagnoser(asked)
    feed(one, 0, Status.OK, "clear")
    assert one.n_bytes == 0
    for index in (1, 2, 4):
        feed(one, index, Status.NG, "raised" if index == 4 else "clear")
    assert one.step(0) is not None
    lengths = [stretch.shape[1] / RATE_HZ for stretch in asked.questions[0].stretches]
    assert lengths == [2, 1]
    for stretch in asked.questions[0].stretches:
        assert (np.diff(stretch[0]) == 1).all()


def test_overlapping_windows_are_one_stretch_without_repetition() -> None:
    asked = Asked()
    one = diagnoser(asked)
    feed(one, 0, Status.NG, "clear", n=2 * RATE_HZ)
    feed(one, 1, Status.NG, "raised", n=2 * RATE_HZ, n_new=RATE_HZ)
    one.step(0)
    (stretch,) = asked.questions[0].stretches
    assert (stretch[0] == np.arange(3 * RATE_HZ)).all()


def test_an_alarm_is_diagnosed_twice_at_most_and_the_signal_is_bounded() -> None:
    asked = Asked()
    one = diagnoser(asked)
    steps = []
    for index in range(30):
        feed(one, index, Status.NG, "raised")
        steps.append(one.step(0) is not None)
    assert [index for index, is_step in enumerate(steps) if is_step] == [0, 8]
    assert one.n_bytes <= LONGEST_S * RATE_HZ * 4
    for index in range(30, 40):
        feed(one, index, Status.OK, "clear")
    assert one.n_bytes == 0


def test_one_a_turn_the_newest_alarm_first() -> None:
    asked = Asked()
    one = diagnoser(asked)
    for name in ("a/p", "b/p", "c/p"):
        feed(one, 0, Status.NG, "raised", sensor=name)
    for _ in range(4):
        one.step(0)
    assert [question.sensor for question in asked.questions] == ["c/p", "b/p", "a/p"]


def test_many_sensors_stay_within_128_mib_at_the_expense_of_the_first() -> None:
    asked = Asked()
    one = diagnoser(asked)
    second = 4 * RATE_HZ
    feed(one, 0, Status.NG, "clear", sensor="first")
    feed(one, 0, Status.NG, "raised", sensor="second")
    one.n_bytes = (128 << 20) - second  # as if others had sent as much
    feed(one, 0, Status.NG, "raised", sensor="third")
    assert one.n_bytes == 128 << 20
    feed(one, 0, Status.NG, "raised", sensor="fourth")
    assert one.n_bytes == 128 << 20
    one.n_bytes += 1
    feed(one, 1, Status.NG, "raised", sensor="fourth")
    assert one.n_bytes == (128 << 20) + 1 - second
    while one.step(0) is not None:
        pass
    assert [question.sensor for question in asked.questions] == ["fourth"]


def test_of_a_sensor_that_has_been_ok_for_m_windows_nothing_more_is_kept() -> None:
    one = diagnoser(Asked())
    feed(one, 0, Status.NG, "raised")
    for index in range(1, 7):
        assert one.n_bytes > 0
        feed(one, index, Status.OK, "clear")
    assert one.n_bytes == 0
    assert one.step(0) is None  # its alarm was due, and is over


def test_the_next_alarm_of_a_sensor_is_diagnosed_too() -> None:
    asked = Asked()
    one = diagnoser(asked)
    for index, alarm in enumerate(("raised", "raised", "clear", "raised")):
        feed(one, index, Status.NG, alarm)
        assert (one.step(0) is not None) == (index in (0, 3))
    assert [question.rate for question in asked.questions] == [0.0005, 0.0005]


# -- what is told ---------------------------------------------------------------------------------


def told(sensor: str, named: str, *, is_first: bool, kinds: Sequence[str]) -> list[Event]:
    """The events of a turn with a diagnosis of m/p."""
    nothing = np.zeros(0, np.float32)
    found = Diagnosed("m/p", 7, "it is broken", {"named": named}, nothing, nothing)
    events = [Event(number, sensor, kind, "text") for number, kind in enumerate(kinds)]
    return in_events(events, found, is_first)


def test_a_diagnosis_stands_in_the_newest_alarm_of_its_sensor() -> None:
    kinds = ["alarm_raised", "back", "alarm_raised", "alarm_cleared"]
    events = told("m/p", "", is_first=True, kinds=kinds)
    assert [event.kind for event in events] == kinds
    texts = ["text", "text", "text; it is broken", "text"]
    assert [event.text for event in events] == texts


@pytest.mark.parametrize(
    ("named", "is_first", "n_more"),
    [("", False, 0), ("", True, 1), ("gear", False, 1), ("gear", True, 1)],
)
@pytest.mark.parametrize(("sensor", "kind"), [("m/p", "back"), ("m/q", "alarm_raised")])
def test_a_diagnosis_without_an_alarm_is_told_if_it_is_the_first_or_has_a_name(
    sensor: str, kind: str, named: str, is_first: bool, n_more: int
) -> None:
    events = told(sensor, named, is_first=is_first, kinds=[kind])
    assert events[0] == Event(0, sensor, kind, "text")
    more = [Event(7, "m/p", DIAGNOSED, "it is broken")]
    assert events[1:] == more[:n_more]
