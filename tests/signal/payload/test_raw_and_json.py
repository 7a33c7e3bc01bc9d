"""Payloads: what is read from good ones, and the reason given for each kind of bad one."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import numpy as np
import pytest

from monitor.config_sensors import SensorSettings
from monitor.records.signal import Chunk, Delivery, Message
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.json_object import JsonPayload
from monitor.signal.payload.raw import RawPayload
from tests.payloads import decode_one

NOW_NS = 1_790_000_000 * 10**9
START_NS = 1_789_999_999_123_456_789
START_ISO = "2026-09-21T14:13:19.123456789Z"

RAW16 = RawPayload(format="raw", dtype="int16")
RAW32F = RawPayload(format="raw", dtype="float32")
JSON = JsonPayload(format="json")


def rules(**settings: Any) -> SensorSettings:
    return SensorSettings.model_validate({"sample_rate_hz": 2000} | settings)


def message(payload: bytes | dict[str, Any], **properties: str) -> Message:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message("vibration/m/p/waveform", data, NOW_NS, properties)


def refused(
    payload: bytes | dict[str, Any], how: RawPayload | JsonPayload = JSON, **properties: str
) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        decode_one(message(payload, **properties), how, "m/p", rules())
    return caught.value


def decode_json(tree: dict[str, Any], how: JsonPayload = JSON, **settings: Any) -> Chunk:
    return decode_one(message(tree), how, "m/p", rules(**settings))


def test_raw_int16_is_interleaved_little_endian_and_scaled() -> None:
    stored = np.array([[1, 2, 3], [-4, 5, 32767]], dtype="<i2")  # (n, n_channels)
    chunk = decode_one(
        message(stored.tobytes()),
        RAW16,
        "m/p",
        rules(channels=["x", "y", "z"], unit="mg", scale=0.5),
    )
    assert chunk.samples.shape == (3, 2)
    assert chunk.samples.dtype == np.float32
    np.testing.assert_allclose(chunk.samples, stored.T * 0.5e-3 * 9.80665, rtol=1e-6)
    assert (chunk.sensor, chunk.sample_rate_hz, chunk.received_ns) == (
        "m/p",
        2000.0,
        NOW_NS,
    )
    assert (chunk.start_ns, chunk.sequence, chunk.redelivered) == (None, None, False)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_raw_types(dtype: str) -> None:
    stored = np.arange(-50, 50).astype(dtype)
    chunk = decode_one(
        message(stored.astype(f"<{stored.dtype.str[1:]}").tobytes()),
        RawPayload.model_validate({"format": "raw", "dtype": dtype}),
        "m/p",
        rules(),
    )
    np.testing.assert_array_equal(chunk.samples[0], np.arange(-50, 50))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("start_time", START_ISO),
        ("start_time", START_ISO.replace("Z", "")),
        ("start_time", "2026-09-21T16:13:19.123456789+02:00"),
        ("start_time_ns", "1789999999123456789"),
        ("start_time_us", "1789999999123456.789"),
        ("start_time_ms", "1789999999123.456789"),
        ("start_time_s", "1789999999.123456789"),
    ],
)
def test_user_properties_override(key: str, value: str) -> None:
    properties = {key: value, "sequence": "17", "sample_rate_hz": "1999.5"}
    chunk = decode_one(message(b"\0\0", **properties), RAW16, "m/p", rules())
    assert (chunk.start_ns, chunk.sequence, chunk.sample_rate_hz) == (START_NS, 17, 1999.5)


def test_user_properties_win_over_json_fields() -> None:
    tree = {
        "samples": [1],
        "time": "2020-01-01T00:00:00Z",
        "sequence": 1,
        "sample_rate_hz": 5,
    }
    chunk = decode_one(
        message(tree, start_time_ns=str(START_NS), sequence="2", sample_rate_hz="6"),
        JSON,
        "m/p",
        rules(),
    )
    assert (chunk.start_ns, chunk.sequence, chunk.sample_rate_hz) == (START_NS, 2, 6.0)


def test_duplicate_flag_is_kept() -> None:
    again = Message("t", b"\0\0", NOW_NS, {}, Delivery(token=2, key=7, redelivered=True))
    assert decode_one(again, RAW16, "m/p", rules()).redelivered


def test_json_flat_list_is_one_channel() -> None:
    chunk = decode_json(
        {"samples": [1, 2.5, -3], "time": START_ISO, "sequence": 3, "sample_rate_hz": 100}
    )
    np.testing.assert_array_equal(chunk.samples, np.array([[1, 2.5, -3]], dtype=np.float32))
    assert (chunk.start_ns, chunk.sequence, chunk.sample_rate_hz) == (START_NS, 3, 100.0)


def test_json_list_of_lists_is_one_list_for_each_channel() -> None:
    chunk = decode_json({"samples": [[1, 2, 3], [4, 5, 6]]}, channels=["x", "y"], unit="g")
    np.testing.assert_allclose(
        chunk.samples, np.array([[1, 2, 3], [4, 5, 6]]) * 9.80665, rtol=1e-6
    )


def test_json_base64_holds_raw_samples() -> None:
    stored = np.array([[1, 2], [3, 4], [5, 6]], dtype="<i2")
    how = JsonPayload(format="json", encoding="base64", dtype="int16")
    chunk = decode_json(
        {"samples": base64.b64encode(stored.tobytes()).decode()}, how, channels=["x", "y"]
    )
    np.testing.assert_array_equal(chunk.samples, stored.T)


def test_json_fields_by_path_and_spacing() -> None:
    how = JsonPayload(
        format="json",
        samples="data.values",
        time="meta.t",
        time_format="ms",
        spacing_s="meta.dt",
    )
    chunk = decode_json(
        {"data": {"values": [1]}, "meta": {"t": 1789999999123.5, "dt": 0.001}}, how
    )
    assert chunk.start_ns == 1_789_999_999_123_500_000
    assert chunk.sample_rate_hz == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("unit", "count"),
    [("s", 1_789_999_999), ("ms", 1_789_999_999_000), ("us", 1_789_999_999 * 10**6)],
)
def test_json_epoch_times(unit: str, count: int) -> None:
    how = JsonPayload.model_validate({"format": "json", "time_format": unit})
    assert (
        decode_json({"samples": [1], "time": count}, how).start_ns == 1_789_999_999 * 10**9
    )
    assert (
        decode_json({"samples": [1], "time": str(count)}, how).start_ns
        == 1_789_999_999 * 10**9
    )


def test_json_without_time_or_with_null_has_none() -> None:
    assert decode_json({"samples": [1]}).start_ns is None
    assert decode_json({"samples": [1], "time": None}).start_ns is None


def test_raw_nan_is_passed_on_for_quality_to_judge() -> None:
    stored = np.array([1.0, np.nan, np.inf], dtype="<f4")
    chunk = decode_one(message(stored.tobytes()), RAW32F, "m/p", rules(unit="g"))
    assert list(np.isfinite(chunk.samples[0])) == [True, False, False]


@pytest.mark.parametrize(
    "number", ["NaN", "null", "Infinity", "-Infinity", "1e999", "1e39", "9" * 400]
)
def test_json_nan_is_passed_on_as_from_raw(number: str) -> None:
    """Case d14-nan-in-json: one bad number spoils its window, not the message."""
    payload = b'{"samples": [0.125, ' + number.encode() + b", -0.375]}"
    chunk = decode_one(message(payload), JSON, "m/p", rules())
    assert chunk.samples[0, [0, 2]].tolist() == [0.125, -0.375]
    assert not np.isfinite(chunk.samples[0, 1])


def test_samples_are_read_only() -> None:
    assert not decode_one(
        message(b"\0" * 8), RAW32F, "m/p", rules()
    ).samples.flags.writeable


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "not_json"),
        (b"[1, 2]", "no_samples"),
        (b"{'samples': [1]}", "not_json"),
        (b'{"samples": [' + b"9" * 5000 + b"]}", "not_json"),
        (b"{}", "no_samples"),
        (b'{"samples": null}', "no_samples"),
        (b'{"samples": []}', "empty"),
        (b'{"samples": [[]]}', "empty"),
        (b'{"samples": "AAAA"}', "not_numbers"),
        (b'{"samples": ["1"]}', "not_numbers"),
        (b'{"samples": [true]}', "not_numbers"),
        (b'{"samples": [[1], 2]}', "wrong_channels"),
        (b'{"samples": [[1], [2]]}', "wrong_channels"),
        (b'{"samples": [1, [2]]}', "not_numbers"),
        (b'{"samples": [1], "time": "yesterday"}', "bad_time"),
        (b'{"samples": [1], "time": 5}', "bad_time"),
        (b'{"samples": [1], "time": "1969-12-31T23:59:59Z"}', "bad_time"),
        (b'{"samples": [1], "time": "2263-01-01T00:00:00Z"}', "bad_time"),
        (b'{"samples": [1], "sample_rate_hz": 0}', "bad_rate"),
        (b'{"samples": [1], "sample_rate_hz": -5}', "bad_rate"),
        (b'{"samples": [1], "sample_rate_hz": 1e999}', "bad_rate"),
        (b'{"samples": [1], "sample_rate_hz": true}', "bad_rate"),
        (b'{"samples": [1], "spacing_s": 0}', "bad_rate"),
        (b'{"samples": [1], "sequence": 1.5}', "bad_sequence"),
        (b'{"samples": [1], "sequence": Infinity}', "bad_sequence"),
        (b'{"samples": [1]}\n{"samples": [', "not_json"),
        (b'{"samples": [1]}\n[2]', "not_json"),
        (b'{"samples": [1], "sequence": -1}', "bad_sequence"),
        (b'{"samples": [1], "sequence": 9223372036854775808}', "bad_sequence"),
        (b"[" * 1000 + b"]" * 1000, "too_nested"),
        (b'{"a":' * 100_000, "too_nested"),
    ],
)
def test_bad_json(payload: bytes, reason: str) -> None:
    assert refused(payload).reason == reason


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"start_time_ns": "12e99"}, "bad_time"),
        ({"start_time_s": "1" * 19}, "bad_time"),
        ({"start_time_ns": "1" * 70_000}, "bad_time"),
        ({"start_time": "2020-01-01T00:00:00Z", "start_time_ns": "1"}, "bad_time"),
        ({"sequence": "٣"}, "bad_sequence"),
        ({"sequence": ""}, "bad_sequence"),
        ({"sample_rate_hz": "fast"}, "bad_rate"),
        ({"sample_rate_hz": "nan"}, "bad_rate"),
    ],
)
def test_bad_properties(properties: dict[str, str], reason: str) -> None:
    assert refused(b"\0\0", RAW16, **properties).reason == reason


def test_channels_of_different_length() -> None:
    with pytest.raises(PayloadError, match="lists of 1 and of 2 samples"):
        decode_json({"samples": [[1, 2], [3]]}, channels=["x", "y"])


def test_bad_length_names_the_rule() -> None:
    with pytest.raises(PayloadError) as caught:
        decode_one(message(b"\0" * 7), RAW16, "m/p", rules(channels=["x", "y", "z"]))
    assert caught.value.reason == "bad_length"
    assert (
        caught.value.detail
        == "7 bytes are not a whole number of 6 bytes (3 channels of int16)."
    )


@pytest.mark.parametrize(
    "value",
    ["A", "A*==", "QUJD\n", "ä", 5, "", "QQ==QQ==", "Q UJ D.", "====", "data:;base64,"],
)
def test_bad_base64(value: object) -> None:
    how = JsonPayload(format="json", encoding="base64", dtype="int16")
    reasons = ("not_base64", "empty", "bad_length")
    assert refused(json.dumps({"samples": value}).encode(), how).reason in reasons


def test_size_is_bounded_before_parsing() -> None:
    with pytest.raises(PayloadError) as caught:
        decode_one(message(b"[" * 2000), JSON, "m/p", rules(), max_bytes=1999)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(
    "payload",
    [
        b'{"samples": [' + b"1," * (2 << 20),
        b'{"samples": "' + b"A" * (4 << 20),
        b'{"samples": [1], "time": "' + b'\\"' * (1 << 20),
        b'{"samples": [1], "sequence": ' + b"9" * (3 << 20) + b"}",
    ],
)
def test_large_hostile_payloads_are_refused_quickly(payload: bytes) -> None:
    started = time.process_time()
    error = refused(payload[: 4 << 20])
    assert time.process_time() - started < 2.0
    assert len(error.detail) < 300
    assert error.detail.isprintable()
