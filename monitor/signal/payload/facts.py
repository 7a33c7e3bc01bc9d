"""What a message says of itself: sample rate, time, sequence. Facts are kept as stated until read.

MQTT 5 user properties override configuration and payload fields alike, so a raw payload can carry
its own facts:

    sample_rate_hz   hertz
    sequence         the sender's message counter, a whole number from 0
    start_time       time of the first sample, ISO 8601
    start_time_ns, start_time_us, start_time_ms, start_time_s
                     the same, counted since 1970 (at most one of the five)

An ISO time without a zone is UTC. Every limit is checked before the work it bounds.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from monitor.records.signal import Chunk, Float32, Message
from monitor.signal.payload.base import PayloadError, SensorRule

MAX_TEXT = 64  # characters of a time or a number given as text
MIN_RATE_HZ, MAX_RATE_HZ = 1e-3, 1e9
MAX_SEQUENCE = 2**63 - 1
MAX_START_NS = 2**63 - 1  # in the year 2262
MAX_AHEAD_NS = 86_400 * 10**9  # a sensor's clock may be a day ahead of ours

NS_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
TIME_PROPERTIES = {"start_time": "iso8601"} | {f"start_time_{unit}": unit for unit in NS_PER_UNIT}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def chunk_of(
    message: Message, sensor: str, rule: SensorRule, samples: Float32, facts: Mapping[str, Any]
) -> Chunk:
    """One chunk of a message. facts: sample_rate_hz, spacing_s, sequence as stated, time as
    (unit, stated). Raises PayloadError.
    """
    samples.flags.writeable = False
    return Chunk(
        sensor=sensor,
        samples=samples,
        sample_rate_hz=_rate_hz(facts, rule.sample_rate_hz),
        received_ns=message.received_ns,
        start_ns=_start_ns(facts, message.received_ns),
        sequence=_sequence(facts.get("sequence")),
        redelivered=message.delivery is not None and message.delivery.redelivered,
    )


def property_facts(properties: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        key: properties[key] for key in ("sequence", "sample_rate_hz") if key in properties
    }
    times = [key for key in TIME_PROPERTIES if key in properties]
    if len(times) > 1:
        raise PayloadError("bad_time", f"Message states its time twice: {' and '.join(times)}.")
    for key in times:
        facts["time"] = TIME_PROPERTIES[key], properties[key]
    return facts


def _rate_hz(facts: Mapping[str, Any], configured_hz: float) -> float:
    """A stated rate, else 1 / a stated spacing, else the configured rate."""
    if "sample_rate_hz" in facts:
        stated, rate_hz = facts["sample_rate_hz"], _number(facts["sample_rate_hz"])
    elif "spacing_s" in facts:
        stated, spacing_s = facts["spacing_s"], _number(facts["spacing_s"])
        rate_hz = 1.0 / spacing_s if spacing_s else math.inf
    else:
        return configured_hz
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise PayloadError(
            "bad_rate",
            f"Stated rate or spacing {quote(stated)} gives no sample rate of {MIN_RATE_HZ:g} to"
            f" {MAX_RATE_HZ:g} Hz.",
        )
    return rate_hz


def _number(value: object) -> float:
    """A number, or text that is one; NaN where it is neither."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _sequence(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQUENCE:
        raise PayloadError(
            "bad_sequence", f"Sequence {quote(value)} is not a whole number from 0 to 2^63 - 1."
        )
    return value


def _start_ns(facts: Mapping[str, Any], received_ns: int) -> int | None:
    if "time" not in facts:
        return None
    unit, value = facts["time"]
    start_ns = _iso_ns(value) if unit == "iso8601" else _count_ns(value, NS_PER_UNIT[unit])
    if start_ns is None:
        rule = "an ISO 8601 time" if unit == "iso8601" else f"a count of {unit} since 1970"
        raise PayloadError("bad_time", f"Time {quote(value)} is not {rule}.")
    if not 0 <= start_ns <= MAX_START_NS:
        raise PayloadError("bad_time", f"Time {quote(value)} lies outside the years 1970 to 2262.")
    if start_ns > received_ns + MAX_AHEAD_NS:
        raise PayloadError("bad_time", f"Time {quote(value)} is more than a day in the future.")
    return start_ns


def _iso_ns(value: object) -> int | None:
    """ISO 8601 to ns since 1970, every digit kept; without a zone it is UTC. None where it is no
    such time.
    """
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return None
    text, fraction_ns = value.strip(), 0
    if found := re.fullmatch(r"(.*\d)[.,]([0-9]{1,12})(\D.*)?", text, re.ASCII | re.DOTALL):
        text, fraction_ns = found[1] + (found[3] or ""), int(found[2].ljust(9, "0")[:9])
    try:
        time = datetime.fromisoformat(text)
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        return (time - EPOCH) // timedelta(microseconds=1) * 1000 + fraction_ns
    except (ValueError, OverflowError):
        return None


def _count_ns(value: object, unit_ns: int) -> int | None:
    """A count of units since 1970, as a number or its text, to ns. Whole numbers and text keep
    every digit.
    """
    if isinstance(value, str) and (
        found := re.fullmatch(r"([0-9]{1,19})(?:\.([0-9]{1,12}))?", value.strip())
    ):
        return int(found[1]) * unit_ns + int((found[2] or "").ljust(12, "0")) * unit_ns // 10**12
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # By its decimal digits: the product of binary numbers would invent nanoseconds.
    if isinstance(value, float):
        return int(Decimal(repr(value)) * unit_ns) if abs(value) < MAX_START_NS else None
    return value * unit_ns


def quote(value: object) -> str:
    """A hostile value, cut short and safe for a log line."""
    return short(reprlib.repr(value))


def short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
