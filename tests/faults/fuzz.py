"""Hostile payloads without end: a corpus drawn by Hypothesis, then mutated cheaply."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

Fuzzed = tuple[str, bytes, dict[str, str]]
TOPICS = (
    "vibration/fuzz{}/a/waveform",
    "json/fuzz{}/a",
    "base64/fuzz{}/a",
    "json/other/a",
    "vibration/fuzz/a b/waveform",
)
N_CORPUS = 1000

_numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.just(10**400),
    st.just(1e308),
    st.just(-0.0),
    st.booleans(),
    st.none(),
    st.text(),
)
_documents = st.fixed_dictionaries(
    {},
    optional={
        "samples": st.one_of(
            st.lists(_numbers, max_size=50),
            st.lists(st.lists(_numbers, max_size=9), max_size=5),
            _numbers,
        ),
        "time": _numbers,
        "sequence": _numbers,
        "sample_rate_hz": _numbers,
        "spacing_s": _numbers,
    },
)
_anything = st.recursive(
    _numbers, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
_properties = st.dictionaries(
    st.sampled_from(
        ["sequence", "sample_rate_hz", "start_time", "start_time_ns", "start_time_s", "x"]
    ),
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=30),
        st.integers().map(str),
    ),
    max_size=2,
)
BOMBS = (
    b"[" * 60_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'{"samples": [' + b"9" * 60_000 + b"]}",
    b'{"samples": [NaN, Infinity, -Infinity]}',
    b'{"samples": [1e999]}',
    b'{"samples": "' + b"A" * 60_000 + b'"}',
    b'{"samples": "====", "time": "9999-99-99T99:99:99Z"}',
    b'{"samples": [1,2,3], "sample_rate_hz": 1e-320}',
    b"\x1f\x8b\x08" + bytes(1000),  # gzip, where none is configured
    bytes(70_000),
    b"",
)


def payloads(seed: int) -> Iterator[Fuzzed]:
    """Endless (topic, payload, user properties)."""
    rng, corpus = random.Random(seed), _corpus()
    while True:
        payload, properties = rng.choice(corpus)
        if rng.random() < 0.001:
            payload = rng.choice(BOMBS)
        elif rng.random() < 0.7:
            payload = _mutated(rng, payload)
        yield (
            rng.choice(TOPICS).format(rng.randrange(20)),
            payload,
            properties if rng.random() < 0.3 else {},
        )


def _corpus() -> list[tuple[bytes, dict[str, str]]]:
    def encoded(tree: object) -> bytes:
        return json.dumps(tree).encode("utf-8", "surrogatepass")

    sources = [
        _documents.map(encoded),
        _anything.map(encoded),
        st.binary(max_size=400),
        st.binary(max_size=200).map(
            lambda data: encoded({"samples": base64.b64encode(data).decode()})
        ),
    ]
    found: list[tuple[bytes, dict[str, str]]] = []

    @settings(
        max_examples=N_CORPUS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
    )
    @given(st.tuples(st.one_of(sources), _properties))
    def draw(pair: tuple[bytes, dict[str, str]]) -> None:
        found.append(pair)

    draw()
    return found


def _mutated(rng: random.Random, payload: bytes) -> bytes:
    data = bytearray(payload)
    for _ in range(rng.randrange(1, 4)):
        if not data:
            break
        where, how = rng.randrange(len(data)), rng.randrange(4)
        if how == 0:
            data[where] = rng.randrange(256)
        elif how == 1:
            del data[where:]
        elif how == 2:
            data[where:where] = rng.randbytes(rng.randrange(1, 9))
        else:
            data[where:where] = data[: rng.randrange(len(data) + 1)]
    return bytes(data)
