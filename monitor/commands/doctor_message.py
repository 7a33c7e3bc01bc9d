"""The doctor on messages: whether the service could use the first one of each subscription, and
whether their arrival agrees with the configured rate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from monitor.commands.doctor_finding import Finding
from monitor.config import Config
from monitor.config_sensors import SensorSettings, Subscription
from monitor.evidence.geometry import spectrum_settings
from monitor.evidence.model_folder import ModelError, find_model, load_model_manifest
from monitor.records.signal import Chunk, Message
from monitor.records.stream import Position
from monitor.settings import ConfigError
from monitor.signal import timeline, troubles
from monitor.signal.arrivals import Arrivals
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from monitor.signal.plausibility.check import FormatCheck
from monitor.signal.plausibility.sentences import hint
from monitor.signal.rates import is_same_rate
from monitor.sources.mqtt.probe import BrokerProbe
from monitor.text import first_bytes

RATE_SHARE = 0.2  # of the time to wait is left for arrival to tell the rate
BY_HALF = 0.6  # a rate is told where both its limits are nearer to it than a factor of two
# a sensor's clock may be off by as much without a word: a backlog may be
CLOCK_NS = 1800 * 10**9

# What the service can read and a single message does not show.
NEEDS_OTHERS = {
    "unknown_alias": "by aliases alone: the service reads it by its sender's birth certificate",
    "part_alone": "one part of a longer payload: the service reads it with the others",
}


def message_steps(config: Config, probe: BrokerProbe, wait_s: float) -> Iterator[Finding]:
    """The first message of each subscription that is no retained one, then the rate by arrival of
    sensors whose messages bear no time.
    """
    waiting = {subscription.topic for subscription in config.subscriptions}
    retained, rates, formats = set(), Rates(config), Formats(config)
    until_s = time.monotonic() + wait_s
    while (
        waiting and (message := probe.next_message(until_s - time.monotonic())) is not None
    ):
        subscription = _subscription_of(config, message)
        if subscription is None:
            continue
        if message.retained:
            retained.add(subscription.topic)
            continue
        found = read_message(config, subscription, message)
        if not found:
            continue  # a keep-alive, say
        if not isinstance(found, Finding):
            rates.take(found)
            formats.take(subscription, message, found)
            if subscription.topic in waiting:
                trouble = formats.finding(found[0].sensor)
                found = trouble or judge_chunks(config, subscription, found)
        if subscription.topic in waiting and isinstance(found, Finding):
            waiting.discard(subscription.topic)
            yield found
    for topic in sorted(waiting):
        what = (
            "nothing but a retained message came" if topic in retained else "nothing came"
        )
        hint = "is a sensor running, and its topic spelt so? --wait gives it longer"
        yield Finding("message", "FAILED", f"{what} on {topic} within {wait_s:g} s", hint)
    yield from _later_steps(config, probe, rates, formats, wait_s * RATE_SHARE)


def _later_steps(
    config: Config, probe: BrokerProbe, rates: Rates, formats: Formats, wait_s: float
) -> Iterator[Finding]:
    """What takes several messages of a sensor to tell."""
    until_s = time.monotonic() + wait_s
    while rates.are_open and (message := probe.next_message(until_s - time.monotonic())):
        subscription = _subscription_of(config, message)
        if subscription is not None and not message.retained:
            found = read_message(config, subscription, message)
            if not isinstance(found, Finding):
                rates.take(found)
                formats.take(subscription, message, found)
    yield from formats.findings()
    yield from rates.findings()


def _subscription_of(config: Config, message: Message) -> Subscription | None:
    """The first that fits the message's topic."""
    matching = (
        one for one in config.subscriptions if one.pattern.match(message.topic) is not None
    )
    return next(matching, None)


class Formats:
    """Whether each sensor's bytes are what the settings say."""

    def __init__(self, config: Config) -> None:
        self._rule_of = config.sensor
        self._checks: dict[str, FormatCheck] = {}
        self._told: set[str] = set()

    def take(
        self, subscription: Subscription, message: Message, chunks: Sequence[Chunk]
    ) -> None:
        """Look at the first sensor in a message."""
        chunk, rule = chunks[0], self._rule_of(chunks[0].sensor)
        assert rule is not None  # else the decoder had refused it
        check = self._checks.setdefault(chunk.sensor, FormatCheck())
        check.look(message, subscription.payload, chunk, rule, 0.0)

    def finding(self, sensor: str) -> Finding | None:
        """What speaks against a sensor's settings, once."""
        trouble = self._checks[sensor].trouble
        if not trouble or sensor in self._told:
            return None
        self._told.add(sensor)
        return Finding("message", "FAILED", f"{sensor}: {trouble}")

    def findings(self) -> Iterator[Finding]:
        """What several messages told."""
        found = (self.finding(sensor) for sensor in self._checks)
        yield from (one for one in found if one is not None)


