"""The outputs that a configuration asks for, each with its cursor in the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from monitor.advice import advice_book
from monitor.config import Config
from monitor.journal.announced import Announced
from monitor.journal.cursors import Cursor
from monitor.journal.views import JournalViews
from monitor.outputs.alarm_topics import AlarmTopics, Publish
from monitor.outputs.base import Output
from monitor.outputs.home_assistant import Devices, HomeAssistant
from monitor.outputs.runner import Runner
from monitor.outputs.syslog import Syslog
from monitor.outputs.verdict_topics import VerdictTopics


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


def configured_outputs(config: Config, broker: Broker | None) -> list[RunningOutput]:
    """Reads secrets, touches no network. Raises ConfigError, JournalError.

    broker : that the alarm topics are on; None where there is none
    """
    return [
        *_topics(config, broker),
        *_databases(config),
        *_webhooks(config),
        *_mails(config),
        *_syslog(config),
    ]


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
    return [*running, _running(config, HomeAssistant(devices, views, announced, *to_broker))]


def _databases(config: Config) -> list[RunningOutput]:
    if not config.influx:
        return []
    # 0.3 s and 26 MB that a daemon without InfluxDB does not pay.
    from monitor.outputs.influx.rows import lines_for
    from monitor.outputs.influx.sender import InfluxOutput

    return [
        _running(
            config,
            InfluxOutput(settings, lines_for(config.instance, settings.maps), config.instance),
        )
        for settings in config.influx
    ]


def _webhooks(config: Config) -> list[RunningOutput]:
    settings = config.notifications
    if not settings.webhooks:
        return []
    # The HTTP client costs those nothing who do not use it.
    from monitor.outputs.webhook import Webhook, cursor_name

    advice = advice_book(config.advice)
    running = []
    for hook in settings.webhooks:
        cursor = Cursor(config.journal.path, cursor_name(hook), Webhook.kinds, Webhook.from_start)
        webhook = Webhook(
            hook,
            config.instance,
            settings.cool_down_s,
            cursor,
            remind_s=settings.remind_s,
            page_url=settings.page_url,
            advice=advice,
        )
        running.append(RunningOutput(webhook, cursor, Runner(webhook, cursor)))
    return running


def _mails(config: Config) -> list[RunningOutput]:
    settings = config.notifications
    if not settings.mails:
        return []
    from monitor.outputs.mail import Mail, cursor_name

    advice = advice_book(config.advice)
    running = []
    for one in settings.mails:
        cursor = Cursor(config.journal.path, cursor_name(one), Mail.kinds, Mail.from_start)
        mail = Mail(
            one,
            config.instance,
            settings.cool_down_s,
            cursor,
            remind_s=settings.remind_s,
            page_url=settings.page_url,
            advice=advice,
        )
        running.append(RunningOutput(mail, cursor, Runner(mail, cursor)))
    return running


def _syslog(config: Config) -> list[RunningOutput]:
    return [_running(config, Syslog(one)) for one in config.notifications.syslog]


def _running(config: Config, output: Output) -> RunningOutput:
    cursor = Cursor(config.journal.path, output.name, output.kinds, output.from_start)
    return RunningOutput(output, cursor, Runner(output, cursor))
