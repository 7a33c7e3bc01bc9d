"""Speed, load, temperature, product and tool: from any topic or field, kept with each window."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cbor2
import msgpack
import numpy as np
import pytest

from monitor.commands.status import summary
from monitor.commands.status_text import render
from monitor.config import Config
from monitor.config_sensors import ContextSettings
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.page.views import row_view
from monitor.pipeline import context
from monitor.pipeline.context import ContextRules, ContextStates
from monitor.pipeline.pipeline import Pipeline
from monitor.records.batch import Batch
from monitor.records.context import Told
from monitor.records.signal import Message
from monitor.records.verdict import Status
from monitor.signal.payload.base import PayloadError
from monitor.sources.configured import topic_filters
from tests.pipeline import test_edge_nodes
from tests.pipeline.test_edge_nodes import KIND, session
from tests.signals import START_NS, configure, messages, noise, rules

SPEED = {"name": "speed_rpm", "topic": "plant/{machine}/speed"}
S_NS = 10**9


def service(*sources: dict[str, Any], **changes: Any) -> Pipeline:
    return Pipeline(rules(configure(context=list(sources), **changes)), {}, {}, 0.0)


def said(topic: str, payload: object, at_s: float = 0.0, **properties: str) -> Message:
    data = payload if isinstance(payload, bytes) else str(payload).encode()
    return Message(topic, data, START_NS + round(at_s * S_NS), properties)


def window(at_s: float, sensor: str = "m/p", level: float = 1.0) -> Message:
    """Half a second of samples: one window."""
    (found,) = messages(noise(1000, round(at_s * 10)) * np.float32(level), [1000], sensor)
    at_ns = START_NS + round(at_s * S_NS)
    properties = {"start_time_ns": str(at_ns)}
    return Message(found.topic, found.payload, at_ns, properties)


def run(found: Pipeline, sent: Sequence[Message]) -> Batch:
    for message in sent:
        found.process([message], message.received_ns, 0.0)
    return found.take_batch(True)


def contexts(batch: Batch) -> list[dict[str, Any]]:
    return [dict(verdict.context) for verdict in batch.verdicts if verdict.n_samples]


def test_the_newest_value_is_kept_with_each_window() -> None:
    sent = [
        window(0),
        said("plant/m/speed", "1480", 1),
        window(2),
        said("plant/m/speed", "1500.5", 3),
        said("plant/other/speed", "9", 3),
        window(4),
    ]
    batch = run(service(SPEED), sent)
    assert contexts(batch) == [{}, {"speed_rpm": 1480.0}, {"speed_rpm": 1500.5}]
    assert not batch.bad_payloads


def test_a_value_counts_for_as_long_as_it_is_said_to() -> None:
    sent = [said("plant/m/speed", "1480", 0), window(29), window(31)]
    batch = run(service(SPEED | {"valid_s": 30}), sent)
    assert contexts(batch) == [{"speed_rpm": 1480.0}, {}]


def test_a_points_value_goes_before_its_machines_and_that_before_all() -> None:
    sources = [
        {"name": "tool", "topic": "plant/tool"},
        {"name": "tool", "topic": "plant/{machine}/tool"},
        {"name": "tool", "topic": "plant/{machine}/{point}/tool"},
    ]
    sent = [
        said("plant/tool", "all"),
        said("plant/m/tool", "machine"),
        said("plant/m/p/tool", "point"),
        *[window(1, sensor) for sensor in ("m/p", "m/q", "n/p")],
    ]
    found = contexts(run(service(*sources), sent))
    assert [one["tool"] for one in found] == ["point", "machine", "all"]


@pytest.mark.parametrize(
    ("how", "payload", "value"),
    [
        ({}, b"12.5\0\r\n", 12.5),
        ({}, b" T4 ", "T4"),
        ({"scale": 60}, b"25", 1500.0),
        ({"format": "json"}, b"25", 25.0),
        ({"format": "json"}, b"true", 1.0),
        ({"format": "json"}, b'"T4"', "T4"),
        ({"format": "json", "value": "d.0.rpm"}, b'{"d": [{"rpm": 3}]}', 3.0),
        ({"format": "json", "value": "rpm"}, b'{"rpm": "1480"}', 1480.0),
        ({"format": "cbor", "value": "rpm"}, cbor2.dumps({"rpm": 3}), 3.0),
        ({"format": "msgpack", "value": "rpm"}, msgpack.packb({"rpm": 3}), 3.0),
    ],
)
def test_formats(how: dict[str, Any], payload: bytes, value: object) -> None:
    sent = [said("plant/m/speed", payload), window(1)]
    assert contexts(run(service(SPEED | how), sent)) == [{"speed_rpm": value}]


@pytest.mark.parametrize(
    ("how", "payload", "reason"),
    [
        ({}, b"nan", "bad_context"),
        ({}, b"x" * 65, "bad_context"),
        ({}, b"a\x07b", "bad_context"),
        ({}, b'{"rpm": 3}', "bad_context"),
        ({}, b"", "empty"),
        ({"format": "json"}, b"{", "not_json"),
        ({"format": "json"}, b"[" * 99, "too_nested"),
        ({"format": "json"}, b"[1]", "bad_context"),
        ({"format": "json"}, b"1e999", "bad_context"),
        ({"format": "json", "value": "rpm"}, b'{"rpm": null}', "no_context"),
        ({"format": "json", "value": "rpm"}, b"{}", "no_context"),
        ({"format": "cbor"}, b"\xff", "not_cbor"),
        ({"format": "sparkplug", "value": "x"}, b"\x0b", "not_sparkplug"),
    ],
)
def test_what_is_none_is_refused_and_the_last_value_stays(
    how: dict[str, Any], payload: bytes, reason: str
) -> None:
    topic = (
        "spBv1.0/g/DDATA/{machine}/d"
        if how.get("format") == "sparkplug"
        else SPEED["topic"]
    )
    found = service(SPEED | {"topic": topic} | how)
    batch = run(found, [said(topic.replace("{machine}", "m"), payload), window(1)])
    assert [bad.reason for bad in batch.bad_payloads] == [reason]
    assert all(bad.detail.isprintable() for bad in batch.bad_payloads)
    assert contexts(batch) == [{}]


def test_a_field_beside_the_samples() -> None:
    """Of a topic that brings both; a message without it leaves the value as it was."""
    topic = "v/{machine}/{point}"
    how = {"subscriptions": [{"topic": topic, "payload": {"format": "json", "time": "t"}}]}
    source = {"name": "speed_rpm", "topic": topic, "format": "json", "value": "n.rpm"}
    trees = [
        {"samples": noise(1000)[0].tolist(), "n": {"rpm": 700}},
        {"samples": noise(1000)[0].tolist()},
    ]
    sent = [said("v/m/p", json.dumps(tree), at) for at, tree in enumerate(trees)]
    batch = run(service(source, **how), sent)
    assert contexts(batch) == [{"speed_rpm": 700.0}] * 2
    assert not batch.bad_payloads
    filters = [one.text for one in topic_filters(configure(context=[source], **how))]
    assert filters == ["v/+/+", "camshaft/label"]


def test_a_property_beside_raw_samples() -> None:
    source = {
        "name": "tool",
        "topic": "vibration/{machine}/{point}/waveform",
        "format": "property",
        "value": "tool",
    }
    sample = window(0)
    properties = dict(sample.properties) | {"tool": "T4"}
    sent = [Message(sample.topic, sample.payload, sample.received_ns, properties)]
    assert contexts(run(service(source), sent)) == [{"tool": "T4"}]


def sparkplug_config(
    value: str, topic: str = "spBv1.0/plant/DDATA/{machine}/{point}"
) -> Config:
    base = test_edge_nodes.config()
    source = {"name": "heat", "topic": topic, "format": "sparkplug", "value": value}
    return base.model_copy(update={"context": (ContextSettings.model_validate(source),)})


def test_a_sparkplug_metric_by_birth_and_by_alias() -> None:
    """20.5 in the birth, 21.25 in data that bring no samples."""
    found = Pipeline(rules(sparkplug_config("temperature")), {}, {}, 0.0)
    batch = run(found, session()[:8])
    assert [one["heat"] for one in contexts(batch)] == [20.5, 20.5, 21.25, 21.25]
    assert not batch.bad_payloads


def test_a_metric_of_the_edge_node_itself_holds_for_its_devices() -> None:
    source = sparkplug_config("uptime", "spBv1.0/plant/NDATA/{machine}")
    found = Pipeline(rules(source), {}, {}, 0.0)
    batch = run(found, session()[:7])
    assert [one.get("heat") for one in contexts(batch)] == [None, None, 7.0]
    assert not batch.bad_payloads


def test_an_alias_that_nobody_named_asks_for_a_birth() -> None:
    narrow = sparkplug_config("temperature", "spBv1.0/plant/DDATA/{machine}/press")
    only = configure(context=[narrow.context[0].model_dump()])
    found = Pipeline(rules(only), {}, {}, 0.0)
    data = session()[KIND.index("DDATA") + 2]
    found.process([data, said("vibration/m/p/waveform", bytes(8))], START_NS, 0.0)
    batch = found.take_batch(True)
    assert batch.bad_payloads[0].reason == "unknown_alias"
    assert len(batch.commands) == 1


def test_a_value_tells_whether_the_machine_runs() -> None:
    running = {"running": {"context": "speed_rpm", "at_least": 100}}
    sent = [
        window(0),
        said("plant/m/speed", "99.9", 1),
        window(2),
        said("plant/m/speed", "100", 3),
        window(4),
        window(90),
        said("plant/m/speed", "off", 91),
        window(92),
    ]
    batch = run(service(SPEED, sensor=running), sent)
    judged = [
        verdict for verdict in batch.verdicts if verdict.status is not Status.BAD_DATA
    ]
    assert [verdict.running for verdict in judged] == [None, False, True, None, None]
    assert [verdict.status for verdict in judged][:2] == [Status.LEARNING, Status.IDLE]


def test_a_restart_knows_the_tool_and_every_window_keeps_its_own(tmp_path: Path) -> None:
    tool = {"name": "tool", "topic": "plant/{machine}/tool", "valid_s": 3600}
    journal, config = Journal(tmp_path / "journal"), configure(context=[SPEED, tool])
    sent = [said("plant/m/tool", "T4"), said("plant/m/speed", "1480.5"), window(1)]
    journal.commit(run(Pipeline(rules(config), {}, {}, 0.0), sent))
    second = Pipeline(rules(config), journal.streams(), {}, 0.0, journal.remembered())
    journal.commit(run(second, [window(100)]))
    reader = JournalReader(tmp_path / "journal")
    rows = list(reader.rows())
    kept = reader.context(row.row_id for row in rows)
    assert [kept[row.row_id] for row in rows] == [
        {"speed_rpm": 1480.5, "tool": "T4"},
        {"tool": "T4"},
    ]
    tree = summary(reader, [], START_NS)
    assert tree["sensors"]["m/p"]["context"] == {"tool": "T4"}
    assert "; tool T4" in render(tree)
    assert (
        row_view(rows[0], False, [], kept[1], {})["context"] == "speed_rpm 1480.5, tool T4"
    )
    while journal.thin(0, 0, []).total():
        pass
    assert not reader.context(row.row_id for row in rows)


def test_a_message_tells_nothing_where_nothing_is_asked_for() -> None:
    assert ContextRules((), ()).values(said("plant/m/speed", "1"), None) == {}
    topic = "spBv1.0/+/DDATA/{machine}/{point}"
    metric = ContextSettings(name="rpm", topic=topic, format="sparkplug", value="speed")
    for kind in ("DCMD", "DDEATH"):
        ended = said(f"spBv1.0/g/{kind}/m/p", "1")
        assert ContextRules((metric,), ()).values(ended, None) == {}


def test_the_newest_value_is_the_one_told_last_whether_it_holds_or_not() -> None:
    of_all, of_point = Told(1.0, 20, 0), Told(2.0, 10, 0)
    states = ContextStates({("rpm", "", ""): of_all, ("rpm", "m", "p"): of_point})
    assert states.newest("m/p", "rpm") == of_all
    assert states.newest("m/p", "load") is None


def test_twenty_thousand_values_are_kept() -> None:
    states = ContextStates({})
    told = {("rpm", f"m{index}", ""): Told(1.0, 0, 10) for index in range(20_000)}
    states.note(told)
    states.note(told)  # none of them is new
    with pytest.raises(PayloadError, match="More than 20000 values"):
        states.note({("rpm", "another", ""): Told(1.0, 0, 10)})


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MAX_VALUES", 3)
    sent = [said(f"plant/m{index}/speed", "1") for index in range(6)]
    batch = run(service(SPEED), sent)
    assert [bad.reason for bad in batch.bad_payloads] == ["too_many_values"] * 3
    states = ContextStates({("a", "m", ""): Told(1.0, 0, 10)})
    assert states.of("m/p", ["a", "b"], 10) == {"a": 1.0}
    assert states.of("m/p", ["a", "b"], 11) == {}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"name": "Speed"}, "name"),
        ({"topic": "a/{machine}/#"}, "each level must be plain text"),
        ({"value": "rpm"}, "needs a format that has parts"),
        ({"format": "property"}, "must name a metric or property"),
        (
            {"format": "sparkplug", "value": "x", "topic": "spBv1.0/a/b"},
            "none of Sparkplug's data",
        ),
        ({"valid_s": 0}, "valid_s"),
        ({"scale": 0}, "must not be 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(Exception, match=rule):
        configure(context=[SPEED | changes])


def test_its_topics_are_listened_to_as_states() -> None:
    """What is retained still holds, and is wanted anew at every start."""
    filters = topic_filters(configure(context=[SPEED, SPEED | {"name": "again"}]))
    assert [(one.text, one.is_state) for one in filters if "plant" in one.text] == [
        ("plant/+/speed", True)
    ]
