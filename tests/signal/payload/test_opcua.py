"""OPC UA PubSub beside node-opcua's messages in tests/cases: headers left out; what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.config_sensors import SensorSettings
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from monitor.signal.payload.opcua import OpcUaPayload

NOW_NS = 1_795_800_000 * 10**9


def read(tree: Any, channels: int = 1, **how: Any) -> list[Chunk]:
    payload = OpcUaPayload.model_validate({"format": "opcua", "fields": ["x"]} | how)
    names = tuple(f"c{index}" for index in range(channels))
    rule = SensorSettings(sample_rate_hz=100, channels=names)
    settings = DecoderSettings(payload, "m/p", lambda name: rule)
    return decode(Message("t", json.dumps(tree).encode(), NOW_NS), settings)


@pytest.mark.parametrize(
    "tree",
    [
        {"x": [1, 2.5]},
        {"Payload": {"x": [1, 2.5]}},
        [{"x": [1, 2.5]}],
        {"Messages": {"Payload": {"x": [1, 2.5]}}},
        [{"MessageType": "ua-data", "Messages": [{"Payload": {"x": ["1", "2.5"]}}]}],
    ],
)
def test_headers_that_are_left_out(tree: Any) -> None:
    (chunk,) = read(tree)
    assert chunk.samples.tolist() == [[1, 2.5]]
    assert (chunk.start_ns, chunk.sequence) == (None, None)


@pytest.mark.parametrize(
    "tree",
    [
        {"MessageType": "ua-metadata", "MetaData": {}},
        {"MessageType": "ua-status", "Status": 0},
        {"MessageType": "ua-data", "Messages": [{"MessageType": "ua-keepalive"}]},
        [],
    ],
)
def test_what_brings_no_samples_is_no_fault(tree: Any) -> None:
    assert read(tree) == []


def test_a_message_of_other_fields_beside_one_with_samples_is_passed_over() -> None:
    (chunk,) = read([{"Payload": {"rpm": 3}}, {"Payload": {"x": 4}}])
    assert chunk.samples.tolist() == [[4]]
    assert chunk.tolerated == ("part_without_samples",)


def test_the_source_may_tell_the_time_and_the_writer_the_number() -> None:
    at = {"Value": [1], "SourceTimestamp": "1970-01-01T00:00:01Z"}
    tree = {"SequenceNumber": 4, "Timestamp": "1970-01-01T00:00:09Z", "Payload": {"x": at}}
    (chunk,) = read(tree, time="SourceTimestamp", sequence=True)
    assert (chunk.start_ns, chunk.sequence) == (10**9, 4)
    (chunk,) = read(tree)
    assert (chunk.start_ns, chunk.sequence) == (9 * 10**9, None)


def test_rows_of_instants() -> None:
    matrix = {"UaType": 10, "Value": [1, 4, 2, 5, 3, 6], "UaDimensions": [3, 2]}
    (chunk,) = read({"x": matrix}, channels=2, layout="interleaved")
    assert chunk.samples.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ("text", "not_opcua"),
        ([[1]], "not_opcua"),
        ({"Payload": 3}, "not_opcua"),
        ({"y": [1]}, "no_samples"),
        ({"x": None}, "no_samples"),
        ({"x": {"StatusCode": 0x80000000}}, "no_samples"),
        ({"x": "text"}, "not_numbers"),
        ({"x": ["1_0"]}, "not_numbers"),
        ({"x": {"Value": {"Value": {"Value": {"Value": {"Value": 1}}}}}}, "not_numbers"),
        ({"x": {"Value": [1, 2], "UaDimensions": [3, 2]}}, "bad_length"),
        ({"x": {"Value": [1, 2], "UaDimensions": [-1, -2]}}, "bad_length"),
        ({"x": {"Value": [1, 2], "UaDimensions": ["1", 2]}}, "bad_length"),
        ({"x": {"UaType": 15, "Value": "?"}}, "not_base64"),
        ([{"Payload": {}}] * 10_001, "too_many_parts"),
        ([{"Messages": [{}] * 5001}] * 2, "too_many_parts"),
    ],
)
def test_what_is_refused(tree: Any, reason: str) -> None:
    with pytest.raises(PayloadError) as caught:
        read(tree)
    assert caught.value.reason == reason
    assert caught.value.detail.isprintable()


def test_a_name_that_is_none_of_the_headers_is_refused() -> None:
    with pytest.raises(ValidationError):
        read({}, machine="Timestamp")
