"""Senders nobody has seen: random names, nesting, units, types, headers, rates and clocks around
real vibration, and how often discovery is right about them, asks, or is wrong.

    python -m tests.discovery.variations --n 400 --seed 1
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import os
import string
import struct
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import msgpack
import numpy as np

from monitor.discovery.proposal import discover
from monitor.discovery.proposed import Proposal
from monitor.discovery.streams import Stream
from monitor.records.signal import Float64, Message
from tests.discovery.senders import T0_NS, vibration

G = 9.80665
PER_MS2 = {"m/s2": 1.0, "g": 1 / G, "mg": 1000 / G}
SUFFIX = {"m/s2": "ms2", "g": "g", "mg": "mg"}
RATES = (
    100.0,
    200.0,
    400.0,
    952.0,
    1000.0,
    1600.0,
    2000.0,
    3200.0,
    6400.0,
    8192.0,
    12800.0,
    25600.0,
)
KNOWN_TIMES = ("ts", "timestamp", "time", "t", "dateTime", "epoch")
KNOWN_LISTS = ("samples", "data", "values", "waveform", "acc", "vib", "signal", "buffer")
CH = ["ch1", "ch2", "ch3", "ch4"]
AXES = (
    ("x", "y", "z"),
    ("ax", "ay", "az"),
    ("acc_x", "acc_y", "acc_z"),
    ("accX", "accY", "accZ"),
)
Rng = np.random.Generator


@dataclass(slots=True)
class Truth:
    """What is sent: per_ms2 stored numbers a m/s² (0: nothing tells it)."""

    shape: str
    n_channels: int
    rate_hz: float
    period_s: float | None
    unit: str
    per_ms2: float
    is_unit_told: bool
    # (n_channels, n) as stored, a message
    samples: list[Float64] = field(default_factory=list)
    starts_ns: list[int] = field(default_factory=list)


# -- vibration ------------------------------------------------------------------------------------


def sources(folder: Path | None) -> list[Callable[[Rng, int, int], Float64 | None]]:
    """Each gives (n_channels, n) of about 1 m/s², or None where it has no such."""
    found: list[Callable[[Rng, int, int], Float64 | None]] = [
        lambda rng, c, n: vibration(c, n, 1000.0, rng)
    ]
    if folder is not None:
        found += [_of_table(table) for table in _tables(folder)]
    return found


def _of_table(table: Float64) -> Callable[[Rng, int, int], Float64 | None]:
    def take(rng: Rng, n_channels: int, n: int) -> Float64 | None:
        if table.shape[0] < n_channels or table.shape[1] < n:
            return None
        at = int(rng.integers(0, table.shape[1] - n + 1))
        rows = rng.permutation(table.shape[0])[:n_channels]
        piece = table[rows, at : at + n]
        piece = piece - piece.mean(axis=1, keepdims=True)
        size = float(np.abs(piece).std()) or 1.0
        return np.asarray(piece / size * rng.uniform(0.3, 1.5))

    return take


def _tables(folder: Path) -> list[Float64]:
    """(n_channels, n) of each set of recordings."""
    import h5py
    import scipy.io

    found = []
    for path in sorted((folder / "bosch-cnc" / "good").glob("*.h5"))[:6]:
        with h5py.File(path) as file:
            found.append(np.asarray(file["vibration_data"], np.float64).T)
    for path in sorted((folder / "cwru" / "12k_DE").glob("*.mat"))[:4]:
        content = scipy.io.loadmat(path)
        rows = [value.ravel() for key, value in content.items() if key.endswith("_time")]
        n = min(map(len, rows))
        found.append(np.array([row[:n] for row in rows]))
    with (folder / "uci-fan" / "accelerometer.csv").open() as lines:
        rows = [list(map(float, row[2:])) for row in list(csv.reader(lines))[1:9001]]
    found.append(np.array(rows).T)
    bearing = np.load(folder / "pronostia" / "Bearing1_1.npz")["acc"]
    found.append(np.concatenate(bearing[:8]).T.astype(np.float64))
    return found


# -- one sender -----------------------------------------------------------------------------------


def _word(rng: Rng) -> str:
    letters = "".join(rng.choice(list("bcdfgklmnprtw"), 3)) + str(rng.choice(list("aeiou")))
    return letters + "".join(rng.choice(list(string.ascii_lowercase), 2))


def _wrapped(rng: Rng, tree: Any) -> Any:
    """In up to two objects, with other things beside it."""
    for _ in range(int(rng.integers(0, 3))):
        other: dict[str, Any] = {}
        if rng.random() < 0.5:
            other[str(rng.choice(["fw", "version"]))] = "1.4.2"
        if rng.random() < 0.4:
            other[str(rng.choice(["temp", "battery", "rssi", "rpm"]))] = 20.0
        tree = {str(rng.choice(["payload", "data", "d", "msg", _word(rng)])): tree, **other}
    return tree


def _time_field(rng: Rng) -> tuple[str, Callable[[int], Any]] | None:
    kinds: dict[str, Callable[[int], Any]] = {
        "ms": lambda ns: ns // 10**6,
        "us": lambda ns: ns // 10**3,
        "ns": lambda ns: ns,
        "s": lambda ns: ns / 1e9,
        "iso": lambda ns: datetime.fromtimestamp(ns / 1e9, UTC).isoformat(),
        "uptime_ms": lambda ns: (ns - T0_NS) // 10**6 + 81_234,
    }
    if rng.random() < 0.3:
        return None
    kind = str(rng.choice(list(kinds)))
    name = str(rng.choice(KNOWN_TIMES)) if rng.random() < 0.8 else _word(rng)
    return name, kinds[kind]


def variation(
    rng: Rng, give: list[Callable[[Rng, int, int], Float64 | None]], only: str = ""
) -> tuple[Truth, list[Message]]:
    n_channels = int(rng.choice([1, 1, 2, 3, 3, 4]))
    n, n_blocks = int(rng.choice([48, 100, 128, 256, 500, 512])), int(rng.integers(12, 40))
    x = None
    while x is None:
        x = give[int(rng.integers(len(give)))](rng, n_channels, n * n_blocks)
    rate_hz = (
        float(rng.choice(RATES)) if rng.random() < 0.8 else float(rng.uniform(90, 9000))
    )
    period_s = None
    if rng.random() < 0.25:
        period_s = n / rate_hz * float(rng.uniform(1.5, 200))
    if period_s:  # far apart in the recording too
        x = _cut_apart(x, n, rng)
    shape = str(rng.choice([one for one in SHAPES if only in one]))
    unit = str(rng.choice(list(PER_MS2)))
    if rng.random() < 0.5:  # a sensor that feels gravity
        way = rng.normal(size=n_channels)
        x = x * 0.4 + (way / np.linalg.norm(way) * G * rng.uniform(0.97, 1.03))[:, None]
    per_ms2 = PER_MS2[unit]
    if shape.startswith("raw") or shape.endswith("int"):
        unit, per_ms2 = "counts", float(10 ** rng.uniform(1.5, 3))
    truth = Truth(shape, n_channels, rate_hz, period_s, unit, per_ms2, False)
    true_hz = rate_hz * (1 + rng.uniform(-0.004, 0.004))
    messages = []
    publish = SHAPES[shape](rng, truth)
    topic = "/".join(_word(rng) for _ in range(int(rng.integers(2, 5))))
    for k in range(n_blocks):
        start_ns = T0_NS + round(k * (period_s or n / true_hz) * 1e9)
        stored = x[:, k * n : (k + 1) * n] * per_ms2
        stored = np.round(stored) if unit == "counts" else np.round(stored, 6)
        payload = publish(stored, k, start_ns)
        late_s = n / true_hz + 0.01 + rng.exponential(min(0.003, 0.1 * n / true_hz))
        messages.append(Message(topic, payload, start_ns + round(late_s * 1e9)))
        truth.samples.append(stored)
        truth.starts_ns.append(start_ns)
    return truth, messages


def _cut_apart(x: Float64, n: int, rng: Rng) -> Float64:
    """Blocks that do not follow each other."""
    order = rng.permutation(x.shape[1] // n)
    return np.concatenate([x[:, k * n : (k + 1) * n] for k in order], axis=1)


# -- shapes ---------------------------------------------------------------------------------------


def _tree_shape(form: str, pack: Callable[[Any], bytes]) -> Callable[[Rng, Truth], Any]:
    def make(rng: Rng, truth: Truth) -> Any:
        tell = truth.unit in SUFFIX and rng.random() < 0.5
        axes = list(AXES[int(rng.integers(len(AXES)))])
        if truth.n_channels > 3:
            axes = CH
        names = axes[: truth.n_channels]
        if tell and form in ("each", "objects"):
            names = [f"{name}_{SUFFIX[truth.unit]}" for name in names]
            truth.is_unit_told = True
        key = str(rng.choice(KNOWN_LISTS)) if rng.random() < 0.8 else _word(rng)
        time, has_seq, has_rate = _time_field(rng), rng.random() < 0.4, rng.random() < 0.4
        rate_key = str(
            rng.choice(["fs", "sample_rate", "sampleRate", "samplingRate", "odr_hz"])
        )
        unit_key = str(rng.choice(["unit", "units", "uom"]))
        says_unit = truth.unit in SUFFIX and rng.random() < 0.3
        truth.is_unit_told = truth.is_unit_told or says_unit
        seed = int(rng.integers(1 << 30))
        tick = str(rng.choice(["t", "ts", "us"])) if rng.random() < 0.5 else None

        def publish(stored: Float64, k: int, start_ns: int) -> bytes:
            tree: dict[str, Any] = {}
            if time is not None:
                tree[time[0]] = time[1](start_ns)
            if has_seq:
                tree["seq"] = 100 + k
            if has_rate:
                tree[rate_key] = truth.rate_hz
            if says_unit:
                tree[unit_key] = truth.unit
            body = _body(form, stored, names, key, tick, start_ns, truth.rate_hz)
            tree |= body
            return pack(_wrapped(np.random.default_rng(seed), tree))

        return publish

    return make


def _body(
    form: str,
    stored: Float64,
    names: list[str],
    key: str,
    tick: str | None,
    start_ns: int,
    rate_hz: float,
) -> dict[str, Any]:
    lists = stored.tolist()
    if form == "each":
        return dict(zip(names, lists, strict=True))
    if form == "rows":
        return {key: [list(row) for row in zip(*lists, strict=True)]}
    if form == "planar":
        return {key: lists}
    if form == "objects":
        rows = []
        for k, row in enumerate(zip(*lists, strict=True)):
            entry: dict[str, Any] = dict(zip(names, row, strict=True))
            if tick is not None:
                entry[tick] = (
                    (start_ns - T0_NS) // 1000 + round(k * 1e6 / rate_hz) + 5_000_000
                )
            rows.append(entry)
        return {key: rows}
    if form == "flat":
        return {key: [one for row in zip(*lists, strict=True) for one in row]}
    code = "<f4" if form == "base64" else ">i2"
    text = base64.b64encode(np.ascontiguousarray(stored.T).astype(code).tobytes()).decode()
    return {key: text}


def _raw_shape(rng: Rng, truth: Truth) -> Any:
    order = str(rng.choice(["<", ">"]))
    code = str(rng.choice(["i2", "i4", "f4", "f8", "i3"]))
    planar = rng.random() < 0.4
    n_head = int(rng.choice([0, 0, 8, 12, 16, 24]))
    magic = rng.bytes(4)

    def publish(stored: Float64, k: int, start_ns: int) -> bytes:
        head = magic + struct.pack(order + "IQ", 70 + k, start_ns // 10**6) + bytes(8)
        table = stored if planar else stored.T
        if code != "i3":
            body = np.ascontiguousarray(table).astype(order + code).tobytes()
        else:
            wide = np.ascontiguousarray(table).astype(order + "i4").tobytes()
            parts = np.frombuffer(wide, np.uint8).reshape(-1, 4)
            body = (parts[:, :3] if order == "<" else parts[:, 1:]).tobytes()
        return head[:n_head] + body

    return publish


def _struct_shape(rng: Rng, truth: Truth) -> Any:
    """A struct for each instant, with its time first or last in it."""
    order = str(rng.choice(["<", ">"]))
    code = str(rng.choice(["i2", "i4", "f4"]))
    clock, unit = _STRUCT_CLOCKS[int(rng.integers(len(_STRUCT_CLOCKS)))]
    is_first, n_head = rng.random() < 0.7, int(rng.choice([0, 0, 0, 4, 8, 16]))
    from_ns = T0_NS - 81_234_567_000 if unit != "epoch us" else 0
    ns_per_unit = {"us": 1e3, "ms": 1e6, "s": 1e9, "epoch us": 1e3}[unit]
    magic = rng.bytes(4)

    def publish(stored: Float64, k: int, start_ns: int) -> bytes:
        n = stored.shape[1]
        at_ns = start_ns - from_ns + np.arange(n) * 1e9 / truth.rate_hz
        fields = [("t", order + clock), ("x", order + code, (len(stored),))]
        table = np.zeros(n, fields if is_first else fields[::-1])
        table["t"] = at_ns / ns_per_unit
        table["x"] = stored.T
        head = magic + struct.pack(order + "IQ", 70 + k, start_ns // 10**6)
        return head[:n_head] + table.tobytes()

    return publish


_STRUCT_CLOCKS = [("u4", "us"), ("u4", "ms"), ("f8", "s"), ("u8", "us"), ("u8", "epoch us")]


def _csv_shape(rng: Rng, truth: Truth) -> Any:
    delimiter = str(rng.choice([",", ";", "\t", " "]))
    decimal = "," if delimiter == ";" and rng.random() < 0.6 else "."
    has_header = rng.random() < 0.5
    names = ["x", "y", "z"][: truth.n_channels] if truth.n_channels < 4 else CH
    if has_header and rng.random() < 0.5:
        names = [f"{name} [{truth.unit}]".replace(" ", "") for name in names]
        truth.is_unit_told = True

    def publish(stored: Float64, k: int, start_ns: int) -> bytes:
        lines = [delimiter.join(names)] if has_header else []
        for row in stored.T.tolist():
            lines.append(delimiter.join(repr(one).replace(".", decimal) for one in row))
        return ("\n".join(lines) + "\n").encode()

    return publish


def _json(tree: Any) -> bytes:
    return json.dumps(tree).encode()


SHAPES: dict[str, Callable[[Rng, Truth], Any]] = {
    "json each": _tree_shape("each", _json),
    "json rows": _tree_shape("rows", _json),
    "json planar": _tree_shape("planar", _json),
    "json objects": _tree_shape("objects", _json),
    "json flat": _tree_shape("flat", _json),
    "json base64": _tree_shape("base64", _json),
    "json base64 int": _tree_shape("base64 int", _json),
    "cbor each": _tree_shape("each", cbor2.dumps),
    "msgpack rows": _tree_shape("rows", msgpack.packb),
    "raw": _raw_shape,
    "raw struct": _struct_shape,
    "csv": _csv_shape,
}


# -- the verdict ----------------------------------------------------------------------------------


def verdict(truth: Truth, messages: list[Message]) -> tuple[str, str]:
    """right, unit (all but what nothing tells), question or wrong; and what."""
    found = discover(messages).proposals
    if len(found) != 1:
        return "question", f"{len(found)} proposals"
    proposal, kind = found[0], "right"
    if [one.key for one in proposal.questions] == ["unit"]:
        unit = truth.unit if truth.unit in SUFFIX else f"counts {1 / truth.per_ms2!r}"
        (proposal,) = discover(messages, {"unit": unit}).proposals
        kind = "unit"
    if not proposal.is_complete:
        asked = proposal.questions[0] if proposal.questions else None
        return "question", f"{asked.key}: {asked.text[:70]}" if asked else "nothing"
    wrong = _mistake(truth, proposal)
    return ("wrong", f"{wrong} {proposal.payload}") if wrong else (kind, "")


def _mistake(truth: Truth, proposal: Proposal) -> str:
    if len(proposal.streams) != 1 or len(proposal.rules) != 1:
        return f"{len(proposal.streams)} sensors"
    (stream,), (rule,) = proposal.streams.values(), proposal.rules
    settings = rule.settings
    if abs(settings["sample_rate_hz"] / truth.rate_hz - 1) > 0.015:
        return f"rate {settings['sample_rate_hz']} for {truth.rate_hz}"
    is_snapshot = settings.get("acquisition") == "snapshot"
    if is_snapshot != (truth.period_s is not None):
        return "continuous or snapshot"
    ms2 = {"m/s2": 1.0, "g": G, "mg": G / 1000}.get(settings["unit"], 1.0) * settings.get(
        "scale", 1.0
    )
    is_stated = bool(proposal.payload.get("unit"))  # then the decoder has heeded it
    shares = (1.0, truth.per_ms2) if is_stated else (ms2 * truth.per_ms2, 1.0)
    return _mistake_of_samples(truth, stream, *shares)


def _mistake_of_samples(truth: Truth, stream: Stream, share: float, per_ms2: float) -> str:
    if len(stream.samples) != len(truth.samples):
        return "messages"
    for found, right in zip(stream.samples, truth.samples, strict=True):
        if found.shape != right.shape:
            return f"shape {found.shape} for {right.shape}"
        right = right / per_ms2
        if not np.allclose(
            found, right, rtol=1e-4, atol=1e-4 * (np.abs(right).max() + 1e-9)
        ):
            return "samples"
    if abs(share - 1) > 1e-3:
        return f"unit, {share:.3g} times"
    for found_ns, right_ns in zip(stream.starts, truth.starts_ns, strict=True):
        if found_ns is not None and abs(found_ns - right_ns) > 2_000_000:
            return f"time off by {(found_ns - right_ns) / 1e9:.3g} s"
    return ""


def measure(
    n: int, seed: int, folder: Path | None, show: bool = False, only: str = ""
) -> dict[str, Counter[str]]:
    """Verdicts by shape."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    give = sources(folder)
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        truth, messages = variation(rng, give, only)
        kind, what = verdict(truth, messages)
        found[truth.shape][kind] += 1
        if show and kind in ("wrong", "question"):
            print(f"{number:4} {kind:8} {truth.shape:16} {what}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--shape", default="", help="of those with this in their name alone"
    )
    parser.add_argument("--show", action="store_true", help="each that is not right")
    parsed = parser.parse_args()
    named = os.environ.get("CAMSHAFT_DATASETS")
    found = measure(
        parsed.n, parsed.seed, Path(named) if named else None, parsed.show, parsed.shape
    )
    kinds = ("right", "unit", "question", "wrong")
    print(f"{'shape':18}" + "".join(f"{kind:>10}" for kind in kinds))
    for shape in [*sorted(found), "all"]:
        counts = sum(found.values(), Counter()) if shape == "all" else found[shape]
        print(f"{shape:18}" + "".join(f"{counts[kind]:10}" for kind in kinds))


if __name__ == "__main__":
    main()
