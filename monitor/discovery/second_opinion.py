"""What the service itself would say of a proposal: it looks at the bytes of each sensor's first
messages, and refuses to judge those that look like something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.config_sensors import SensorSettings, Subscription
from monitor.records.signal import Message
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from monitor.signal.plausibility.check import FormatCheck

N_LOOKED_AT = 12  # messages of a sensor


def contradiction(
    messages: Sequence[Message],
    topic: str,
    payload: dict[str, Any],
    rules: Mapping[str, SensorSettings],
) -> str:
    """A sentence; "" where nothing speaks against the settings. rules : by sensor"""
    subscription = Subscription.model_validate({"topic": topic, "payload": payload})
    checks = {name: FormatCheck() for name in rules}
    looked: Counter[str] = Counter()
    for message in messages:
        sensor = subscription.pattern.sensor(message.topic) or ""
        try:
            settings = DecoderSettings(subscription.payload, sensor, rules.get)
            chunk = decode(message, settings)[0]
        except PayloadError:
            continue  # counted where the messages were read
        looked[chunk.sensor] += 1
        if looked[chunk.sensor] <= N_LOOKED_AT:
            rule, now_s = rules[chunk.sensor], float(looked[chunk.sensor])
            checks[chunk.sensor].look(message, subscription.payload, chunk, rule, now_s)
    return next((check.trouble for check in checks.values() if check.trouble), "")
