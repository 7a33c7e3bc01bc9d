"""A sensor whose bytes contradict its settings is BAD_DATA, one whose every message is refused too:
never OK, never LEARNING, never nowhere. It comes back by itself.
"""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.pipeline.pipeline import MAX_UNHEARD, Pipeline
from monitor.pipeline.presence import Presence
from monitor.records.batch import Batch
from monitor.records.signal import Message
from monitor.records.verdict import Status
from monitor.signal.plausibility.check import N_WHOLE
from tests.signals import START_NS, configure, messages, noise, rules

SECOND_NS = 10**9
RAW = {"format": "raw", "dtype": "int16"}
TOPIC = "vibration/m/p/waveform"


def make(**changes: object) -> Pipeline:
    payload = changes.pop("payload", RAW)
    subscription = {"topic": "vibration/{machine}/{point}/waveform", "payload": payload}
    sensor = {"unit": "counts", "scale": 0.01}
    config = configure(subscriptions=[subscription], sensor=sensor, **changes)
    return Pipeline(rules(config), {}, {}, 0.0)


def sent(n: int, byte_order: str, first: int = 0) -> list[Message]:
    """n messages of one window each."""
    counts = np.rint(300 * noise(1000 * (first + n))[0])
    plain = messages(noise(1000 * (first + n)), [1000] * (first + n))
    return [
        replace(
            message,
            payload=counts[1000 * k : 1000 * (k + 1)].astype(f"{byte_order}i2").tobytes(),
        )
        for k, message in enumerate(plain)
    ][first:]


def fates(batch: Batch) -> list[tuple[Status, str]]:
    return [(v.status, v.reason) for v in batch.verdicts]


def check_books(*batches: Batch) -> None:
    """All samples are accounted for, but for what waits."""
    total = sum(
        (n if fate == "received" else -n)
        for batch in batches
        for (_, fate, _), n in batch.books.items()
    )
    assert total == 0


def test_bytes_that_contradict_the_settings_are_bad_data_until_they_make_sense() -> None:
    pipeline = make()
    pipeline.process(sent(5, ">"), START_NS, 0.0)
    wrong = pipeline.take_batch(True)
    assert fates(wrong) == [(Status.BAD_DATA, "implausible_format")] * 5
    (event,) = wrong.events
    assert event.kind == "format_wrong"
    assert event.text.endswith("set payload.byte_order: big")
    pipeline.process(sent(N_WHOLE + 5, "<", first=5), START_NS, 1.0)
    right = pipeline.take_batch(True)
    bad = [(Status.BAD_DATA, "implausible_format")] * (N_WHOLE - 1)
    assert fates(right) == bad + [(Status.LEARNING, "not_commissioned")] * 6
    check_books(wrong, right)


def test_a_sensor_that_changes_its_format_is_noticed_within_minutes() -> None:
    pipeline = make()
    pipeline.process(sent(10, "<"), START_NS, 0.0)
    assert {v.status for v in pipeline.take_batch(True).verdicts} == {Status.LEARNING}
    pipeline.process(sent(1, ">", first=10), START_NS, 130.0)
    assert fates(pipeline.take_batch(True)) == [(Status.BAD_DATA, "implausible_format")]


@settings(deadline=None, max_examples=15)
@given(st.lists(st.sampled_from("<>"), min_size=1, max_size=25))
def test_the_books_close_whatever_comes(orders: list[str]) -> None:
    pipeline = make()
    batches = []
    for number, order in enumerate(orders):
        pipeline.process(sent(1, order, first=number), START_NS, float(number))
        batches.append(pipeline.take_batch(True))
    check_books(*batches)
    (first,) = batches[0].verdicts
    assert (first.reason == "implausible_format") == (orders[0] == ">")


def refused(n: int, topic: str = TOPIC) -> list[Message]:
    return [Message(topic, b"\x1f\x8b\x08garbage", START_NS) for _ in range(n)]


def test_a_sensor_that_sends_nothing_usable_is_seen_at_once() -> None:
    """It had no place at all: 20,000 unusable messages, and no row, no line, no page."""
    pipeline = make(payload={"format": "json"})
    pipeline.process(refused(3), START_NS, 0.0)
    pipeline.tick(START_NS, 1.0)
    pipeline.process(refused(3), START_NS, 1.5)
    pipeline.tick(START_NS, 2.0)
    batch = pipeline.take_batch(True)
    assert fates(batch) == [(Status.BAD_DATA, "not_understood")]
    (event,) = batch.events
    assert event.kind == "not_understood"
    assert "Payload is not JSON" in event.text
    assert "the first 1f 8b 08" in event.text
    assert TOPIC in event.text
    check_books(batch)


