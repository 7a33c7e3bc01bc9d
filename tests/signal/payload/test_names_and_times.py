"""How a message's sensor, its times and its oddities are understood."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from monitor.config_sensors import SensorSettings, Subscription
from monitor.pipeline.pipeline import Pipeline
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings
from monitor.signal.payload.formats import AnyPayload, decode
from monitor.signal.payload.times import time_ns
from tests.signals import START_NS, configure, rules

PAYLOAD: TypeAdapter[Any] = TypeAdapter(AnyPayload)
NOW_NS = 1_795_800_000 * 10**9
AT_NS = 1_795_703_611_123_456_700  # 26 November 2026, 14:33:31.1234567 UTC


def payload(**settings: Any) -> PayloadSettings:
    found: PayloadSettings = PAYLOAD.validate_python({"format": "json"} | settings)
    return found


def read(tree: Any, sensor: str = "m/p", rate_hz: float = 1000, **how: Any) -> list[Chunk]:
    rule = SensorSettings(sample_rate_hz=rate_hz, match="*")
    settings = DecoderSettings(payload(**how), sensor, lambda name: rule)
    return decode(Message("t", json.dumps(tree).encode(), NOW_NS), settings)


def refused(tree: Any, **how: Any) -> PayloadError:
    with pytest.raises(PayloadError) as caught:
        read(tree, **how)
    return caught.value


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("2026-11-26T14:33:31.1234567Z", "iso8601"),
        ("2026-11-26t14:33:31.1234567z", "iso8601"),
        ("2026-11-26 14:33:31,1234567", "iso8601"),
        ("2026-11-26 14:33:31.1234567 UTC", "iso8601"),
        ("2026/11/26 14:33:31.1234567", "iso8601"),
        ("20261126T143331.1234567Z", "iso8601"),
        ("2026-11-26T15:33:31.1234567+0100", "iso8601"),
        ("2026-11-26T15:33:31.1234567 +01:00", "iso8601"),
        ("2026-11-26T15:33:31.1234567+01:00[Europe/Berlin]", "iso8601"),
        ("2026-11-26T09:03:31.1234567-05:30", "iso8601"),
        ("2026-W48-4T14:33:31.1234567Z", "iso8601"),
        (1_795_703_611_123_456_700, "ns"),
        ("1795703611123456.7", "us"),
        ("1795703611123.4567", "ms"),
        ("1795703611.1234567", "s"),
        (639_313_004_111_234_567, "dotnet_ticks"),
        (134_401_772_111_234_567, "filetime"),
        ({"secs": 1_795_703_611, "nsecs": 123_456_700}, "iso8601"),  # ROS
        ({"sec": 1_795_703_611, "nanosec": 123_456_700}, "ms"),  # ROS 2
        ({"seconds": "1795703611", "nanos": 123_456_700}, "s"),  # Protobuf in JSON
        ({"timeInSeconds": 1_795_703_611, "offsetInNanos": 123_456_700}, "iso8601"),  # AWS
        ("3878548411.1234567", "labview_s"),
    ],
)
def test_a_time_in_many_spellings(value: object, unit: str) -> None:
    assert time_ns(value, unit) == AT_NS


@pytest.mark.parametrize(
    ("value", "second"),
    [
        ("Thu, 26 Nov 2026 14:33:31 GMT", 1_795_703_611),
        ("/Date(1795703611000)/", 1_795_703_611),
        ("/Date(1795703611000+0100)/", 1_795_703_611),
        ("\\/Date(1795703611000)\\/", 1_795_703_611),
        ("2026-11-26T14:33Z", 1_795_703_580),
    ],
)
def test_a_time_of_whole_seconds(value: str, second: int) -> None:
    assert time_ns(value, "iso8601") == second * 10**9


def test_days_since_1899() -> None:
    """DateTime.ToOADate() of noon on 1 January 2026 is 46023.5."""
    assert time_ns(46023.5, "ole_days") == 1_767_268_800 * 10**9


@pytest.mark.parametrize(
    "value",
    [
        "26.11.2026 14:33",
        "11/26/2026",
        "noon",
        "",
        "[Europe/Berlin]",
        "/Date(x)/",
        "9" * 64,
        [],
        1.5,
        {"seconds": 1_795_703_611},
        {"sec": 1, "nanosec": 2, "zone": 1},
        {"sec": "noon", "nanosec": 2},
    ],
)
def test_what_is_no_time(value: object) -> None:
    assert time_ns(value, "iso8601") is None


def test_two_sensors_of_one_topic_are_two_streams() -> None:
    """Case d07-sensor-in-payload: up to the pipeline's sensors, each with its own samples."""
    how = payload(machine="assetId", point="sensorId", samples="value", time=None)
    subscription = Subscription(topic="Asset/+/Vibration", payload=how)
    config = rules(configure())
    flow = Pipeline(
        type(config)((subscription,), config.analysers, config.journal, 1 << 20, None),
        {},
        {},
        0.0,
    )
    for index in range(4):
        for point in ("spindle", "table/left"):
            tree = {"assetId": "A1000", "sensorId": point, "value": [0.5 + index] * 100}
            data = json.dumps(tree).encode() + b"\0"
            flow.process([Message("Asset/A1000/Vibration", data, START_NS)], START_NS, 0.0)
    assert sorted(flow.sensors) == ["A1000/spindle", "A1000/table.left"]
    batch = flow.take_batch(with_tails=True)
    received = {key[0]: n for key, n in batch.books.items() if key[1] == "received"}
    assert received == {"A1000/spindle": 400, "A1000/table.left": 400}
    # Case d13-nul-bom-around-json: what is tolerated is counted.
    assert batch.counters["tolerated.nul_bytes"] == 8


