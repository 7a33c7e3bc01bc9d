"""One MQTT payload in, one Chunk in m/s² out. Pure: the only clock it knows is the message's time
of arrival.

Two formats (`monitor.config.RawPayload`, `JsonPayload`):

raw   little-endian int16, int32 or float32; the channels of one instant side by side: x0 y0 z0 x1
      y1 z1 ...
json  an object; a flat list of numbers is one channel, a list of lists holds one list for each
      channel, base64 holds
      raw samples as above. NaN and Infinity are not JSON.

MQTT 5 user properties override configuration and JSON fields alike, so a raw payload can carry its
own facts:

    sample_rate_hz   hertz
    sequence         the sender's message counter, a whole number from 0
    start_time       time of the first sample, ISO 8601
    start_time_ns, start_time_us, start_time_ms, start_time_s    the same, counted since 1970 (at
                                                                 most one of the five)

An ISO time without a zone is UTC. Every limit is checked before the work it bounds.
"""

from __future__ import annotations

import base64
import json
import math
import re
import reprlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from monitor.config import JsonPayload, RawPayload, SensorSettings
from monitor.records.signal import Chunk, Float32, Message

MAX_PAYLOAD_BYTES = 4 << 20
MAX_BRACKETS = (
    256  # "[" and "{" in a JSON payload: bounds its nesting before the recursive parser sees it
)
MAX_TEXT = 64  # characters of a time or a number given as text
MIN_RATE_HZ, MAX_RATE_HZ = 1e-3, 1e9
MAX_SEQUENCE = 2**63 - 1
MAX_START_NS = 2**63 - 1  # in the year 2262
MAX_AHEAD_NS = 86_400 * 10**9  # a sensor's clock may be a day ahead of ours

DTYPES: dict[str, np.dtype[Any]] = {
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "float32": np.dtype("<f4"),
}
NS_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
TIME_PROPERTIES = {"start_time": "iso8601"} | {f"start_time_{unit}": unit for unit in NS_PER_UNIT}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PayloadError(Exception):
    """A payload that is no chunk. reason: a counter's name; detail: one sentence for a person."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def decode(
    message: Message,
    payload: RawPayload | JsonPayload,
    sensor: str,
    rules: SensorSettings,
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> Chunk:
    """Decode one message of `sensor` ("machine/point").

    Raises PayloadError: too_large, empty, bad_length, not_json, too_nested, no_samples,
    not_numbers, not_base64, not_finite, wrong_channels, bad_rate, bad_time, bad_sequence; nothing
    else, whatever the bytes.

    NaN and infinity in raw float32 are passed on: the sensor did send these samples, and quality
    marks their window as BAD_DATA. In JSON they cannot be written, only reached by numbers beyond
    float32, and are refused.
    """
    if len(message.payload) > max_bytes:
        raise PayloadError(
            "too_large", f"Payload has {len(message.payload)} bytes, at most {max_bytes} are taken."
        )
    if not message.payload:
        raise PayloadError("empty", "Payload has no bytes.")
    n_channels, scale = len(rules.channels), rules.ms2_per_number
    if isinstance(payload, RawPayload):
        facts = _property_facts(message.properties)
        samples = _from_bytes(message.payload, payload.dtype, n_channels, scale)
    else:
        tree = _parse_json(message.payload)
        facts = _json_facts(tree, payload) | _property_facts(message.properties)
        samples = _json_samples(tree, payload, n_channels, scale)
    samples.flags.writeable = False
    return Chunk(
        sensor=sensor,
        samples=samples,
        sample_rate_hz=_rate_hz(facts, rules.sample_rate_hz),
        received_ns=message.received_ns,
        start_ns=_start_ns(facts, message.received_ns),
        sequence=_sequence(facts.get("sequence")),
        duplicate=message.delivery is not None and message.delivery.duplicate,
    )


# -- samples --------------------------------------------------------------------------------------


def _from_bytes(data: bytes, dtype: str, n_channels: int, scale: float) -> Float32:
    frame_bytes = DTYPES[dtype].itemsize * n_channels
    if len(data) % frame_bytes:
        raise PayloadError(
            "bad_length",
            f"{len(data)} bytes are no whole number of {frame_bytes} bytes ({n_channels} channels"
            f" of {dtype}).",
        )
    return _to_ms2(np.frombuffer(data, DTYPES[dtype]).reshape(-1, n_channels).T, scale)


def _to_ms2(numbers: NDArray[Any], scale: float) -> Float32:
    """(n_channels, n) stored numbers to float32 m/s², in one pass. What float32 cannot hold becomes
    infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if scale == 1.0:
            return np.array(numbers, dtype=np.float32, order="C")
        samples: Float32 = np.multiply(
            numbers, np.float32(scale), dtype=np.float32, casting="unsafe", order="C"
        )
        return samples


def _json_samples(
    tree: Mapping[str, Any], payload: JsonPayload, n_channels: int, scale: float
) -> Float32:
    value = _at(tree, payload.samples)
    if value is None:
        raise PayloadError("no_samples", f"JSON has no samples at {payload.samples!r}.")
    if payload.encoding == "base64":
        return _from_bytes(_from_base64(value, payload.samples), payload.dtype, n_channels, scale)
    if not isinstance(value, list):
        raise PayloadError(
            "not_numbers", f"{payload.samples!r} must be a list, found {type(value).__name__}."
        )
    if not value:
        raise PayloadError("empty", f"{payload.samples!r} has no samples.")
    lists = value if isinstance(value[0], list) else [value]
    if len(lists) != n_channels:
        raise PayloadError(
            "wrong_channels",
            f"{payload.samples!r} has {len(lists)} channels, {n_channels} are set.",
        )
    return _from_lists(lists, payload.samples, scale)


