"""OPC UA PubSub in JSON (Part 14, 7.2.5): waveforms in fields of DataSetMessages.

A field is a plain value, a Variant or a DataValue, in the encodings of 1.04
(Type and Body) or 1.05 (UaType and Value). They become plain lists here, and
are read as JSON is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Literal

import numpy as np

from monitor.records.signal import Chunk, Message
from monitor.settings import Finite, Names
from monitor.signal.payload import json_object, tree
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings
from monitor.signal.payload.facts import quote
from monitor.signal.payload.json_object import JsonPayload
from monitor.signal.payload.samples import ByteOrder, Dtype, Layout
from monitor.signal.payload.text import cleaned
from monitor.signal.payload.tolerated import marked

NameOf = Literal["PublisherId", "WriterGroupName", "DataSetWriterName", "DataSetWriterId"]
DATA = "ua-data"
KEEP_ALIVE = "ua-keepalive"
BYTE_STRING = 15  # built-in type: its value is base64
MAX_WRAPPERS = 4  # a DataValue around a Variant has two
MAX_MESSAGES = 10_000
_BAD = 2  # severity, the upper two bits of a status code


class OpcUaPayload(PayloadSettings):
    """fields : one for each channel, or one that holds them all
    machine, point : what names them; None: the topic does
    time : the DataSetMessage's Timestamp, or the first field's SourceTimestamp
    sequence : whether SequenceNumber tells losses: only where every message
        brings samples
    """

    format: Literal["opcua"]
    fields: Names
    machine: NameOf | None = None
    point: NameOf | None = None
    layout: Layout | None = None  # as of JSON, of one field
    dtype: Dtype = "float32"  # of ByteStrings, as the next
    byte_order: ByteOrder = "little"
    zero: Finite = 0.0  # the stored number that means 0 m/s²
    time: Literal["Timestamp", "SourceTimestamp"] = "Timestamp"
    sequence: bool = False

    @property
    def names_machine(self) -> bool:
        return self.machine is not None

    @property
    def names_point(self) -> bool:
        return self.point is not None


@dataclass(slots=True)
class _Field:
    value: Any
    is_bad: bool = False
    time: Any = None
    type: Any = None
    dimensions: Any = None


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """Chunks of one or more DataSetMessages; none of keep-alives and metadata. Raises PayloadError:
    not_json, too_nested, not_opcua, and those of tree.chunks_of.
    """
    payload = settings.payload
    assert isinstance(payload, OpcUaPayload)
    json_object.check_depth(message.payload)
    text, tolerated = cleaned(message.payload)
    messages = _data_set_messages(json_object.parse(text), {})
    found = list(islice(messages, MAX_MESSAGES + 1))
    if len(found) > MAX_MESSAGES:
        text = f"More than {MAX_MESSAGES} DataSetMessages in one message are not taken."
        raise PayloadError("too_many_parts", text)
    if not found:
        return []
    parts, in_bytes = [], False
    for one in found:
        part, has_bytes = _part(one, payload)
        parts.append(part)
        in_bytes = in_bytes or has_bytes
    how = _as_json(payload, in_bytes)
    return marked(tree.chunks_of({"parts": parts}, message, settings, how), tolerated)


def _data_set_messages(content: Any, around: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each with the headers around it."""
    if isinstance(content, list):
        for one in content:
            if isinstance(one, list):
                raise PayloadError(
                    "not_opcua", "A list within a list is no OPC UA PubSub message."
                )
            yield from _data_set_messages(one, around)
        return
    if not isinstance(content, dict):
        raise PayloadError("not_opcua", f"{quote(content)} is no OPC UA PubSub message.")
    kind = content.get("MessageType")
    if "Messages" in content:
        if kind in (None, DATA):
            yield from _data_set_messages(content["Messages"], around | content)
    elif kind == KEEP_ALIVE or (isinstance(kind, str) and kind.startswith("ua-meta")):
        return
    elif "Payload" in content:
        yield around | content
    elif kind is None:
        yield around | {"Payload": content}  # without any header