@pytest.mark.parametrize(
    ("machine", "name"),
    [(7, "7/p"), ("press 7", "press 7/p"), ("a/b", "a.b/p"), ("Größe", "Größe/p")],
)
def test_names_of_the_payload(machine: object, name: str) -> None:
    (chunk,) = read({"m": machine, "samples": [1]}, machine="m")
    assert chunk.sensor == name


@pytest.mark.parametrize(
    "machine",
    [None, "", " ", True, 1.5, "a#", "a+b", "a\nb", "x" * 97, [1], {"a": 1}, 2**70],
)
def test_what_cannot_be_a_name(machine: object) -> None:
    assert refused({"m": machine, "samples": [1]}, machine="m").reason == "bad_name"


def test_without_any_machine() -> None:
    assert refused({"samples": [1]}, sensor="/main").reason == "bad_name"


ENTRIES: dict[str, Any] = {
    "samples": "d", "channels": ["x"], "sample_time": "t", "time": None,
    "sample_time_format": "ms",
}  # fmt: skip


def timed(times: list[int], **how: Any) -> list[Chunk]:
    entries = [{"t": at, "x": index} for index, at in enumerate(times)]
    return read({"d": entries}, **(ENTRIES | how))


def test_rounded_times_do_not_make_another_rate() -> None:
    """1600 Hz in whole milliseconds, in messages of 10: each by itself would tell 1500 to 1800."""
    for first in range(0, 500, 10):
        times = [1_795_700_000_000 + int(n / 1.6) for n in range(first, first + 10)]
        (chunk,) = timed(times, rate_hz=1600)
        assert chunk.sample_rate_hz == 1600
        assert chunk.start_ns == times[0] * 10**6


def test_times_that_deny_the_rate_tell_their_own() -> None:
    (chunk,) = timed([1_795_700_000_000 + 2 * n for n in range(200)], rate_hz=1000)
    assert chunk.sample_rate_hz == pytest.approx(500)


def test_samples_in_groups_of_one_time_are_no_holes() -> None:
    (chunk,) = timed([1_795_700_000_000 + n // 5 * 20 for n in range(100)], rate_hz=250)
    assert chunk.samples.shape == (1, 100)


def test_a_hole_within_a_message_parts_it() -> None:
    times = [1_795_700_000_000 + 5 * n + (n >= 37) * 35 for n in range(100)]
    first, second = timed(times, rate_hz=200)
    assert (first.samples.shape[1], second.samples.shape[1]) == (37, 63)
    assert second.start_ns == times[37] * 10**6
    assert (first.sample_rate_hz, second.sample_rate_hz) == (200, 200)
    np.testing.assert_array_equal(
        np.concatenate([first.samples, second.samples], axis=1)[0], np.arange(100)
    )


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ([3, 2], "bad_time"),
        ([1, None], "bad_time"),
        ([1, "x"], "bad_time"),
        ([2**80, 2**80], "bad_time"),
    ],
)
def test_times_of_samples_that_cannot_be(times: list[Any], reason: str) -> None:
    assert refused({"d": [{"t": t, "x": 1} for t in times]}, **ENTRIES).reason == reason


