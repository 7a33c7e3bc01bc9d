"""One name, two topics: a relay's repetition, another plant's machine, or a sensor that moved."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.pipeline.origins import Origin, Origins, Senders
from monitor.pipeline.pipeline import Pipeline
from monitor.records.batch import Batch
from monitor.records.signal import Message
from monitor.records.verdict import Status
from tests.signals import START_NS, configure, messages, noise, rules

RAW = {"format": "raw", "dtype": "float32"}


def pipeline(topic: str) -> Pipeline:
    config = configure(subscriptions=[{"topic": topic, "payload": RAW}])
    return Pipeline(rules(config), {}, {}, 0.0)


def on(topic: str, sent: list[Message], *, bare: bool = False) -> list[Message]:
    """The same messages on another topic; bare: without time and sequence, QoS 0."""
    properties: dict[str, str] | None = {} if bare else None
    return [
        replace(
            one,
            topic=topic,
            properties=one.properties if properties is None else properties,
            delivery=None,
        )
        for one in sent
    ]


def run(found: Pipeline, sent: list[Message]) -> Batch:
    for message in sent:
        found.process([message], START_NS, 0.0)
    return found.take_batch(True)


def in_turn(*streams: list[Message]) -> list[Message]:
    return [one for group in zip(*streams, strict=True) for one in group]


def tagged(sent: list[Message], said: dict[str, Any]) -> list[Message]:
    """The same samples as JSON, with a field that says who sends them."""
    found = []
    for one in sent:
        tree = {"samples": np.frombuffer(one.payload, "<f4").tolist(), "time": None, **said}
        payload = json.dumps(tree).encode()
        found.append(replace(one, topic="gateway/m", payload=payload, properties={}))
    return found


def of_json(**how: Any) -> Pipeline:
    payload = {"format": "json", **how}
    topic = "gateway/{machine}"
    return Pipeline(
        rules(configure(subscriptions=[{"topic": topic, "payload": payload}])), {}, {}, 0.0
    )


IDS = [
    ({"id": "a"}, {"id": "b"}),
    ({"sensor_id": 1}, {"sensor_id": 2}),
    ({"dev": {"deviceId": "a"}}, {"dev": {"deviceId": "b"}}),
    ({"MAC": "00:01", "rssi": -50}, {"MAC": "00:02", "rssi": -50}),
]


@pytest.mark.parametrize(("one", "other"), IDS)
def test_two_senders_that_nobody_told_apart_are_not_melted(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Found when both have come back."""
    first = tagged(messages(noise(4000), [500] * 8), one)
    second = tagged(messages(noise(4000, 1), [500] * 8), other)
    batch = run(of_json(), in_turn(first, second))
    assert batch.counters["bad_payloads.ambiguous_sender"] == 7
    (event,) = [event for event in batch.events if event.kind == "ambiguous"]
    assert "name the field that tells them apart as machine or point" in event.text
    assert event.text.isprintable()
    # all of the first, one of the second
    assert batch.books["m/main", "received", ""] == 4500


def test_named_by_that_field_they_are_two_sensors() -> None:
    first = tagged(messages(noise(4000), [500] * 8), {"id": "a"})
    second = tagged(messages(noise(4000, 1), [500] * 8), {"id": "b"})
    batch = run(of_json(point="id"), in_turn(first, second))
    assert not batch.bad_payloads
    assert {sensor for sensor, _, _ in batch.books} == {"m/a", "m/b"}


def test_a_number_of_its_own_is_no_sender() -> None:
    """Nor is one that comes twice now and then, nor a sensor that was replaced."""
    sent = messages(noise(8000), [500] * 16)
    numbered = [tagged([one], {"id": index})[0] for index, one in enumerate(sent)]
    assert not run(of_json(), numbered).bad_payloads
    twice = [*numbered[:4], numbered[2], *numbered[4:9], numbered[7], *numbered[9:]]
    assert not run(of_json(), twice).bad_payloads
    replaced = tagged(sent[:8], {"id": "a"}) + tagged(sent[8:], {"id": "b"})
    assert not run(of_json(), replaced).bad_payloads


