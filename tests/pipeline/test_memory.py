"""What the message that was just read completed, and in which records it came."""

from __future__ import annotations

import pytest

from monitor.pipeline.memory import Memory
from monitor.records.batch import Batch
from monitor.records.remembered import NOTHING
from monitor.records.series import Part
from monitor.records.signal import Delivery, Message
from monitor.signal.payload.parts import PROPERTY
from tests.signals import START_NS


def part(index: int, key: int | None = None, is_marked: bool = True) -> Message:
    """is_marked : by a property, else by a field of its payload"""
    properties = {PROPERTY: "{}"} if is_marked else {}
    delivery = None if key == -1 else Delivery(index, key, redelivered=False)
    return Message("t", b"%d" % index, START_NS, properties, delivery)


def completed(*messages: Message) -> Memory:
    memory = Memory(NOTHING, 1000)
    for index, message in enumerate(messages):
        memory.series.add(Part("a", index, len(messages)), message)
    memory.take_news(Batch(), "t")
    return memory


def test_the_whole_of_a_series_is_that_of_its_last_message_alone() -> None:
    messages = [part(index) for index in range(3)]
    memory = completed(*messages)
    assert memory.whole_of(messages[-1]).payload == b"012"
    memory.take_news(Batch(), "t")  # of the next message, which is none
    assert memory.whole_of(messages[-1]) is messages[-1]
    unmarked = [part(index, is_marked=False) for index in range(3)]
    assert completed(*unmarked).whole_of(unmarked[-1]) is unmarked[-1]


@pytest.mark.parametrize(
    ("keys", "first"), [([3, 5], 3), ([7, 5], 5), ([None, 4, -1, 9], 4), ([None, -1], 9)]
)
def test_the_first_record_of_a_series_that_came_in_several(
    keys: list[int | None], first: int
) -> None:
    memory = completed(*(part(index, key) for index, key in enumerate(keys)))
    assert memory.first_record(9) == first
    assert Memory(NOTHING, 1000).first_record(9) == 9
