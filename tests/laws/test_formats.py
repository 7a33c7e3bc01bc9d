"""Laws of all payload formats: what is written is read back in whatever shape and however cut; any
bytes give chunks or a PayloadError and nothing else; what comes out of a
compressed one is bounded.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import msgpack
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from monitor.config import Config
from monitor.config_file import load_config
from monitor.config_sensors import SensorSettings
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings
from monitor.signal.payload.formats import AnyPayload, decode
from monitor.signal.payload.opcua import OpcUaPayload
from tests.cases.test_messages import FOLDERS, NOW_NS

PAYLOAD: TypeAdapter[Any] = TypeAdapter(AnyPayload)
INTEGERS = {
    f"{sign}int{bits}": (bits // 8, bool(not sign))
    for bits in (8, 16, 24, 32)
    for sign in ("", "u")
}


def payload(**settings: Any) -> PayloadSettings:
    found: PayloadSettings = PAYLOAD.validate_python(settings)
    return found


def rule(n_channels: int, **settings: Any) -> SensorSettings:
    channels = [f"c{index}" for index in range(n_channels)]
    return SensorSettings.model_validate(
        {"sample_rate_hz": 997, "channels": channels} | settings
    )


def read(
    data: bytes, how: PayloadSettings, sensor: SensorSettings, max_bytes: int = 4 << 20
) -> list[Chunk]:
    settings = DecoderSettings(how, "m/p", lambda name: sensor, max_bytes)
    return decode(Message("t", data, NOW_NS), settings)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(INTEGERS)),
    st.sampled_from(["little", "big"]),
    st.sampled_from(["interleaved", "planar"]),
    st.integers(1, 4),
    st.binary(min_size=1, max_size=60),
    st.integers(0, 2**20),
)
def test_raw_integers_of_any_kind(
    dtype: str, order: Any, layout: str, n_channels: int, seed: bytes, zero: int
) -> None:
    """Against Python's own int.to_bytes."""
    width, signed = INTEGERS[dtype]
    low = -(1 << (8 * width - 1)) if signed else 0
    rng = random.Random(seed)
    numbers = [
        [low + rng.getrandbits(8 * width) for _ in range(7)] for _ in range(n_channels)
    ]
    numbers[0][:2] = [low, low + (1 << (8 * width)) - 1]  # the ends of its range
    order_of = zip(*numbers, strict=True) if layout == "interleaved" else numbers
    data = b"".join(
        one.to_bytes(width, order, signed=signed) for row in order_of for one in row
    )
    how = payload(format="raw", dtype=dtype, byte_order=order, layout=layout, zero=zero)
    (chunk,) = read(data, how, rule(n_channels))
    np.testing.assert_array_equal(
        chunk.samples, (np.array(numbers) - zero).astype(np.float32)
    )


