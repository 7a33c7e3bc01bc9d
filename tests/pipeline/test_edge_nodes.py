"""Sparkplug's edge nodes: a session of the reference client, whole, cut and disordered.

tests/cases/clients/sparkplug.cjs made it. Sample n of axis x is n, of axis y it
is -n.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import Config
from monitor.journal.writer import Journal
from monitor.pipeline import edge_nodes
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Router
from monitor.records.batch import Batch
from monitor.records.signal import Message
from monitor.records.verdict import Status
from monitor.settings import ConfigError
from monitor.signal.payload import sparkplug_message
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.protobuf import encoded
from monitor.sources.configured import topic_filters
from tests.paths import ROOT
from tests.signals import configure, rules

START_NS = 1_795_704_411 * 10**9
SESSION = json.loads(
    (ROOT / "tests/cases/sparkplug/session.json").read_text(encoding="utf-8")
)
KIND = [entry["topic"].split("/")[2] for entry in SESSION]
NCMD = "spBv1.0/plant/NCMD/line-1"
DDATA = "spBv1.0/plant/DDATA/line-1/press"


def session() -> list[Message]:
    """Ten messages a second, so that a window is whole with each of data."""
    return [
        Message(one["topic"], base64.b64decode(one["payload"]), START_NS + 10**8 * index)
        for index, one in enumerate(SESSION)
    ]


def config(topic: str = "spBv1.0/plant/DDATA/{machine}/{point}", **payload: Any) -> Config:
    how = {
        "format": "sparkplug",
        "metrics": ["vibration/x", "vibration/y"],
        "dtype": "int16",
    }
    return configure(
        subscriptions=[{"topic": topic, "payload": how | payload}],
        sensor={"sample_rate_hz": 1000, "channels": ["x", "y"], "window_s": 0.1},
    )


def router(found: Config) -> Router:
    return Router(rules(found))


def read(found: Router, message: Message, settings: Config) -> list[float]:
    """Samples of axis x; axis y is checked."""
    chunks = found.read(message, settings.sensor)
    assert isinstance(chunks, list)
    for chunk in chunks:
        np.testing.assert_array_equal(chunk.samples[0], -chunk.samples[1])
    return [x for chunk in chunks for x in chunk.samples[0].tolist()]


def run(messages: Iterable[Message], pipeline: Pipeline | None = None, **how: Any) -> Batch:
    found = pipeline or Pipeline(rules(config(**how)), {}, {}, 0.0)
    for message in messages:
        found.process([message], message.received_ns, 0.0)
    return found.take_batch(True)


def statuses(batch: Batch) -> list[tuple[Status, str]]:
    return [(verdict.status, verdict.reason) for verdict in batch.verdicts]


def test_a_whole_session_loses_nothing() -> None:
    """By alias, compressed in both ways, and born again with the aliases exchanged."""
    found, settings = router(config()), config()
    samples = [x for message in session() for x in read(found, message, settings)]
    assert samples == list(range(600))


def test_deaths_are_no_data_at_once() -> None:
    batch = run(session())
    ok = (Status.LEARNING, "")
    dead = (Status.NO_DATA, "death_certificate")
    assert [
        (status, reason or "") for status, reason in statuses(batch) if status != ok[0]
    ] == [
        dead,  # DDEATH
        dead,  # NDEATH
    ]
    assert not batch.bad_payloads
    assert [event.kind for event in batch.events] == ["silent", "back", "silent"]
    assert batch.counters["sparkplug.births"] == 5
    assert not batch.counters["sparkplug.lost_messages"]
    assert not batch.commands


def test_who_is_dead_dies_no_second_time() -> None:
    batch = run([*session()[:12], session()[14]])  # DDEATH, NDEATH
    assert [KIND[11], KIND[14]] == ["DDEATH", "NDEATH"]
    assert [status for status, _ in statuses(batch)].count(Status.NO_DATA) == 1


def test_a_death_of_another_connection_is_none() -> None:
    """The broker may tell of the old connection after the node has come back over a new one."""
    *before, death = session()
    other = death.payload.replace(bytes.fromhex("5800"), bytes.fromhex("5807"))
    assert other != death.payload
    batch = run([*before, replace(death, payload=other)])
    assert batch.counters["sparkplug.other_deaths"] == 1
    assert statuses(batch)[-1][0] is Status.LEARNING
    unborn = run([death])
    assert not unborn.verdicts
    assert not unborn.counters["sparkplug.other_deaths"]  # of a node that nobody knows


def test_a_lost_message_is_counted_and_a_birth_asked_for() -> None:
    sent = session()
    batch = run(sent[:3] + sent[4:5] + sent[6:8])  # without a DDATA and an NDATA
    assert batch.counters["sparkplug.lost_messages"] == 2
    assert [command.topic for command in batch.commands] == [NCMD]
    # By its times the sensor missed a message itself the first time, and none the second.
    assert [v.reason for v in batch.verdicts if v.status is Status.BAD_DATA] == []
    assert batch.counters["breaks.gap"] == 1


def test_without_times_a_lost_message_breaks_the_streams_of_its_node() -> None:
    sent = session()[:4]
    bare = [
        replace(one, payload=one.payload.replace(one.payload[:7], b"", 1)) for one in sent
    ]
    whole = run(bare)
    assert not whole.counters["breaks.gap"]
    assert run([*bare[:2], bare[2], *lost_numbers(bare[3], 1)]).counters["breaks.gap"] == 1


def lost_numbers(message: Message, n: int) -> list[Message]:
    """The message with a number that is ahead by n."""
    head, number = message.payload[:-1], message.payload[-1]
    return [replace(message, payload=head + bytes([number + n]))]


def test_data_before_any_birth_are_refused_and_a_birth_asked_for() -> None:
    sent = session()
    batch = run(sent[2:4])
    assert [bad.reason for bad in batch.bad_payloads] == ["unknown_alias"] * 2
    assert "no birth certificate has named it" in batch.bad_payloads[0].detail
    (command,) = batch.commands
    asked = sparkplug_message.read(command.payload, 1 << 20)
    assert [metric.name for metric in asked.metrics] == ["Node Control/Rebirth"]
    assert (asked.metrics[0].datatype, asked.metrics[0].value) == (11, 1)
    assert asked.sequence is None


def test_nobody_is_asked_where_that_is_not_wanted() -> None:
    assert not run(session()[2:4], request_rebirth=False).commands
    lossy = session()[:3] + session()[4:]
    assert not run(lossy, request_rebirth=False).commands


def test_an_alias_of_another_birth_is_refused() -> None:
    sent = session()
    nbirth, dbirth, data = sent[0], sent[1], sent[2]
    # Its device's birth is void with the node's new birth, and that of the fan says nothing of it.
    fan = replace(dbirth, topic=dbirth.topic.replace("press", "fan"))
    for others in ([nbirth, dbirth, nbirth], [nbirth, fan]):
        batch = run([*others, data])
        assert [bad.reason for bad in batch.bad_payloads] == ["unknown_alias"]
        assert len(batch.commands) == 1
    later = run([*sent[:2], sent[10]])  # alias 13 is x only since the second birth
    assert [bad.reason for bad in later.bad_payloads] == ["no_samples"]


def test_requests_are_bounded() -> None:
    data = session()[2]
    times_s = range(0, 3600, 2)
    batch = run(replace(data, received_ns=START_NS + s * 10**9) for s in times_s)
    assert len(batch.bad_payloads) == len(times_s)
    assert 8 <= len(batch.commands) <= 12  # after 10, 20, 40 ... and every 600 s
    assert batch.counters["sparkplug.rebirth_requests"] == len(batch.commands)


def test_invented_edge_nodes_make_few_requests() -> None:
    data = session()[2]
    invented = [
        replace(
            data, topic=data.topic.replace("line-1", f"line-{n}"), received_ns=START_NS + n
        )
        for n in range(300)
    ]
    later = [replace(one, received_ns=one.received_ns + 11 * 10**9) for one in invented]
    batch = run([*invented, *later])
    assert len(batch.commands) == 40


def test_a_restart_still_knows_the_aliases(tmp_path: Path) -> None:
    sent = session()
    with_births = Journal(tmp_path / "journal")
    with_births.commit(run(sent[:3]))
    births = with_births.remembered().births
    assert set(births) == {message.topic for message in sent[:2]}
    remembered = with_births.remembered()
    second = Pipeline(rules(config()), with_births.streams(), {}, 0.0, remembered)
    second.connected(is_resumed=True)
    batch = run(sent[3:8], second)
    assert not batch.bad_payloads
    assert len(batch.verdicts) == 3
    assert not batch.commands
    with_births.commit(run(sent[8:], second))
    assert not with_births.remembered().births  # all are dead


def test_a_session_that_the_broker_lost_makes_all_births_void(tmp_path: Path) -> None:
    """Nobody knows what was born and died meanwhile."""
    sent, journal = session(), Journal(tmp_path / "journal")
    journal.commit(run(sent[:3]))
    second = Pipeline(rules(config()), journal.streams(), {}, 0.0, journal.remembered())
    second.connected(is_resumed=False)
    batch = run(sent[3:4], second)
    assert [bad.reason for bad in batch.bad_payloads] == ["unknown_alias"]
    assert len(batch.commands) == 1
    journal.commit(batch)
    assert not journal.remembered().births


def test_other_metrics_alone_are_no_fault_where_the_birth_is_known() -> None:
    sent = session()
    assert not run([sent[0], sent[1], sent[4]]).bad_payloads
    named = replace(sent[4], payload=sent[4].payload.replace(b"\x10\x0d", b"\x0a\x00", 1))
    assert [bad.reason for bad in run([named]).bad_payloads] == ["not_sparkplug"]


def test_a_birth_without_the_metrics_says_what_it_has() -> None:
    bad = run(session()[:4], metrics=["vibration/z", "vibration/y"]).bad_payloads[0]
    assert bad.topic.split("/")[2] == "DBIRTH"
    assert bad.detail == (
        "The birth certificate has no metric 'vibration/z'; it has 'temperature', 'vibration/x',"
        " 'vibration/y'."
    )


def birth(**aliases: int) -> bytes:
    """A birth certificate with these aliases."""
    metrics = [
        encoded(2, encoded(1, name.encode()) + encoded(2, alias))
        for name, alias in aliases.items()
    ]
    return b"".join(metrics) + encoded(3, 0)


def test_a_birth_that_gives_one_alias_twice_is_refused() -> None:
    found, settings = router(config()), config()
    right, wrong = ({"vibration/x": 1, "vibration/y": second} for second in (2, 1))
    bad = Message("spBv1.0/plant/DBIRTH/line-1/press", birth(**wrong), START_NS)
    with pytest.raises(
        PayloadError, match="gives alias 1 to 'vibration/y' and to 'vibration/x'"
    ):
        found.read(bad, settings.sensor)
    found.read(replace(bad, payload=birth(**right)), settings.sensor)
    # One that cannot be used makes the one before it void all the same.
    with pytest.raises(PayloadError):
        found.read(bad, settings.sensor)
    with pytest.raises(PayloadError, match="no birth certificate has named it"):
        found.read(session()[2], settings.sensor)


def test_what_births_hold_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_nodes, "MAX_ALIASES", 20)
    monkeypatch.setattr(edge_nodes, "MAX_SENDERS", 9)
    nodes, settings = router(config()), config()
    many = birth(**{f"m{index}": index for index in range(6)})
    reasons = []
    for index in range(20):
        topic = f"spBv1.0/plant/DBIRTH/line-{index}/press"
        try:
            nodes.read(Message(topic, many, START_NS), settings.sensor)
        except PayloadError as error:
            reasons.append(error.reason)
    assert reasons == ["no_samples"] * 3 + ["too_many_births"] * 17


def test_data_without_bytes_are_refused() -> None:
    empty = replace(session()[2], payload=b"")
    assert [one.reason for one in run([empty]).bad_payloads] == ["empty"]


def test_without_running_numbers_nothing_is_missing() -> None:
    sent = session()
    unnumbered = [replace(one, payload=one.payload[:-2]) for one in sent[2:4]]
    batch = run([*sent[:2], *unnumbered])
    assert not batch.bad_payloads
    assert not batch.commands
    assert not batch.counters["sparkplug.lost_messages"]


def test_a_number_beyond_255_is_refused() -> None:
    bad = replace(session()[2], payload=session()[2].payload[:-2] + encoded(3, 256))
    assert [one.reason for one in run([bad]).bad_payloads] == ["bad_sequence"]


def test_numbers_go_on_after_255() -> None:
    nbirth, dbirth, data = session()[:3]
    more = [
        replace(data, payload=data.payload[:-2] + encoded(3, number % 256))
        for number in range(2, 600)
    ]
    assert not run([nbirth, dbirth, *more]).counters["sparkplug.lost_messages"]


def test_a_message_that_came_late_or_twice_is_no_loss_of_250() -> None:
    sent = session()
    batch = run([*sent[:3], sent[3], sent[2], *sent[4:8]])
    assert batch.counters["sparkplug.late_messages"] == 1
    assert not batch.counters["sparkplug.lost_messages"]
    assert not batch.commands


def test_a_retained_birth_counts_where_there_is_no_other() -> None:
    sent = session()
    retained = [replace(one, retained=True) for one in sent[:2]]
    batch = run([*retained, *sent[2:4]])
    assert not batch.bad_payloads
    assert not batch.commands
    assert not run([*sent[:2], *retained, *sent[2:4]]).bad_payloads
    batch = run([*sent[8:10], *retained, sent[10]])
    assert not batch.bad_payloads
    assert not batch.commands
    assert not batch.counters["sparkplug.lost_messages"]


def test_all_of_an_edge_node_is_listened_to() -> None:
    filters = [one.text for one in topic_filters(config())]
    assert filters == ["spBv1.0/plant/+/+", "spBv1.0/plant/+/+/+", "camshaft/label"]


@pytest.mark.parametrize(
    "topic", ["spBv1.0/plant/DBIRTH/{machine}/{point}", "spBv1.0/{machine}"]
)
def test_a_topic_that_is_none_of_its_data_is_refused(topic: str) -> None:
    with pytest.raises(Exception, match="is none of Sparkplug's data"):
        config(topic)


def test_commands_and_other_senders_are_passed_over() -> None:
    sent = session()
    command = Message(NCMD, sparkplug_message.rebirth_request(1), START_NS)
    fan = replace(sent[2], topic=DDATA.replace("press", "fan"))
    narrow = "spBv1.0/plant/DDATA/{machine}/press"
    batch = run([*sent[:2], command, fan, *lost_numbers(sent[3], 0)], topic=narrow)
    assert not batch.bad_payloads
    assert not batch.counters["sparkplug.lost_messages"]
    assert {verdict.sensor for verdict in batch.verdicts} == {"line-1/main"}


@given(
    st.lists(st.sampled_from(range(len(SESSION))), max_size=30),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3),
)
def test_in_any_order_no_sample_comes_to_another_axis(
    order: list[int], spoilt: list[tuple[int, int]]
) -> None:
    """Lost, doubled and disordered as they may be: x is never read as y, or as a temperature."""
    sent, settings, refusals = session(), config(), []
    found = router(settings)
    for index in order:
        try:
            assert set(read(found, sent[index], settings)) <= set(range(600))
        except PayloadError as error:
            refusals.append(error)
    assert {error.reason for error in refusals} <= {"unknown_alias", "no_samples"}
    for where, byte in spoilt:
        data = bytearray(sent[2].payload)
        data[where] = byte
        try:
            found.read(replace(sent[2], payload=bytes(data)), settings.sensor)
        except PayloadError as error:
            refusals.append(error)
    assert all(error.detail.isprintable() for error in refusals)


TWO = {"front": ["vibration/x"], "rear": ["vibration/y"]}


def two_sensors(metrics: Any = TWO) -> Config:
    """Of one device: the axes of the session as sensors of their own."""
    how = {"format": "sparkplug", "metrics": metrics, "dtype": "int16"}
    return configure(
        subscriptions=[{"topic": "spBv1.0/plant/DDATA/+/{machine}", "payload": how}],
        sensor={"sample_rate_hz": 1000, "window_s": 0.1},
    )


def test_sensors_of_one_device_are_told_by_point() -> None:
    settings = two_sensors()
    found, samples = router(settings), dict[str, list[float]]()
    for message in session():
        chunks = found.read(message, settings.sensor)
        assert isinstance(chunks, list)
        for chunk in chunks:
            samples.setdefault(chunk.sensor, []).extend(chunk.samples[0].tolist())
    assert samples == {
        "press/front": list(range(600)),
        "press/rear": [-x for x in range(600)],
    }


def test_a_death_ends_every_sensor_of_its_device() -> None:
    batch = run(session(), Pipeline(rules(two_sensors()), {}, {}, 0.0))
    dead = [
        verdict.sensor for verdict in batch.verdicts if verdict.status is Status.NO_DATA
    ]
    assert dead == ["press/front", "press/rear"] * 2
    assert not batch.bad_payloads
    assert {verdict.sensor for verdict in batch.verdicts} == {"press/front", "press/rear"}


def test_a_message_may_bring_some_of_the_sensors() -> None:
    settings = two_sensors({"front": ["vibration/x"], "other": ["no/such"]})
    found = router(settings)
    sensors = []
    for message in session():
        with suppress(PayloadError):  # the birth lacks no/such, and says so
            chunks = found.read(message, settings.sensor)
            assert isinstance(chunks, list)
            sensors += [chunk.sensor for chunk in chunks]
    assert set(sensors) == {"press/front"}


@pytest.mark.parametrize("metrics", [{}, {"": ["x"]}, {"a+b": ["x"]}, {"a": []}])
def test_points_that_cannot_be_are_refused(metrics: Any) -> None:
    with pytest.raises(ConfigError, match=r"payload.*metrics"):
        two_sensors(metrics)
