"""Hostile payloads without end, in every format: a corpus drawn by Hypothesis, the messages of
tests/cases and a session of Sparkplug, then mutated cheaply.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.paths import ROOT

Fuzzed = tuple[str, bytes, dict[str, str]]
CASES = ROOT / "tests" / "cases"
TOPICS = (
    "vibration/fuzz{}/a/waveform",
    "json/fuzz{}/a",
    "base64/fuzz{}/a",
    "parts/fuzz{}/a",
    "context/fuzz{}",
    "json/other/a",
    "vibration/fuzz/a b/waveform",
)
N_CORPUS, N_QUICK = 1000, 200
MAX_BYTES = 256 << 10  # mqtt.max_payload_bytes of the campaign

# How the topics above are read, and those of each folder of messages.
SUBSCRIPTIONS: list[dict[str, Any]] = [
    {"topic": "json/{machine}/{point}", "payload": {"format": "json", "time_format": "ns"}},
    {
        "topic": "base64/{machine}/{point}",
        "payload": {"format": "json", "encoding": "base64"},
    },
    {
        "topic": "parts/{machine}/{point}",
        "payload": {
            "format": "json",
            "part_index": "idx",
            "part_count": "parts",
            "series": "id",
        },
    },
    {
        "topic": "spBv1.0/fuzz/DDATA/{machine}/{point}",
        "payload": {
            "format": "sparkplug",
            "metrics": ["vibration/x", "vibration/y"],
            "dtype": "int16",
        },
    },
]
CONTEXT = [
    {"name": "load", "topic": "context/{machine}", "format": "json", "value": "samples"},
    {
        "name": "heat",
        "topic": "spBv1.0/fuzz/DDATA/{machine}/{point}",
        "format": "sparkplug",
        "value": "temperature",
    },
]


@cache
def folders() -> list[tuple[str, dict[str, Any], dict[str, Any], list[bytes]]]:
    """(name, payload settings, sensor rule, messages) of each shape under tests/cases."""
    found = []
    for path in sorted((CASES / "messages").iterdir()):
        config = yaml.safe_load((path / "configuration.yaml").read_text(encoding="utf-8"))
        entries = json.loads((path / "expected.json").read_text(encoding="utf-8"))
        payloads = [(path / entry["file"]).read_bytes() for entry in entries]
        rule = config["sensors"][0]
        found.append((path.name, config["subscriptions"][0]["payload"], rule, payloads))
    return found


def subscriptions() -> list[dict[str, Any]]:
    own = [
        {"topic": f"case/{name}/{{machine}}/{{point}}", "payload": payload}
        for name, payload, _, _ in folders()
    ]
    return SUBSCRIPTIONS + own


def rules(**common: Any) -> list[dict[str, Any]]:
    """Machines are named after the folder. Last comes whatever a message may name."""
    own = [
        {
            **rule,
            **common,
            "match": f"case-{name}.*",
            "sample_rate_hz": rule["sample_rate_hz"],
        }
        for name, _, rule, _ in folders()
    ]
    edge = {"match": "edge*", "channels": ["x", "y"], "sample_rate_hz": 1000, **common}
    return [*own, edge, {"match": "*", "sample_rate_hz": 2000, **common}]


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
        "id": st.sampled_from(["a", "b", 3]),
        "idx": st.integers(-1, 4),
        "parts": st.sampled_from([1, 2, 3, 10**9]),
    },
)
_anything = st.recursive(
    _numbers,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_properties = st.dictionaries(
    st.sampled_from(
        [
            "sequence",
            "sample_rate_hz",
            "start_time",
            "start_time_ns",
            "start_time_s",
            "id",
            "x",
        ]
    ),
    st.one_of(
        st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), max_size=30),
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
    gzip.compress(bytes(32 << 20)),
    zlib.compress(bytes(32 << 20)),
    b"[" + b"{}," * 60_000 + b"{}]",  # as many sensors
    b'{"Messages": [' + b'{"Payload": {}},' * 9_000 + b"{}]}",
    b"\x12\x00" * 60_000,  # metrics of Sparkplug without names
    b"\x12\x04\x0a\x00\x10\x01" * 20_000,
    b"\x9b" + b"\xff" * 8,  # CBOR: an array of 2^64 - 1
    b"\xdd\xff\xff\xff\xff",  # MessagePack: one of 2^32 - 1
    bytes(MAX_BYTES + 1),
    b"",
)


def payloads(seed: int, n_corpus: int = N_CORPUS) -> Iterator[Fuzzed]:
    """Endless (topic, payload, user properties), of so many drawn payloads among others."""
    rng, corpus, session = random.Random(seed), _corpus(n_corpus), _session()
    while True:
        kind = rng.random()
        if kind < 0.4:
            payload, properties = rng.choice(corpus)
            topic = rng.choice(TOPICS).format(rng.randrange(20))
        elif kind < 0.8:
            name, _, _, messages = rng.choice(folders())
            # Now and then by the settings of another shape.
            place = rng.choice(folders())[0] if rng.random() < 0.1 else name
            topic = f"case/{place}/case-{place}.{rng.randrange(5)}/a"
            payload, properties = rng.choice(messages), {}
        else:
            topic, payload = rng.choice(session)
            topic, properties = topic.format(rng.randrange(5)), {}
        yield topic, _spoilt(rng, payload), _beside(rng, properties)


def _spoilt(rng: random.Random, payload: bytes) -> bytes:
    if rng.random() < 0.001:
        return rng.choice(BOMBS)
    return _mutated(rng, payload) if rng.random() < 0.7 else payload


def _beside(rng: random.Random, properties: dict[str, str]) -> dict[str, str]:
    """User properties, also of parts of series that mix, lie and never end."""
    if rng.random() < 0.05:
        part = {
            "messageId": rng.choice(["a", "b", f"{rng.randrange(10**6)}"]),
            "chunkIndex": rng.choice([0, 1, 2, -1, 10**6]),
            "totalChunks": rng.choice([1, 2, 3, 10**9, None]),
            "checksum": rng.choice(["", "0" * 64, "00000000"]),
        }
        return {"__chunk": json.dumps(part)}
    return properties if rng.random() < 0.3 else {}


@cache
def _session() -> list[tuple[str, bytes]]:
    """Births, data and deaths of edge nodes, in no order: aliases are often of another birth."""
    path = Path(CASES / "sparkplug" / "session.json")
    return [
        (
            one["topic"].replace("/plant/", "/fuzz/").replace("line-1", "edge{}"),
            base64.b64decode(one["payload"]),
        )
        for one in json.loads(path.read_text(encoding="utf-8"))
    ]


def _corpus(n: int) -> list[tuple[bytes, dict[str, str]]]:
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
        max_examples=n,
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