@pytest.mark.parametrize(
    ("stated", "rate_hz"),
    [({"ms": 0.4}, 2500), ({"us": "625"}, 1600), ({"khz": 25.6}, 25600), ({}, 1000)],
)
def test_rates_in_other_units(stated: dict[str, Any], rate_hz: float) -> None:
    how: dict[str, Any] = {"spacing_ms": "ms", "spacing_us": "us", "sample_rate_khz": "khz"}
    (chunk,) = read({"samples": [1]} | stated, **how)
    assert chunk.sample_rate_hz == pytest.approx(rate_hz)


@pytest.mark.parametrize(
    ("unit", "ms2"),
    [("g", 9.80665), ("G", 9.80665), ("m/s²", 1), ("mm/s^2", 1e-3), ("in/s2", 0.0254)],
)
def test_the_unit_may_stand_in_the_message(unit: str, ms2: float) -> None:
    (chunk,) = read({"samples": [2], "u": unit}, unit="u")
    assert chunk.samples[0, 0] == pytest.approx(2 * ms2)


@pytest.mark.parametrize("unit", ["mm/s", "ips", "V", "", 3, "µm", "mil"])
def test_other_units_are_refused(unit: object) -> None:
    """Case d34-units: a velocity is never judged as an acceleration."""
    assert refused({"samples": [2], "u": unit}, unit="u").reason == "wrong_unit"


def test_a_velocity_is_taken_where_the_sensor_sends_one() -> None:
    velocity = SensorSettings(sample_rate_hz=1000, unit="mm/s", scale=10)
    settings = DecoderSettings(payload(unit="u"), "m/p", lambda name: velocity)

    def samples(unit: str) -> Any:
        data = json.dumps({"samples": [2], "u": unit}).encode()
        return decode(Message("t", data, NOW_NS), settings)[0].samples

    assert samples("in/s")[0, 0] == pytest.approx(20 * 0.0254)
    with pytest.raises(
        PayloadError, match="stated in g, of acceleration, but the sensor's unit"
    ):
        samples("g")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"samples": ["x", "y"], "channels": ["x"]},
            "channels needs samples to be one path",
        ),
        ({"sample_time": "t"}, "sample_time needs channels"),
        ({"format": "csv", "delimiter": ",", "decimal": ","}, "cannot be the same sign"),
        (
            {"format": "csv", "delimiter": "\t"},
            "must be one character that is no blank, or the word tab",
        ),
        ({"format": "csv", "columns": ["x"]}, "without a header, columns are numbers"),
        (
            {"format": "raw", "header": {"bytes": 8, "time": {"at": 4, "dtype": "uint64"}}},
            "time ends at byte 12, behind bytes = 8",
        ),
        (
            {
                "format": "raw",
                "header": {"bytes": 8, "machine": {"at": 0, "dtype": "text"}},
            },
            "length belongs to dtype = text or hex",
        ),
        (
            {"format": "raw", "dtype": "float32", "frame": {"bytes": 8, "at": [0, 6]}},
            "a channel ends at byte 10",
        ),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        payload(**settings)


def test_a_hint_where_rows_were_meant() -> None:
    """Case d02-rows-of-frames."""
    rule = SensorSettings(sample_rate_hz=1000, channels=("x", "y"))
    settings = DecoderSettings(payload(), "m/p", lambda name: rule)
    with pytest.raises(PayloadError, match=r"is payload\.layout = interleaved meant\?"):
        decode(Message("t", b'{"samples": [[1, 2], [3, 4], [5, 6]]}', NOW_NS), settings)


def test_stretches_of_unlike_length_are_not_shifted() -> None:
    """As long in all, but the second stretch of y would lie beside the first of x."""
    rule = SensorSettings(sample_rate_hz=1000, channels=("x", "y"))
    how = payload(samples="d", channels=["x", "y"])
    settings = DecoderSettings(how, "m/p", lambda name: rule)
    tree = {"d": [{"x": [1, 2], "y": [1, 2, 3]}, {"x": [3, 4, 5], "y": [4, 5]}]}
    with pytest.raises(PayloadError, match="lists of 2 and of 3 samples side by side"):
        decode(Message("t", json.dumps(tree).encode(), NOW_NS), settings)


@pytest.mark.parametrize(
    ("how", "half"),
    [
        ({"samples": ["x", "y"]}, {"x": [1]}),
        ({"samples": "d", "channels": ["x", "y"]}, {"d": [{"x": 1}, {"x": 2}]}),
    ],
)
def test_a_part_with_half_its_channels_is_not_passed_over(how: Any, half: Any) -> None:
    rule = SensorSettings(sample_rate_hz=1000, channels=("x", "y"))
    settings = DecoderSettings(payload(parts=".", **how), "m/p", lambda name: rule)
    whole = {"x": [1], "y": [2], "d": [{"x": 1, "y": 2}]}
    with pytest.raises(PayloadError) as caught:
        decode(Message("t", json.dumps([whole, half]).encode(), NOW_NS), settings)
    assert caught.value.reason == "wrong_channels"
    (chunk,) = decode(
        Message("t", json.dumps([{"rpm": 1}, whole]).encode(), NOW_NS), settings
    )
    assert chunk.tolerated == ("part_without_samples",)


