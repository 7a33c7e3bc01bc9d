"""SenML: what RFC 8428 says of base values, times, versions and labels that must be understood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.config_sensors import SensorSettings
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from monitor.signal.payload.senml import SenmlPayload

NOW_NS = 1_795_800_000 * 10**9


def read(records: Any, channels: tuple[str, ...] = ("x",), **how: Any) -> list[Chunk]:
    payload = SenmlPayload.model_validate({"format": "senml", "channels": channels} | how)
    rule = SensorSettings(sample_rate_hz=100, channels=channels or ("a",))
    settings = DecoderSettings(payload, "m/p", lambda name: rule)
    return decode(Message("t", json.dumps(records).encode(), NOW_NS), settings)


def test_base_values_hold_until_they_change() -> None:
    records = [
        {"bn": "s1:", "bt": 1_795_700_000.5, "bv": 10, "n": "x", "v": 0.25},
        {"n": "x", "t": 0.01, "v": -0.75},
        {"bv": 20, "bt": 1_795_700_000.52, "n": "x", "v": 1},
    ]
    (chunk,) = read(records)
    assert chunk.samples.tolist() == [[10.25, 9.25, 21.0]]
    assert (chunk.start_ns, chunk.sample_rate_hz) == (1_795_700_000_500_000_000, 100)


def test_times_from_now_are_no_time_of_day() -> None:
    records = [{"n": "x", "t": -0.03 + at / 100, "v": at} for at in range(4)]
    (chunk,) = read(records)
    assert (chunk.start_ns, chunk.sample_rate_hz) == (None, 100)
    assert read([{"n": "x", "v": 3}])[0].start_ns is None


def test_records_of_other_names_and_without_numbers_are_passed_over() -> None:
    records = [{"n": "x", "v": 1}, {"n": "rpm", "v": 1500}, {"n": "x", "vs": "ok"}]
    assert read(records)[0].samples.tolist() == [[1.0]]


def test_two_devices_need_a_word() -> None:
    records = [{"bn": "a:", "n": "x", "v": 1}, {"bn": "b:", "n": "x", "v": 2}]
    with pytest.raises(PayloadError, match=r"2 devices: set payload\.device"):
        read(records)
    assert [chunk.sensor for chunk in read(records, device="point")] == ["m/a", "m/b"]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ({}, "not_senml"),
        ([1], "not_senml"),
        ([], "no_samples"),
        ([{"n": "x", "vb": True}], "no_samples"),
        ([{"bver": 11, "n": "x", "v": 1}], "not_senml"),
        ([{"bver": "x", "n": "x", "v": 1}], "not_senml"),
        ([{"n": "x", "v": 1, "new_": 1}], "not_senml"),
        ([{"n": 5, "v": 1}], "not_senml"),
        ([{"n": "x", "v": "1"}], "not_numbers"),
        ([{"n": "x", "v": 1, "t": "1"}], "bad_time"),
        ([{"n": "x", "v": 1, "t": 1e300}], "bad_time"),
        ([{"n": "x", "v": 1, "t": 1_795_700_001}, {"n": "x", "v": 1, "t": 1}], "bad_time"),
        ([{"n": "x", "v": 1, "u": "mm/s"}], "wrong_unit"),
        ([{"n": "x", "v": 1, "u": "m/s2"}, {"n": "x", "v": 1, "u": "g"}], "wrong_unit"),
    ],
)
def test_what_is_refused(records: Any, reason: str) -> None:
    with pytest.raises(PayloadError) as caught:
        read(records)
    assert caught.value.reason == reason


def test_channels_that_are_missing_or_shorter() -> None:
    x, y = {"n": "x", "v": 1}, {"n": "y", "v": 2}
    for records, reason in (([x, x], "wrong_channels"), ([x, y, x], "bad_length")):
        with pytest.raises(PayloadError) as caught:
            read(records, ("x", "y"))
        assert caught.value.reason == reason
