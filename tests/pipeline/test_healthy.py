"""The signal of when a machine was well: which windows it is made of, and that it is kept once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.journal.writer import Journal
from monitor.pipeline.diagnosing import Diagnoser
from monitor.pipeline.healthy import HealthyCollector, is_wanted
from monitor.records.batch import Batch
from monitor.records.diagnosis import Healthy
from monitor.records.machine import Machine, ShaftSpeed, Surroundings
from monitor.records.signal import Window
from monitor.records.verdict import Status
from tests.pipeline.test_diagnosing import RATE_HZ, RPM, Asked, config
from tests.verdicts import make_verdict

NEAR = Surroundings(Machine(), speed_context=RPM)
RULE = config(rpm=1000).sensors[0]


def feed(
    to: HealthyCollector | Diagnoser, index: int, near: Surroundings = NEAR, **changes: Any
) -> Healthy | None:
    """The index-th second of a sensor; its samples count."""
    plain = {"status": Status.OK, "commissioning_id": 1, "context": {RPM: 1000.0}}
    verdict = replace(make_verdict(index, "m/p"), **{**plain, "alarm": "clear", **changes})
    first = index * RATE_HZ
    samples = np.arange(first, first + RATE_HZ, dtype=np.float32)[None]
    window = Window("m/p", 1, first, 0, float(RATE_HZ), samples, RATE_HZ)
    return to.take(verdict, window, RULE, near)


def collected(indices: list[int], **changes: Any) -> Healthy | None:
    collector = HealthyCollector({})
    found = [feed(collector, index, **changes) for index in indices]
    return found[-1]


def test_nine_seconds_make_it_whole_and_no_stretch_spans_a_gap() -> None:
    assert collected(list(range(8))) is None
    found = collected([0, 1, 2, 4, 5, 6, 7, 8, 9])
    assert found is not None
    assert [one.shape[1] / RATE_HZ for one in found.stretches] == [3, 6]
    assert all((np.diff(one[0]) == 1).all() for one in found.stretches)
    assert found.rpm == 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"status": Status.NG},
        {"status": Status.LEARNING},
        {"status": Status.IDLE},
        {"alarm": "raised"},
        {"commissioning_id": None},
        {"context": {}},
        {"context": {RPM: "fast"}},
        {"context": {RPM: 0.0}},
    ],
)
def test_of_what_is_not_well_nothing_is_kept(changes: dict[str, Any]) -> None:
    collector = HealthyCollector({})
    assert not any(feed(collector, index, **changes) for index in range(30))


def test_windows_at_another_speed_are_passed_over() -> None:
    collector = HealthyCollector({})
    for index in range(8):
        assert feed(collector, index) is None
    for index in range(8, 20):
        assert feed(collector, index, context={RPM: 1100.0}) is None
    assert feed(collector, 20, context={RPM: 1029.0}) is not None


@pytest.mark.parametrize(("known", "n"), [({}, 1), ({"m/p": 1}, 0)])
def test_it_is_taken_once_for_each_commissioning_also_after_a_restart(
    known: dict[str, int], n: int
) -> None:
    collector = HealthyCollector(known)
    for own, wanted in ((1, n), (2, 1)):
        found = [feed(collector, index, commissioning_id=own) for index in range(30)]
        assert sum(one is not None for one in found) == wanted


@pytest.mark.parametrize(("more", "n_at_once"), [(0, 2), (1, 1)])
def test_many_sensors_wait_for_one_another(more: int, n_at_once: int) -> None:
    collector = HealthyCollector({})
    n_channels = (64 << 20) // (RATE_HZ * 4) + more
    samples = np.zeros((n_channels, RATE_HZ), np.float32)
    for name in ("a/p", "b/p"):
        verdict = replace(make_verdict(0, name), status=Status.OK, commissioning_id=1)
        verdict = replace(verdict, alarm="clear", context={RPM: 1000.0})
        window = Window(name, 1, 0, 0, float(RATE_HZ), samples, RATE_HZ)
        collector.take(verdict, window, RULE, NEAR)
    assert collector.n_bytes == n_at_once * samples.nbytes


def test_what_grows_is_wanted_of_a_shaft_whose_speed_is_known() -> None:
    fixed = Machine(ShaftSpeed(20.0, 20.0))
    assert is_wanted(Surroundings(fixed))
    assert is_wanted(Surroundings(Machine(), speed_context=RPM))
    assert not is_wanted(Surroundings(Machine()))


def test_the_journal_keeps_it_as_it_is(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    stretches = tuple(draw.normal(size=(2, n)).astype(np.float32) for n in (700, 300))
    kept = Healthy("m/p", 3, 17, 25_600.0, stretches, None)
    journal = Journal(tmp_path / "journal")
    journal.commit(Batch(healthy=[replace(kept, commissioning_id=2), kept]))
    found = journal.healthy("m/p")
    assert found is not None
    assert replace(found, stretches=stretches) == kept
    for one, other in zip(found.stretches, stretches, strict=True):
        np.testing.assert_array_equal(one, other)
    assert journal.remembered().healthy == {"m/p": 3}
    assert journal.healthy("m/q") is None
    limits: tuple[int, int, list[str]] = (16 << 20, 1 << 20, [])
    assert not journal.thin(*limits)["healthy_signals"]
    assert journal.thin(8 * 1000, *limits[1:])["healthy_signals"] == 1
    assert journal.healthy("m/p") is None
    journal.close()


SPEED = Surroundings(Machine(ShaftSpeed(20, 20)))
KEPT = Healthy("m/p", 1, 0, float(RATE_HZ), (), None)


@pytest.mark.parametrize(
    ("kept", "own", "why"),
    [
        (KEPT, 1, ""),
        (replace(KEPT, rpm=1210.0), 1, ""),
        (replace(KEPT, rpm=1166.0), 1, ""),
        (replace(KEPT, rpm=1300.0), 1, "is of 1300 1/min"),
        (KEPT, 2, "needs ten seconds judged OK since"),
        (None, 1, "needs ten seconds judged OK since"),
        (KEPT, None, "commission the sensor"),
    ],
)
def test_a_question_has_it_or_says_why_not(
    kept: Healthy | None, own: int | None, why: str
) -> None:
    asked = Asked()
    one = Diagnoser(asked, lambda _sensor, _name: None, lambda _sensor: kept)
    feed(one, 0, SPEED, status=Status.NG, alarm="raised", commissioning_id=own)
    assert one.step(0) is not None
    (question,) = asked.questions
    assert question.healthy == (None if why else kept)
    assert why in question.no_healthy
    assert bool(why) == bool(question.no_healthy)
