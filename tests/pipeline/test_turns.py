"""What a turn of the pipeline does of the work that can wait: a step, unless messages wait."""

from __future__ import annotations

from functools import cache

import pytest

from monitor.pipeline.pipeline import Pipeline
from monitor.records.commissioned import Commissioned
from monitor.records.signal import Message
from tests.pipeline.test_occluding import known, own, sent, signal
from tests.signals import START_NS

NAME = "a/1"
MOST_TURNS = 500
S = 10**9


@cache
def broken() -> tuple[list[Message], Commissioned]:
    return sent(NAME, signal("outer race")), own(NAME, known(), signal("healthy"))


def raised() -> Pipeline:
    """A pipeline that has judged a window of a broken machine in its last turn."""
    messages, ours = broken()
    found = Pipeline(known(), {}, {}, 0.0)
    found.commission({NAME: ours})
    assert not found.is_occluding
    for one in messages[:6]:
        found.process([one], START_NS + 60 * S, 0.0)
    assert found.is_occluding
    return found


def turns_to_end(found: Pipeline, sent: list[Message], late_s: int) -> int | None:
    """None where it does not end."""
    for turn in range(MOST_TURNS):
        if not found.is_occluding:
            return turn
        found.process(sent, START_NS + late_s * S, 0.0)
    return None


@pytest.mark.parametrize(("late_s", "ends"), [(0, True), (60, False)])
@pytest.mark.parametrize("is_sent", [True, False])
def test_an_alarm_is_occluded_in_turns_while_nobody_waits(
    late_s: int, ends: bool, is_sent: bool
) -> None:
    found = raised()
    stray = [Message("elsewhere", b"", START_NS)] if is_sent else []
    turns = turns_to_end(found, stray, late_s)
    assert (turns is not None) == (ends or not is_sent)
    occlusions = found.take_batch(True).occlusions
    assert [verdict.sensor for verdict, _ in occlusions] == [NAME] * (turns is not None)
    if turns is not None:
        assert turns > 1
