"""What a message says of itself: sample rate, time, sequence. Facts are kept as stated until read.

MQTT 5 user properties override configuration and payload fields alike, so a raw
payload can carry its own facts:

    sample_rate_hz   hertz
    sequence         the sender's message counter, a whole number from 0
    start_time       time of the first sample, ISO 8601
    start_time_ns, start_time_us, start_time_ms, start_time_s
                     the same, counted since 1970 (at most one of the five)

An ISO time without a zone is UTC. Every limit is checked before the work it
bounds.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.records.signal import Chunk, Float32, Message
from monitor.signal.payload.base import PayloadError, SensorRule
from monitor.signal.payload.samples import Scale
from monitor.signal.payload.times import (
    COUNTS,
    MAX_START_NS,
    MAX_TEXT,
    NS_PER_UNIT,
    count_in_ns,
    rule_of,
    time_ns,
)
from monitor.signal.payload.units import (
    DISPLACEMENTS,
    NO_DISPLACEMENT,
    SI_PER_UNIT,
    quantity,
    spelled,
)

MIN_RATE_HZ, MAX_RATE_HZ = 1e-3, 1e9
MAX_SEQUENCE = 2**63 - 1

TIME_PROPERTIES = {"start_time": "iso8601"} | {
    f"start_time_{unit}": unit for unit in NS_PER_UNIT
}
# What states the rate, and the factor to hertz or, of a spacing, to seconds.
RATES = {"sample_rate_hz": 1.0, "sample_rate_khz": 1e3}
SPACINGS = {"spacing_s": 1.0, "spacing_ms": 1e-3, "spacing_us": 1e-6}


def chunk_of(
    message: Message,
    sensor: str,
    rule: SensorRule,
    samples: Float32,
    facts: Mapping[str, Any],
) -> Chunk:
    """One chunk of a message. facts: those of RATES and SPACINGS, sequence as stated, time and
    time_fraction as (unit, stated). Raises PayloadError.
    """
    samples.flags.writeable = False
    return Chunk(
        sensor=sensor,
        samples=samples,
        sample_rate_hz=_rate_hz(facts, rule.sample_rate_hz),
        received_ns=message.received_ns,
        start_ns=_start_ns(facts),
        sequence=_sequence(facts.get("sequence"), rule.sequence_bits),
        redelivered=message.delivery is not None and message.delivery.redelivered,
    )


def property_facts(properties: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        key: properties[key] for key in ("sequence", "sample_rate_hz") if key in properties
    }
    times = [key for key in TIME_PROPERTIES if key in properties]
    if len(times) > 1:
        raise PayloadError(
            "bad_time", f"Message states its time twice: {' and '.join(times)}."
        )
    for key in times:
        facts["time"] = TIME_PROPERTIES[key], properties[key]
    return facts


def stated_scale(facts: Mapping[str, Any], rule: SensorRule) -> Scale:
    """The rule's m/s² per number (of a velocity, m/s), times a stated scale, in a stated unit.
    Raises PayloadError.
    """
    scale = rule.ms2_per_number
    if not facts:
        return scale
    factor = 1.0
    if "scale" in facts:
        factor = number(facts["scale"])
        if not math.isfinite(factor) or factor == 0.0:
            raise PayloadError(
                "bad_scale", f"Scale {quote(facts['scale'])} cannot be used."
            )
    if "unit" in facts:
        factor *= _unit_factor(facts["unit"], rule.unit)
    if factor == 1.0:
        return scale
    return (
        tuple(one * factor for one in scale) if isinstance(scale, tuple) else scale * factor
    )


def _unit_factor(stated: object, configured: str) -> float:
    unit = spelled(stated) if isinstance(stated, str) else ""
    if unit in DISPLACEMENTS:
        raise PayloadError("wrong_unit", f"Unit {quote(stated)} {NO_DISPLACEMENT}.")
    if unit not in SI_PER_UNIT:
        raise PayloadError(
            "wrong_unit",
            f"Samples are stated in {quote(stated)}; taken are {', '.join(SI_PER_UNIT)}.",
        )
    if quantity(unit) != quantity(configured):
        text = (
            f"Samples are stated in {unit}, of {quantity(unit)}, but the sensor's unit ="
            f" {configured} is of {quantity(configured)}."
        )
        raise PayloadError("wrong_unit", text)
    return SI_PER_UNIT[unit] / SI_PER_UNIT.get(configured, 1.0)


def _rate_hz(facts: Mapping[str, Any], configured_hz: float) -> float:
    """A stated rate, else 1 / a stated spacing, else the configured rate."""
    if not facts:
        return configured_hz
    stated, rate_hz = _stated_rate_hz(facts)
    if stated is None:
        return configured_hz
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise PayloadError(
            "bad_rate",
            f"Stated rate or spacing {quote(stated)} gives no sample rate of {MIN_RATE_HZ:g} to"
            f" {MAX_RATE_HZ:g} Hz.",
        )
    return rate_hz


def _stated_rate_hz(facts: Mapping[str, Any]) -> tuple[object, float]:
    for key, factor in RATES.items():
        if key in facts:
            return facts[key], number(facts[key]) * factor
    for key, factor in SPACINGS.items():
        if key in facts:
            spacing_s = number(facts[key]) * factor
            return facts[key], 1.0 / spacing_s if spacing_s else math.inf
    return None, math.nan


def number(value: object) -> float:
    """A number, or text that is one; NaN where it is neither."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def whole(value: object) -> object:
    """5 of 5.0: some senders know numbers with a fraction alone. Anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sequence(value: object, bits: int | None) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        value = int(value)
    value = whole(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not 0 <= value <= MAX_SEQUENCE
    ):
        raise PayloadError(
            "bad_sequence",
            f"Sequence {quote(value)} is not a whole number from 0 to 2^63 - 1.",
        )
    if bits is not None and value >> bits:
        text = f"Sequence {value} needs more than sequence_bits = {bits}."
        raise PayloadError("bad_sequence", text)
    return value


def _start_ns(facts: Mapping[str, Any]) -> int | None:
    if "time" not in facts:
        return None
    unit, value = facts["time"]
    start_ns = time_ns(value, unit)
    if start_ns is None:
        raise PayloadError("bad_time", f"Time {quote(value)} is not {rule_of(unit)}.")
    if "time_fraction" in facts:
        start_ns += _fraction_ns(*facts["time_fraction"])
    if not 0 <= start_ns <= MAX_START_NS:
        text = f"Time {quote(value)} lies outside the years 1970 to 2262"
        if unit != "iso8601":
            text += f": it is no count of {unit}; set payload.time_format"
        raise PayloadError("bad_time", f"{text}.")
    return start_ns


def _fraction_ns(unit: str, value: object) -> int:
    fraction_ns = count_in_ns(value, COUNTS[unit][0])
    if fraction_ns is None or not 0 <= fraction_ns <= 10**9:
        text = f"Time's fraction {quote(value)} {unit} is not from 0 to 1 s."
        raise PayloadError("bad_time", text)
    return fraction_ns


def quote(value: object) -> str:
    """A hostile value, cut short and safe for a log line."""
    return short(reprlib.repr(value.item() if isinstance(value, np.generic) else value))


def short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
