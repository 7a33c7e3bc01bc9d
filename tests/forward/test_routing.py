"""Where messages go: what belongs together stays together, what is for all goes everywhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import Config
from monitor.forward.routing import Place, Routing, split_context
from monitor.kafka.record import carried, headers_of
from monitor.records.signal import Delivery, Message
from monitor.records.topic import TopicPattern
from monitor.sources.configured import topic_filters

RAW = {"format": "raw", "dtype": "float32"}
CHANNELS = {"sensor": "s", "samples": "v"}


def config(**changes: Any) -> Config:
    tree = {
        "subscriptions": [
            {"topic": "v/{machine}/{point}", "payload": RAW},
            {
                "topic": "spBv1.0/plant/DDATA/{machine}/{point}",
                "payload": {"format": "sparkplug", "metrics": ["a"]},
            },
            {
                "topic": "gateway/+",
                "payload": {"format": "json", "samples": "v", "machine": "m"},
            },
        ],
        "sensors": [
            {
                "sample_rate_hz": 2000,
                "window_s": 0.5,
                "running": {"topic": "running/{machine}"},
            }
        ],
        "context": [{"name": "speed", "topic": "speed/{machine}"}],
        **changes,
    }
    return Config.model_validate(tree)


@pytest.mark.parametrize(
    ("topic", "place"),
    [
        ("v/pump/front", Place("pump/front")),
        ("gateway/7", Place("gateway/7")),
        ("spBv1.0/plant/DDATA/pump/front", Place("spBv1.0/plant//pump")),
        ("spBv1.0/plant/DBIRTH/pump/front", Place("spBv1.0/plant//pump")),
        ("spBv1.0/plant/NBIRTH/pump", Place("spBv1.0/plant//pump")),
        ("spBv1.0/plant/NDEATH/pump", Place("spBv1.0/plant//pump")),
        ("running/pump", Place("running/pump", is_everywhere=True)),
        ("speed/pump", Place("speed/pump", is_everywhere=True)),
        ("camshaft/label", Place("camshaft/label", is_everywhere=True)),
        ("v/pump", None),
        ("elsewhere", None),
    ],
)
def test_each_kind_of_topic_has_its_place(topic: str, place: Place | None) -> None:
    assert Routing(config()).place(topic) == place


level = st.text("ab7-", min_size=1, max_size=3)


@given(st.data())
def test_whatever_is_subscribed_has_a_place(data: st.DataObject) -> None:
    """No filter that we ask MQTT for brings what is then thrown away."""
    settings = config()
    one = data.draw(st.sampled_from(topic_filters(settings)))
    topic = "/".join(
        data.draw(level) if part == "+" else part for part in one.text.split("/")
    )
    if topic.split("/")[0] == "spBv1.0":
        kinds = ["NBIRTH", "NDEATH", "DBIRTH", "DDEATH", "DDATA"]
        parts = topic.split("/")
        parts[2] = data.draw(st.sampled_from(kinds))
        wanted = TopicPattern.parse(one.text, needs_machine=False).match("/".join(parts))
        topic = topic if wanted is None else "/".join(parts)
    assert Routing(settings).place(topic) is not None


@given(level, level)
def test_two_messages_of_a_sensor_have_one_key(machine: str, point: str) -> None:
    ambiguous = config(
        subscriptions=[
            {"topic": "v/{machine}/{point}", "payload": RAW},
            {"topic": "other/+/{machine}/{point}", "payload": RAW},
        ],
    )
    routing = Routing(ambiguous)
    first = routing.place(f"v/{machine}/{point}")
    assert first == routing.place(f"other/x/{machine}/{point}")
    assert first == Place(f"{machine}/{point}")


def test_context_that_comes_with_samples_is_said() -> None:
    payload = {"format": "json", "samples": "v"}
    topics: dict[str, Any] = {
        "subscriptions": [
            {"topic": "v/{machine}/{point}", "payload": payload},
            {"topic": "w/{machine}", "payload": payload},
        ],
    }
    context = [
        {"name": "own", "topic": "v/{machine}/{point}", "format": "json", "value": "t"},
        {"name": "shared", "topic": "w/{machine}", "format": "json", "value": "t"},
        {"name": "apart", "topic": "speed/{machine}"},
    ]
    said = list(split_context(config(**topics, context=context)))
    assert said == [
        "context[1] (shared) comes with samples of topic w/{machine}: it goes where these go, and"
        " sensors in other partitions do not see it."
    ]


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
messages = st.builds(
    Message,
    topic=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    payload=st.binary(max_size=20),
    received_ns=st.integers(0, 2**60),
    properties=st.dictionaries(text, text, max_size=4),
    delivery=st.none()
    | st.builds(
        Delivery, token=st.none(), key=st.integers(1, 65535), redelivered=st.booleans()
    ),
    retained=st.booleans(),
)


@given(messages)
def test_a_message_comes_back_from_its_record(message: Message) -> None:
    found = carried(headers_of(message), message.payload, message.received_ns, None)
    assert found is not None
    back = found.message
    assert (back.topic, back.payload, back.properties, back.retained) == (
        message.topic,
        message.payload,
        message.properties,
        message.retained,
    )
    delivery = message.delivery
    assert found.packet == (None if delivery is None else delivery.key)
    assert found.is_repeat == (delivery is not None and delivery.redelivered)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["topic", "retain", "dup", "packet", "user:a", "x"]),
            st.none() | st.binary(max_size=30),
        )
    ),
    st.none() | st.just("own"),
)
def test_headers_of_others_never_fail(
    headers: list[tuple[str, bytes | None]], topic: str | None
) -> None:
    found = carried(headers, b"", 0, None, topic)
    assert found is None or found.message.topic
    assert topic is None or found is not None
