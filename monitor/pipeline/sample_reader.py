"""The samples of a message, whole: with the births of its sender, and with the other parts of its
series. Pure, except for the memory that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.config_sensors import ContextSettings, Subscription
from monitor.pipeline.memory import Memory
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import DecoderSettings, PayloadSettings, RuleOf, check_size
from monitor.signal.payload.formats import decode
from monitor.signal.payload.parts import joined_chunk, joined_message, part_of
from monitor.signal.payload.sparkplug import SparkplugPayload
from monitor.signal.payload.sparkplug_topic import SparkplugTopic

MAX_NAME = 200


class SampleReader:
    """One set of subscriptions."""

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        context: Sequence[ContextSettings],
        max_bytes: int,
        memory: Memory,
    ) -> None:
        """context : of which edge nodes bring values, though they may bring no samples
        max_bytes : of one payload
        """
        self._topics = [(one.pattern, one.payload) for one in subscriptions]
        self._edge_patterns = [p for one in subscriptions for p in one.whole_patterns]
        self._edge_patterns += [p for one in context for p in one.whole_patterns]
        self._max_bytes = max_bytes
        self._edge_nodes, self._series = memory.edge_nodes, memory.series
        # Two topics may name one sensor.
        self.is_ambiguous = len(self._topics) > 1 or any(
            pattern.is_ambiguous or payload.names_machine
            for pattern, payload in self._topics
        )

    def read(self, message: Message, rule_of: RuleOf) -> list[Chunk] | None:
        """None where the message is none of samples. Raises PayloadError for what cannot be used.
        No chunks: what it brought is in the news of edge nodes or series.
        """
        edge = SparkplugTopic.parse(message.topic) if self._edge_patterns else None
        named = self._named(message.topic)
        if named is not None:
            sensor, payload = named
            settings = DecoderSettings(payload, sensor, rule_of, self._max_bytes)
            if edge is not None and isinstance(payload, SparkplugPayload):
                chunks = self._edge_nodes.read_data(message, edge, settings)
            else:
                chunks = self._chunks(message, settings)
            return [_marked(chunk, settings) for chunk in chunks]
        if edge is None or not self.is_of_edge_node(message.topic):
            return None
        self._edge_nodes.note(message, edge, self._metrics_of(edge))
        return []

    def sensor_of(self, topic: str) -> str | None:
        """The sensor's name as far as the topic gives it; None for other topics."""
        named = (pattern.sensor(topic) for pattern, _ in self._topics)
        return next((name for name in named if name is not None), None)

    def whole_name(self, topic: str) -> str:
        """The sensor's name where the topic alone gives it; else ''."""
        named = self._named(topic)
        return "" if named is None or self.names_inside(topic) else named[0]

    def payload_of(self, topic: str) -> PayloadSettings:
        """How messages with samples on this topic are read."""
        return next(s for pattern, s in self._topics if pattern.sensor(topic) is not None)

    def is_of_edge_node(self, topic: str) -> bool:
        return any(pattern.match(topic) is not None for pattern in self._edge_patterns)

    def names_inside(self, topic: str) -> bool:
        """Whether the topic's messages name their sensors themselves."""
        named = self._named(topic)
        return named is not None and (named[1].names_machine or named[1].names_point)

    def _named(self, topic: str) -> tuple[str, PayloadSettings] | None:
        for pattern, payload in self._topics:
            sensor = pattern.sensor(topic)
            if sensor is not None and len(sensor) <= MAX_NAME:
                return sensor, payload
        return None

    def _chunks(self, message: Message, settings: DecoderSettings) -> list[Chunk]:
        """None of a part, but with the last one of its series those of the whole."""
        part = part_of(message.properties)
        if part is not None:
            check_size(message, settings.max_bytes)
            whole = self._series.add(part, message)
            if whole is None:
                return []
            return decode(joined_message(whole.messages, whole.checksum), settings)
        chunks = decode(message, settings)
        if not chunks or chunks[0].part is None:
            return chunks
        whole = self._series.add(chunks[0].part, message)
        if whole is None:
            return []
        return [joined_chunk([decode(one, settings)[0] for one in whole.messages])]

    def _metrics_of(self, edge: SparkplugTopic) -> Sequence[str] | None:
        """The metrics that are read of this sender; None where none are."""
        topic = edge.data_of(edge.device)
        for pattern, payload in self._topics:
            if pattern.match(topic) is not None and isinstance(payload, SparkplugPayload):
                return payload.every_metric
        return None


def _marked(chunk: Chunk, settings: DecoderSettings) -> Chunk:
    """With what tells whether the next chunk was read likewise."""
    return replace(chunk, reading=settings.payload.mark + settings.rule(chunk.sensor).mark)
