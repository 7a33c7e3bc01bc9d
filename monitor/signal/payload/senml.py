"""SenML (RFC 8428), in JSON or CBOR: a list of records, each a value with name, unit and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from monitor.records.signal import Chunk, Message
from monitor.settings import Names
from monitor.signal.payload import cbor, json_object, sample_times
from monitor.signal.payload.base import (
    DecoderSettings,
    PayloadError,
    PayloadSettings,
    SensorRule,
)
from monitor.signal.payload.facts import chunk_of, property_facts, quote, stated_scale
from monitor.signal.payload.identity import MAX_TEXT
from monitor.signal.payload.names import sensor_name
from monitor.signal.payload.samples import Scale, to_ms2
from monitor.signal.payload.text import cleaned
from monitor.signal.payload.times import NS_PER_UNIT, count_in_ns
from monitor.signal.payload.tolerated import marked

VERSION = 10
RELATIVE_S = 2**28  # a time below it counts from now (RFC 8428, 4.5.3)
SEPARATORS = ":/._-"
# Labels in CBOR (RFC 8428, table 4).
LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs", 0: "n", 1: "u", 2: "v", 3: "vs",
    4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip


class SenmlPayload(PayloadSettings):
    """channels : the names' ends that tell the channels; None: one channel, whatever its name
    device : what the rest of the name stands for; None: the topic alone names
        the sensor
    """

    format: Literal["senml"]
    serialization: Literal["json", "cbor"] = "json"
    channels: Names | None = None
    device: Literal["machine", "point"] | None = None

    @property
    def names_machine(self) -> bool:
        return self.device == "machine"

    @property
    def names_point(self) -> bool:
        return self.device == "point"

    def check(self) -> None:
        super().check()
        if self.serialization == "cbor":
            cbor.check_installed()


@dataclass(slots=True)
class _Series:
    """One channel of one device. times: ns."""

    values: list[float] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    units: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Value:
    """One record, its base values added."""

    name: str
    unit: str | None
    value: float
    time_ns: int


Series = dict[str, dict[str, _Series]]  # by device and channel


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """Chunks of one or more devices. Records without a number, or of other names, are passed over.

    Raises PayloadError: not_json, not_cbor, not_senml, no_samples, too_nested,
    wrong_channels, wrong_unit, bad_length, bad_name, bad_rate, bad_time,
    bad_sequence, unmatched_sensor.
    """
    payload = settings.payload
    assert isinstance(payload, SenmlPayload)
    records, tolerated = _records(message.payload, payload.serialization)
    devices = _series(records, payload)
    if not devices:
        raise PayloadError("no_samples", "No SenML record has a number under these names.")
    if payload.device is None and len(devices) > 1:
        text = (
            f"Records name {len(devices)} devices: set payload.device = machine or point."
        )
        raise PayloadError("bad_name", text)
    chunks = []
    for device, series in devices.items():
        found = _chunks(device, series, message, settings, payload)
        if payload.device is None and device:
            found = [
                replace(chunk, origin=f"device {device}"[:MAX_TEXT]) for chunk in found
            ]
        chunks += found
    return marked(chunks, tolerated)


def _records(data: bytes, serialization: str) -> tuple[list[Any], tuple[str, ...]]:
    tolerated: tuple[str, ...] = ()
    if serialization == "cbor":
        tree = cbor.parse(data)
    else:
        json_object.check_depth(data)
        text, tolerated = cleaned(data)
        tree = json_object.parse(text)
    if not isinstance(tree, list) or not all(isinstance(one, dict) for one in tree):
        raise PayloadError("not_senml", "SenML is a list of records with keys.")
    return tree, tolerated


def _values(records: list[Any]) -> Iterator[_Value]:
    base: dict[str, Any] = {}
    for record in records:
        own: dict[Any, Any] = {
            LABELS.get(key, key) if type(key) is int else key: record[key] for key in record
        }
        if any(isinstance(key, str) and key.endswith("_") for key in own):
            text = "A record has a label that must be understood, and is not."
            raise PayloadError("not_senml", text)
        base |= {key: own[key] for key in ("bver", "bn", "bt", "bu", "bv") if key in own}
        if not isinstance(base.get("bver", 1), int) or base.get("bver", 1) > VERSION:
            raise PayloadError(
                "not_senml", f"Version {quote(base['bver'])} is above {VERSION}."
            )
        if "v" in own:
            yield _value(own, base)


def _labelled(record: dict[Any, Any]) -> dict[Any, Any]:
    """With the labels of JSON."""
    return {
        LABELS.get(key, key) if type(key) is int else key: record[key] for key in record
    }


def _value(own: dict[Any, Any], base: dict[str, Any]) -> _Value:
    name, unit = (base.get("bn", ""), own.get("n", "")), own.get("u", base.get("bu"))
    if not all(isinstance(part, str) for part in name) or not isinstance(unit, str | None):
        raise PayloadError("not_senml", "A record's name or unit is no text.")
    value = _number(own["v"]) + _number(base.get("bv", 0))
    return _Value("".join(name), unit, value, _ns(base.get("bt", 0)) + _ns(own.get("t", 0)))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadError("not_numbers", f"{quote(value)} is no number.")
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def _ns(value: object) -> int:
    found = None if isinstance(value, str) else count_in_ns(value, NS_PER_UNIT["s"])
    if found is None or not abs(found) < 2**62:
        raise PayloadError("bad_time", f"Time {quote(value)} is not a count of s.")
    return found


def _series(records: list[Any], payload: SenmlPayload) -> Series:
    devices: Series = {}
    for one in _values(records):
        channel = _channel(one.name, payload.channels)
        if channel is None:
            continue
        device = one.name.removesuffix(channel).rstrip(SEPARATORS)
        series = devices.setdefault(device, {}).setdefault(channel, _Series())
        series.values.append(one.value)
        series.times.append(one.time_ns)
        if one.unit is not None:
            series.units.add(one.unit)
    return devices


def _channel(name: str, channels: tuple[str, ...] | None) -> str | None:
    """ "" where one channel has any name, None where the name is of something else."""
    if channels is None:
        return ""
    return next((one for one in channels if name.endswith(one)), None)


def _chunks(
    device: str,
    series: dict[str, _Series],
    message: Message,
    settings: DecoderSettings,
    payload: SenmlPayload,
) -> list[Chunk]:
    machine = device if payload.device == "machine" else None
    point = device if payload.device == "point" else None
    sensor = sensor_name(settings.sensor, machine, point)
    rule, channels = settings.rule(sensor), payload.channels or ("",)
    if len(channels) != len(rule.channels) or not all(one in series for one in channels):
        text = f"Records bring {len(series)} channels, {len(rule.channels)} are set."
        raise PayloadError("wrong_channels", text)
    rows = [series[channel] for channel in channels]
    lengths = {len(row.values) for row in rows}
    if len(lengths) > 1:
        text = f"Channels have {min(lengths)} to {max(lengths)} values."
        raise PayloadError("bad_length", text)
    facts = property_facts(message.properties)
    samples = to_ms2(np.array([row.values for row in rows]), _scale(rows, facts, rule))
    times = rows[0].times
    if not any(times):  # "now": the time of arrival
        return [chunk_of(message, sensor, rule, samples, facts)]
    unit = "ns" if min(times) >= RELATIVE_S * 10**9 else "relative_ns"
    return sample_times.chunks_of(message, sensor, rule, samples, facts, times, unit)


def _scale(rows: list[_Series], facts: dict[str, Any], rule: SensorRule) -> Scale:
    units = set().union(*(row.units for row in rows))
    if len(units) > 1:
        raise PayloadError(
            "wrong_unit", f"Records have several units: {quote(sorted(units))}."
        )
    stated = {"unit": units.pop()} if units else {}
    return stated_scale(facts | stated, rule)
