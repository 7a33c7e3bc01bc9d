"""What a message is: samples, a running state, a label, or nothing that anybody asked for."""

from __future__ import annotations

import gzip
import json
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from monitor.pipeline.router import Router, RunningWord
from monitor.records.labels import LabelRequest
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import PayloadError, SensorRule
from tests.pipeline.test_edge_nodes import session
from tests.signals import START_NS, configure, messages, noise, rules

RAW = {"format": "raw", "dtype": "float32"}
STATE = {"running": {"topic": "plant/{machine}/{point}/state"}}
WORDS = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


def router() -> Router:
    return Router(rules(configure(sensor=STATE)))


def rule_of(sensor: str) -> SensorRule:
    analyser = router().analyser(sensor)
    assert analyser is not None
    return analyser.rule


def read(topic: str, payload: bytes, retained: bool = False) -> object:
    found = router()
    return found.read(Message(topic, payload, START_NS, retained=retained), rule_of)


def chunks_of(found: Router, message: Message) -> list[Chunk]:
    chunks = found.read(message, rule_of)
    assert isinstance(chunks, list)
    return chunks


@pytest.mark.parametrize(("word", "is_running"), WORDS.items())
def test_words_of_a_running_state(word: str, is_running: bool) -> None:
    expected = RunningWord(STATE["running"]["topic"], "m", "p", is_running)
    for written in (word, word.upper(), f" {word}\n"):
        assert read("plant/m/p/state", written.encode()) == expected


@pytest.mark.parametrize(
    ("topic", "payload", "retained", "reason"),
    [
        ("plant/m/p/state", b"maybe", False, "bad_running_state"),
        ("plant/m/p/other", b"on", False, "unmatched_topic"),
        ("camshaft/label", b"NG", False, "bad_label"),
        ("camshaft/label", b"{}", True, "retained_label"),
        ("vibration/m/p/waveform", b"xyz", False, "bad_length"),
    ],
)
def test_what_is_refused(topic: str, payload: bytes, retained: bool, reason: str) -> None:
    with pytest.raises(PayloadError) as refused:
        read(topic, payload, retained)
    assert refused.value.reason == reason


def test_samples_and_labels() -> None:
    (message,) = messages(noise(7), [7])
    (chunk,) = chunks_of(router(), message)
    assert (chunk.sensor, chunk.samples.shape) == ("m/p", (1, 7))
    label = b'{"sensor": "m/p", "word": "NG confirmed"}'
    assert isinstance(read("camshaft/label", label), LabelRequest)


def test_what_a_topic_alone_tells() -> None:
    found = router()
    assert found.sensor_of("vibration/m/p/waveform") == "m/p"
    assert found.sensor_of("plant/m/p/state") is None
    packed = gzip.compress(noise(100).tobytes())
    hint = found.hint(Message("vibration/m/p/waveform", packed, START_NS))
    assert hint == "It seems to be gzip: set payload.compression: gzip."
    assert found.hint(Message("plant/m/p/state", packed, START_NS)) == ""
    assert found.context(Message("plant/m/p/state", b"on", START_NS)) == {}


def of_topics(*topics: str, **payload: Any) -> Router:
    how = payload or RAW
    subscriptions = [{"topic": topic, "payload": how} for topic in topics]
    return Router(rules(configure(subscriptions=subscriptions)))


BY_MACHINE = {"format": "json", "machine": "id"}


@pytest.mark.parametrize(
    ("topics", "payload", "expected"),
    [
        (["{machine}/{point}"], {}, False),
        (["a/+/{machine}"], {}, True),
        (["a/{machine}"], BY_MACHINE, True),
        (["a/{machine}"], {"format": "json", "point": "id"}, False),
        (["a/{machine}", "b/{machine}"], {}, True),
    ],
)
def test_two_topics_may_name_one_sensor(
    topics: list[str], payload: dict[str, Any], expected: bool
) -> None:
    assert of_topics(*topics, **payload).is_ambiguous is expected


def test_a_topic_gives_the_whole_name_where_messages_give_none_of_it() -> None:
    topic = "a/m"
    assert of_topics("a/{machine}").whole_name(topic) == "m/main"
    assert of_topics("a/{machine}").whole_name("b/m") == ""
    assert of_topics("a/{machine}", **BY_MACHINE).whole_name(topic) == ""
    by_point = of_topics("a/{machine}", format="json", point="id")
    assert by_point.whole_name(topic) == ""
    assert by_point.sensor_of(topic) == "m/main"


def test_names_have_200_characters_at_most() -> None:
    found, machine = of_topics("a/{machine}/{point}"), "m" * 198
    assert found.whole_name(f"a/{machine}/p") == f"{machine}/p"
    assert found.whole_name(f"a/{machine}m/p") == ""


def test_a_part_is_not_empty_and_no_larger_than_a_payload_may_be() -> None:
    part = {"messageId": "a", "chunkIndex": 0, "totalChunks": 2}
    for n, is_refused in ((40, False), (41, True), (0, True)):
        found = Router(replace(rules(configure()), max_payload_bytes=40))
        message = Message(
            "vibration/m/p/waveform", b"x" * n, START_NS, {"__chunk": json.dumps(part)}
        )
        with pytest.raises(PayloadError) if is_refused else nullcontext():
            assert found.read(message, rule_of) == []


SPARKPLUG = "spBv1.0/plant/DDATA/{machine}/{point}"


def test_edge_nodes_are_heard_where_only_a_context_comes_from_them() -> None:
    context = {"name": "t", "topic": SPARKPLUG, "format": "sparkplug", "value": "t"}
    found = Router(rules(configure(context=[context])))
    birth = session()[0]
    assert found.read(birth, rule_of) == []
    elsewhere = replace(birth, topic=birth.topic.replace("plant", "other"))
    with pytest.raises(PayloadError, match="fits no subscription"):
        found.read(elsewhere, rule_of)


def test_raw_samples_may_come_on_a_topic_like_an_edge_node_s() -> None:
    payloads = {"plant": {"format": "sparkplug", "metrics": ["x"]}, "raw": RAW}
    subscriptions = [
        {"topic": SPARKPLUG.replace("plant", group), "payload": payload}
        for group, payload in payloads.items()
    ]
    found = Router(rules(configure(subscriptions=subscriptions)))
    sent = Message("spBv1.0/raw/DDATA/m/p", noise(7).tobytes(), START_NS)
    (chunk,) = chunks_of(found, sent)
    assert (chunk.sensor, chunk.samples.shape) == ("m/p", (1, 7))
