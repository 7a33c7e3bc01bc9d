"""Publishers that are in none of the lists which discovery was written by: it is right about them,
or asks; and a configuration by hand reads what can be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.config import Config
from monitor.config_file import parse_config
from monitor.discovery.proposal import discover
from monitor.discovery.writing import configuration
from monitor.records.signal import Chunk, Float64, Message
from monitor.refusals import parse_yaml
from monitor.signal.payload.base import DecoderSettings
from monitor.signal.payload.formats import decode
from tests.discovery.senders import Block, Sent, series
from tests.discovery.strangers import STRANGERS, Stranger

WITHOUT_A_QUESTION = 12  # at least, of those that send vibration
NAMES = list(STRANGERS)
SURE = [name for name in NAMES if not STRANGERS[name].sender.because]
READABLE = [name for name in NAMES if STRANGERS[name].configuration]


def sent(stranger: Stranger) -> tuple[list[Message], list[Float64]]:
    """The messages, and the samples of each sensor in m/s², (n_channels, n)."""
    blocks: list[Block] = []

    def publish(block: Block) -> Sequence[Sent]:
        blocks.append(block)
        return stranger.sender.publish(block)

    messages = series(replace(stranger.sender, publish=publish))
    whole = np.concatenate([np.round(one.samples, 5) for one in blocks], axis=1)
    whole = whole / stranger.sender.per_ms2
    channels = list(stranger.sensors.values()) or [list(range(len(whole)))]
    return messages, [whole[some] for some in channels]


def decoded(config: Config, messages: Sequence[Message]) -> dict[str, list[Chunk]]:
    (subscription,) = config.subscriptions
    found: dict[str, list[Chunk]] = defaultdict(list)
    for message in messages:
        sensor = subscription.pattern.sensor(message.topic)
        assert sensor is not None
        settings = DecoderSettings(subscription.payload, sensor, config.sensor)
        for chunk in decode(message, settings):
            found[chunk.sensor].append(chunk)
    return found


def check(
    found: dict[str, list[Chunk]], right: Sequence[Float64], stranger: Stranger
) -> None:
    """Each sensor has the samples of one that is there, and each of those is found once."""
    assert len(found) == len(right)
    left = list(right)
    for chunks in found.values():
        samples = np.concatenate([one.samples for one in chunks], axis=1)
        fits = [k for k, one in enumerate(left) if are_equal(samples, one)]
        assert len(fits) == 1, (samples[:, :3], [one[:, :3] for one in left])
        left.pop(fits[0])
        for chunk in chunks:
            assert chunk.sample_rate_hz == pytest.approx(stranger.sender.rate_hz, rel=0.01)


def are_equal(found: np.ndarray, right: Float64) -> bool:
    return found.shape == right.shape and np.allclose(found, right, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("name", READABLE)
def test_a_configuration_by_hand_reads_it(name: str) -> None:
    stranger = STRANGERS[name]
    messages, right = sent(stranger)
    text = f"mqtt: {{host: broker}}\n{stranger.configuration}"
    found = decoded(parse_config(parse_yaml(text.encode()), Path()), messages)
    check(found, right, stranger)
    if stranger.sensors:
        assert set(found) == set(stranger.sensors)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_discovered_rightly_or_asked_about(name: str) -> None:
    stranger = STRANGERS[name]
    messages, right = sent(stranger)
    found = discover(messages).proposals
    keys = {one.key for proposal in found for one in proposal.questions}
    assert keys == ({stranger.sender.asks} if stranger.sender.because else set())
    if stranger.sender.answer:
        found = discover(messages, {stranger.sender.asks: stranger.sender.answer}).proposals
    complete = [one for one in found if one.is_complete]
    if not stranger.is_vibration or (
        stranger.sender.because and not stranger.sender.answer
    ):
        assert complete == []
        return
    (proposal,) = complete
    written = configuration({"host": "broker"}, [proposal]).encode()
    config = parse_config(parse_yaml(written), Path())
    check(decoded(config, messages), right, stranger)


def test_most_are_discovered_without_a_question() -> None:
    sending = [name for name in SURE if STRANGERS[name].is_vibration]
    assert len(sending) >= WITHOUT_A_QUESTION
