"""The doctor's way to the broker: name, TCP, TLS, login, subscriptions, a message of each.

It uses a session of its own that ends with it; a service that runs meanwhile is not disturbed.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from monitor.config import Config, ConfigError, MqttSettings, Subscription
from monitor.records.signal import Chunk, Message
from monitor.records.topic import TopicFilter
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from monitor.sources.mqtt.probe import QOS_0_ONLY, BrokerProbe, ProbeError
from monitor.sources.mqtt.session import shortfalls
from monitor.text import printable
from monitor.tls import client_context, explain

CONNECT_S = 10.0
RATE_TOLERANCE = 1e-3
CERTIFICATE_WARNING_DAYS = 14

State = Literal["ok", "warning", "FAILED", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    step: str
    state: State
    text: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"\n{'':24}-> {printable(self.hint)}" if self.hint else ""
        return f"{self.state:8} {self.step:14} {printable(self.text, 300)}{hint}"


def check_broker(config: Config, wait_s: float) -> Iterator[Finding]:
    findings: Iterator[Finding] = _broker_steps(config, wait_s)
    steps = [
        "name",
        "TCP",
        *(["TLS"] if config.mqtt.tls else []),
        "login",
        "subscription",
        "message",
    ]
    for finding in findings:
        yield finding
        while finding.step in steps:
            steps.pop(0)
        if finding.state == "FAILED" and finding.step in ("name", "TCP", "TLS", "login"):
            yield from (Finding(step, "skipped", f"needs {finding.step}") for step in steps)
            return


def _broker_steps(config: Config, wait_s: float) -> Iterator[Finding]:
    settings = config.mqtt
    where = f"{settings.host}:{settings.port}"
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        yield Finding(
            "name",
            "ok",
            f"{settings.host} is {', '.join(dict.fromkeys(str(one[4][0]) for one in found))}",
        )
    except (OSError, UnicodeError) as error:
        yield Finding(
            "name",
            "FAILED",
            f"{settings.host}: {explain(error)}",
            "check mqtt.host and this machine's DNS",
        )
        return
    try:
        with socket.create_connection((settings.host, settings.port), timeout=CONNECT_S) as link:
            yield Finding("TCP", "ok", f"{where} takes connections")
            if settings.tls is not None:
                yield _tls_step(settings, link)
    except OSError as error:
        hint = "is the broker running and listening there? check mqtt.port and firewalls"
        yield Finding("TCP", "FAILED", f"{where}: {explain(error)}", hint)
        return
    yield from _session_steps(config, wait_s)


def _tls_step(settings: MqttSettings, link: socket.socket) -> Finding:
    assert settings.tls is not None
    try:
        with client_context(settings.tls).wrap_socket(
            link, server_hostname=settings.host
        ) as secure:
            certificate: Mapping[str, Any] = secure.getpeercert() or {}
            days = (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / 86_400
            text = f"{secure.version()}, the server's certificate holds for {days:.0f} more days"
            if days < CERTIFICATE_WARNING_DAYS:
                return Finding("TLS", "warning", text, "renew it before the connection fails")
            return Finding("TLS", "ok", text)
    except ConfigError as error:
        return Finding("TLS", "FAILED", str(error))
    except OSError as error:
        return Finding(
            "TLS",
            "FAILED",
            explain(error),
            "check mqtt.tls.ca_file, mqtt.host and the server's certificate",
        )


def _session_steps(config: Config, wait_s: float) -> Iterator[Finding]:
    settings = config.mqtt
    try:
        probe = BrokerProbe(settings, config.instance)
    except ConfigError as error:
        yield Finding("login", "FAILED", str(error))
        return
    with probe:
        try:
            limits = probe.login(CONNECT_S)
        except ProbeError as error:
            yield Finding(
                "login",
                "FAILED",
                str(error),
                "check mqtt.username, mqtt.password, mqtt.protocol, mqtt.tls",
            )
            return
        who = f"as {settings.username!r}" if settings.username else "without a user"
        yield Finding("login", "ok", f"MQTT {settings.protocol}, {who}")
        # The probe's own session ends with it, so only what the server says of packets and QoS
        # counts here.
        for text in shortfalls(limits, settings.model_copy(update={"session_expiry_s": 0})):
            yield Finding("login", "warning", f"the broker {text}")
        if settings.protocol != "5" and probe.has_plain_will:
            yield Finding("login", "warning", "the broker takes no retained last will of QoS 1")
        yield from _subscription_steps(config, probe, wait_s)
        yield from _publishing_step(config, probe)


def _publishing_step(config: Config, probe: BrokerProbe) -> Iterator[Finding]:
    """Last of all: some brokers close the connection on what a client may not publish."""
    try:
        refused = probe.publish(CONNECT_S)
    except ProbeError as error:
        refused = str(error)
    if refused:
        yield Finding(
            "publishing",
            "warning",
            f"status and alarm topics under camshaft/{config.instance}/: {refused}",
            "verdicts do not need it; let mqtt.username write there if somebody listens",
        )


def _subscription_steps(config: Config, probe: BrokerProbe, wait_s: float) -> Iterator[Finding]:
    patterns = {one.pattern.filter: one.topic for one in config.subscriptions}
    try:
        answers = probe.subscribe([TopicFilter(one) for one in patterns], CONNECT_S)
    except ProbeError as error:
        yield Finding("subscription", "FAILED", str(error), "see the broker's log")
        return
    for topic, answer in answers.items():
        if answer == QOS_0_ONLY:
            text = f"{topic} is granted with QoS 0 only: messages can be lost on the way"
            yield Finding("subscription", "warning", text, "let the broker deliver with QoS 1")
        elif answer:
            yield Finding(
                "subscription", "FAILED", f"{topic}: {answer}", "check the broker's access list"
            )
        else:
            yield Finding("subscription", "ok", f"{topic} is granted with QoS 1")
    yield from _message_steps(config, probe, wait_s)


def _message_steps(config: Config, probe: BrokerProbe, wait_s: float) -> Iterator[Finding]:
    """The first message of each subscription that is no retained one."""
    waiting = {subscription.topic for subscription in config.subscriptions}
    retained = set()
    until_s = time.monotonic() + wait_s
    while waiting and (message := probe.next_message(until_s - time.monotonic())) is not None:
        matching = (
            one for one in config.subscriptions if one.pattern.match(message.topic) is not None
        )
        subscription = next(matching, None)
        if subscription is None or subscription.topic not in waiting:
            continue
        if message.retained:
            retained.add(subscription.topic)
            continue
        waiting.discard(subscription.topic)
        yield _judge(config, subscription, message)
    for topic in sorted(waiting):
        found = "nothing but a retained message came" if topic in retained else "nothing came"
        hint = "is a sensor running, and its topic spelt so? --wait gives it longer"
        yield Finding("message", "FAILED", f"{found} on {topic} within {wait_s:g} s", hint)


def _judge(config: Config, subscription: Subscription, message: Message) -> Finding:
    """Whether the service could use this message."""
    payload, of_topic = subscription.payload, subscription.pattern.sensor(message.topic)
    is_named_inside = payload.names_machine or payload.names_point
    is_known = of_topic is not None and config.sensor(of_topic) is not None
    if of_topic is None or not (is_known or is_named_inside):
        return Finding(
            "message",
            "FAILED",
            f"{message.topic}: no rule under sensors matches {of_topic!r}",
            "add a rule with a match for it",
        )
    try:
        limit = config.mqtt.max_payload_bytes
        settings = DecoderSettings(payload, of_topic, config.sensor, limit)
        chunks = decode(message, settings)
    except PayloadError as error:
        return Finding(
            "message",
            "FAILED",
            f"{message.topic}: {error.detail}",
            f"{len(message.payload)} bytes as payload.format = {subscription.payload.format};"
            " check the subscription's payload and the sensor's channels",
        )
    chunk, sensor = chunks[0], chunks[0].sensor
    rules = config.sensor(sensor)
    assert rules is not None  # else the decoder had refused it
    if not np.isfinite(chunk.samples).all():
        return Finding(
            "message", "FAILED", f"{sensor}: NaN or infinite samples", "check payload.dtype"
        )
    if abs(chunk.sample_rate_hz / rules.sample_rate_hz - 1) > RATE_TOLERANCE:
        text = (
            f"{sensor} says {chunk.sample_rate_hz:g} Hz, the configuration"
            f" {rules.sample_rate_hz:g} Hz"
        )
        return Finding(
            "message", "warning", text, "its windows would be BAD_DATA; correct sample_rate_hz"
        )
    others = sorted({one.sensor for one in chunks} - {sensor})
    more = f"; and {len(others)} more in this message: {', '.join(others)}" if others else ""
    return Finding("message", "ok", f"{sensor}: {_describe(chunk)}{more}")


def _describe(chunk: Chunk) -> str:
    n_channels, n = chunk.samples.shape
    level = float(
        np.sqrt(np.mean(np.square(chunk.samples - chunk.samples.mean(axis=1, keepdims=True))))
    )
    facts = (
        f"{n_channels} channels x {n} samples at {chunk.sample_rate_hz:g} Hz, {level:.3g} m/s² RMS"
        " about the mean"
    )
    if chunk.start_ns is None:
        return f"{facts}; the message carries no time"
    late_s = (chunk.received_ns - chunk.start_ns) / 1e9 - n / chunk.sample_rate_hz
    return f"{facts}; measured {late_s:.1f} s ago by the sensor's clock"
