"""The doctor's way to the broker: name, TCP, TLS, login, subscriptions, a message of each.

It uses a session of its own that ends with it; a service that runs meanwhile is
not disturbed.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any

from monitor.commands.doctor_finding import Finding
from monitor.commands.doctor_message import message_steps
from monitor.config import Config, MqttSettings
from monitor.records.topic import TopicFilter
from monitor.settings import ConfigError
from monitor.sources.mqtt.probe import QOS_0_ONLY, BrokerProbe, ProbeError
from monitor.sources.mqtt.session import shortfalls
from monitor.tls import client_context, explain

CONNECT_S = 10.0
CERTIFICATE_WARNING_DAYS = 14


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
        with socket.create_connection(
            (settings.host, settings.port), timeout=CONNECT_S
        ) as link:
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
            days = (
                ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()
            ) / 86_400
            text = f"{secure.version()}, the server's certificate holds for {days:.0f} more days"
            if days < CERTIFICATE_WARNING_DAYS:
                return Finding(
                    "TLS", "warning", text, "renew it before the connection fails"
                )
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
            yield Finding(
                "login", "warning", "the broker takes no retained last will of QoS 1"
            )
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


def _subscription_steps(
    config: Config, probe: BrokerProbe, wait_s: float
) -> Iterator[Finding]:
    patterns = {one.pattern.filter: one.topic for one in config.subscriptions}
    try:
        answers = probe.subscribe([TopicFilter(one) for one in patterns], CONNECT_S)
    except ProbeError as error:
        yield Finding("subscription", "FAILED", str(error), "see the broker's log")
        return
    for topic, answer in answers.items():
        if answer == QOS_0_ONLY:
            text = f"{topic} is granted with QoS 0 only: messages can be lost on the way"
            yield Finding(
                "subscription", "warning", text, "let the broker deliver with QoS 1"
            )
        elif answer:
            yield Finding(
                "subscription",
                "FAILED",
                f"{topic}: {answer}",
                "check the broker's access list",
            )
        else:
            yield Finding("subscription", "ok", f"{topic} is granted with QoS 1")
    yield from message_steps(config, probe, wait_s)