SAMPLES = st.integers(1, 4).flatmap(
    lambda n_channels: st_np.arrays(
        np.float32,
        st.tuples(st.just(n_channels), st.integers(1, 40)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
Array = NDArray[np.float32]


def shapes(samples: Array) -> list[tuple[dict[str, Any], bytes]]:
    """One stretch in every format that can say it without loss."""
    names = [f"c{index}" for index in range(len(samples))]
    planar = samples.tolist()
    rows = samples.T.tolist()
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    big = samples.astype(">f4")
    by_axis = dict(zip(names, planar, strict=True))
    frames = b"".join(b"\xaa\xbb" + row.tobytes() + b"\xcc" for row in big.T)
    frame = {"bytes": 3 + 4 * len(names), "at": [2 + 4 * at for at in range(len(names))]}
    # As any program writes float32: with digits enough to be read back.
    lines = "\n".join(";".join(map(repr, row)) for row in rows)
    trees: list[tuple[dict[str, Any], Any]] = [
        ({}, {"samples": planar}),
        ({"layout": "interleaved"}, {"samples": rows}),
        ({"layout": "interleaved"}, {"samples": [one for row in rows for one in row]}),
        ({"layout": "planar"}, {"samples": [one for row in planar for one in row]}),
        ({"samples": names}, by_axis),
        ({"samples": "d", "channels": names}, {"d": objects}),
        ({"samples": "d", "channels": [str(at) for at in range(len(names))]}, {"d": rows}),
        ({"samples": "d", "channels": names}, {"d": [by_axis, by_axis]}),
        ({"parts": ".", "samples": names}, [by_axis]),
    ]
    found = [
        ({"format": name} | how, dumps(tree))
        for how, tree in trees
        for name, dumps in (
            ("json", as_json),
            ("cbor", cbor2.dumps),
            ("msgpack", msgpack.packb),
        )
    ]
    return [
        *found,
        ({"format": "json", "encoding": "text"}, as_json({"samples": texts(planar)})),
        ({"format": "json", "encoding": "hex"}, as_json({"samples": samples.T.tobytes().hex()})),
        ({"format": "cbor", "encoding": "binary", "byte_order": "big", "layout": "planar"},
         cbor2.dumps({"samples": big.tobytes()})),
        ({"format": "raw", "dtype": "float32", "byte_order": "big", "frame": frame}, frames),
        ({"format": "raw", "dtype": "float32", "encoding": "base64"},
         base64.urlsafe_b64encode(samples.T.tobytes()).rstrip(b"=")),
        ({"format": "raw", "dtype": "float64", "compression": "zlib"},
         zlib.compress(samples.T.astype("<f8").tobytes())),
        ({"format": "csv", "delimiter": ";"}, lines.encode()),
        ({"format": "csv", "delimiter": "tab"}, lines.replace(";", "\t").encode()),
        ({"format": "csv", "delimiter": ";", "decimal": ",", "compression": "gzip"},
         gzip.compress(lines.replace(".", ",").encode())),
    ]  # fmt: skip


def as_json(tree: Any) -> bytes:
    return json.dumps(tree).encode()


def texts(rows: list[list[float]]) -> list[list[str]]:
    return [[repr(one) for one in row] for row in rows]


@settings(deadline=None, max_examples=25)
@given(SAMPLES)
def test_every_shape_says_the_same(samples: Array) -> None:
    for how, data in shapes(samples):
        (chunk,) = read(data, payload(**how), rule(len(samples)))
        n_times = chunk.samples.shape[1] // samples.shape[1]
        assert n_times in (1, 2), how
        np.testing.assert_array_equal(chunk.samples, np.tile(samples, n_times), str(how))


@settings(deadline=None, max_examples=25)
@given(SAMPLES, st.data())
def test_cut_between_instants_any_shape_loses_nothing(
    samples: Array, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, samples.shape[1]))
    parts = [part for part in (samples[:, :cut], samples[:, cut:]) if part.size]
    whole = shapes(samples)
    for index, (how, _) in enumerate(whole):
        found = []
        for part in parts:
            (chunk,) = read(shapes(part)[index][1], payload(**how), rule(len(samples)))
            found.append(chunk.samples[:, : part.shape[1]])
        np.testing.assert_array_equal(np.concatenate(found, axis=1), samples, str(how))


def check_or_refused(data: bytes, how: PayloadSettings, sensor: SensorSettings) -> None:
    refusal, chunks = None, []
    try:
        chunks = read(data, how, sensor)
    except PayloadError as error:
        refusal = error
    if refusal is not None:
        assert refusal.reason.isidentifier()
        assert refusal.detail.isprintable()
        assert len(refusal.detail) < 500
    else:
        assert chunks or isinstance(how, OpcUaPayload)  # of what is known to bring none
    for chunk in chunks:
        assert chunk.samples.dtype == np.float32
        assert chunk.samples.shape[0] == len(sensor.channels)
        assert chunk.samples.shape[1] > 0
        assert 0 < chunk.sample_rate_hz < np.inf
        assert chunk.start_ns is None or 0 <= chunk.start_ns < 2**63
        assert chunk.sequence is None or 0 <= chunk.sequence < 2**63
        assert not chunk.samples.flags.writeable


def folder_of(path: Path) -> tuple[Config, list[bytes]]:
    config = load_config(path / "configuration.yaml")
    entries = json.loads((path / "expected.json").read_text(encoding="utf-8"))
    return config, [(path / entry["file"]).read_bytes() for entry in entries]


KNOWN = [folder_of(path) for path in FOLDERS]


@settings(deadline=None, max_examples=250)
@given(st.sampled_from(KNOWN), st.integers(0, 2**32))
def test_mutated_messages_of_every_shape(
    known: tuple[Config, list[bytes]], seed: int
) -> None:
    config, payloads = known
    rng = random.Random(seed)
    data = mutated(rng, rng.choice(payloads))
    check_or_refused(data, config.subscriptions[0].payload, config.sensors[0])


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(KNOWN), st.sampled_from(KNOWN), st.integers(0, 9))
def test_messages_of_another_shape(
    known: tuple[Config, list[bytes]], other: tuple[Config, list[bytes]], index: int
) -> None:
    data = other[1][index % len(other[1])]
    check_or_refused(data, known[0].subscriptions[0].payload, known[0].sensors[0])


NUMBERS = st.one_of(st.integers(), st.integers(-(10**400), 10**400), st.floats(), st.none())
TREES = st.recursive(
    st.one_of(NUMBERS, st.booleans(), st.text(max_size=20), st.binary(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.sampled_from(["d", "x", "t", "n"]), inner, max_size=4),
    ),
    max_leaves=20,
)
TREE_SETTINGS = st.fixed_dictionaries(
    {"format": st.sampled_from(["json", "cbor", "msgpack"])},
    optional={
        "parts": st.sampled_from([".", "d"]),
        "point": st.just("n"),
        "samples": st.sampled_from(["d", "x", ".", "d.x", "0.x"]),
        "layout": st.sampled_from(["interleaved", "planar"]),
        "time": st.just("t"),
        "sequence": st.just("n"),
        "spacing_ms": st.just("x"),
        "unit": st.just("n"),
        "scale": st.just("x"),
        "encoding": st.sampled_from(["list", "text", "base64", "hex"]),
        "time_format": st.sampled_from(["iso8601", "ms", "dotnet_ticks", "ole_days"]),
    },
)
ENTRY_SETTINGS = st.fixed_dictionaries(
    {
        "format": st.sampled_from(["json", "cbor", "msgpack"]),
        "samples": st.sampled_from(["d", "."]),
        "channels": st.just(["x"]),
        "sample_time": st.just("t"),
        "sample_time_format": st.sampled_from(["iso8601", "ms", "relative_us"]),
    }
)


@settings(deadline=None, max_examples=250)
@given(TREES, st.one_of(TREE_SETTINGS, ENTRY_SETTINGS))
def test_any_tree(tree: Any, how: dict[str, Any]) -> None:
    dumps: dict[str, Callable[[Any], bytes]] = {
        "json": lambda tree: json.dumps(tree, default=repr).encode(),
        "cbor": cbor2.dumps,
        "msgpack": msgpack.packb,
    }
    try:
        data = dumps[how["format"]](tree)
    except (OverflowError, ValueError):  # MessagePack has no integers beyond 64 bits
        return
    check_or_refused(data, payload(**how), rule(1))


def mutated(rng: random.Random, data: bytes) -> bytes:
    mutable = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        where, how = rng.randrange(len(mutable) + 1), rng.randrange(4)
        if how == 0 and where < len(mutable):
            mutable[where] = rng.randrange(256)
        elif how == 1:
            del mutable[where : where + rng.randrange(9)]
        elif how == 2:
            mutable[where:where] = rng.randbytes(rng.randrange(1, 9))
        else:
            mutable[where:where] = mutable[: rng.randrange(200)]
    return bytes(mutable)


ZEROS = bytes(64 << 20)
GZIPPED, ZLIBBED = gzip.compress(ZEROS, mtime=0), zlib.compress(ZEROS)


@pytest.mark.parametrize(
    ("compression", "bomb"),
    [
        ("gzip", GZIPPED),
        ("zlib", ZLIBBED),
        ("deflate", ZLIBBED[2:-4]),
        ("zstd", zstandard.ZstdCompressor(level=19).compress(ZEROS)),
        ("zstd", zstandard.ZstdCompressor(write_content_size=False).compress(ZEROS)),
        ("gzip", gzip.compress(b"", mtime=0) * 10_000 + GZIPPED),
        ("gzip", gzip.compress(bytes(1 << 20), mtime=0) * 100),
    ],
)
def test_what_comes_out_is_bounded(compression: str, bomb: bytes) -> None:
    how = payload(format="raw", compression=compression)
    tracemalloc.start()
    started_s = time.process_time()
    with pytest.raises(PayloadError) as caught:
        read(bomb, how, rule(1), max_bytes=max(len(bomb), 1 << 20))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.reason == "too_large"
    assert peak < 8 << 20
    assert time.process_time() - started_s < 2.0


@pytest.mark.parametrize("compression", ["gzip", "zlib", "deflate", "zstd"])
def test_what_is_not_compressed_or_ends_early(compression: str) -> None:
    how = payload(format="raw", compression=compression)
    whole = {
        "gzip": gzip.compress(b"\1\2" * 99),
        "zlib": zlib.compress(b"\1\2" * 99),
        "deflate": zlib.compress(b"\1\2" * 99)[2:-4],
        "zstd": zstandard.ZstdCompressor().compress(b"\1\2" * 99),
    }[compression]
    assert read(whole, how, rule(1))[0].samples.shape == (1, 99)
    for data in (b"\xffno such thing", whole[:-3]):
        with pytest.raises(PayloadError) as caught:
            read(data, how, rule(1))
        assert caught.value.reason == "not_compressed"


def nested(open_one: bytes, n: int) -> bytes:
    return open_one * n


@pytest.mark.parametrize(
    ("format_name", "data"),
    [
        ("json", nested(b"[", 100_000)),
        ("json", nested(b'{"a":[', 50_000)),
        ("json", b'"' + b"]" * 90_000 + b'"' + b"[" * 100_000),
        ("cbor", nested(b"\x81", 100_000)),
        ("cbor", nested(b"\xa1\x61a", 100_000)),
        ("cbor", b"\x9b" + b"\xff" * 8),  # an array that states 2^64 - 1 entries
        ("cbor", b"\x5b\x7f" + b"\xff" * 7),  # as many bytes
        ("cbor", b"\xd8\x1c\x82\xd8\x1d\x00\xd8\x1d\x00"),  # a list that holds itself
        ("cbor", b"\xc4\x82\x1a\x7f\xff\xff\xff\x01"),  # 10^2147483647
        ("msgpack", nested(b"\x91", 100_000)),
        ("msgpack", b"\xdd\xff\xff\xff\xff"),
        ("msgpack", b"\xc6\xff\xff\xff\xff"),
        ("csv", b"9" * 1_000_000),
        ("csv", b"," * 1_000_000),
        ("csv", b"1_000,2"),
    ],
)
def test_bombs_are_refused_quickly(format_name: str, data: bytes) -> None:
    started_s = time.process_time()
    paths = {} if format_name == "csv" else {"samples": "."}
    check_or_refused(data, payload(format=format_name, **paths), rule(1))
    assert time.process_time() - started_s < 2.0


def test_a_million_parts_are_refused() -> None:
    how = payload(format="json", parts=".", samples="x")
    with pytest.raises(PayloadError) as caught:
        read(b"[" + b"{}," * 999_999 + b"{}]", how, rule(1))
    assert caught.value.reason == "too_many_parts"


def test_thousands_of_rows_are_no_nesting() -> None:
    """Case d02-rows-of-frames: the depth is bounded, the number of rows is not."""
    rows = np.arange(20_000, dtype=np.float32).reshape(-1, 4)
    how = payload(format="json", layout="interleaved")
    (chunk,) = read(as_json({"samples": rows.tolist()}), how, rule(4))
    np.testing.assert_array_equal(chunk.samples, rows.T)