def read_tree(tree: Any, match: str = "*", **how: Any) -> list[Chunk]:
    """By a rule for sensors that fit match alone."""
    rule = SensorSettings(sample_rate_hz=1000)
    settings = DecoderSettings(
        payload(**how), "m/p", lambda name: rule if fnmatch(name, match) else None
    )
    return decode(Message("t", json.dumps(tree).encode(), NOW_NS), settings)


def test_parts_may_be_named_by_keys() -> None:
    tree = {"pump a": {"v": [1, 2]}, "pump/b": {"v": [3]}, "gateway": {"load": 3}}
    found = read_tree(tree, parts=".", machine="key", samples="value.v")
    assert {one.sensor: one.samples.tolist() for one in found} == {
        "pump a/p": [[1, 2]],
        "pump.b/p": [[3]],
    }
    assert found[0].tolerated == ("part_without_samples",)


def test_a_part_that_fits_no_rule_leaves_the_others_alone() -> None:
    tree = [{"id": name, "samples": [1, 2]} for name in ("gyro", "acc")]
    (chunk,) = read_tree(tree, match="*/acc", parts=".", point="id")
    assert (chunk.sensor, chunk.tolerated) == ("m/acc", ("part_unmatched",))
    with pytest.raises(PayloadError) as caught:
        read_tree(tree, match="*/tacho", parts=".", point="id")
    assert caught.value.reason == "unmatched_sensor"


@pytest.mark.parametrize("first", [0, 1, 7])
def test_keys_that_count_are_instants_in_their_order(first: int) -> None:
    values = {str(first + k): {"x": k} for k in range(12)}
    turned = dict(sorted(values.items()))  # "10" before "2"
    (chunk,) = read_tree({"d": turned}, samples="d", channels=("x",))
    assert chunk.samples.tolist() == [list(range(12))]


def test_a_number_that_is_missing_is_not_closed_up() -> None:
    values = {str(k): {"x": k} for k in range(12) if k != 5}
    with pytest.raises(PayloadError) as caught:
        read_tree({"d": values}, samples="d", channels=("x",))
    assert caught.value.reason == "no_samples"


@pytest.mark.parametrize("ids", ["abab", "aabb", "abbb"])
def test_entries_of_two_senders_are_not_melted(ids: str) -> None:
    entries = [{"sensor_id": one, "x": k} for k, one in enumerate(ids)]
    with pytest.raises(PayloadError) as caught:
        read_tree({"d": entries}, samples="d", channels=("x",))
    assert caught.value.reason == "ambiguous_sender"
    parts = read_tree({"d": entries}, parts="d", point="sensor_id", samples="x")
    assert [one.sensor for one in parts] == [f"m/{one}" for one in ids]


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """Lua, MATLAB and some databases know no other numbers."""
    (chunk,) = read({"samples": [1], "sequence": 7.0})
    assert chunk.sequence == 7


@pytest.mark.parametrize("value", [[1, 256], [-1, 0], [1.0, 2], ["1", 2], [], "AQI="])
def test_what_is_no_list_of_bytes(value: Any) -> None:
    assert refused({"samples": value}, encoding="binary").reason == "not_binary"


def test_a_count_in_a_finer_unit_is_refused_with_the_key_to_change() -> None:
    us = 1_795_703_611_123_456
    error = refused({"samples": [1], "time": us}, time_format="ms")
    assert error.detail.endswith("it is no count of ms; set payload.time_format.")


def test_a_quoted_cell_may_hold_the_delimiter() -> None:
    text = '"n, of the line";"x";"y"\n"1;a";"2.5";"-3"\n'
    how = {"format": "csv", "delimiter": ";", "header": True, "columns": ["y", "x"]}
    rule = SensorSettings(sample_rate_hz=1000, channels=("y", "x"))
    settings = DecoderSettings(payload(**how), "m/p", lambda name: rule)
    (chunk,) = decode(Message("t", text.encode(), NOW_NS), settings)
    assert chunk.samples.tolist() == [[-3.0], [2.5]]
