"""Messages of Sparkplug B: their metrics, also out of a compressed one; birth certificates; the
request for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.signal.payload import protobuf
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.birth import Birth
from monitor.signal.payload.compression import Broken, Compression, TooLong, decompress
from monitor.signal.payload.facts import quote
from monitor.signal.payload.protobuf import NotProtobuf, Value, fields

MAX_METRICS = 100_000
MAX_SEQUENCE = 255

# Numbers of fields and data types: Sparkplug 3.0.0, 6.4.
_TIMESTAMP, _METRIC, _SEQUENCE, _UUID, _BODY = 1, 2, 3, 4, 5
_NAME, _ALIAS, _OWN_TIMESTAMP, _DATATYPE, _IS_NULL = 1, 2, 3, 4, 7
INT, LONG, FLOAT, DOUBLE, BOOLEAN, STRING, BYTES = 10, 11, 12, 13, 14, 15, 16
_VARINTS, _LENGTHS = (INT, LONG, BOOLEAN), (FLOAT, DOUBLE, STRING, BYTES)
_BOOLEAN_TYPE = 11

_COMPRESSED = b"SPBV1.0_COMPRESSED"
_ALGORITHMS: dict[bytes, Compression] = {b"GZIP": "gzip", b"DEFLATE": "zlib"}
_DEATH_NUMBER = "bdSeq"
_REBIRTH = b"Node Control/Rebirth"


@dataclass(slots=True)
class Metric:
    """field : which of the kinds of value it has, 0 where it has none that is read"""

    name: str = ""
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int = 0
    is_null: bool = False
    field: int = 0
    value: Value = 0


@dataclass(slots=True)
class Payload:
    """sequence : of the edge node, 0 to 255"""

    timestamp_ms: int | None = None
    sequence: int | None = None
    metrics: list[Metric] = field(default_factory=list)


def read(data: bytes, max_bytes: int) -> Payload:
    """Raises PayloadError: not_sparkplug, bad_sequence, too_large, not_compressed."""
    try:
        payload, algorithm, body = _read(data)
        if algorithm is not None:
            payload, within, _ = _read(_unpacked(body, algorithm, max_bytes))
            if within is not None:
                raise NotProtobuf("it is compressed twice")
    except NotProtobuf as error:
        text = f"Payload is not Sparkplug B: {error}."
        raise PayloadError("not_sparkplug", text) from error
    if payload.sequence is not None and payload.sequence > MAX_SEQUENCE:
        text = f"Sequence number {payload.sequence} is not from 0 to {MAX_SEQUENCE}."
        raise PayloadError("bad_sequence", text)
    return payload


def unpacked(data: bytes, max_bytes: int) -> bytes:
    """A message as it is without compression. Raises PayloadError: not_sparkplug, too_large,
    not_compressed.
    """
    try:
        _, algorithm, body = _read(data)
    except NotProtobuf as error:
        text = f"Payload is not Sparkplug B: {error}."
        raise PayloadError("not_sparkplug", text) from error
    return data if algorithm is None else _unpacked(body, algorithm, max_bytes)


def birth_of(payload: Payload) -> Birth:
    """Raises PayloadError: bad_birth."""
    names: dict[int, str] = {}
    datatypes: dict[str, int] = {}
    number: int | None = None
    for metric in payload.metrics:
        if not metric.name:
            raise PayloadError(
                "bad_birth", "A metric of the birth certificate has no name."
            )
        datatypes[metric.name] = metric.datatype
        if metric.name == _DEATH_NUMBER and isinstance(metric.value, int):
            number = metric.value
        if metric.alias is None:
            continue
        if names.setdefault(metric.alias, metric.name) != metric.name:
            text = (
                f"The birth certificate gives alias {metric.alias} to {quote(metric.name)} and to"
                f" {quote(names[metric.alias])}."
            )
            raise PayloadError("bad_birth", text)
    return Birth(names, datatypes, number)


def death_number(payload: Payload) -> int | None:
    """bdSeq of a node's death certificate."""
    for metric in payload.metrics:
        if metric.name == _DEATH_NUMBER and isinstance(metric.value, int):
            return metric.value
    return None


def rebirth_request(timestamp_ms: int) -> bytes:
    """The payload of an NCMD that asks an edge node for its birth certificates."""
    encoded = protobuf.encoded
    metric = encoded(_NAME, _REBIRTH) + encoded(_OWN_TIMESTAMP, timestamp_ms)
    metric += encoded(_DATATYPE, _BOOLEAN_TYPE) + encoded(BOOLEAN, 1)
    return encoded(_TIMESTAMP, timestamp_ms) + encoded(_METRIC, metric)


def _read(data: bytes) -> tuple[Payload, Compression | None, bytes]:
    """The algorithm where a whole message is compressed in the body, and the body. Raises
    NotProtobuf.
    """
    payload, uuid, body = Payload(), b"", b""
    for number, value in fields(data):
        if number == _METRIC and isinstance(value, bytes):
            if len(payload.metrics) >= MAX_METRICS:
                raise NotProtobuf(f"it has more than {MAX_METRICS} metrics")
            payload.metrics.append(_read_metric(value))
        elif number == _TIMESTAMP and isinstance(value, int):
            payload.timestamp_ms = value
        elif number == _SEQUENCE and isinstance(value, int):
            payload.sequence = value
        elif number == _UUID and isinstance(value, bytes):
            uuid = value
        elif number == _BODY and isinstance(value, bytes):
            body = value
    if uuid != _COMPRESSED:
        return payload, None, b""
    said = [one.value for one in payload.metrics if one.name == "algorithm"]
    algorithm = said[0] if said else b"DEFLATE"
    if not isinstance(algorithm, bytes) or algorithm.upper() not in _ALGORITHMS:
        raise NotProtobuf(f"it is compressed by {quote(algorithm)}, not by GZIP or DEFLATE")
    return payload, _ALGORITHMS[algorithm.upper()], body


def _unpacked(body: bytes, algorithm: Compression, max_bytes: int) -> bytes:
    try:
        return decompress(body, algorithm, max_bytes)
    except TooLong as error:
        text = f"Payload unpacks to more than the {max_bytes} bytes that are taken."
        raise PayloadError("too_large", text) from error
    except Broken as error:
        text = f"Payload's body is not {algorithm}: {' '.join(str(error).split())[:100]}."
        raise PayloadError("not_compressed", text) from error


def _read_metric(data: bytes) -> Metric:
    metric = Metric()
    for number, value in fields(data):
        if isinstance(value, bytes):
            if number == _NAME:
                metric.name = value.decode("utf-8", "replace")
            elif number in _LENGTHS:
                metric.field, metric.value = number, value
        elif number in _VARINTS:
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