def test_parts_of_several_devices_are_noticed() -> None:
    """In one message: {"parts": [{"id": "a", ...}, {"id": "b", ...}]}."""
    parts = [{"id": name, "samples": noise(500).tolist()} for name in "ab"]
    message = Message("gateway/m", json.dumps({"parts": parts}).encode(), START_NS)
    batch = run(of_json(parts="parts"), [message] * 4)
    assert batch.counters["bad_payloads.ambiguous_sender"] == 3


def test_a_property_may_tell_the_sender() -> None:
    sent = messages(noise(4000), [500] * 8)
    mixed = [
        replace(one, properties=dict(one.properties) | {"deviceId": "ab"[index % 2]})
        for index, one in enumerate(sent)
    ]
    batch = run(pipeline("vibration/{machine}/{point}/waveform"), mixed)
    assert batch.counters["bad_payloads.ambiguous_sender"] == 3


def test_the_second_sender_takes_over_once_the_first_is_silent() -> None:
    found = of_json()
    first = tagged(messages(noise(2000), [500] * 4), {"id": "a"})
    second = tagged(messages(noise(4000, 1), [500] * 8), {"id": "b"})
    run(found, in_turn(first, second[:4]))
    found.tick(START_NS, 100.0)
    batch = run(found, second[4:])
    assert not batch.bad_payloads
    assert batch.books["m/main", "received", ""] == 2000


GATEWAYS = ("gateway/g1/m/p", "gateway/g2/m/p")
SITES = ("site/hamburg/m/p", "site/munich/m/p")


@pytest.mark.parametrize("bare", [True, False], ids=["no time", "time and sequence"])
@pytest.mark.parametrize("lag", [0, 1, 3])
def test_two_gateways_that_relay_one_sensor(bare: bool, lag: int) -> None:
    """Case d25-gateway-resend: 20 windows of 1,000 samples, 20,000 duplicate. Judged twice at 0.1.0
    where the two send on topics of their own.
    """
    sent = messages(noise(20_000), [500] * 40)
    first, second = (on(topic, sent, bare=bare) for topic in GATEWAYS)
    both = in_turn(first[lag:], second[: len(second) - lag])
    batch = run(
        pipeline("gateway/+/{machine}/{point}"), [*first[:lag], *both, *second[40 - lag :]]
    )
    assert batch.books["m/p", "received", ""] == 40_000
    assert batch.books["m/p", "dropped", "duplicate"] == 20_000
    judged = [one for one in batch.verdicts if one.status is not Status.BAD_DATA]
    assert [one.first_sample for one in judged] == list(range(0, 20_000, 1000))
    assert not batch.counters["bad_payloads.ambiguous_topic"]


def test_a_gateway_that_repeats_on_its_own_topic() -> None:
    """Case d25-gateway-resend: right already at 0.1.0."""
    sent = messages(noise(20_000), [500] * 40)
    again = [replace(one, delivery=None) for one in sent]
    found = Pipeline(rules(configure()), {}, {}, 0.0)
    batch = run(found, in_turn(again, again))
    assert batch.books["m/p", "dropped", "duplicate"] == 20_000
    assert len(batch.verdicts) == 20


def test_a_faster_second_gateway_is_found_out() -> None:
    """It is refused until the first has said the same; from then on either may bring a message."""
    sent = messages(noise(6000), [500] * 12)
    slow, fast = (on(topic, sent, bare=True) for topic in GATEWAYS)
    tried = pipeline("gateway/+/{machine}/{point}")
    begin = [slow[0], fast[1], slow[1], fast[2], slow[2]]
    batch = run(tried, [*begin, *fast[3:]])  # the first has died
    assert batch.books["m/p", "dropped", "duplicate"] == 0
    assert batch.counters["bad_payloads.ambiguous_topic"] == 2
    assert [one.first_sample for one in batch.verdicts] == list(range(0, 6000, 1000))


