"""A plant has senders of several makes: together on one broker each is read as it is alone."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import cbor2
import numpy as np

from monitor.config import Config
from monitor.config_file import parse_config
from monitor.discovery.proposal import discover
from monitor.discovery.writing import configuration
from monitor.records.signal import Chunk, Float64, Message
from monitor.refusals import parse_yaml
from monitor.signal.payload.base import DecoderSettings
from monitor.signal.payload.formats import decode
from tests.discovery.test_what_is_asked import X, asked, heard

PER_G = 1 / 9.80665


def configured(messages: list[Message], **answers: str) -> Config:
    found = discover(messages, answers)
    assert not asked(found)
    text = configuration({"host": "broker"}, found.proposals)
    return parse_config(parse_yaml(text.encode()), Path())


def samples(config: Config, messages: list[Message]) -> dict[str, Float64]:
    """Of each sensor, in m/s², by the first subscription that fits."""
    found: dict[str, list[Chunk]] = defaultdict(list)
    for message in messages:
        own = (
            (one, sensor)
            for one in config.subscriptions
            if (sensor := one.pattern.sensor(message.topic)) is not None
        )
        subscription, sensor = next(own)
        settings = DecoderSettings(subscription.payload, sensor, config.sensor)
        for chunk in decode(message, settings):
            found[chunk.sensor].append(chunk)
    return {
        name: np.concatenate([one.samples for one in chunks], axis=1)
        for name, chunks in found.items()
    }


def test_formats_of_one_tree_of_topics_have_their_own_subscriptions() -> None:
    """It ended with "each topic may stand once only", and without a file."""

    def publish(k: int, at: int, x: Float64) -> Any:
        tree = {axis: row.tolist() for axis, row in zip("xyz", x, strict=True)}
        floats = x.T.astype("<f4")
        return (
            ("hall/m1", tree | {"fs": 1000}),
            ("hall/m2", cbor2.dumps({"v": x.T.tolist(), "fs": 1000})),
            ("hall/m3", floats.tobytes()),
            ("hall/m4", b"".join([k.to_bytes(4, "little"), floats.tobytes()])),
            ("hall/m5", tree | {"fs": 1000}),
        )

    messages = heard(publish)
    config = configured(messages)
    topics = {one.topic for one in config.subscriptions}
    assert {"hall/{machine=m2}", "hall/{machine=m3}", "hall/{machine=m4}"} < topics
    right = X[:, : 60 * 64]
    found = samples(config, messages)
    assert set(found) == {f"m{k}/main" for k in range(1, 6)}
    for name, one in found.items():
        assert np.allclose(one, right, atol=1e-3), name


def test_sensors_of_one_shape_that_count_in_other_units_have_their_own() -> None:
    """All had the unit of most of them: a tenth of what there was, or ten times as much."""

    def publish(k: int, at: int, x: Float64) -> Any:
        def tree(factor: float) -> dict[str, Any]:
            rows = (x * factor).tolist()
            return dict(zip("xyz", rows, strict=True)) | {"fs": 1000}

        return ("v/m1", tree(1)), ("v/m2", tree(PER_G)), ("v/m3", tree(1))

    messages = heard(publish)
    found = samples(configured(messages), messages)
    assert np.allclose(found["m1/main"], found["m2/main"], atol=1e-2)

    def one_axis(k: int, at: int, x: Float64) -> Any:
        trees = [{"v": (x[2] * factor).tolist(), "fs": 1000} for factor in (1, PER_G, 1)]
        return tuple((f"v/m{k}", tree) for k, tree in enumerate(trees))

    messages = heard(one_axis)
    assert asked(discover(messages))["unit"].startswith("m1/main: At rest")
    found = samples(configured(messages, unit="g"), messages)
    assert np.allclose(found["m0/main"], found["m1/main"], atol=1e-2)


def test_another_senders_keys_make_another_shape() -> None:
    """Two makes call their samples alike: what one says of them does not hold for the other."""

    def publish(k: int, at: int, x: Float64) -> Any:
        mg = {"data": np.round(x[2] * PER_G * 1000).tolist(), "unit": "mg", "fs": 1000}
        return ("a/m1", {"data": x[2].tolist(), "odr": 1000}), ("b/m2", mg)

    messages = heard(publish)
    found = samples(configured(messages), messages)
    assert np.allclose(found["m1/main"], found["m2/main"], atol=1e-2)
    assert json.loads(messages[1].payload)["unit"] == "mg"


def test_two_shapes_do_not_name_one_sensor() -> None:
    """It ended with "is never reached", and without a file."""

    def publish(k: int, at: int, x: Float64) -> Any:
        rows = {axis: row.tolist() for axis, row in zip("xyz", x, strict=True)}
        return (
            ("line1/7/vib", rows | {"fs": 1000}),
            ("line2/7/vib", {"samples": x.T.tolist(), "odr": 1000}),
            ("line2/8/vib", {"samples": x.T.tolist(), "odr": 1000}),
        )

    messages = heard(publish)
    found = samples(configured(messages), messages)
    assert set(found) == {"line1.7/main", "line2.7/main", "line2.8/main"}
    for one in found.values():
        assert np.allclose(one, X[:, : 60 * 64], atol=1e-3)


def test_what_is_not_configured_is_not_read_as_something_else() -> None:
    """A shape that still needs an answer was read by the subscription of the next."""

    def publish(k: int, at: int, x: Float64) -> Any:
        counts = {"data": np.round(x[2] * 100).tolist(), "n": k}
        return ("hall/m1", {"data": x[2].tolist(), "fs": 1000}), ("hall/m2", counts)

    found = discover(heard(publish))
    (sure,) = (one for one in found.proposals if one.is_complete)
    assert sure.subscribed == ["hall/{machine=m1}"]
    assert set(asked(found)) == {"unit"}


def test_what_says_its_unit_goes_by_it() -> None:
    """A gateway writes all its readings alike: a temperature's unit put all in question."""

    def publish(k: int, at: int, x: Float64) -> Any:
        def tree(values: list[float], unit: str) -> dict[str, Any]:
            return {"fs": 1000, "values": values, "unit": unit}

        return (
            ("gw/m1/acc", tree(x[2].tolist(), "m/s²")),
            ("gw/m2/acc", tree((x[2] * PER_G).tolist(), "g")),
            ("gw/m2/oil", tree((x[0] / 9 + 40).tolist(), "°C")),
        )

    messages = heard(publish)
    left_out = [one for one in discover(messages).passed_over if one.topic == "gw/m2/oil"]
    assert [one.why for one in left_out] == ["in °c"]
    config = configured(messages)
    found = samples(config, [one for one in messages if "oil" not in one.topic])
    assert [one.topic for one in config.subscriptions] == ["gw/{machine}/acc"]
    assert np.allclose(found["m1/main"], found["m2/main"], atol=1e-2)