def test_it_comes_back_and_can_fall_silent() -> None:
    pipeline = make(payload={"format": "json"})
    pipeline.process(refused(3), START_NS, 0.0)
    pipeline.tick(START_NS, 1.0)
    pipeline.tick(START_NS + 9 * SECOND_NS, 10.0)
    good = Message(
        TOPIC, b'{"samples": ' + str(list(range(1000))).encode() + b"}", START_NS
    )
    pipeline.process([good], START_NS, 11.0)
    pipeline.tick(START_NS + 11 * SECOND_NS, 11.5)
    pipeline.process(refused(1), START_NS, 12.0)  # one odd message is an accident
    pipeline.tick(START_NS + 12 * SECOND_NS, 12.5)
    batch = pipeline.take_batch(True)
    found = batch.verdicts
    assert [v.reason for v in found[:3]] == ["not_understood", "silent", "not_commissioned"]
    assert len(found) == 3
    places = {(v.segment, v.first_sample, v.n_samples) for v in found}
    assert len(places) == 3  # else the journal would take one for the other
    assert [e.kind for e in batch.events] == ["not_understood", "silent", "back"]


def test_one_that_was_understood_is_not_silent_while_it_speaks() -> None:
    pipeline = make(payload={"format": "json"})
    pipeline.process(
        [
            Message(
                TOPIC, b'{"samples": ' + str(list(range(1000))).encode() + b"}", START_NS
            )
        ],
        START_NS,
        0.0,
    )
    for second in range(1, 9):
        pipeline.process(refused(1), START_NS, float(second))
        pipeline.tick(START_NS, second + 0.5)
    assert [v.reason for v in pipeline.take_batch(True).verdicts] == [
        "not_commissioned",
        "not_understood",
    ]


def test_invented_names_of_garbage_do_not_fill_memory() -> None:
    pipeline = make(payload={"format": "json"})
    for number in range(MAX_UNHEARD + 20):
        pipeline.process(refused(2, f"vibration/m{number}/p/waveform"), START_NS, 0.0)
    assert len(pipeline.sensors) == MAX_UNHEARD
    batch = pipeline.take_batch(True)
    assert len(batch.bad_payloads) == 2 * (MAX_UNHEARD + 20)
    assert {bad.sensor for bad in batch.bad_payloads} >= {"m0/p", f"m{MAX_UNHEARD + 19}/p"}


def test_a_refused_message_says_what_it_looks_like() -> None:
    pipeline = make(payload={"format": "json"})
    pipeline.process(
        [Message(TOPIC, gzip.compress(b'{"samples": [1]}'), START_NS)], START_NS, 0.0
    )
    (bad,) = pipeline.take_batch(True).bad_payloads
    assert bad.detail.endswith("It seems to be gzip: set payload.compression: gzip.")


@pytest.mark.parametrize("was_heard", [True, False])
def test_presence(was_heard: bool) -> None:
    presence = Presence(0.0)
    if was_heard:
        presence.heard(0.0)
    assert presence.change(2.9, 3.0) is None
    assert presence.change(3.1, 3.0) == "silent"
    assert presence.change(9.0, 3.0) is None
    presence.note_refused("so", 10.0)
    assert presence.change(10.5, 3.0) is None
    presence.note_refused("so", 11.0)
    assert presence.change(11.5, 3.0) == "not_understood"
    assert presence.change(14.5, 3.0) == "silent"
    assert presence.heard(15.0)[0]
    assert presence.change(15.5, 3.0) is None


def test_presence_is_by_the_last_message_that_could_be_used() -> None:
    presence = Presence(5.0)
    assert (presence.refused, presence.was_heard) == ("", False)
    assert presence.heard(6.0) == (False, 1.0)
    assert presence.was_heard
    assert presence.heard(8.5) == (False, 2.5)
    assert presence.change(11.5, 3.0) is None  # silent for as long as is allowed
    assert presence.change(11.6, 3.0) == "silent"
    assert presence.heard(12.0) == (True, 3.5)
    presence.end()
    assert presence.state == "silent"
    assert presence.heard(13.0) == (True, 1.0)


def test_refusals_count_for_as_long_as_silence_would() -> None:
    """And a sensor that was never heard is not silent before, counted from the last of them."""
    presence = Presence(0.0)
    for now_s in (10.0, 11.0):
        presence.note_refused("so", now_s)
    assert presence.change(14.0, 3.0) == "not_understood"
    assert presence.change(14.0, 2.9) == "silent"
    again = Presence(0.0)
    again.note_refused("once", 10.0)
    assert again.change(13.0, 3.0) is None
    assert again.change(13.1, 3.0) == "silent"


def test_a_good_message_ends_a_row_of_refused_ones() -> None:
    presence = Presence(0.0)
    presence.note_refused("so", 1.0)
    presence.heard(2.0)
    presence.note_refused("so", 6.0)
    assert presence.change(6.1, 3.0) is None
