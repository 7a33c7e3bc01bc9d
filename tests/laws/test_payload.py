"""Payload laws: what is written is read back; any bytes give a chunk or a PayloadError and nothing
else.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from monitor.config_sensors import SensorSettings
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.json_object import JsonPayload
from monitor.signal.payload.raw import RawPayload
from tests.payloads import decode_one

NOW_NS = 1_790_000_000 * 10**9

DTYPES = st.sampled_from(["int16", "int32", "float32"])
RAW = st.builds(lambda dtype: RawPayload(format="raw", dtype=dtype), DTYPES)
JSON = st.builds(
    lambda encoding, dtype, time_format: JsonPayload.model_validate(
        {
            "format": "json",
            "encoding": encoding,
            "dtype": dtype,
            "time_format": time_format,
            "time": "meta.time",
        }
    ),
    st.sampled_from(["list", "base64"]),
    DTYPES,
    st.sampled_from(["iso8601", "s", "ms", "us", "ns"]),
)
PROPERTIES = st.dictionaries(
    st.sampled_from(
        [
            "start_time",
            "start_time_ns",
            "start_time_s",
            "sequence",
            "sample_rate_hz",
            "other",
        ]
    ),
    st.one_of(
        st.text(max_size=80),
        st.datetimes().map(lambda time: time.isoformat()),
        st.integers(-(10**40), 10**40).map(str),
        st.floats().map(repr),
    ),
    max_size=4,
)
NUMBERS = st.one_of(st.integers(), st.integers(-(10**4000), 10**4000), st.floats())
TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "samples": st.one_of(
            st.lists(NUMBERS), st.lists(st.lists(NUMBERS)), st.text(), TREES
        ),
        "meta": st.one_of(TREES, st.fixed_dictionaries({"time": TREES})),
        "sequence": TREES,
        "sample_rate_hz": TREES,
        "spacing_s": TREES,
    },
)


def rules(n_channels: int, unit: str = "m/s2") -> SensorSettings:
    channels = [f"c{index}" for index in range(n_channels)]
    return SensorSettings.model_validate(
        {"sample_rate_hz": 1000, "channels": channels, "unit": unit}
    )


def decode_or_refuse(
    payload: bytes,
    how: RawPayload | JsonPayload,
    n_channels: int,
    properties: dict[str, str],
) -> None:
    try:
        chunk: Chunk | PayloadError = decode_one(
            Message("t", payload, NOW_NS, properties), how, "m/p", rules(n_channels)
        )
    except PayloadError as error:
        chunk = error
    if isinstance(chunk, PayloadError):
        assert chunk.reason.isidentifier()
        assert chunk.detail.isprintable()
        assert len(chunk.detail) < 400
    else:
        assert chunk.samples.dtype == np.float32
        assert chunk.samples.shape[0] == n_channels
        assert chunk.samples.shape[1] > 0
        assert 0 < chunk.sample_rate_hz < np.inf
        assert chunk.start_ns is None or 0 <= chunk.start_ns < 2**63
        assert chunk.sequence is None or 0 <= chunk.sequence < 2**63


@settings(deadline=None)
@given(st.binary(max_size=200), st.one_of(RAW, JSON), st.integers(1, 4), PROPERTIES)
def test_any_bytes(
    payload: bytes,
    how: RawPayload | JsonPayload,
    n_channels: int,
    properties: dict[str, str],
) -> None:
    decode_or_refuse(payload, how, n_channels, properties)


@settings(deadline=None, max_examples=300)
@given(FIELDS, JSON, st.integers(1, 3), PROPERTIES)
def test_any_json(
    tree: dict[str, Any], how: JsonPayload, n_channels: int, properties: dict[str, str]
) -> None:
    decode_or_refuse(json.dumps(tree).encode(), how, n_channels, properties)


@settings(deadline=None)
@given(st.text(alphabet='[]{}",:\\0-eE.ntu ', max_size=2000), JSON)
def test_almost_json(text: str, how: JsonPayload) -> None:
    decode_or_refuse(text.encode(), how, 1, {})


SAMPLES = st.integers(1, 4).flatmap(
    lambda n_channels: st_np.arrays(
        np.float32,
        st.tuples(st.just(n_channels), st.integers(1, 40)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)


@settings(deadline=None)
@given(SAMPLES)
def test_raw_json_and_base64_say_the_same(samples: np.ndarray[Any, Any]) -> None:
    raw = samples.T.astype("<f4").tobytes()
    hows: list[tuple[RawPayload | JsonPayload, bytes]] = [
        (RawPayload(format="raw", dtype="float32"), raw),
        (JsonPayload(format="json"), json.dumps({"samples": samples.tolist()}).encode()),
        (
            JsonPayload(format="json", encoding="base64"),
            json.dumps({"samples": base64.b64encode(raw).decode()}).encode(),
        ),
    ]
    for how, payload in hows:
        chunk = decode_one(Message("t", payload, NOW_NS), how, "m/p", rules(len(samples)))
        np.testing.assert_array_equal(chunk.samples, samples)


@settings(deadline=None)
@given(SAMPLES, st.data())
def test_cutting_between_instants_loses_nothing(
    samples: np.ndarray[Any, Any], data: st.DataObject
) -> None:
    raw, frame_bytes = samples.T.astype("<f4").tobytes(), 4 * len(samples)
    cut = data.draw(st.integers(1, max(1, samples.shape[1] - 1))) * frame_bytes
    how = RawPayload(format="raw", dtype="float32")
    parts = [
        decode_one(Message("t", part, NOW_NS), how, "m/p", rules(len(samples))).samples
        for part in (raw[:cut], raw[cut:])
        if part
    ]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), samples)


@settings(deadline=None)
@given(
    st.integers(0, NOW_NS),
    st.sampled_from(["start_time", "start_time_ns", "start_time_us", "start_time_s"]),
)
def test_times_keep_every_nanosecond(start_ns: int, key: str) -> None:
    seconds, rest = divmod(start_ns, 10**9)
    text = {
        "start_time": f"{np.datetime64(start_ns, 'ns')}Z",
        "start_time_ns": str(start_ns),
        "start_time_us": f"{start_ns // 1000}.{start_ns % 1000:03d}",
        "start_time_s": f"{seconds}.{rest:09d}",
    }[key]
    chunk = decode_one(
        Message("t", b"\0\0", NOW_NS, {key: text}),
        RawPayload(format="raw"),
        "m/p",
        rules(1),
    )
    assert chunk.start_ns == start_ns


@pytest.mark.parametrize("n", [1, 50])
def test_bad_payloads_leave_no_trace(n: int) -> None:
    how, good = JsonPayload(format="json"), Message("t", b'{"samples": [1, 2]}', NOW_NS)
    for _ in range(n):
        with pytest.raises(PayloadError):
            decode_one(Message("t", b"\x00garbage", NOW_NS), how, "m/p", rules(1))
    assert decode_one(good, how, "m/p", rules(1)).samples.tolist() == [[1.0, 2.0]]