def _part(message: dict[str, Any], payload: OpcUaPayload) -> tuple[dict[str, Any], bool]:
    """A part as _as_json() reads it, and whether its samples are bytes."""
    values = message["Payload"]
    if not isinstance(values, dict):
        raise PayloadError(
            "not_opcua", f"Payload {quote(values)} of a DataSetMessage has no fields."
        )
    part: dict[str, Any] = {
        "machine": message.get(payload.machine or ""),
        "point": message.get(payload.point or ""),
        # Where neither names a sensor, two writers are noticed all the same.
        "device": f"{message.get('PublisherId', '')} {message.get('DataSetWriterId', '')}".strip(),
        "sequence": message.get("SequenceNumber"),
        "time": message.get("Timestamp"),
    }
    in_bytes = False
    for index, name in enumerate(payload.fields):
        field = _unwrapped(values.get(name))
        in_bytes = in_bytes or field.type == BYTE_STRING
        part[f"field_{index}"] = _samples(field)
        if not index and payload.time == "SourceTimestamp":
            part["time"] = field.time
    return part, in_bytes


def _unwrapped(value: Any) -> _Field:
    field = _Field(value)
    for _ in range(MAX_WRAPPERS):
        if not isinstance(field.value, dict):
            return field
        outer = field.value
        field.is_bad = field.is_bad or _is_bad(outer.get("StatusCode", outer.get("Status")))
        field.time = outer.get("SourceTimestamp", field.time)
        field.type = outer.get("UaType", outer.get("Type", field.type))
        field.dimensions = outer.get(
            "UaDimensions", outer.get("Dimensions", field.dimensions)
        )
        field.value = outer["Body"] if "Body" in outer else outer.get("Value")
    return field


def _is_bad(status: Any) -> bool:
    if isinstance(status, dict):
        symbol = status.get("Symbol")
        return _is_bad(status.get("Code", 0)) or (
            isinstance(symbol, str) and symbol[:3] == "Bad"
        )
    return isinstance(status, int) and status >> 30 == _BAD


def _samples(field: _Field) -> Any:
    """What stands for the field's samples. Of bad quality: no numbers."""
    value = field.value
    if isinstance(value, list):
        if field.type == BYTE_STRING or any(isinstance(one, list) for one in value):
            return value
        value = [math.nan] * len(value) if field.is_bad else [_number(one) for one in value]
        return _rows(value, field.dimensions)
    if field.is_bad:
        return None if value is None else [math.nan]
    return value if field.type == BYTE_STRING else _number(value)


def _number(value: Any) -> Any:
    """64 bits come as text, and so does what is no number."""
    if not isinstance(value, str) or "_" in value:
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _rows(values: list[Any], dimensions: Any) -> list[Any]:
    """A matrix comes row by row in one list."""
    if not isinstance(dimensions, list) or len(dimensions) != 2:
        return values
    n_rows, n_columns = dimensions
    is_whole = all(type(one) is int and one > 0 for one in dimensions)
    if not is_whole or n_rows * n_columns != len(values):
        text = f"{len(values)} values are no matrix of {quote(dimensions)}."
        raise PayloadError("bad_length", text)
    rows: list[Any] = np.array(values, object).reshape(n_rows, n_columns).tolist()
    return rows


@lru_cache(maxsize=256)
def _as_json(payload: OpcUaPayload, in_bytes: bool) -> JsonPayload:
    """How the parts are read."""
    names = tuple(f"field_{index}" for index in range(len(payload.fields)))
    return JsonPayload(
        format="json",
        parts="parts",
        machine=None if payload.machine is None else "machine",
        point=None if payload.point is None else "point",
        samples=names if len(names) > 1 else names[0],
        layout=payload.layout,
        encoding="base64" if in_bytes else "list",
        dtype=payload.dtype,
        byte_order=payload.byte_order,
        zero=payload.zero,
        sequence="sequence" if payload.sequence else None,
        sample_rate_hz=None,
        spacing_s=None,
    )
