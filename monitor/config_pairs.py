"""Settings that are each right and cannot work together.

`refusals` are settings that can never do what they say; `doubts` are most
likely not meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Protocol

from monitor.config import Config
from monitor.config_connections import LOOPBACK
from monitor.records import labels
from monitor.records.topic import TopicPattern

EVERYWHERE = ("0.0.0.0", "::")
TLS_PORT, PLAIN_PORT = 8883, 1883


class Rule(Protocol):
    """What holds for the sensors that its pattern fits."""

    @property
    def match(self) -> str: ...

    def fits(self, name: str) -> bool: ...


def refusals(config: Config) -> Iterator[str]:
    """One sentence for each setting that can never do what it says."""
    yield from _rules_never_reached("sensors", config.sensors)
    yield from _rules_never_reached("machines", config.machines)
    yield from _topics_never_reached(config)
    yield from _context_never_read(config)
    yield from _instances_not_told_apart(config)
    for index, rule in enumerate(config.sensors):
        is_snapshot = rule.acquisition == "snapshot" and rule.model is None
        if is_snapshot and rule.window_s > rule.expected_period_s:
            yield (
                f"sensors[{index}].window_s = {rule.window_s:g} s: a snapshot cannot be longer than"
                f" the time between two, expected_period_s = {rule.expected_period_s:g} s."
            )


def _context_never_read(config: Config) -> Iterator[str]:
    names = {one.name for one in config.context}
    for index, rule in enumerate(config.sensors):
        if rule.running is not None and rule.running.context not in (None, *names):
            yield (
                f"sensors[{index}].running.context = {rule.running.context!r}: is no name under"
                " context."
            )
    for index, machine in enumerate(config.machines):
        if machine.shaft is not None and machine.shaft.context not in (None, *names):
            yield (
                f"machines[{index}].shaft.context = {machine.shaft.context!r}: is no name under"
                " context."
            )
    for index, one in enumerate(config.context):
        for subscription in config.subscriptions:
            is_other = subscription.topic != one.topic and one.format != "sparkplug"
            if is_other and _covers(subscription.pattern, one.pattern):
                yield (
                    f"context[{index}].topic = {one.topic!r}: is not read, for the subscription"
                    f" {subscription.topic!r} takes its messages as samples."
                )
                break


def _instances_not_told_apart(config: Config) -> Iterator[str]:
    for index, one in enumerate(config.page.instances):
        stem, _, number = one.name.rpartition("-")
        is_partition = config.source == "kafka" and stem == config.instance
        if one.name == config.instance or (is_partition and number.isdecimal()):
            yield (
                f"page.instances[{index}].name = {one.name!r}: is the name of the configuration's"
                " own instance."
            )


def doubts(config: Config) -> Iterator[str]:
    """One sentence for each pair of settings that is most likely not meant."""
    yield from _doubts_of_sensors(config)
    yield from _doubts_of_topics(config)
    yield from _doubts_of_broker(config)
    yield from _doubts_of_storage(config)
    yield from _doubts_of_notifications(config)
    yield from _doubts_of_listeners(config)


def _rules_never_reached(section: str, rules: Sequence[Rule]) -> Iterator[str]:
    for index, rule in enumerate(rules):
        if "/" not in rule.match and not set(rule.match) & set("*?["):
            yield (
                f"{section}[{index}].match = {rule.match!r}: fits no sensor, for their names are"
                f" machine/point; {rule.match + '/*'!r} fits all points of this machine."
            )
        for earlier, other in enumerate(rules[:index]):
            # Of patterns with ? or [ this would not be sure.
            if not set(other.match) & set("?[") and other.fits(rule.match):
                yield (
                    f"{section}[{index}].match = {rule.match!r}: is never reached, for"
                    f" {section}[{earlier}].match = {other.match!r} takes all that it fits."
                )
                break


def _topics_never_reached(config: Config) -> Iterator[str]:
    topics = [subscription.topic for subscription in config.subscriptions]
    patterns = [subscription.pattern for subscription in config.subscriptions]
    for index, pattern in enumerate(patterns):
        for earlier in range(index):
            if _covers(patterns[earlier], pattern):
                yield (
                    f"subscriptions[{index}].topic = {topics[index]!r}: is never reached, for"
                    f" subscriptions[{earlier}].topic = {topics[earlier]!r} takes all its messages."
                )
                break
    for number, rule in enumerate(config.sensors):
        if rule.running is None or rule.running.topic is None:
            continue
        running = TopicPattern.parse(rule.running.topic)
        for topic, pattern in zip(topics, patterns, strict=True):
            if _covers(pattern, running):
                yield (
                    f"sensors[{number}].running.topic = {rule.running.topic!r}: is never read, for"
                    f" the subscription {topic!r} takes its messages as samples."
                )
                break


def _doubts_of_sensors(config: Config) -> Iterator[str]:
    for index, rule in enumerate(config.sensors):
        if (
            rule.acquisition == "snapshot"
            and "expected_period_s" not in rule.model_fields_set
        ):
            yield (
                f"sensors[{index}].acquisition = snapshot: without expected_period_s a snapshot is"
                f" expected every {rule.expected_period_s:g} s, and the sensor is NO_DATA between"
                " two that are further apart."
            )


def _doubts_of_topics(config: Config) -> Iterator[str]:
    for one, other in combinations(config.subscriptions, 2):
        is_exception = _covers(other.pattern, one.pattern)  # before its rule: meant
        is_never_reached = _covers(one.pattern, other.pattern)  # refused
        if _overlap(one.pattern, other.pattern) and not (is_exception or is_never_reached):
            yield (
                f"subscriptions: {one.topic!r} and {other.topic!r} fit some of the same"
                " topics; a message of both is read by the first."
            )
    topics = f"camshaft/{config.instance}"
    own = (labels.TOPIC, f"{topics}/alarm/machine/point", f"{topics}/verdict/machine/point")
    for subscription in config.subscriptions:
        if any(subscription.pattern.match(one) is not None for one in own):
            yield (
                f"subscriptions: {subscription.topic!r} also fits Camshaft's own topics below"
                " camshaft/, whose messages are no samples."
            )


def _doubts_of_broker(config: Config) -> Iterator[str]:
    mqtt = config.mqtt
    if mqtt.port == TLS_PORT and mqtt.tls is None:
        yield f"mqtt.port = {TLS_PORT}: is for TLS by custom, and mqtt.tls is not there."
    if mqtt.port == PLAIN_PORT and mqtt.tls is not None:
        yield f"mqtt.port = {PLAIN_PORT}: is without TLS by custom, and mqtt.tls is there."
    if mqtt.protocol == "3.1.1" and "session_expiry_s" in mqtt.model_fields_set:
        yield (
            f"mqtt.session_expiry_s = {mqtt.session_expiry_s} s: does nothing with protocol 3.1.1,"
            " where the broker decides how long it keeps messages."
        )


def _doubts_of_storage(config: Config) -> Iterator[str]:
    journal, kept = config.journal, config.journal.kept_windows
    if kept.max_bytes >= journal.max_bytes:
        yield (
            f"journal.kept_windows.max_bytes = {kept.max_bytes}: leaves no room for verdicts in"
            f" journal.max_bytes = {journal.max_bytes}; whole rows go before raw windows do."
        )
    for database in config.influx:
        if database.maps == "all" and journal.maps != "all":
            yield (
                f"journal.maps = {journal.maps}: {database.name} gets the maps that the journal"
                " keeps and no others, though its maps = all."
            )
    for one, other in combinations(config.influx, 2):
        if (one.url, one.org, one.bucket) == (other.url, other.org, other.bucket):
            yield f"influx: {one.name!r} and {other.name!r} are the same bucket, written twice."


def _doubts_of_notifications(config: Config) -> Iterator[str]:
    settings = config.notifications
    for index, mail in enumerate(settings.mails):
        if mail.security == "none" and mail.host not in LOOPBACK:
            yield (
                f"notifications.mails[{index}].security = none: mails to {mail.host} travel"
                " unencrypted; starttls or tls is for servers elsewhere."
            )
    if settings.remind_s is not None and not (settings.webhooks or settings.mails):
        yield (
            f"notifications.remind_s = {settings.remind_s:g} s: there is no webhook and no mail to"
            " remind by."
        )


def _doubts_of_listeners(config: Config) -> Iterator[str]:
    page, prometheus = config.page, config.prometheus
    if prometheus is not None and page.port == prometheus.port:
        hosts = {page.host, prometheus.host}
        if len(hosts) == 1 or hosts & set(EVERYWHERE):
            yield (
                f"page.port and prometheus.port = {page.port}: on one machine only one of the two"
                " can listen there."
            )
    if page.host not in LOOPBACK and not page.has_login:
        yield (
            f"page.host = {page.host!r}: camshaft page refuses it without page.password,"
            " page.users or page.proxy."
        )
    if page.behind_https_proxy and page.tls is not None:
        yield "page.behind_https_proxy = true together with page.tls: one of the two speaks HTTPS."


def _covers(wide: TopicPattern, narrow: TopicPattern) -> bool:
    """Every topic that the narrow pattern fits, the wide one fits too."""
    return len(wide.levels) == len(narrow.levels) and all(
        _is_open(a) or a == b for a, b in zip(wide.levels, narrow.levels, strict=True)
    )


def _overlap(one: TopicPattern, other: TopicPattern) -> bool:
    return len(one.levels) == len(other.levels) and all(
        _is_open(a) or _is_open(b) or a == b
        for a, b in zip(one.levels, other.levels, strict=True)
    )


def _is_open(level: str) -> bool:
    return level == "+" or level.startswith("{")
