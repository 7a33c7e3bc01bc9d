"""The source that a configuration asks for."""

from __future__ import annotations

from collections.abc import Callable

from monitor.config import Config
from monitor.records import labels
from monitor.records.topic import TopicFilter, TopicPattern
from monitor.sources.base import Callbacks, Source
from monitor.sources.mqtt.client import MqttClient

MakeSource = Callable[[Config, Callbacks, frozenset[str]], Source]


def configured_source(
    config: Config,
    callbacks: Callbacks,
    remembered: frozenset[str],
    *,
    commits: bool = True,
) -> Source:
    """Reads secrets, touches no network. Raises ConfigError.

    remembered : what the source of an earlier process left to be remembered
    commits : of Kafka: tell it how far we are
    """
    if config.source == "kafka":
        return _kafka(config, callbacks, commits)
    return MqttClient(
        config.mqtt,
        topic_filters(config),
        callbacks.deliver,
        config.instance,
        callbacks.refuse,
        callbacks.fail,
        held_before=remembered,
    )


def _kafka(config: Config, callbacks: Callbacks, commits: bool) -> Source:
    # An extra, and a tenth of a second.
    from monitor.sources.kafka.source import KafkaSource

    settings = config.kafka
    assert settings is not None  # Config has checked it
    assert settings.partition is not None  # else service.py is not what runs
    limit = config.mqtt.max_payload_bytes
    return KafkaSource(
        settings, settings.partition, config.instance, limit, callbacks, commits
    )


def topic_filters(config: Config) -> list[TopicFilter]:
    """What to listen to: all waveforms, running-state topics, context and labels."""
    states = {
        rule.running.topic for rule in config.sensors if rule.running and rule.running.topic
    }
    filters = [
        TopicFilter(pattern.filter, one.topic in states)
        for one in config.subscriptions
        # All of an edge node, in place of its data: a broker may send twice what two filters fit.
        for pattern in one.whole_patterns or (one.pattern,)
    ]
    waveforms = {one.topic for one in config.subscriptions}
    others = [TopicPattern.parse(topic) for topic in sorted(states - waveforms)]
    for one in config.context:
        if one.topic not in waveforms:
            others += one.whole_patterns or [one.pattern]
    known = {found.text for found in filters}
    texts = dict.fromkeys(pattern.filter for pattern in others)
    filters += [TopicFilter(text, is_state=True) for text in texts if text not in known]
    return [*filters, TopicFilter(labels.TOPIC, is_optional=True)]
