"""Edge nodes by themselves: running numbers, requests for births, bounds of what is kept."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest

from monitor.pipeline.edge_nodes import EdgeNodes
from monitor.records.signal import Message
from monitor.signal.payload import sparkplug_message
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.protobuf import encoded
from monitor.signal.payload.sparkplug_topic import SparkplugTopic
from tests.pipeline.test_edge_nodes import START_NS, birth, session

SECOND_NS = 10**9


def of(kind: str, edge: str = "n", device: str = "") -> SparkplugTopic:
    return SparkplugTopic("", "g", kind, edge, device)


def note(
    to: EdgeNodes,
    topic: SparkplugTopic,
    payload: bytes,
    wanted: tuple[str, ...] | None = None,
    retained: bool = False,
) -> None:
    name = topic.of(topic.kind)
    to.note(Message(name, payload, START_NS, retained=retained), topic, wanted)


def number(to: EdgeNodes, now: int, edge: str = "n") -> None:
    """A message with such a running number, and nothing else."""
    note(to, of("NDATA", edge), encoded(3, now))


def counted(of_nodes: EdgeNodes) -> tuple[int, int]:
    """Messages that were lost, and that came late."""
    counters = of_nodes.take_news().counters
    return counters["sparkplug.lost_messages"], counters["sparkplug.late_messages"]


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (5, 6, (0, 0)),
        (255, 0, (0, 0)),
        (5, 8, (2, 0)),
        (250, 3, (8, 0)),
        (20, 20, (0, 1)),  # came twice
        (20, 5, (0, 1)),
        (20, 4, (239, 0)),
    ],
)
def test_what_the_running_number_tells(
    last: int, now: int, expected: tuple[int, int]
) -> None:
    nodes = EdgeNodes({}, 100)
    number(nodes, last)
    assert counted(nodes) == (0, 0)
    number(nodes, now)
    assert counted(nodes) == expected
    number(nodes, last + 1 if expected[1] else (now + 1) % 256)
    assert counted(nodes) == (0, 0)


@pytest.mark.parametrize(("retained", "n_lost"), [(False, 6), (True, 0)])
def test_numbers_begin_anew_with_a_birth_that_is_of_now(
    retained: bool, n_lost: int
) -> None:
    nodes = EdgeNodes({}, 100)
    number(nodes, 99)
    note(nodes, of("NBIRTH"), birth(x=1), retained=retained)
    number(nodes, 7)
    assert counted(nodes) == (n_lost, 0)


def test_numbers_begin_anew_after_a_death() -> None:
    nodes, sent = EdgeNodes({}, 1 << 20), session()
    birth_topic, death_topic = (
        SparkplugTopic.parse(sent[index].topic) for index in (0, -1)
    )
    assert birth_topic is not None
    assert death_topic is not None
    nodes.note(sent[0], birth_topic, None)
    nodes.note(sent[-1], death_topic, None)
    assert nodes.take_news().dead == [(death_topic.data_of(""), "NDEATH")]
    later = replace(death_topic, kind="NDATA")
    nodes.note(Message(later.data_of(""), encoded(3, 77), START_NS), later, None)
    assert counted(nodes) == (0, 0)


def asked_at_s(nodes: EdgeNodes, until_s: int) -> list[int]:
    """When births are asked for, where every second shows that they are missing."""
    found = []
    for second in range(until_s):
        nodes.ask_for_birth(of("NDATA"), START_NS + second * SECOND_NS)
        if nodes.has_news:
            found.append(second)
            nodes.take_news()
    return found


def test_births_are_asked_for_ever_more_rarely_until_there_is_one() -> None:
    nodes = EdgeNodes({}, 100)
    expected = [0, 10, 30, 70, 150, 310, 630, 1230, 1830]
    assert asked_at_s(nodes, 2000) == expected
    note(nodes, of("NBIRTH"), birth(x=1))
    nodes.take_news()
    assert asked_at_s(nodes, 40) == [0, 10, 30]


def test_a_request_bears_the_time_in_milliseconds() -> None:
    nodes = EdgeNodes({}, 100)
    nodes.ask_for_birth(of("NDATA"), START_NS + 7_999_999)
    (command,) = nodes.take_news().commands
    assert command.topic == "spBv1.0/g/NCMD/n"
    now_ms = START_NS // 10**6 + 7
    assert command.payload == sparkplug_message.rebirth_request(now_ms)


def test_twenty_edge_nodes_are_asked_in_ten_seconds() -> None:
    nodes = EdgeNodes({}, 100)
    n_asked = []
    for now_ns in (0, 10 * SECOND_NS - 1, 10 * SECOND_NS):
        for other in range(50):
            nodes.ask_for_birth(of("NDATA", f"{now_ns}-{other}"), START_NS + now_ns)
        n_asked.append(len(nodes.take_news().commands))
    assert n_asked == [20, 0, 20]


def test_five_thousand_senders_are_followed() -> None:
    nodes = EdgeNodes({}, 100)
    for _ in range(2):
        for index in range(4999):
            nodes.ask_for_birth(of("NDATA", f"n{index}"), START_NS)
        nodes.take_news()
        n_lost = {}
        for edge in ("n0", "n4998", "last", "beyond"):
            number(nodes, 1, edge)
            number(nodes, 5, edge)
            n_lost[edge], _ = counted(nodes)
        assert n_lost == {"n0": 3, "n4998": 3, "last": 3, "beyond": 0}
        nodes.forget()
        nodes.take_news()


@pytest.mark.parametrize(("more", "is_refused"), [(0, False), (1, True)])
@pytest.mark.parametrize("bound", [(32 << 20, 0), (0, 200_000)])
def test_births_are_bounded(bound: tuple[int, int], more: int, is_refused: bool) -> None:
    """By bytes, and by aliases."""
    nodes, payload = EdgeNodes({}, 100), birth(x=1)
    max_bytes, max_aliases = bound
    nodes._sizes["one"] = max(0, max_bytes - len(payload)), max(0, max_aliases - 1)
    nodes._sizes["other"] = more * (max_bytes > 0), more * (max_aliases > 0)
    with pytest.raises(PayloadError, match="200000") if is_refused else nullcontext():
        note(nodes, of("NBIRTH"), payload)


def test_what_is_void_is_told_once() -> None:
    nodes = EdgeNodes({}, 100)
    note(nodes, of("NBIRTH"), birth(x=1))
    note(nodes, of("DBIRTH", device="d"), birth(x=1))
    assert set(nodes.take_news().births) == {"spBv1.0/g/NBIRTH/n", "spBv1.0/g/DBIRTH/n/d"}
    assert nodes.birth_of(of("DDATA", device="d")) is not None
    note(nodes, of("DDEATH", device="d"), encoded(3, 1))
    assert nodes.take_news().births == {"spBv1.0/g/DBIRTH/n/d": None}
    assert nodes.birth_of(of("DDATA", device="d")) is None
    assert nodes.birth_of(of("DDATA", "other", "d")) is None
    nodes.forget()
    assert nodes.take_news().births == {"spBv1.0/g/NBIRTH/n": None}
    assert nodes.birth_of(of("NDATA")) is None
    nodes.forget()
    assert nodes.take_news().births == {}


def test_births_that_were_stored_are_no_news() -> None:
    nodes = EdgeNodes({"spBv1.0/g/NBIRTH/n": birth(x=1)}, 100)
    assert not nodes.has_news
    assert nodes.birth_of(of("NDATA")) is not None
    number(nodes, 77)
    assert counted(nodes) == (0, 0)


def test_a_payload_without_bytes_is_refused() -> None:
    for kind in ("NBIRTH", "NDATA", "NDEATH"):
        with pytest.raises(PayloadError) as refused:
            note(EdgeNodes({}, 100), of(kind), b"")
        assert refused.value.reason == "empty"


@pytest.mark.parametrize(("n", "end"), [(8, "'m7'."), (9, "'m7' and 1 more.")])
def test_eight_metrics_are_named(n: int, end: str) -> None:
    payload = birth(**{f"m{index}": index for index in range(n)})
    with pytest.raises(PayloadError, match="has no metric 'z'") as refused:
        note(EdgeNodes({}, 1000), of("NBIRTH"), payload, ("z",))
    assert refused.value.detail.endswith(end)
