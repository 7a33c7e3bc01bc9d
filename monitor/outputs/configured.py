"""The outputs that a configuration asks for, each with its cursor in the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from monitor.advice import advice_book
from monitor.config import Config
from monitor.journal.announced import Announced
from monitor.journal.cursors import Cursor
from monitor.journal.views import JournalViews
from monitor.outputs.alarm_topics import AlarmTopics, Publish
from monitor.outputs.base import Output
from monitor.outputs.home_assistant import Devices, HomeAssistant
from monitor.outputs.notices import NoticeRules
from monitor.outputs.runner import Runner
from monitor.outputs.syslog import Syslog
from monitor.outputs.verdict_topics import VerdictTopics
from monitor.settings import Settings
from monitor.succession.models import models_of

if TYPE_CHECKING:
    from monitor.kafka.state_topic import StateTopic  # its client is an extra


@dataclass(frozen=True, slots=True)
class Broker:
    """How to publish, and how often there was a connection."""

    publish: Publish
    n_connects: Callable[[], int]


@dataclass(frozen=True, slots=True)
class RunningOutput:
    """An output and what it needs to run, for one thread."""

    output: Output
    cursor: Cursor
    runner: Runner

    def close(self) -> None:
        self.output.close()
        self.cursor.close()


def configured_outputs(
    config: Config, broker: Broker | None, state: StateTopic | None = None
) -> list[RunningOutput]:
    """Reads secrets, touches no network. Raises ConfigError, JournalError, ModelError.

    broker : that the alarm topics are on; None where there is none
    state : where the partition's next owner finds what it needs
    """
    found = [
        *_topics(config, broker),
        *_databases(config),
        *_webhooks(config),
        *_mails(config),
        *_syslog(config),
        *_kafka(config),
    ]
    return found if state is None else [*found, _state(config, state, found)]


def _state(config: Config, topic: StateTopic, others: list[RunningOutput]) -> RunningOutput:
    from monitor.outputs.kafka_state import KafkaState  # its client is an extra

    names = [
        one.output.name for one in others if {"verdict", "event"} & {*one.output.kinds}
    ]
    return _running(
        config, KafkaState(topic, config.journal.path, names, models_of(config))
    )


def _topics(config: Config, broker: Broker | None) -> list[RunningOutput]:
    if broker is None:
        return []
    views = JournalViews(config.journal.path)
    asked = config.mqtt.publish
    prefix = None if asked is None else asked.home_assistant
    to_broker = broker.publish, broker.n_connects
    topics = AlarmTopics(config.instance, views, *to_broker, with_quiet=prefix is not None)
    running = [_running(config, topics)]
    if asked is not None:
        views = JournalViews(config.journal.path)
        verdicts = VerdictTopics(config.instance, views, asked.verdicts_every_s, *to_broker)
        running.append(_running(config, verdicts))
    announced = Announced(config.journal.path)
    if prefix is None and not announced.topics():
        announced.close()
        return running
    views = JournalViews(config.journal.path)
    devices = Devices(config, prefix, metadata.version("camshaft"))
    return [
        *running,
        _running(config, HomeAssistant(devices, views, announced, *to_broker)),
    ]


def _databases(config: Config) -> list[RunningOutput]:
    if not config.influx:
        return []
    # 0.3 s and 26 MB that a service without InfluxDB does not pay.
    from monitor.outputs.influx.rows import lines_for
    from monitor.outputs.influx.sender import InfluxOutput

    return [
        _running(
            config,
            InfluxOutput(
                settings, lines_for(config.instance, settings.maps), config.instance
            ),
        )
        for settings in config.influx
    ]


def _webhooks(config: Config) -> list[RunningOutput]:
    if not config.notifications.webhooks:
        return []
    # The HTTP client costs those nothing who do not use it.
    from monitor.outputs.webhook import Webhook, cursor_name

    hooks = config.notifications.webhooks
    return [_telling(config, Webhook, one, cursor_name(one)) for one in hooks]


def _mails(config: Config) -> list[RunningOutput]:
    if not config.notifications.mails:
        return []
    from monitor.outputs.mail import Mail, cursor_name

    mails = config.notifications.mails
    return [_telling(config, Mail, one, cursor_name(one)) for one in mails]


def _telling(config: Config, kind: type[Any], one: Settings, name: str) -> RunningOutput:
    """kind : of outputs.notices.Notices. one : its own settings"""
    settings = config.notifications
    cursor = Cursor(config.journal.path, name, kind.kinds, kind.from_start)
    rules = NoticeRules(
        config.instance,
        settings.cool_down_s,
        settings.remind_s,
        settings.page_url,
        advice_book(config.advice),
    )
    output = kind(one, cursor, rules)
    return RunningOutput(output, cursor, Runner(output, cursor))


def _syslog(config: Config) -> list[RunningOutput]:
    return [_running(config, Syslog(one)) for one in config.notifications.syslog]


def _kafka(config: Config) -> list[RunningOutput]:
    if config.kafka_output is None:
        return []
    from monitor.outputs.kafka import KafkaOutput  # its client is an extra

    return [_running(config, KafkaOutput(config.kafka_output, config.instance))]


def _running(config: Config, output: Output) -> RunningOutput:
    cursor = Cursor(config.journal.path, output.name, output.kinds, output.from_start)
    return RunningOutput(output, cursor, Runner(output, cursor))