def test_two_plants_with_a_machine_of_one_name() -> None:
    """`site/+/{machine}/{point}` melted Hamburg's and Munich's pump into one sensor."""
    hamburg = on(SITES[0], messages(noise(8000, seed=1), [500] * 16), bare=True)
    munich = on(SITES[1], messages(noise(8000, seed=2), [500] * 16), bare=True)
    tried = pipeline("site/+/{machine}/{point}")
    both = run(tried, in_turn(hamburg, munich))
    alone = run(pipeline("site/+/{machine}/{point}"), hamburg)
    assert [one.quality for one in both.verdicts] == [one.quality for one in alone.verdicts]
    assert both.books == alone.books
    assert both.counters["bad_payloads.ambiguous_topic"] == 16
    (event,) = [one for one in both.events if one.kind == "ambiguous"]
    assert event.text == (
        "Topics 'site/hamburg/m/p' and 'site/munich/m/p' both name sensor 'm/p' and bring different"
        " signals: name the level that differs under subscriptions, {site} say."
    )
    assert both.bad_payloads[0].detail == event.text
    # Hamburg's silence does not make Munich's pump its own.
    tried.tick(START_NS, 10.0)
    assert run(tried, munich).counters["bad_payloads.ambiguous_topic"] == 16


def test_a_named_site_keeps_them_apart() -> None:
    hamburg = on(SITES[0], messages(noise(2000, seed=1), [500] * 4), bare=True)
    munich = on(SITES[1], messages(noise(2000, seed=2), [500] * 4), bare=True)
    batch = run(pipeline("site/{site}/{machine}/{point}"), in_turn(hamburg, munich))
    assert {one.sensor for one in batch.verdicts} == {"hamburg.m/p", "munich.m/p"}
    assert not batch.bad_payloads


def test_dead_sensors_that_send_the_same_zeros_are_no_relays() -> None:
    zeros = messages(np.zeros((1, 4000), np.float32), [500] * 8)
    hamburg, munich = (on(topic, zeros, bare=True) for topic in SITES)
    tried = pipeline("site/+/{machine}/{point}")
    run(tried, in_turn(hamburg, munich))
    real = on(SITES[1], messages(noise(500), [500]), bare=True)
    assert run(tried, real).counters["bad_payloads.ambiguous_topic"] == 1


def test_a_sensor_that_moves_to_another_gateway_goes_on() -> None:
    sent = messages(noise(4000), [500] * 8)
    old, new = (on(topic, sent, bare=True) for topic in GATEWAYS)
    tried = pipeline("gateway/+/{machine}/{point}")
    run(tried, old[:4])
    tried.tick(START_NS, 4.0)  # three expected periods of one second
    tried.take_batch(True)
    batch = run(tried, new[4:])
    assert [one.kind for one in batch.events] == ["moved", "back"]
    assert len(batch.verdicts) == 2


def test_topics_told_apart_are_bounded() -> None:
    origins = Origins()
    assert origins.judge("m/p", "a", 0, is_silent=False) is Origin.ITSELF
    for n in range(48):
        assert origins.judge("m/p", f"b{n}", 100 + n, is_silent=False) is Origin.FOREIGN
    assert len(origins._known["m/p"].rivals) == 16


def test_two_topics_whose_payloads_name_one_sensor() -> None:
    """A topic without a level + can be as ambiguous, where the payload names the machine."""
    payload = {"format": "json", "machine": "id", "time": None, "sequence": None}
    config = configure(
        subscriptions=[{"topic": "data/{point}/{machine}", "payload": payload}]
    )
    tried = Pipeline(rules(config), {}, {}, 0.0)
    sent = [
        Message(
            f"data/p/{source}",
            json.dumps(
                {"id": "m", "samples": (noise(500, seed=seed)[0]).tolist()}
            ).encode(),
            START_NS,
        )
        for seed, source in enumerate(("hamburg", "munich") * 4)
    ]
    batch = run(tried, sent)
    assert batch.books["m/p", "received", ""] == 4 * 500
    assert batch.counters["bad_payloads.ambiguous_topic"] == 4