def _from_lists(lists: list[Any], name: str, scale: float) -> Float32:
    for channel in lists:
        if not isinstance(channel, list) or not set(map(type, channel)) <= {int, float}:
            raise PayloadError(
                "not_numbers",
                f"{name!r} must hold numbers, or one list of numbers for each channel.",
            )
    lengths = sorted({len(channel) for channel in lists})
    if len(lengths) > 1:
        raise PayloadError(
            "bad_length", f"{name!r} has channels of {lengths[0]} and of {lengths[-1]} samples."
        )
    if lengths == [0]:
        raise PayloadError("empty", f"{name!r} has no samples.")
    try:
        samples = _to_ms2(np.array(lists, dtype=np.float64), scale)
    except OverflowError:  # a whole number beyond float64
        samples = np.full((1, 1), np.inf, dtype=np.float32)
    if not np.isfinite(samples).all():
        raise PayloadError("not_finite", f"{name!r} holds a number beyond the range of float32.")
    return samples


def _from_base64(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise PayloadError(
            "not_base64", f"{name!r} must be base64 text, found {type(value).__name__}."
        )
    try:
        data = base64.b64decode(value, validate=True)
    except ValueError as error:  # also binascii.Error and text beyond ASCII
        raise PayloadError(
            "not_base64", f"{name!r} is not base64: {_short(str(error))}."
        ) from error
    if not data:
        raise PayloadError("empty", f"{name!r} has no samples.")
    return data


# -- JSON -----------------------------------------------------------------------------------------


def _parse_json(data: bytes) -> dict[str, Any]:
    n_brackets = data.count(b"[") + data.count(b"{")
    if n_brackets > MAX_BRACKETS:
        raise PayloadError(
            "too_nested",
            f"JSON has {n_brackets} opening brackets, at most {MAX_BRACKETS} are taken "
            "(samples: one list of numbers, or one list for each channel).",
        )
    try:
        tree = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except (
        ValueError
    ) as error:  # JSONDecodeError, UnicodeDecodeError, a whole number of thousands of digits
        raise PayloadError("not_json", f"Payload is not JSON: {_short(str(error))}.") from error
    if not isinstance(tree, dict):
        raise PayloadError(
            "not_json", f"JSON must be an object with keys, found {type(tree).__name__}."
        )
    return tree


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _at(tree: Any, path: str | None) -> Any:
    """The value at a path of keys joined by dots; None where it is absent or null."""
    for key in () if path is None else path.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return None if path is None else tree


# -- rate, time, sequence
# ---------------------------------------------------------------------------------------- Facts are
# what a message says of itself: sample_rate_hz, spacing_s, sequence as stated, time as (unit,
# stated).


def _property_facts(properties: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        key: properties[key] for key in ("sequence", "sample_rate_hz") if key in properties
    }
    times = [key for key in TIME_PROPERTIES if key in properties]
    if len(times) > 1:
        raise PayloadError("bad_time", f"Message states its time twice: {' and '.join(times)}.")
    for key in times:
        facts["time"] = TIME_PROPERTIES[key], properties[key]
    return facts


def _json_facts(tree: Mapping[str, Any], payload: JsonPayload) -> dict[str, Any]:
    keys = ("sequence", "sample_rate_hz", "spacing_s")
    facts = {key: value for key in keys if (value := _at(tree, getattr(payload, key))) is not None}
    time = _at(tree, payload.time)
    return facts if time is None else facts | {"time": (payload.time_format, time)}


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
            f"Stated rate or spacing {_quote(stated)} gives no sample rate of {MIN_RATE_HZ:g} to"
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
            "bad_sequence", f"Sequence {_quote(value)} is no whole number from 0 to 2^63 - 1."
        )
    return value


def _start_ns(facts: Mapping[str, Any], received_ns: int) -> int | None:
    if "time" not in facts:
        return None
    unit, value = facts["time"]
    start_ns = _iso_ns(value) if unit == "iso8601" else _count_ns(value, NS_PER_UNIT[unit])
    if start_ns is None:
        rule = "an ISO 8601 time" if unit == "iso8601" else f"a count of {unit} since 1970"
        raise PayloadError("bad_time", f"Time {_quote(value)} is not {rule}.")
    if not 0 <= start_ns <= MAX_START_NS:
        raise PayloadError("bad_time", f"Time {_quote(value)} lies outside the years 1970 to 2262.")
    if start_ns > received_ns + MAX_AHEAD_NS:
        raise PayloadError("bad_time", f"Time {_quote(value)} is more than a day in the future.")
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
    if isinstance(
        value, float
    ):  # by its decimal digits: the product of binary numbers would invent nanoseconds
        return int(Decimal(repr(value)) * unit_ns) if abs(value) < MAX_START_NS else None
    return value * unit_ns


def _quote(value: object) -> str:
    """A hostile value, cut short and safe for a log line."""
    return _short(reprlib.repr(value))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
