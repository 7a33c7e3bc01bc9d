"""Sparkplug B beside the reference library's messages in tests/cases: what is refused, and why."""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.config_sensors import SensorSettings
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from monitor.signal.payload.protobuf import NotProtobuf, fields
from monitor.signal.payload.sparkplug import SparkplugPayload
from tests.paths import ROOT

NOW_NS = 1_795_800_000 * 10**9


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def text(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def metric(name: str, *parts: bytes) -> bytes:
    return text(2, (text(1, name.encode()) if name else b"") + b"".join(parts))


def read(data: bytes, channels: tuple[str, ...] = ("x",), **how: Any) -> Chunk:
    payload = SparkplugPayload.model_validate(
        {"format": "sparkplug", "metrics": ["x"]} | how
    )
    rule = SensorSettings(sample_rate_hz=100, channels=channels)
    (chunk,) = decode(
        Message("t", data, NOW_NS), DecoderSettings(payload, "m/p", lambda name: rule)
    )
    return chunk


def test_one_metric_may_hold_all_channels() -> None:
    stored = struct.pack("<6f", 1, 4, 2, 5, 3, 6.5)
    chunk = read(metric("x", number(4, 17), text(16, stored)), ("x", "y"))
    assert chunk.samples.tolist() == [[1, 2, 3], [4, 5, 6.5]]


@pytest.mark.parametrize(
    ("datatype", "stored", "value"),
    [
        (1, 0xFE, -2),
        (2, 0xFFFE, -2),
        (2, 0xFFFF_FFFE, -2),
        (3, 0xFFFF_FFFE, -2),
        (6, 0xFFFE, 0xFFFE),
        (7, 0xFFFF_0000, 0xFFFF_0000),
    ],
)
def test_integers_are_signed_by_their_type(datatype: int, stored: int, value: int) -> None:
    chunk = read(metric("x", number(4, datatype), number(10, stored)))
    assert chunk.samples.tolist() == [[value]]


def test_an_integer_without_a_type_asks_for_one() -> None:
    data = metric("x", number(10, 0xFFFE))
    with pytest.raises(PayloadError, match=r"set payload\.dtype"):
        read(data)
    assert read(data, dtype="int16").samples.tolist() == [[-2]]
    assert read(data, dtype="uint16").samples.tolist() == [[0xFFFE]]


def test_what_holds_no_numbers_is_called_by_its_kind() -> None:
    with pytest.raises(PayloadError, match=r"'x' is a DataSet: numbers, arrays and Bytes"):
        read(metric("x", number(4, 16), text(17, b"")))


def test_null_is_no_number() -> None:
    assert np.isnan(read(metric("x", number(7, 1))).samples).all()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (metric("", number(2, 7), text(16, bytes(8))), "unknown_alias"),
        (metric("y", text(16, bytes(8))), "no_samples"),
        (metric("x", text(15, b"1.5")), "not_numbers"),
        (metric("x", number(14, 1)), "not_numbers"),
        (metric("x", number(4, 32), text(16, bytes(8))), "not_numbers"),  # BooleanArray
        (metric("x", text(16, bytes(7))), "bad_length"),
        (metric("x", text(16, b"")), "empty"),
        (b"\x08", "not_sparkplug"),
        (b"\x12\x7f\x00", "not_sparkplug"),
        (b"\x0b", "not_sparkplug"),
        (b"\x00\x00", "not_sparkplug"),
        (b"\xff" * 11, "not_sparkplug"),
        (b'{"samples": [1]}', "not_sparkplug"),
        (number(1, 2**63) + metric("x", text(16, bytes(4))), "bad_time"),
    ],
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(PayloadError) as caught:
        read(data)
    assert caught.value.reason == reason


def test_too_many_metrics_are_refused() -> None:
    with pytest.raises(PayloadError, match="more than 100000 metrics"):
        read(b"\x12\x00" * 200_000)


def compressed(body: bytes, algorithm: str | None = "GZIP") -> bytes:
    """As Eclipse Tahu wraps a whole payload."""
    said = b"" if algorithm is None else metric("algorithm", text(15, algorithm.encode()))
    return said + text(4, b"SPBV1.0_COMPRESSED") + text(5, body)


def test_a_payload_within_a_payload() -> None:
    plain = metric("x", text(16, struct.pack("<2f", 1, 2.5)))
    for data in (
        compressed(gzip.compress(plain)),
        compressed(zlib.compress(plain), "DEFLATE"),
        compressed(zlib.compress(plain), None),
    ):
        assert read(data).samples.tolist() == [[1, 2.5]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (compressed(gzip.compress(bytes(32 << 20))), "too_large"),
        (compressed(gzip.compress(compressed(gzip.compress(b"")))), "not_sparkplug"),
        (compressed(b"nonsense"), "not_compressed"),
        (compressed(zlib.compress(b""), "LZ4"), "not_sparkplug"),
        (compressed(gzip.compress(b"\x08")), "not_sparkplug"),
    ],
    ids=[
        "bomb",
        "twice",
        "nonsense",
        "algorithm",
        "no message",
    ],  # gzip's bytes hold the time
)
def test_compression_is_bounded_and_undone_once(data: bytes, reason: str) -> None:
    with pytest.raises(PayloadError) as caught:
        read(data)
    assert caught.value.reason == reason


def test_its_own_compression_needs_no_setting() -> None:
    with pytest.raises(ValidationError, match="Sparkplug has its own"):
        read(b"", compression="gzip")


def test_a_case_as_raw_would_have_been_judged() -> None:
    """Case d32-sparkplug-b: the same bytes, by the format that understands them."""
    folder = ROOT / "tests" / "cases" / "messages" / "d32-sparkplug-b"
    chunk = read((folder / "plain.bin").read_bytes(), metrics=["vibration/x"])
    assert chunk.samples.shape == (1, 8)
    assert abs(chunk.samples).max() < 2


@given(st.binary(max_size=100))
def test_any_bytes_are_fields_or_refused(data: bytes) -> None:
    try:
        found = list(fields(data))
    except NotProtobuf:
        return
    assert all(number > 0 for number, _ in found)
