"""Whatever a broker delivers, discovery answers: with a proposal that the decoder takes, or a
question.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.discovery.proposal import DEFEATED, discover
from monitor.records.signal import Message

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.none(), st.just(10**400)
)
NAMES = st.sampled_from(
    [
        "x",
        "y",
        "ts",
        "time",
        "seq",
        "fs",
        "unit",
        "id",
        "samples",
        "data",
        "temp",
        "",
        "a.b",
        "0",
    ]
)
TREES = st.recursive(
    st.one_of(NUMBERS, st.text(max_size=30), st.lists(NUMBERS, max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(NAMES, inner, max_size=5)
    ),
    max_leaves=25,
)
LINES = st.lists(
    st.lists(
        st.sampled_from(["1", "-2.5", "3,5", "x", "1e400", "nan", "2026-11-26"]), max_size=4
    ),
    max_size=6,
).map(lambda rows: "\n".join(";".join(row) for row in rows))
PAYLOADS = st.one_of(
    st.binary(max_size=400),
    TREES.map(lambda tree: json.dumps(tree).encode()),
    LINES.map(str.encode),
)
TOPICS = st.sampled_from(
    ["a/b/c", "a/b/d", "spBv1.0/g/DDATA/e/d", "x", "", "//", "a/+/temp"]
)


@settings(max_examples=150)
@example([("a", json.dumps({"fs": 10**400, "x": 0}).encode())], 1)
@given(st.lists(st.tuples(TOPICS, PAYLOADS), min_size=1, max_size=4), st.integers(1, 12))
def test_any_messages_get_an_answer(sent: list[tuple[str, bytes]], times: int) -> None:
    messages = [
        Message(topic, payload, 1_795_704_411_000_000_000 + k * 50_000_000)
        for k in range(times)
        for topic, payload in sent
    ]
    found: Any = discover(messages)
    for one in found.proposals:
        assert one.is_complete or one.questions
        assert not any(DEFEATED in question.text for question in one.questions), (
            one.questions
        )
