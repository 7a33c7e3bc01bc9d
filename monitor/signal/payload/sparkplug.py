"""Sparkplug B: waveforms in metrics of DDATA and NDATA, as arrays, as bytes, or value by value.

Metrics are found by name. One that has an alias alone is refused: the table of aliases stands in a
birth certificate, and a decoder keeps nothing between two messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Chunk, Message
from monitor.settings import Finite, Names
from monitor.signal.payload import sample_times
from monitor.signal.payload.base import (
    DecoderSettings,
    PayloadError,
    PayloadSettings,
    SensorRule,
)
from monitor.signal.payload.facts import chunk_of, property_facts, quote, stated_scale
from monitor.signal.payload.protobuf import NotProtobuf, Value, fields
from monitor.signal.payload.samples import (
    N_BYTES,
    ByteOrder,
    Dtype,
    Layout,
    numbers_of,
    to_ms2,
)

MAX_METRICS = 100_000

# Numbers of fields and data types: Sparkplug 3.0.0, 6.4.
_TIMESTAMP, _METRIC, _SEQUENCE = 1, 2, 3
_NAME, _ALIAS, _OWN_TIMESTAMP, _DATATYPE, _IS_NULL = 1, 2, 3, 4, 7
_INT, _LONG, _FLOAT, _DOUBLE, _BYTES = 10, 11, 12, 13, 16
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
_BYTES_TYPES = (17, 18)  # Bytes, File
_ARRAYS = {
    22: "<i1", 23: "<i2", 24: "<i4", 25: "<i8", 26: "<u1", 27: "<u2", 28: "<u4", 29: "<u8",
    30: "<f4", 31: "<f8",
}  # fmt: skip


class SparkplugPayload(PayloadSettings):
    """metrics : the names of the metrics, one for each channel, or one that holds them all
    sequence : whether the edge node's seq tells losses: only where nothing else of it is sent
    """

    format: Literal["sparkplug"]
    metrics: Names
    layout: Layout = "interleaved"  # of one metric that holds all channels
    # Where the metric names no type of its own, as edge nodes do in DDATA, and of type Bytes.
    dtype: Dtype = "float32"
    byte_order: ByteOrder = "little"
    zero: Finite = 0.0  # the stored number that means 0 m/s²
    sequence: bool = False


@dataclass(slots=True)
class _Metric:
    name: str = ""
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int = 0
    is_null: bool = False
    field: int = 0  # which of the kinds of value it has
    value: Value = 0


@dataclass(frozen=True, slots=True)
class _Payload:
    timestamp_ms: int | None
    sequence: int | None
    metrics: list[_Metric]


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """One chunk, or one for each unbroken piece where values come one by one. Raises PayloadError:
    not_sparkplug, unknown_alias, no_samples, not_numbers, bad_length, wrong_channels, bad_rate,
    bad_time, bad_sequence.
    """
    payload = settings.payload
    assert isinstance(payload, SparkplugPayload)
    sensor, rule = settings.sensor, settings.rule(settings.sensor)
    try:
        content = _read(message.payload)
    except NotProtobuf as error:
        text = f"Payload is not Sparkplug B: {error}."
        raise PayloadError("not_sparkplug", text) from error
    found = [_named(content, name) for name in payload.metrics]
    numbers = _channels([_numbers(metrics, payload) for metrics in found], payload.layout, rule)
    facts = _facts(content, found[0], payload) | property_facts(message.properties)
    samples = to_ms2(numbers, stated_scale(facts, rule), payload.zero)
    times = [one.timestamp_ms for one in found[0]]
    # Values that come one by one have a time each; a waveform has one, which is its start.
    if len(times) == samples.shape[1] and len(times) > 1 and None not in times:
        return sample_times.chunks_of(message, sensor, rule, samples, facts, times, "ms")
    return [chunk_of(message, sensor, rule, samples, facts)]


def _facts(content: _Payload, first: list[_Metric], payload: SparkplugPayload) -> dict[str, Any]:
    own = first[0].timestamp_ms
    time_ms = content.timestamp_ms if own is None else own
    facts: dict[str, Any] = {} if time_ms is None else {"time": ("ms", time_ms)}
    if payload.sequence and content.sequence is not None:
        facts["sequence"] = content.sequence
    return facts


def _read(data: bytes) -> _Payload:
    whole: dict[int, int] = {}
    metrics: list[_Metric] = []
    for number, value in fields(data):
        if number == _METRIC and isinstance(value, bytes):
            if len(metrics) >= MAX_METRICS:
                text = f"Payload has more than {MAX_METRICS} metrics."
                raise PayloadError("not_sparkplug", text)
            metrics.append(_read_metric(value))
        elif number in (_TIMESTAMP, _SEQUENCE) and isinstance(value, int):
            whole[number] = value
    return _Payload(whole.get(_TIMESTAMP), whole.get(_SEQUENCE), metrics)


def _read_metric(data: bytes) -> _Metric:
    metric = _Metric()
    for number, value in fields(data):
        if number == _NAME and isinstance(value, bytes):
            metric.name = value.decode("utf-8", "replace")
        elif number in (_FLOAT, _DOUBLE, _BYTES) and isinstance(value, bytes):
            metric.field, metric.value = number, value
        elif not isinstance(value, int):
            continue
        elif number in (_INT, _LONG):
            metric.field, metric.value = number, value
        elif number == _ALIAS:
            metric.alias = value
        elif number == _OWN_TIMESTAMP:
            metric.timestamp_ms = value
        elif number == _DATATYPE:
            metric.datatype = value
        elif number == _IS_NULL:
            metric.is_null = bool(value)
    return metric


def _named(content: _Payload, name: str) -> list[_Metric]:
    found = [metric for metric in content.metrics if metric.name == name]
    if found:
        return found
    nameless = next((one for one in content.metrics if not one.name), None)
    if nameless is not None:
        text = (
            f"A metric has the alias {nameless.alias} and no name: let the edge node send names"
            " in its DDATA; tables of aliases are not read."
        )
        raise PayloadError("unknown_alias", text)
    raise PayloadError("no_samples", f"Payload has no metric {quote(name)}.")


def _channels(columns: list[NDArray[Any]], layout: Layout, rule: SensorRule) -> NDArray[Any]:
    """(n_channels, n)"""
    n_channels = len(rule.channels)
    if len(columns) == 1 and n_channels > 1:
        if len(columns[0]) % n_channels:
            text = f"{len(columns[0])} numbers are no whole number of {n_channels} channels."
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


def _numbers(metrics: list[_Metric], payload: SparkplugPayload) -> NDArray[Any]:
    """All values of one name, in their order."""
    parts = list(_parts(metrics, payload))
    numbers = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if not len(numbers):
        raise PayloadError("empty", f"Metric {quote(metrics[0].name)} has no samples.")
    return numbers


def _parts(metrics: list[_Metric], payload: SparkplugPayload) -> Iterator[NDArray[Any]]:
    for metric in metrics:
        value = metric.value
        if metric.is_null:
            yield np.array([np.nan])
        elif isinstance(value, int) and metric.field in (_INT, _LONG):
            yield np.array([_signed(value, metric, payload.dtype)], np.float64)
        elif metric.field in (_FLOAT, _DOUBLE):
            yield np.array(_float(metric), np.float64)
        elif metric.field == _BYTES and isinstance(value, bytes):
            yield _array(metric, value, payload)
        else:
            raise PayloadError("not_numbers", f"Metric {quote(metric.name)} holds no numbers.")


def _signed(value: int, metric: _Metric, dtype: Dtype) -> int:
    """Negative numbers come as their two's complement, of 32 bits or of their own width.

    Edge nodes leave the type out where a birth certificate has named it: then the settings tell it.
    """
    bits = _SIGNED_BITS.get(metric.datatype)
    if not metric.datatype:
        if dtype.startswith("float"):
            text = f"Metric {quote(metric.name)} is an integer without a type: set payload.dtype."
            raise PayloadError("not_numbers", text)
        bits = 8 * N_BYTES[dtype] if dtype.startswith("int") else None
    if bits is None:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _float(metric: _Metric) -> tuple[float, ...]:
    code, width = ("<f", 4) if metric.field == _FLOAT else ("<d", 8)
    if not isinstance(metric.value, bytes) or len(metric.value) != width:
        text = f"Metric {quote(metric.name)} is no number of {width} bytes."
        raise PayloadError("not_sparkplug", text)
    return struct.unpack(code, metric.value)


def _array(metric: _Metric, data: bytes, payload: SparkplugPayload) -> NDArray[Any]:
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