@pytest.mark.parametrize(
    ("n_behind", "origin"),
    [(1, Origin.REPEATED), (16, Origin.REPEATED), (17, Origin.FOREIGN)],
)
def test_a_relay_may_be_sixteen_messages_behind(n_behind: int, origin: Origin) -> None:
    origins = Origins()
    for checksum in range(40):
        origins.judge("m/p", GATEWAYS[0], checksum, is_silent=False)
    found = origins.judge("m/p", GATEWAYS[1], 40 - n_behind, is_silent=False)
    assert found is origin


@pytest.mark.parametrize(("n_ahead", "is_relay"), [(16, True), (17, False)])
def test_a_relay_may_be_sixteen_messages_ahead(n_ahead: int, is_relay: bool) -> None:
    """It is refused until the sensor has said two of the same; then it may bring a message."""
    origins = Origins()
    origins.judge("m/p", GATEWAYS[0], 0, is_silent=False)
    for checksum in range(1, n_ahead + 1):
        found = origins.judge("m/p", GATEWAYS[1], checksum, is_silent=False)
        assert found is Origin.FOREIGN
    for checksum in (1, n_ahead):
        origins.judge("m/p", GATEWAYS[0], checksum, is_silent=False)
    found = origins.judge("m/p", GATEWAYS[1], 99, is_silent=False)
    assert (found is Origin.ITSELF) == is_relay


def spoken(names: str) -> list[bool]:
    """Which of one sensor's messages are refused."""
    senders = Senders()
    return [senders.is_foreign("m/p", name, is_silent=False) for name in names]


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        ("abab", [3]),
        ("abac", []),  # one that came back proves nothing
        ("abacbc", [5]),
        ("abcabc", [5]),
        ("aabb", []),
    ],
)
def test_senders_take_turns_where_they_come_back_as_often_as_new_ones_come(
    names: str, refused: list[int]
) -> None:
    assert np.flatnonzero(spoken(names)).tolist() == refused


def test_the_first_refusal_is_news_and_names_the_first_sender() -> None:
    senders, news = Senders(), []
    for name in "ababab":
        if senders.is_foreign("m/p", name, is_silent=False):
            news.append(senders.is_news("m/p"))
            assert senders.first_of("m/p") == "a"
    assert news == [True, False]


def test_senders_told_apart_are_bounded() -> None:
    senders = Senders()
    for number in range(200):
        senders.is_foreign("m/p", str(number), is_silent=False)
    assert len(senders._said["m/p"].names) == 64


def test_a_foreign_topic_is_news_once() -> None:
    origins, news = Origins(), []
    origins.judge("m/p", GATEWAYS[0], 0, is_silent=False)
    assert not origins.is_news("m/p", GATEWAYS[0])
    for checksum in (1, 2, 3):
        origins.judge("m/p", GATEWAYS[1], checksum, is_silent=False)
        news.append(origins.is_news("m/p", GATEWAYS[1]))
    assert news == [True, False, False]


def test_who_repeated_two_messages_may_bring_one() -> None:
    origins = Origins()
    for checksum in range(3):
        origins.judge("m/p", GATEWAYS[0], checksum, is_silent=False)
    heard = [
        origins.judge("m/p", GATEWAYS[1], checksum, is_silent=False)
        for checksum in (0, 1, 99)
    ]
    assert heard == [Origin.REPEATED, Origin.REPEATED, Origin.ITSELF]


def test_what_a_topic_brought_as_it_took_over_may_be_repeated() -> None:
    origins = Origins()
    origins.judge("m/p", GATEWAYS[0], 0, is_silent=False)
    assert origins.judge("m/p", GATEWAYS[1], 7, is_silent=True) is Origin.MOVED
    assert origins.topic_of("m/p") == GATEWAYS[1]
    assert origins.judge("m/p", GATEWAYS[0], 7, is_silent=False) is Origin.REPEATED
