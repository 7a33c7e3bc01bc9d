"""What a reading makes of the messages: each sensor's samples, with their times. By the product's
own decoder, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from monitor.config_sensors import SensorSettings, Subscription
from monitor.records.signal import Chunk, Float64, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from monitor.signal.payload.parts import joined_chunk

PROVISIONAL_HZ = 1e9  # of a rule before the rate is known: any time or statement denies it


@dataclass(slots=True)
class Stream:
    """One sensor's messages in order of arrival.

    starts : None where a message has no time; rates : PROVISIONAL_HZ where
        nothing states one
    samples : (n_channels, n) each, as stored
    """

    sensor: str
    arrivals: list[int] = field(default_factory=list)
    starts: list[int | None] = field(default_factory=list)
    sequences: list[int | None] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    samples: list[Float64] = field(default_factory=list)

    @property
    def counts(self) -> list[int]:
        return [one.shape[1] for one in self.samples]


@dataclass(slots=True)
class Decoded:
    streams: dict[str, Stream] = field(default_factory=dict)
    n_read: int = 0
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def n_refused(self) -> int:
        return sum(self.refusals.values())


class _Waiting:
    """Chunks that are parts of one stretch of samples, until all are there."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], dict[int, Chunk]] = {}

    def joined(self, topic: str, chunks: list[Chunk]) -> list[Chunk]:
        """What is whole. Raises PayloadError."""
        part = chunks[0].part if chunks else None
        if part is None:
            return chunks
        own = self._parts.setdefault((topic, part.series), {})
        own[part.index] = chunks[0]
        if len(own) != part.count:
            return []
        del self._parts[topic, part.series]
        return [joined_chunk([own[index] for index in sorted(own)])]


def decoded(
    messages: Sequence[Message],
    topic: str,
    payload: dict[str, Any],
    channels: Sequence[str],
    rule: SensorSettings | None = None,
) -> Decoded:
    """All messages under a subscription. Raises ValueError where the settings cannot be."""
    subscription = Subscription.model_validate({"topic": topic, "payload": payload})
    rule = rule or provisional(channels)
    found, waiting = Decoded(), _Waiting()
    for message in messages:
        sensor = subscription.pattern.sensor(message.topic)
        if sensor is None:
            found.refusals[f"{message.topic} does not fit {topic}"] += 1
            continue
        settings = DecoderSettings(subscription.payload, sensor, lambda _name: rule)
        try:
            chunks = waiting.joined(message.topic, decode(message, settings))
        except PayloadError as error:
            found.refusals[error.detail] += 1
            continue
        found.n_read += 1
        _take(found, message, chunks)
    return found


def provisional(channels: Sequence[str]) -> SensorSettings:
    return SensorSettings(sample_rate_hz=PROVISIONAL_HZ, channels=tuple(channels))


def _take(found: Decoded, message: Message, chunks: Sequence[Chunk]) -> None:
    """Pieces of one message with a gap between them are one message here."""
    for sensor, own in groupby(chunks, key=lambda chunk: chunk.sensor):
        pieces = list(own)
        stream = found.streams.setdefault(sensor, Stream(sensor))
        stream.arrivals.append(message.received_ns)
        stream.starts.append(pieces[0].start_ns)
        stream.sequences.append(pieces[0].sequence)
        stream.rates.append(float(np.median([one.sample_rate_hz for one in pieces])))
        stream.samples.append(
            np.concatenate([one.samples for one in pieces], axis=1).astype(np.float64)
        )
