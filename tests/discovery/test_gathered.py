"""Samples in several messages, and metrics that a birth certificate names: discovered as they will
be read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from monitor.discovery.gathered import gathered
from monitor.discovery.proposal import discover
from monitor.discovery.proposed import Proposal
from monitor.pipeline.router import Router
from monitor.records.signal import Float64, Message
from monitor.signal.payload.base import DecoderSettings
from monitor.signal.payload.formats import decode
from monitor.signal.payload.protobuf import encoded
from tests.discovery.senders import Block, Sender, Sent, series
from tests.pipeline.test_edge_nodes import config, session
from tests.signals import rules

N, N_BLOCKS, RATE_HZ = 512, 12, 1600.0
DATA, BIRTH = "spBv1.0/plant/DDATA/line-1/press", "spBv1.0/plant/DBIRTH/line-1/press"
FLOATS = 30  # the data type of an array of float32


def only(messages: Sequence[Message], **answers: str) -> Proposal:
    (found,) = discover(messages, answers).proposals
    return found


def check_samples(found: Proposal, messages: Sequence[Message]) -> None:
    """Whole blocks came out, in order: nothing was lost between them."""
    (stream,) = found.streams.values()
    assert set(stream.counts) == {N}
    assert len(stream.samples) == N_BLOCKS
    joins = [abs(b[-1, 0] - a[-1, -1]) for a, b in pairwise(stream.samples)]
    steps = np.abs(np.diff(stream.samples[0][-1]))
    assert max(joins) < 3 * steps.max()
    assert found.n_read == len(messages)


def in_parts(first: int = 0, **beside: Any) -> list[Message]:
    """Parts of 32 samples that number themselves."""

    def publish(block: Block) -> list[Sent]:
        values = block.lists[0]
        n = len(values) // 32
        return [
            (
                "press/vib",
                json.dumps(
                    {
                        **{name: make(block) for name, make in beside.items()},
                        "chunk": k + first,
                        "total_chunks": n,
                        "fs": RATE_HZ,
                        "data": values[32 * k : 32 * (k + 1)],
                    }
                ).encode(),
            )
            for k in range(n)
        ]

    return series(Sender(publish, n=N, rate_hz=RATE_HZ, n_blocks=N_BLOCKS))


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("name", ["measurement_id", "uuid", "window"])
def test_parts_by_fields_are_one_window(first: int, name: str) -> None:
    messages = in_parts(first, **{name: lambda block: f"w{block.number}"})
    found = only(messages)
    assert found.is_complete, found.questions
    assert found.payload["part_index"] == "chunk"
    assert found.payload["part_count"] == "total_chunks"
    assert found.payload["series"] == name
    check_samples(found, messages)


def test_parts_of_no_series_are_asked_about() -> None:
    found = only(in_parts())
    assert not found.is_complete
    assert "nothing tells one series from the next" in found.questions[0].text


def test_axes_that_take_turns_are_no_parts() -> None:
    """axis 0, 1, 2 of 3 axes: one after the other in the messages, not in time."""

    def publish(block: Block) -> list[Sent]:
        return [
            (
                "press/vib",
                json.dumps(
                    {"id": block.number, "axis": k, "axes": 3, "fs": RATE_HZ, "data": row}
                ).encode(),
            )
            for k, row in enumerate(block.lists)
        ]

    sender = Sender(publish, 3, n=N, rate_hz=RATE_HZ, n_blocks=N_BLOCKS)
    for proposal in discover(series(sender)).proposals:
        assert "part_index" not in proposal.payload


def by_property(messages: Sequence[Message]) -> list[Message]:
    """Each payload in three parts, cut anywhere, as Azure IoT Operations cuts them."""
    found = []
    for number, message in enumerate(messages):
        size = len(message.payload) // 3 + 1
        for k in range(3):
            told: dict[str, Any] = {"messageId": f"m{number}", "chunkIndex": k}
            told |= {"totalChunks": 3} if k == 0 else {}
            part = message.payload[k * size : (k + 1) * size]
            at_ns = message.received_ns + k
            found.append(Message(message.topic, part, at_ns, {"__chunk": json.dumps(told)}))
    return found


def publish_whole(block: Block) -> list[Sent]:
    tree = {"fs": RATE_HZ, "x": block.lists[0], "y": block.lists[1]}
    return [("press/vib", json.dumps(tree).encode())]


def test_parts_by_property_are_joined_first() -> None:
    whole = series(Sender(publish_whole, 2, n=N, rate_hz=RATE_HZ, n_blocks=N_BLOCKS))
    found = only(by_property(whole))
    assert found.is_complete, found.questions
    assert found.payload == only(whole).payload
    check_samples(found, whole)


def test_a_series_that_listening_cut_is_left_out() -> None:
    whole = series(Sender(publish_whole, 2, n=N, rate_hz=RATE_HZ, n_blocks=N_BLOCKS))
    assert len(gathered(by_property(whole)[2:-1])) == N_BLOCKS - 2


# -- Sparkplug ------------------------------------------------------------------------------------


def metric(alias: int, at_ms: int, row: Float64, name: str = "") -> bytes:
    """In a birth with name and type, in data by alias alone."""
    named = encoded(1, name.encode()) if name else b""
    typed = encoded(4, FLOATS) if name else b""
    value = row.astype("<f4").tobytes()
    body = named + encoded(2, alias) + encoded(3, at_ms) + typed + encoded(16, value)
    return encoded(2, body)


def aliased(names: Sequence[str], is_born: bool = True) -> list[Message]:
    def publish(block: Block) -> list[Sent]:
        at_ms = block.start_ns // 10**6
        rows = list(enumerate(block.samples))
        data = b"".join(metric(7 + k, at_ms, row) for k, row in rows)
        sent = [(DATA, encoded(1, at_ms) + data + encoded(3, block.number % 256))]
        if block.number or not is_born:
            return sent
        birth = b"".join(metric(7 + k, at_ms, row[:1], names[k]) for k, row in rows)
        return [(BIRTH, encoded(1, at_ms) + birth + encoded(3, 255)), *sent]

    return series(Sender(publish, len(names), n=N, rate_hz=RATE_HZ, n_blocks=N_BLOCKS))


def test_aliases_are_read_by_the_birth_that_was_heard() -> None:
    messages = aliased(["vibration/x", "vibration/y"])
    found = only(messages, unit="m/s2", sample_rate_hz="1600")
    assert found.is_complete, found.questions
    assert found.payload["metrics"] == ["vibration/x", "vibration/y"]
    assert "dtype" not in found.payload
    check_samples(found, messages[1:])


def test_aliases_without_a_birth_are_asked_about() -> None:
    found = only(aliased(["vibration/x"], is_born=False))
    assert [one.key for one in found.questions] == ["metrics"]
    assert "birth" in found.questions[0].text


def test_what_is_named_is_what_the_service_reads() -> None:
    """A session of the reference client: by names as by aliases and births."""
    settings = config()
    router = Router(rules(settings))
    payload = settings.subscriptions[0].payload
    named = {one.received_ns: one for one in gathered(session())}
    n = 0
    for message in session():
        read = router.read(message, settings.sensor)
        if "DDATA" not in message.topic or not isinstance(read, list) or not read:
            continue
        known = named[message.received_ns]
        ours = decode(known, DecoderSettings(payload, "line-1/press", settings.sensor))
        for one, other in zip(ours, read, strict=True):
            np.testing.assert_array_equal(one.samples, other.samples)
            n += 1
    assert n > 3
