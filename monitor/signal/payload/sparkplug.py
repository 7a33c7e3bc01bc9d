"""Sparkplug B: waveforms in metrics of DDATA and NDATA, as arrays, as bytes, or value by value.

Metrics are found by name, or by the alias that the sender's birth certificate
gave to it: who keeps the certificates hands the newest one in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Chunk, Message
from monitor.settings import Finite, Names, NamesOrByPoint
from monitor.signal.payload import sample_times, sparkplug_message
from monitor.signal.payload.base import (
    DecoderSettings,
    PayloadError,
    PayloadSettings,
    SensorRule,
)
from monitor.signal.payload.birth import Birth
from monitor.signal.payload.facts import chunk_of, property_facts, quote, stated_scale
from monitor.signal.payload.names import sensor_name
from monitor.signal.payload.samples import (
    N_BYTES,
    ByteOrder,
    Dtype,
    Layout,
    numbers_of,
    to_ms2,
)
from monitor.signal.payload.sparkplug_message import (
    BOOLEAN,
    BYTES,
    DOUBLE,
    FLOAT,
    INT,
    LONG,
    STRING,
    Metric,
    Payload,
)

MAX_POINTS = 64  # sensors in one device
# Data types: Sparkplug 3.0.0, 6.4.16.
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
_BYTES_TYPES = (17, 18)  # Bytes, File
_ARRAYS = {
    22: "<i1", 23: "<i2", 24: "<i4", 25: "<i8", 26: "<u1", 27: "<u2", 28: "<u4", 29: "<u8",
    30: "<f4", 31: "<f8",
}  # fmt: skip

_NO_NUMBERS = {
    11: "a Boolean", 12: "a String", 14: "a Text", 15: "a UUID", 16: "a DataSet", 19: "a Template",
}  # fmt: skip


class SparkplugPayload(PayloadSettings):
    """metrics : the names of the metrics, one for each channel, or one that holds them all; of
        several sensors in one device: those of each, by point
    sequence : whether the edge node's seq tells losses: only where nothing else
        of it is sent
    """

    format: Literal["sparkplug"]
    metrics: NamesOrByPoint
    layout: Layout = "interleaved"  # of one metric that holds all channels
    # Where the metric names no type of its own, as edge nodes do in DDATA, and of type Bytes.
    dtype: Dtype = "float32"
    byte_order: ByteOrder = "little"
    zero: Finite = 0.0  # the stored number that means 0 m/s²
    sequence: bool = False
    # where a birth certificate is missing: a command to the edge node
    request_rebirth: bool = True

    @property
    def names_point(self) -> bool:
        return isinstance(self.metrics, dict)

    @property
    def by_point(self) -> Mapping[str | None, Names]:
        """None: the topic names the point."""
        if not isinstance(self.metrics, dict):
            return {None: self.metrics}
        found: dict[str | None, Names] = {}
        found.update(self.metrics)
        return found

    @property
    def every_metric(self) -> tuple[str, ...]:
        return tuple(name for names in self.by_point.values() for name in names)

    def check(self) -> None:
        super().check()
        if not 1 <= len(self.by_point) <= MAX_POINTS:
            raise ValueError(f"metrics: 1 to {MAX_POINTS} points, not {len(self.by_point)}")
        for point in self.by_point:
            try:
                sensor_name("m/p", None, point)
            except PayloadError as error:
                raise ValueError(f"metrics: {error.detail}") from error
        if self.compression != "none":
            raise ValueError(
                "compression: Sparkplug has its own, which is found and undone"
            )


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """One chunk a sensor, or one for each unbroken piece where values come one by one; none where
    the sender is known by its birth certificate, and sent other metrics alone.

    Raises PayloadError: not_sparkplug, unknown_alias, no_samples, not_numbers,
    bad_length, wrong_channels, bad_rate, bad_time, bad_sequence, too_large,
    not_compressed.
    """
    content = sparkplug_message.read(message.payload, settings.max_bytes)
    return chunks_of(content, message, settings)


def chunks_of(content: Payload, message: Message, settings: DecoderSettings) -> list[Chunk]:
    """The same of a message that was read already."""
    payload = settings.payload
    assert isinstance(payload, SparkplugPayload)
    resolve(content.metrics, settings.birth)
    sent = {metric.name for metric in content.metrics}
    if settings.birth is not None and sent.isdisjoint(payload.every_metric):
        return []
    chunks: list[Chunk] = []
    for point, names in payload.by_point.items():
        if point is None or not sent.isdisjoint(names):
            chunks += _of_point(content, message, settings, point, names)
    if not chunks:
        text = f"Payload has none of the metrics {', '.join(map(quote, payload.every_metric))}."
        raise PayloadError("no_samples", text)
    return chunks


def _of_point(
    content: Payload,
    message: Message,
    settings: DecoderSettings,
    point: str | None,
    names: Names,
) -> list[Chunk]:
    payload = settings.payload
    assert isinstance(payload, SparkplugPayload)
    sensor = sensor_name(settings.sensor, None, point)
    rule = settings.rule(sensor)
    found = [_named(content, name) for name in names]
    numbers = _channels(
        [_numbers(metrics, payload) for metrics in found], payload.layout, rule
    )
    facts = _facts(content, found[0], payload) | property_facts(message.properties)
    samples = to_ms2(numbers, stated_scale(facts, rule), payload.zero)
    times = [one.timestamp_ms for one in found[0]]
    # Values that come one by one have a time each; a waveform has one, which is its start.
    if len(times) == samples.shape[1] and len(times) > 1 and None not in times:
        return sample_times.chunks_of(message, sensor, rule, samples, facts, times, "ms")
    return [chunk_of(message, sensor, rule, samples, facts)]


def scalar_of(metric: Metric) -> float | str | None:
    """A metric's single value; None where it holds none."""
    value = metric.value
    if metric.field in (FLOAT, DOUBLE):
        return _float(metric)[0]
    if metric.field == BOOLEAN:
        return float(bool(value))
    if metric.field == STRING and isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if metric.field not in (INT, LONG) or not isinstance(value, int):
        return None
    return _twos_complement(value, _SIGNED_BITS.get(metric.datatype))


