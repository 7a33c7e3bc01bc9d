"""What a message is, by topic and payload: samples of sensors, a running state, a label. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.config import ContextSettings, JournalSettings, Subscription
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.context import ContextRules
from monitor.pipeline.memory import Memory
from monitor.records import labels
from monitor.records.context import ContextKey, Told
from monitor.records.labels import LabelRequest
from monitor.records.remembered import NOTHING
from monitor.records.signal import Chunk, Message
from monitor.records.topic import TopicPattern, machine_in
from monitor.signal.payload.base import (
    DecoderSettings,
    PayloadError,
    PayloadSettings,
    RuleOf,
    check_size,
)
from monitor.signal.payload.formats import decode
from monitor.signal.payload.parts import joined_chunk, joined_message, part_of
from monitor.signal.payload.sparkplug import SparkplugPayload
from monitor.signal.payload.sparkplug_topic import SparkplugTopic
from monitor.signal.plausibility.sentences import hint

MAX_NAME = 200
RUNNING_WORDS = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says to the pipeline.

    analysers : one a sensor rule, in their order: the first that fits a name holds
    failure_modes : that a label may name
    context : where speed, load, tool come from
    """

    subscriptions: tuple[Subscription, ...]
    analysers: tuple[Analyser, ...]
    journal: JournalSettings
    max_payload_bytes: int
    max_lag_s: float | None
    failure_modes: tuple[str, ...] = ()
    context: tuple[ContextSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class RunningWord:
    """Whether a machine runs, as a running-state topic says. point: "" for all of the machine."""

    topic: str  # the pattern
    machine: str
    point: str
    is_running: bool


Content = list[Chunk] | RunningWord | LabelRequest


class Router:
    """One set of rules. read() finds out what a message brings.

    memory : outlives a set of rules; None: empty
    """

    def __init__(self, rules: Rules, memory: Memory | None = None) -> None:
        self._rules = rules
        known = memory or Memory(NOTHING, rules.max_payload_bytes)
        self._edge_nodes, self._series = known.edge_nodes, known.series
        self._edge_patterns = [p for one in rules.subscriptions for p in one.whole_patterns]
        self._edge_patterns += [p for one in rules.context for p in one.whole_patterns]
        self._context = ContextRules(rules.context, [one.topic for one in rules.subscriptions])
        self.context_names = self._context.names
        self._topics = [(s.pattern, s.payload) for s in rules.subscriptions]
        # Two topics may name one sensor.
        self.is_ambiguous = len(self._topics) > 1 or any(
            pattern.is_ambiguous or payload.names_machine for pattern, payload in self._topics
        )
        self._running_topics = {
            running.topic: TopicPattern.parse(running.topic)
            for analyser in rules.analysers
            if (running := analyser.rule.running) is not None and running.topic is not None
        }

    def read(self, message: Message, rule_of: RuleOf) -> Content:
        """Raises PayloadError for what cannot be used. No chunks: what it brought is in the news of
        edge nodes or series.
        """
        edge = SparkplugTopic.parse(message.topic) if self._edge_patterns else None
        for pattern, payload in self._topics:
            sensor = pattern.sensor(message.topic)
            if sensor is not None and len(sensor) <= MAX_NAME:
                limit = self._rules.max_payload_bytes
                settings = DecoderSettings(payload, sensor, rule_of, limit)
                if edge is not None and isinstance(payload, SparkplugPayload):
                    return self._edge_nodes.read_data(message, edge, settings)
                return self._chunks(message, settings)
        if edge is not None and self._is_of_edge_node(message.topic):
            self._edge_nodes.note(message, edge, self._metrics_of(edge))
            return []
        return self._other(message)

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

    def _is_of_edge_node(self, topic: str) -> bool:
        return any(pattern.match(topic) is not None for pattern in self._edge_patterns)

    def _metrics_of(self, edge: SparkplugTopic) -> Sequence[str] | None:
        """The metrics that are read of this sender; None where none are."""
        topic = edge.data_of(edge.device)
        for pattern, payload in self._topics:
            if pattern.match(topic) is not None and isinstance(payload, SparkplugPayload):
                return payload.metrics
        return None

    def whole_name(self, topic: str) -> str:
        """The sensor's name where the topic alone gives it; else ''."""
        for pattern, payload in self._topics:
            name = pattern.sensor(topic)
            if name is not None:
                is_whole = not (payload.names_machine or payload.names_point)
                return name if is_whole and len(name) <= MAX_NAME else ""
        return ""

    def hint(self, message: Message) -> str:
        """What a payload that is refused looks like; '' where nothing can be said."""
        if self.sensor_of(message.topic) is None:
            return ""
        return hint(self.payload_of(message.topic), message.payload)

    def sensor_of(self, topic: str) -> str | None:
        """The sensor's name as far as the topic gives it; None for other topics."""
        named = (pattern.sensor(topic) for pattern, _ in self._topics)
        return next((name for name in named if name is not None), None)

    def payload_of(self, topic: str) -> PayloadSettings:
        """How messages with samples on this topic are read."""
        return next(s for pattern, s in self._topics if pattern.sensor(topic) is not None)

    def analyser(self, sensor: str) -> Analyser | None:
        """The analyser of the first rule that fits "machine/point"."""
        fitting = (one for one in self._rules.analysers if one.rule.fits(sensor))
        return next(fitting, None)

    def context(self, message: Message) -> Mapping[ContextKey, Told]:
        """What the message, which was read before, tells beside samples. Raises PayloadError."""
        if not self.context_names:
            return {}
        edge = SparkplugTopic.parse(message.topic)
        if edge is None:
            return self._context.values(message, None)
        try:
            return self._context.values(message, self._edge_nodes.birth_of(edge))
        except PayloadError as error:
            if error.reason == "unknown_alias":
                self._edge_nodes.ask_for_birth(edge, message.received_ns)
            raise

    def _other(self, message: Message) -> Content:
        """A running state, context alone, or a label."""
        for topic, pattern in self._running_topics.items():
            named = pattern.match(message.topic)
            if named is not None:
                machine, point = machine_in(named), named.get("point", "")
                return RunningWord(topic, machine, point, _is_running(message))
        if self._context.are_on(message.topic):
            return []
        if message.topic != labels.TOPIC:
            topic = message.topic[:MAX_NAME]
            raise PayloadError("unmatched_topic", f"Topic {topic!r} fits no subscription.")
        if message.retained:
            text = (
                "A retained label would label another window at every start: send it without the"
                " retain flag."
            )
            raise PayloadError("retained_label", text)
        try:
            modes = self._rules.failure_modes
            return labels.parse_message(message.payload, message.received_ns, modes)
        except labels.LabelError as error:
            raise PayloadError("bad_label", str(error)) from error


def _is_running(message: Message) -> bool:
    word = message.payload[:16].decode("utf-8", "replace").strip().lower()
    if word not in RUNNING_WORDS:
        known = ", ".join(RUNNING_WORDS)
        raise PayloadError("bad_running_state", f"Running state {word!r} must be one of {known}.")
    return RUNNING_WORDS[word]
