"""A JSON object with its samples in a list, in a list for each channel, or in base64.

NaN and Infinity are not JSON, and are refused; so are numbers beyond float32.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import numpy as np

from monitor.records.signal import Chunk, Float32, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings
from monitor.signal.payload.facts import chunk_of, property_facts, short
from monitor.signal.payload.samples import Dtype, from_bytes, to_ms2

# "[" and "{" in a payload: bounds its nesting before the recursive parser sees it.
MAX_BRACKETS = 256


class JsonPayload(PayloadSettings):
    """Field names are paths of keys joined by dots: data.values finds {"data": {"values": ...}}."""

    format: Literal["json"]
    samples: str = "samples"
    encoding: Literal["list", "base64"] = "list"
    dtype: Dtype = "float32"  # of base64 samples
    time: str | None = "time"
    time_format: Literal["iso8601", "s", "ms", "us", "ns"] = "iso8601"
    sequence: str | None = "sequence"
    sample_rate_hz: str | None = "sample_rate_hz"
    spacing_s: str | None = "spacing_s"


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """One chunk. Raises PayloadError: not_json, too_nested, no_samples, not_numbers, not_base64,
    not_finite, wrong_channels, empty, bad_length, bad_rate, bad_time, bad_sequence.
    """
    payload = settings.payload
    assert isinstance(payload, JsonPayload)
    rule = settings.rule(settings.sensor)
    tree = _parse_json(message.payload)
    facts = _json_facts(tree, payload) | property_facts(message.properties)
    samples = _json_samples(tree, payload, len(rule.channels), rule.ms2_per_number)
    return [chunk_of(message, settings.sensor, rule, samples, facts)]


def _json_samples(
    tree: Mapping[str, Any], payload: JsonPayload, n_channels: int, scale: float
) -> Float32:
    value = _at(tree, payload.samples)
    if value is None:
        raise PayloadError("no_samples", f"JSON has no samples at {payload.samples!r}.")
    if payload.encoding == "base64":
        return from_bytes(_from_base64(value, payload.samples), payload.dtype, n_channels, scale)
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
        samples = to_ms2(np.array(lists, dtype=np.float64), scale)
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
        raise PayloadError("not_base64", f"{name!r} is not base64: {short(str(error))}.") from error
    if not data:
        raise PayloadError("empty", f"{name!r} has no samples.")
    return data


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
    except ValueError as error:
        # JSONDecodeError, UnicodeDecodeError, a whole number of thousands of digits.
        raise PayloadError("not_json", f"Payload is not JSON: {short(str(error))}.") from error
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


def _json_facts(tree: Mapping[str, Any], payload: JsonPayload) -> dict[str, Any]:
    keys = ("sequence", "sample_rate_hz", "spacing_s")
    facts = {key: value for key in keys if (value := _at(tree, getattr(payload, key))) is not None}
    time = _at(tree, payload.time)
    return facts if time is None else facts | {"time": (payload.time_format, time)}