def resolve(metrics: Sequence[Metric], birth: Birth | None) -> None:
    """Give each metric the name and the type that the birth certificate has for it."""
    for metric in metrics:
        if not metric.name:
            metric.name = _name_of(metric.alias, birth)
        if not metric.datatype and birth is not None:
            metric.datatype = birth.datatypes.get(metric.name, 0)


def _name_of(alias: int | None, birth: Birth | None) -> str:
    if alias is None:
        raise PayloadError("not_sparkplug", "A metric has neither a name nor an alias.")
    if birth is None:
        text = f"A metric has the alias {alias}, and no birth certificate has named it."
        raise PayloadError("unknown_alias", text)
    if alias not in birth.names:
        text = (
            f"Alias {alias} is none of the sender's newest birth certificate: it is of an earlier"
            " one, or of another device."
        )
        raise PayloadError("unknown_alias", text)
    return birth.names[alias]


def _facts(
    content: Payload, first: list[Metric], payload: SparkplugPayload
) -> dict[str, Any]:
    own = first[0].timestamp_ms
    time_ms = content.timestamp_ms if own is None else own
    facts: dict[str, Any] = {} if time_ms is None else {"time": ("ms", time_ms)}
    if payload.sequence and content.sequence is not None:
        facts["sequence"] = content.sequence
    return facts


def _named(content: Payload, name: str) -> list[Metric]:
    found = [metric for metric in content.metrics if metric.name == name]
    if not found:
        raise PayloadError("no_samples", f"Payload has no metric {quote(name)}.")
    return found


