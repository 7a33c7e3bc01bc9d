"""What a message is, by topic and payload: samples of sensors, a running state, a label. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitor.config import JournalSettings
from monitor.config_sensors import ContextSettings, Subscription
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.context import ContextRules
from monitor.pipeline.diagnosing import Answer
from monitor.pipeline.memory import Memory
from monitor.pipeline.sample_reader import MAX_NAME, SampleReader
from monitor.records import labels
from monitor.records.context import ContextKey, Told
from monitor.records.labels import LabelRequest
from monitor.records.machine import Surroundings
from monitor.records.notes import NoteError
from monitor.records.remembered import NOTHING
from monitor.records.signal import Chunk, Message
from monitor.records.topic import TopicPattern, machine_in
from monitor.signal.payload.base import PayloadError, PayloadSettings, RuleOf
from monitor.signal.payload.sparkplug_topic import SparkplugTopic
from monitor.signal.plausibility.sentences import hint

RUNNING_WORDS = {
    "1": True,
    "true": True,
    "on": True,
    "0": False,
    "false": False,
    "off": False,
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says to the pipeline.

    analysers : one a sensor rule, in their order: the first that fits a name
        holds
    failure_modes : that a label may name
    context : where speed, load, tool come from
    surroundings : what is known of the machine at "machine/point"
    answer : what names a broken part; None: nothing does
    """

    subscriptions: tuple[Subscription, ...]
    analysers: tuple[Analyser, ...]
    journal: JournalSettings
    max_payload_bytes: int
    max_lag_s: float | None
    failure_modes: tuple[str, ...] = ()
    context: tuple[ContextSettings, ...] = ()
    surroundings: Callable[[str], Surroundings | None] = lambda _name: None
    answer: Answer | None = None


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
        self._edge_nodes = known.edge_nodes
        self._samples = SampleReader(
            rules.subscriptions, rules.context, rules.max_payload_bytes, known
        )
        self.is_ambiguous = self._samples.is_ambiguous
        self._context = ContextRules(
            rules.context, [one.topic for one in rules.subscriptions]
        )
        self.context_names = self._context.names
        self._running_topics = {
            running.topic: TopicPattern.parse(running.topic)
            for analyser in rules.analysers
            if (running := analyser.rule.running) is not None and running.topic is not None
        }

    def read(self, message: Message, rule_of: RuleOf) -> Content:
        """Raises PayloadError for what cannot be used. No chunks: what it brought is in the news of
        edge nodes or series.
        """
        chunks = self._samples.read(message, rule_of)
        return self._other(message) if chunks is None else chunks

    def whole_name(self, topic: str) -> str:
        """The sensor's name where the topic alone gives it; else ''."""
        return self._samples.whole_name(topic)

    def hint(self, message: Message) -> str:
        """What a payload that is refused looks like; '' where nothing can be said."""
        if self.sensor_of(message.topic) is None:
            return ""
        return hint(self.payload_of(message.topic), message.payload)

    def sensor_of(self, topic: str) -> str | None:
        """The sensor's name as far as the topic gives it; None for other topics."""
        return self._samples.sensor_of(topic)

    def payload_of(self, topic: str) -> PayloadSettings:
        """How messages with samples on this topic are read."""
        return self._samples.payload_of(topic)

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
        except NoteError as error:
            raise PayloadError("bad_label", str(error)) from error


def _is_running(message: Message) -> bool:
    word = message.payload[:16].decode("utf-8", "replace").strip().lower()
    if word not in RUNNING_WORDS:
        known = ", ".join(RUNNING_WORDS)
        raise PayloadError(
            "bad_running_state", f"Running state {word!r} must be one of {known}."
        )
    return RUNNING_WORDS[word]
