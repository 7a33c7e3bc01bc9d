"""What is handed on over a topic comes back; what is none of ours is refused in a sentence."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.records.position import SourcePosition
from monitor.records.succession import Succession
from monitor.succession.models import differences
from monitor.succession.wire import (
    MAX_BYTES,
    PARTITION,
    VERSION,
    Records,
    StateError,
    decode,
    encode,
)

names = st.text(st.characters(codec="utf-8"), max_size=12)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
trees = st.dictionaries(names, st.dictionaries(names, plain, max_size=4), max_size=3)
POSITION = SourcePosition("vibration", 3, 12, 4711, None)


def without_version(found: Succession) -> tuple[Any, ...]:
    """Each record has its version beside what was handed on."""
    of = (found.streams, found.commissionings)
    bare = [{k: {**tree, "version": VERSION} for k, tree in one.items()} for one in of]
    return found.owner, found.position, *bare, found.births


@given(
    streams=trees,
    commissionings=trees,
    births=st.dictionaries(names, st.binary(max_size=20), max_size=2),
    models=st.dictionaries(names, names, max_size=2),
)
def test_what_is_handed_on_comes_back(
    streams: dict[str, Any],
    commissionings: dict[str, Any],
    births: dict[str, bytes],
    models: dict[str, str],
) -> None:
    sent = Succession("me", POSITION, streams, commissionings, births)
    for tree in (*streams.values(), *commissionings.values()):
        tree.pop("version", None)
    found = decode(encode(sent, models))
    assert found is not None
    assert without_version(found[0]) == without_version(sent)
    assert found[1] == models


def handed() -> Records:
    return encode(Succession("me", POSITION, {"m/p": {"a": 1}}, {}), {})


def test_nothing_was_handed_on_yet() -> None:
    assert decode({}) is None
    assert decode({b"stream m/p": handed()[b"stream m/p"]}) is None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (b"hello", b"{}", "record 'hello' is none of Camshaft's"),
        (b"stream m/p", b"\xff\x00", "record 'stream m/p' is no JSON"),
        (b"stream \xff", b'{"version": 1}', "is no JSON"),
        (b"stream m/p", b"[" * 100_000, "record 'stream m/p' is no JSON"),
        (b"stream m/p", b"[1]", "record 'stream m/p' has no version"),
        (b"stream m/p", b'{"a": 1}', "record 'stream m/p' has no version"),
        (
            b"commissioning m/p",
            json.dumps({"version": VERSION + 1}).encode(),
            f"has version {VERSION + 1}, this program knows versions up to {VERSION}: update it",
        ),
        (b"stream m/p", b" " * (MAX_BYTES + 1), "524,289 bytes, more than the 524,288"),
        (PARTITION, b'{"version": 1}', "records lack what they must have: 'topic'"),
        (b"birth t", b'{"version": 1, "payload": 5}', "records lack what they must have"),
    ],
)
def test_what_is_not_ours_is_refused(key: bytes, value: bytes, said: str) -> None:
    with pytest.raises(StateError, match=re.escape(said)):
        decode({**handed(), key: value})


def test_what_kafka_would_not_take_is_not_sent() -> None:
    large = Succession("me", POSITION, {"m/p": {"a": "x" * MAX_BYTES}}, {})
    with pytest.raises(StateError, match="record 'stream m/p' has 524,30"):
        encode(large, {})


def test_models_that_are_others_here_are_told() -> None:
    before = {"same": "a" * 64, "changed": "b" * 64, "missing": "c" * 64}
    here = {"same": "a" * 64, "changed": "d" * 64, "new": "e" * 64}
    changed, missing = differences(before, here)
    assert changed == (
        "Model 'changed' is another here than the one that judged before: its manifest has SHA-256"
        " dddddddddddd..., there it was bbbbbbbbbbbb..."
    )
    assert missing == "Model 'missing', which judged before, is not configured here."
