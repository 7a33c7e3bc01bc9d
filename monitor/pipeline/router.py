"""What a message is, by topic and payload: samples of sensors, a running state, a label. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.config import JournalSettings, Subscription
from monitor.pipeline.analysis import Analyser
from monitor.records import labels
from monitor.records.labels import LabelRequest
from monitor.records.signal import Chunk, Message
from monitor.records.topic import TopicPattern, machine_in
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings, RuleOf
from monitor.signal.payload.formats import decode
from monitor.signal.plausibility.sentences import hint

MAX_NAME = 200
RUNNING_WORDS = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says to the pipeline.

    analysers : one a sensor rule, in their order: the first that fits a name holds
    failure_modes : that a label may name
    """

    subscriptions: tuple[Subscription, ...]
    analysers: tuple[Analyser, ...]
    journal: JournalSettings
    max_payload_bytes: int
    max_lag_s: float | None
    failure_modes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunningWord:
    """Whether a machine runs, as a running-state topic says. point: "" for all of the machine."""

    topic: str  # the pattern
    machine: str
    point: str
    is_running: bool


Content = list[Chunk] | RunningWord | LabelRequest


class Router:
    """One set of rules. read() finds out what a message brings."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
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
        """Raises PayloadError for what cannot be used."""
        for pattern, payload in self._topics:
            sensor = pattern.sensor(message.topic)
            if sensor is not None and len(sensor) <= MAX_NAME:
                limit = self._rules.max_payload_bytes
                return decode(message, DecoderSettings(payload, sensor, rule_of, limit))
        return self._other(message)

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

    def _other(self, message: Message) -> Content:
        """A running state or a label."""
        for topic, pattern in self._running_topics.items():
            named = pattern.match(message.topic)
            if named is not None:
                machine, point = machine_in(named), named.get("point", "")
                return RunningWord(topic, machine, point, _is_running(message))
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