class Rates:
    """The rate by arrival of each continuous sensor whose messages bear no time."""

    def __init__(self, config: Config) -> None:
        self._rule_of = config.sensor
        self._arrivals: dict[str, Arrivals] = {}

    def take(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            rule = self._rule_of(chunk.sensor)
            if (
                rule is None
                or rule.acquisition != "continuous"
                or chunk.start_ns is not None
            ):
                continue
            arrivals = self._arrivals.setdefault(chunk.sensor, Arrivals())
            arrivals.add(chunk.received_ns, chunk.samples.shape[1], rule.sample_rate_hz)

    @property
    def are_open(self) -> bool:
        """More messages would tell more."""
        return not all(map(self._is_told, self._arrivals.values()))

    @staticmethod
    def _is_told(arrivals: Arrivals) -> bool:
        found = arrivals.estimate()
        if found is None or arrivals.wrong is not None:
            return arrivals.wrong is not None
        return found.low_hz > BY_HALF * found.rate_hz > BY_HALF**2 * found.high_hz

    def findings(self) -> Iterator[Finding]:
        for sensor, arrivals in self._arrivals.items():
            rule, found = self._rule_of(sensor), arrivals.estimate()
            assert rule is not None
            if arrivals.wrong is not None:
                wrong = arrivals.wrong
                text = troubles.rate_trouble(wrong.rate_hz, rule.sample_rate_hz, wrong)
                yield Finding("rate", "FAILED", f"{sensor}: {text}")
            elif found is not None:
                text = f"{sensor}: {troubles.between(found)} samples a second arrive"
                yield Finding("rate", "ok", text)


def read_message(
    config: Config, subscription: Subscription, message: Message
) -> Finding | list[Chunk]:
    """The chunks of a message, or why there are none."""
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
        chunks = decode(message, DecoderSettings(payload, of_topic, config.sensor, limit))
    except PayloadError as error:
        if error.reason in NEEDS_OTHERS:
            return _needs_others(message, error.reason)
        return _not_understood(subscription, message, error)
    if chunks and chunks[0].part is not None:
        return _needs_others(message, "part_alone")
    return chunks


def _needs_others(message: Message, reason: str) -> Finding:
    return Finding("message", "warning", f"{message.topic}: {NEEDS_OTHERS[reason]}")


def _not_understood(
    subscription: Subscription, message: Message, error: PayloadError
) -> Finding:
    payload = subscription.payload
    n_bytes, first = len(message.payload), first_bytes(message.payload)
    otherwise = "check the subscription's payload and the sensor's channels"
    return Finding(
        "message",
        "FAILED",
        f"{message.topic}: {error.detail}",
        f"{n_bytes} bytes, the first {first}, as payload.format = {payload.format}:"
        f" {hint(payload, message.payload) or otherwise}",
    )


def judge_chunks(
    config: Config, subscription: Subscription, chunks: Sequence[Chunk]
) -> Finding:
    """Whether the service could judge what a message brought."""
    chunk, sensor = chunks[0], chunks[0].sensor
    rule = config.sensor(sensor)
    assert rule is not None  # else the decoder had refused it
    if not np.isfinite(chunk.samples).all():
        return Finding(
            "message", "FAILED", f"{sensor}: NaN or infinite samples", "check payload.dtype"
        )
    if trouble := _length_trouble(config, rule, chunk):
        return Finding("message", "FAILED", f"{sensor}: {trouble}", "send longer snapshots")
    if not is_same_rate(chunk.sample_rate_hz, rule.sample_rate_hz):
        text = troubles.rate_trouble(chunk.sample_rate_hz, rule.sample_rate_hz, None)
        return Finding("message", "warning", f"{sensor}: {text}")
    if trouble := _clock_trouble(subscription, chunk):
        return Finding("message", "warning", f"{sensor}: {trouble}")
    others = sorted({one.sensor for one in chunks} - {sensor})
    more = (
        f"; and {len(others)} more in this message: {', '.join(others)}" if others else ""
    )
    return Finding("message", "ok", f"{sensor}: {_describe(chunk, rule)}{more}")


def _length_trouble(config: Config, rule: SensorSettings, chunk: Chunk) -> str:
    """A snapshot that is shorter than one window is never judged."""
    if rule.acquisition != "snapshot":
        return ""
    try:
        manifest = None
        if rule.model is not None:
            manifest = load_model_manifest(find_model(rule.model, config.models_folder))
        n_window = spectrum_settings(rule, manifest)[0].n_window
    except (ConfigError, ModelError):
        return ""  # a step of its own says so
    n = chunk.samples.shape[1]
    if n >= n_window:
        return ""
    rate_hz = rule.sample_rate_hz
    return troubles.snapshot_trouble(n / rate_hz, n_window / rate_hz, manifest is not None)


def _clock_trouble(subscription: Subscription, chunk: Chunk) -> str:
    """A time that is off by half an hour or more, as a zone is, and a count in another unit."""
    why = timeline.why_arrival(Position(), chunk)
    if chunk.start_ns is None or why == "no_time":
        return ""
    time_format = getattr(subscription.payload, "time_format", None)
    if why:
        return troubles.clock_trouble(why, chunk.start_ns, chunk.received_ns, time_format)
    off_ns = chunk.start_ns - chunk.received_ns
    if abs(off_ns) < CLOCK_NS:
        return ""
    return troubles.zone_trouble(off_ns)


def _describe(chunk: Chunk, rule: SensorSettings) -> str:
    n_channels, n = chunk.samples.shape
    level = float(
        np.sqrt(
            np.mean(np.square(chunk.samples - chunk.samples.mean(axis=1, keepdims=True)))
        )
    )
    unit = "m/s" if rule.quantity == "velocity" else "m/s²"
    facts = (
        f"{n_channels} channels x {n} samples at {chunk.sample_rate_hz:g} Hz, {level:.3g} {unit}"
        " RMS about the mean"
    )
    if chunk.start_ns is None:
        return f"{facts}; the message carries no time"
    late_s = (chunk.received_ns - chunk.start_ns) / 1e9 - n / chunk.sample_rate_hz
    return f"{facts}; measured {late_s:.1f} s ago by the sensor's clock"
