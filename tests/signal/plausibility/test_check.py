"""Right settings are never refused, wrong ones are noticed, each with the key to change.

The whole sweep, over all recordings: python -m tests.signal.plausibility
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from monitor.config_sensors import SensorSettings
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.raw import RawPayload
from monitor.signal.plausibility.check import N_WHOLE, FormatCheck
from monitor.signal.plausibility.content import content_of
from monitor.signal.plausibility.level import level_trouble
from tests.paths import ROOT
from tests.signal.plausibility.streams import (
    Encoding,
    Stream,
    artificial,
    encoded,
    recordings,
    simulated,
)
from tests.signal.plausibility.sweep import (
    INT16,
    RIGHT,
    WRONG,
    Wrong,
    detected,
    false_refusal,
    settings_of,
    trouble,
)

CASES = ROOT / "tests" / "cases" / "messages"
EVERY = 400  # of the real recordings


@cache
def machines() -> tuple[Stream, ...]:
    """One, two and three channels; early and heavy faults."""
    return tuple(simulated(range(3, 9)))


@cache
def real() -> tuple[Stream, ...]:
    folder = os.environ.get("CAMSHAFT_DATASETS")
    return () if folder is None else tuple(recordings(Path(folder), EVERY))


def test_right_settings_are_never_refused() -> None:
    """Each signal in two encodings in turn: whatever machine, tone, noise or silence."""
    streams = [*machines(), *artificial(4096), *real()]
    for number, stream in enumerate(streams):
        for how in (RIGHT[number % len(RIGHT)], RIGHT[(7 * number + 3) % len(RIGHT)]):
            assert not false_refusal(stream, how), (stream.name, how)


def test_noise_over_the_full_range_says_nothing_of_its_byte_order() -> None:
    stream = next(one for one in artificial(4096) if one.name == "white, full range")
    assert not detected(stream, WRONG[0])


SURE = [
    one for one in WRONG if "channel" not in one.name and one.sent.layout == "interleaved"
]
# Two channels of one width say nothing of halves, noise without memory nothing of neighbours.
UNSURE = ("int32 as int16", "interleaved as planar")
# At 50 Hz and with few levels neighbours hardly resemble each other; in short snapshots little
# tells of a third byte. docs/reliability.md has how often these are noticed.
SELDOM = {
    "int24, other byte order": {"uci-fan"},
    "int32, other byte order": {"uci-fan"},
    "int24 as int16": {"uci-fan", "pronostia"},
}


@pytest.mark.parametrize(
    "wrong", [one for one in SURE if one.name not in UNSURE], ids=lambda one: one.name
)
def test_another_number_type_or_byte_order_is_noticed(wrong: Wrong) -> None:
    for stream in [*machines(), *real()]:
        if wrong.only(len(stream.samples)) and stream.name not in SELDOM.get(
            wrong.name, set()
        ):
            assert detected(stream, wrong), stream.name


def test_the_sentence_names_the_key() -> None:
    (stream,) = simulated([5])
    for sent, read, words in (
        (INT16, Encoding("int16", "big"), "set payload.byte_order: little"),
        (Encoding("float32"), INT16, "set payload.dtype: float32"),
        (
            Encoding("int24", "big"),
            INT16,
            "set payload.dtype: int24 and payload.byte_order: big",
        ),
    ):
        payload, rule = settings_of(read, len(stream.samples))
        sent_bytes = encoded(stream.samples[:, :2048], sent)
        assert words in trouble(iter([sent_bytes]), payload, rule)


def test_short_messages_are_put_together() -> None:
    (stream,) = simulated([5])
    payload, rule = settings_of(Encoding("int16", "big"), len(stream.samples))
    pieces = (encoded(stream.samples[:, at : at + 20], INT16) for at in range(0, 400, 20))
    assert "payload.byte_order: little" in trouble(pieces, payload, rule)


# -- content ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "content"),
    [
        ("gzip-json/payload.json.gz", "gzip"),
        ("zlib-raw/payload.z", "zlib"),
        ("zstd-csv/payload.csv.zst", "zstd"),
        ("d04-objects-batch/payload.json", "json"),
        ("d01-axes-under-keys/payload.json", "json"),
        ("d10-csv-text-payload/payload.csv", "csv"),
        ("csv-german/payload.csv", "text"),
        ("d32-sparkplug-b/plain.bin", "sparkplug"),
        ("d32-sparkplug-b/typed.bin", "sparkplug"),
        ("cbor-typed-array/payload.cbor", "cbor"),
    ],
)
def test_what_is_no_bare_numbers_is_told(case: str, content: str) -> None:
    assert content_of((CASES / case).read_bytes(), 2) == content


def test_a_message_pack_that_names_its_parts_is_told() -> None:
    samples = b"\xdc\x00\x64" + b"\xcb" + struct.pack(">d", 1.5) + b"\x07" * 99
    data = b"\x82\xa4time\xce\x00\x01\x02\x03\xa7samples" + samples
    assert content_of(data, 2) == "msgpack"
    assert content_of(data[:-1], 2) is None
    assert content_of(data + b"\0", 2) is None


def test_samples_are_no_text_and_no_archive() -> None:
    quiet = (0x4141 + np.arange(200) % 5).astype("<i2").tobytes()  # letters
    magic = (
        b"\x1f\x8b\x08\x00" + bytes(range(200)),
        b"\x78\x9c" + bytes(400),
        b"\x08\x01" * 50,
    )
    eight_bits = (64 + 9 * np.sin(np.arange(300))).astype("i1").tobytes()
    for data, width in (
        (quiet, 2),
        (eight_bits, 1),
        *((one, 2) for one in magic),
        (b"", 2),
    ):
        assert content_of(data, width) is None


def test_compressed_samples_in_raw_are_told_by_the_check() -> None:
    payload, rule = settings_of(INT16, 1)
    data = zlib.compress(np.arange(4000, dtype="<i2").tobytes() * 2)
    said = trouble(
        iter([data[: len(data) // 2 * 2] if len(data) % 2 else data]), payload, rule
    )
    assert len(data) % 2 or "set payload.compression: zlib" in said


# -- header ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("clock", [0, 1_700_000_000])
def test_a_header_is_told_from_samples(dtype: str, clock: int) -> None:
    """Case d11-binary-header."""
    (stream,) = simulated([3])
    how = Encoding(dtype)  # type: ignore[arg-type]
    payload, rule = settings_of(how, len(stream.samples))

    def sent() -> Iterator[bytes]:
        for n in range(8):
            head = struct.pack("<HHQQQ", 1, 28, clock + n, 40_000 * n + 17, n)
            yield head + encoded(stream.samples[:, 999 * n : 999 * (n + 1)], how)

    said = trouble((one[: len(one) // 12 * 12] for one in sent()), payload, rule)
    assert "set payload.header.bytes" in said or "payload.dtype" in said
    assert "header" in said or dtype == "float32"


# -- level -----------------------------------------------------------------------------------------


def test_a_level_beyond_the_units_sense() -> None:
    noise = np.random.default_rng(0).normal(size=(1, 1000)).astype(np.float32)
    assert "18,0" in level_trouble(18_000 * noise, "m/s2", None).replace("17,", "18,0")
    assert level_trouble(18_000 * noise, "m/s2", 50_000.0) == ""
    assert level_trouble(5_000 * noise, "m/s2", None) == ""


@pytest.mark.parametrize(
    ("number", "unit", "ms2", "key"),
    [
        (9.81, "g", 9.80665, "set unit: m/s2"),
        (1000.0, "g", 9.80665, "set unit: mg"),
        (1000.0, "m/s2", 1.0, "set unit: mg"),
        (1.0, "g", 9.80665, ""),
        (9.81, "m/s2", 1.0, ""),
        (10.0, "g", 9.80665, ""),  # an offset
        (1000.0, "mg", 9.80665e-3, ""),
    ],
)
def test_gravity_in_a_resting_axis_shows_the_unit(
    number: float, unit: str, ms2: float, key: str
) -> None:
    noise = np.random.default_rng(0).normal(size=(3, 1000))
    samples = number * np.array([[0.1], [0.0], [0.995]]) + 0.01 * number * noise
    said = level_trouble((samples * ms2).astype(np.float32), unit, None)
    assert said.endswith(key) if key else not said


@pytest.mark.parametrize(
    ("level_ms2", "key"),
    [
        (9.81 * 9.80665, "set payload.unit: null, and unit: m/s2"),
        (1000 * 9.80665, "set payload.unit: null, and unit: mg"),
        (1000.0, "set payload.unit: null, and unit: mg"),
        (9.80665, ""),
        (98.0, ""),  # an offset
    ],
)
def test_gravity_denies_the_unit_that_messages_say(level_ms2: float, key: str) -> None:
    noise = np.random.default_rng(0).normal(size=(1, 1000))
    samples = (level_ms2 * (1 + 0.01 * noise)).astype(np.float32)
    said = level_trouble(samples, "m/s2", None, is_stated=True)
    assert said.endswith(key) if key else not said


def test_counts_that_are_called_g_rest_where_no_sensor_does() -> None:
    noise = np.random.default_rng(0).normal(size=(1, 1000))
    counts = (9.80665 * (2048 + 60 * noise)).astype(np.float32)
    assert "(2,04" in level_trouble(counts, "g", None)
    assert level_trouble(counts, "counts", None) == ""
    assert level_trouble(counts, "g", 50_000.0) == ""


# -- state -----------------------------------------------------------------------------------------


def test_it_is_over_when_the_bytes_make_sense_again() -> None:
    """Silence says nothing: it ends no trouble."""
    (stream,) = simulated([5])
    payload, rule = settings_of(INT16, len(stream.samples))
    check, zeros = FormatCheck(), np.zeros((len(stream.samples), 500), np.float32)
    wrong = encoded(stream.samples[:, :1000], Encoding("int16", "big"))
    right = encoded(stream.samples[:, :1000], INT16)
    _look(check, wrong, payload, rule, np.ones_like(zeros))
    assert check.trouble
    for _ in range(20):
        _look(check, zeros.astype("<i2").tobytes(), payload, rule, zeros)
    assert check.trouble
    for n in range(N_WHOLE):
        assert check.trouble, n
        _look(check, right, payload, rule, np.ones_like(zeros))
    assert not check.trouble


def test_after_the_first_messages_it_looks_now_and_then() -> None:
    (stream,) = simulated([5])
    payload, rule = settings_of(INT16, len(stream.samples))
    check, some = FormatCheck(), np.ones((len(stream.samples), 500), np.float32)
    right = encoded(stream.samples[:, :1000], INT16)
    wrong = encoded(stream.samples[:, :1000], Encoding("int16", "big"))
    for second in range(20):
        _look(check, right, payload, rule, some, second)
    _look(check, wrong, payload, rule, some, 20)
    assert not check.trouble
    _look(check, wrong, payload, rule, some, 200)
    assert check.trouble


def _look(
    check: FormatCheck,
    data: bytes,
    payload: RawPayload,
    rule: SensorSettings,
    samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    now_s: float = 0.0,
) -> None:
    check.look(
        Message("t", data, 0), payload, Chunk("m/p", samples, 1000.0, 0), rule, now_s
    )
