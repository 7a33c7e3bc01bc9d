"""Where in Kafka a message of MQTT goes: its key, or every partition. Pure.

A partition is one process with one journal, so the key is what must stay
together: the sensor. Where the topic does not name it, the topic is; of
Sparkplug it is the edge node, whose running number counts over all its devices
and whose births explain their data.

What holds for more than one sensor goes to every partition: context, running
states, labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.config import Config
from monitor.records import labels
from monitor.records.topic import TopicPattern
from monitor.signal.payload.sparkplug import SparkplugPayload
from monitor.signal.payload.sparkplug_topic import in_order_with

MAX_NAME = 200  # of a sensor, as the pipeline has it


@dataclass(frozen=True, slots=True)
class Place:
    """is_everywhere : a copy goes to each partition, whatever the key"""

    key: str
    is_everywhere: bool = False


class Routing:
    """Of one configuration."""

    def __init__(self, config: Config) -> None:
        self._samples = [(one.pattern, one.payload) for one in config.subscriptions]
        self._edge_nodes = [
            pattern for one in config.subscriptions for pattern in one.whole_patterns
        ]
        self._everywhere = list(_for_all(config))

    def place(self, topic: str) -> Place | None:
        """None for a topic that the configuration does not know."""
        for pattern, payload in self._samples:
            sensor = pattern.sensor(topic)
            if sensor is None or len(sensor) > MAX_NAME:
                continue
            if isinstance(payload, SparkplugPayload):
                return Place(in_order_with(topic))
            is_inside = payload.names_machine or payload.names_point
            return Place(topic if is_inside else sensor)
        if any(pattern.match(topic) is not None for pattern in self._edge_nodes):
            return Place(in_order_with(topic))
        if any(pattern.match(topic) is not None for pattern in self._everywhere):
            return Place(topic, is_everywhere=True)
        return None


def split_context(config: Config) -> Iterator[str]:
    """One sentence for each value of context that comes with samples, and would be of sensors in
    other partitions, too.
    """
    patterns = {one.topic: one.pattern for one in config.subscriptions}
    for index, one in enumerate(config.context):
        if one.topic not in patterns and not _is_of_samples(config, one.whole_patterns):
            continue
        if one.format == "sparkplug" or "point" not in _names(one.pattern):
            yield (
                f"context[{index}] ({one.name}) comes with samples of topic {one.topic}: it goes"
                " where these go, and sensors in other partitions do not see it."
            )


def _is_of_samples(config: Config, patterns: tuple[TopicPattern, ...]) -> bool:
    return any(set(one.whole_patterns) & set(patterns) for one in config.subscriptions)


def _names(pattern: TopicPattern) -> set[str]:
    open_names = {level[1:-1] for level in pattern.levels if level.startswith("{")}
    return open_names | {name for name, _ in pattern.fixed}


def _for_all(config: Config) -> Iterator[TopicPattern]:
    yield TopicPattern.parse(labels.TOPIC, needs_machine=False)
    for one in config.context:
        yield from one.whole_patterns or (one.pattern,)
    for rule in config.sensors:
        if rule.running is not None and rule.running.topic is not None:
            yield TopicPattern.parse(rule.running.topic)
