"""The newest speed, load, tool of each machine and point. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitor.config_sensors import ContextSettings
from monitor.records.context import Context, ContextKey, Told, Value, keys_for
from monitor.records.signal import Message
from monitor.records.topic import TopicPattern, machine_in
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.birth import Birth
from monitor.signal.payload.scalars import scalar
from monitor.signal.payload.sparkplug_topic import COMMANDS, DEATHS, SparkplugTopic

MAX_VALUES = 20_000  # a hostile publisher may invent machines


@dataclass(frozen=True, slots=True)
class _Source:
    settings: ContextSettings
    pattern: TopicPattern
    is_shared: bool  # its topic brings samples, too


class ContextRules:
    """Where values come from, of one configuration."""

    def __init__(
        self, settings: Sequence[ContextSettings], sample_topics: Sequence[str]
    ) -> None:
        self._sources = [
            _Source(one, one.pattern, one.topic in sample_topics) for one in settings
        ]
        self.names = tuple(dict.fromkeys(one.name for one in settings))

    def are_on(self, topic: str) -> bool:
        return any(one.pattern.match(topic) is not None for one in self._sources)

    def values(self, message: Message, birth: Birth | None) -> dict[ContextKey, Told]:
        """What a message tells. Raises PayloadError where it should tell something and does not."""
        found: dict[ContextKey, Told] = {}
        if not self._sources:
            return found
        edge = SparkplugTopic.parse(message.topic)
        for source in self._sources:
            named = source.pattern.match(_data_topic(source, message.topic, edge))
            if named is None:
                continue
            value = scalar(message, source.settings, birth)
            if value is not None:
                key = source.settings.name, machine_in(named), named.get("point", "")
                valid_ns = round(source.settings.valid_s * 1e9)
                found[key] = Told(value, message.received_ns, valid_ns)
            elif not source.is_shared and source.settings.format != "sparkplug":
                text = (
                    f"Payload has no {source.settings.name} at {source.settings.value!r}."
                )
                raise PayloadError("no_context", text)
        return found


def _data_topic(source: _Source, topic: str, edge: SparkplugTopic | None) -> str:
    """A birth tells values, too: as the data of its sender would."""
    if source.settings.format != "sparkplug" or edge is None:
        return topic
    if edge.kind in (*COMMANDS, *DEATHS):
        return ""
    return edge.data_of(edge.device)


class ContextStates:
    """The newest value of each name, machine and point."""

    def __init__(self, told: Mapping[ContextKey, Told]) -> None:
        """told : as an earlier process knew it"""
        self._told = dict(told)

    def note(self, told: Mapping[ContextKey, Told]) -> None:
        """Raises PayloadError where they are too many."""
        n_new = len(told.keys() - self._told.keys())
        if len(self._told) + n_new > MAX_VALUES:
            text = f"More than {MAX_VALUES} values of context would be kept."
            raise PayloadError("too_many_values", text)
        self._told.update(told)

    def of(self, sensor: str, names: Sequence[str], now_ns: int) -> Context:
        """What holds for a sensor: a point's value goes before its machine's, and that before what
        is told of all machines.
        """
        found: dict[str, Value] = {}
        for name in names:
            for told in self._told_of(sensor, name):
                if told.is_valid(now_ns):
                    found[name] = told.value
                    break
        return found

    def newest(self, sensor: str, name: str) -> Told | None:
        """The value that was told last of a sensor, whether it still holds or not."""
        return max(self._told_of(sensor, name), key=lambda told: told.at_ns, default=None)

    def _told_of(self, sensor: str, name: str) -> Iterator[Told]:
        for key in keys_for(sensor, name):
            if (told := self._told.get(key)) is not None:
                yield told
