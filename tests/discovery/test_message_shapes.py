"""Each folder of tests/cases/messages, sent as a series: `discover` alone comes to the samples,
channels, rate and unit that the folder's own configuration gives, or asks. It
is never wrong.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from monitor.config import Config
from monitor.config_file import load_config, parse_config
from monitor.discovery.proposal import discover
from monitor.discovery.proposed import Discovery
from monitor.discovery.writing import configuration
from monitor.records.signal import Chunk, Message
from monitor.refusals import parse_yaml
from monitor.signal.payload.base import DecoderSettings
from monitor.signal.payload.formats import decode
from tests.cases.test_messages import FOLDERS, NOW_NS
from tests.discovery.senders import SENDERS, series

AT_LEAST = 25  # of the shapes, without a question
NAMES = [folder.name for folder in FOLDERS if folder.name in SENDERS]
SURE = [name for name in NAMES if not SENDERS[name].because]


def test_enough_shapes_are_configured_without_a_question() -> None:
    assert set(SENDERS) <= {folder.name for folder in FOLDERS}
    assert len(SURE) >= AT_LEAST


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_few_messages_are_never_read_wrongly(folder: Path) -> None:
    """The folder's own messages are too few for most guesses: it asks, or it is right."""
    messages = own_messages(folder)
    for proposal in discover(messages).proposals:
        if proposal.is_complete:
            check(folder.name, messages, Discovery([proposal], []))


def own_messages(folder: Path) -> list[Message]:
    entries = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return [
        Message(
            entry["topic"],
            (folder / entry["file"]).read_bytes(),
            NOW_NS + number * 10**9,
            entry.get("properties", {}),
        )
        for number, entry in enumerate(entries)
    ]


@pytest.mark.parametrize("name", SURE)
def test_a_shape_is_configured_without_a_question(name: str) -> None:
    messages = series(SENDERS[name])
    found = discover(messages)
    assert [one.questions for one in found.proposals] == [[]]
    check(name, messages, found)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SURE])
def test_what_cannot_be_known_is_asked(name: str) -> None:
    """With the answer, where there is one, the shape is configured as rightly."""
    sender = SENDERS[name]
    messages = series(sender)
    (asked,) = discover(messages).proposals
    assert not asked.is_complete
    assert {one.key for one in asked.questions} == {sender.asks}, sender.because
    if sender.answer:
        check(name, messages, discover(messages, {sender.asks: sender.answer}))


def check(name: str, messages: list[Message], found: Discovery) -> None:
    """By what would be written, every message gives what the folder's configuration makes of it."""
    (proposal,) = found.proposals
    assert proposal.is_complete, proposal.questions
    assert (proposal.n_read, sum(proposal.refusals.values())) == (len(messages), 0)
    written = parse_config(
        parse_yaml(configuration({"host": "broker"}, [proposal]).encode()), Path()
    )
    wanted = load_config(Path("tests/cases/messages") / name / "configuration.yaml")
    for message in messages:
        ours, right = chunks_of(written, message), chunks_of(wanted, message)
        assert len({chunk.sensor for chunk in ours}) == len(
            {chunk.sensor for chunk in right}
        )
        assert len(ours) == len(right)
        for one, other in zip(ours, right, strict=True):
            compare(one, other)


def chunks_of(config: Config, message: Message) -> list[Chunk]:
    (subscription,) = config.subscriptions
    sensor = subscription.pattern.sensor(message.topic)
    assert sensor is not None
    return decode(message, DecoderSettings(subscription.payload, sensor, config.sensor))


def compare(found: Chunk, right: Chunk) -> None:
    np.testing.assert_allclose(found.samples, right.samples, rtol=1e-5, atol=1e-6)
    assert found.sample_rate_hz == pytest.approx(right.sample_rate_hz, rel=0.01)
    if right.start_ns is not None:
        assert found.start_ns == right.start_ns
    if right.sequence is not None:
        assert found.sequence == right.sequence