def _channels(
    columns: list[NDArray[Any]], layout: Layout, rule: SensorRule
) -> NDArray[Any]:
    """(n_channels, n)"""
    n_channels = len(rule.channels)
    if len(columns) == 1 and n_channels > 1:
        if len(columns[0]) % n_channels:
            text = (
                f"{len(columns[0])} numbers are no whole number of {n_channels} channels."
            )
            raise PayloadError("bad_length", text)
        flat = columns[0]
        is_planar = layout == "planar"
        return flat.reshape(n_channels, -1) if is_planar else flat.reshape(-1, n_channels).T
    if len(columns) != n_channels:
        text = f"payload.metrics has {len(columns)} channels, {n_channels} are set."
        raise PayloadError("wrong_channels", text)
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        text = f"Metrics have {min(lengths)} to {max(lengths)} samples."
        raise PayloadError("bad_length", text)
    return np.stack(columns)


def _numbers(metrics: list[Metric], payload: SparkplugPayload) -> NDArray[Any]:
    """All values of one name, in their order."""
    parts = list(_parts(metrics, payload))
    numbers = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if not len(numbers):
        raise PayloadError("empty", f"Metric {quote(metrics[0].name)} has no samples.")
    return numbers


def _parts(metrics: list[Metric], payload: SparkplugPayload) -> Iterator[NDArray[Any]]:
    for metric in metrics:
        value = metric.value
        if metric.is_null:
            yield np.array([np.nan])
        elif isinstance(value, int) and metric.field in (INT, LONG):
            yield np.array([_signed(value, metric, payload.dtype)], np.float64)
        elif metric.field in (FLOAT, DOUBLE):
            yield np.array(_float(metric), np.float64)
        elif metric.field == BYTES and isinstance(value, bytes):
            yield _array(metric, value, payload)
        else:
            kind = _NO_NUMBERS.get(metric.datatype, "of another kind")
            text = f"Metric {quote(metric.name)} is {kind}: numbers, arrays and Bytes are read."
            raise PayloadError("not_numbers", text)


def _signed(value: int, metric: Metric, dtype: Dtype) -> int:
    """Negative numbers come as their two's complement, of 32 bits or of their own width.

    Edge nodes leave the type out where a birth certificate has named it: then
    the settings tell it.
    """
    bits = _SIGNED_BITS.get(metric.datatype)
    if not metric.datatype:
        if dtype.startswith("float"):
            text = f"Metric {quote(metric.name)} is an integer without a type: set payload.dtype."
            raise PayloadError("not_numbers", text)
        bits = 8 * N_BYTES[dtype] if dtype.startswith("int") else None
    return _twos_complement(value, bits)


def _twos_complement(value: int, bits: int | None) -> int:
    if bits is None:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _float(metric: Metric) -> tuple[float, ...]:
    code, width = ("<f", 4) if metric.field == FLOAT else ("<d", 8)
    if not isinstance(metric.value, bytes) or len(metric.value) != width:
        text = f"Metric {quote(metric.name)} is no number of {width} bytes."
        raise PayloadError("not_sparkplug", text)
    return struct.unpack(code, metric.value)


def _array(metric: Metric, data: bytes, payload: SparkplugPayload) -> NDArray[Any]:
    code = _ARRAYS.get(metric.datatype)
    if code is None and metric.datatype not in (0, *_BYTES_TYPES):
        text = f"Metric {quote(metric.name)} is of type {metric.datatype}: no numbers."
        raise PayloadError("not_numbers", text)
    width = N_BYTES[payload.dtype] if code is None else np.dtype(code).itemsize
    if len(data) % width:
        text = f"Metric {quote(metric.name)}: {len(data)} bytes are no whole number of {width}."
        raise PayloadError("bad_length", text)
    if code is not None:
        return np.frombuffer(data, code)
    return numbers_of(data, payload.dtype, payload.byte_order)
