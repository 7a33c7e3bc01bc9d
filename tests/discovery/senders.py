"""What the senders of tests/cases/messages would publish in half a minute: the same shapes, with a
machine's vibration and a sensor that gravity pulls at.

Each sender takes a block of samples (n_channels, n), its number, and its start
in nanoseconds, and gives one or more messages.
"""

from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import cbor2
import msgpack
import numpy as np
import zstandard

from monitor.records.signal import Float64, Message

T0_NS = 1_795_704_411 * 10**9
G = 9.80665
PLANT = "plant/mill/spindle"
Sent = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Block:
    """samples : as stored, (n_channels, n)"""

    samples: Float64
    number: int
    start_ns: int
    rate_hz: float

    @property
    def lists(self) -> list[list[float]]:
        return [[round(float(one), 5) for one in channel] for channel in self.samples]

    @property
    def ints(self) -> list[list[int]]:
        return [[round(float(one)) for one in channel] for channel in self.samples]

    def at_ns(self, index: int) -> int:
        return self.start_ns + round(index * 1e9 / self.rate_hz)

    @property
    def iso(self) -> str:
        at = datetime.fromtimestamp(self.start_ns / 1e9, UTC)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Sender:
    """unit : stored numbers a m/s² (1/9.81 for g, 100 for counts of 0.01)
    because : why discovery must ask, "" where it need not; asks : by which key;
        answer : the right one, "" where none makes the shape readable without
        further words
    """

    publish: Callable[[Block], Sequence[Sent]]
    n_channels: int = 1
    rate_hz: float = 1000.0
    n: int = 64
    n_blocks: int = 30
    per_ms2: float = 1.0
    gravity: bool = True
    period_s: float | None = None
    properties: Callable[[Block], dict[str, str]] | None = None
    because: str = ""
    asks: str = "unit"
    answer: str = ""
    jitter_s: float = 0.002


def vibration(n_channels: int, n: int, rate_hz: float, rng: np.random.Generator) -> Float64:
    """(n_channels, n) m/s²: a few tones that differ between the axes, and coloured noise."""
    t = np.arange(n) / rate_hz
    out = []
    for _ in range(n_channels):
        noise = np.convolve(rng.normal(size=n), [0.2, 0.5, 1.0, 0.6, 0.1], mode="same")
        tones = [
            rng.uniform(0.2, 0.8)
            * np.sin(2 * np.pi * (rng.uniform(0.02, 0.2) * rate_hz * t + k))
            for k in range(3)
        ]
        out.append(rng.uniform(0.3, 0.9) * (sum(tones) + 0.4 * noise))
    return np.array(out)


def series(sender: Sender, seed: int = 5) -> list[Message]:
    rng = np.random.default_rng(seed)
    n_all = sender.n * sender.n_blocks
    x = vibration(sender.n_channels, n_all, sender.rate_hz, rng)
    if sender.gravity:
        x[-1] += G
    x = x * sender.per_ms2
    if sender.period_s:  # far apart in the signal too
        x = x[:, ::-1].reshape(len(x), sender.n_blocks, sender.n)[:, :, ::-1]
        x = x.reshape(len(x), n_all)
    found = []
    for number in range(sender.n_blocks):
        length_s = sender.n / sender.rate_hz
        start_ns = T0_NS + round(number * (sender.period_s or length_s) * 1e9)
        part = x[:, number * sender.n : (number + 1) * sender.n]
        block = Block(part, number, start_ns, sender.rate_hz)
        arrival_ns = start_ns + round(
            (length_s + 0.02 + rng.uniform(0, sender.jitter_s)) * 1e9
        )
        facts = sender.properties(block) if sender.properties else {}
        for index, (topic, payload) in enumerate(sender.publish(block)):
            found.append(Message(topic, payload, arrival_ns + index, facts))
    return found


# -- the shapes -----------------------------------------------------------------------------------


def _json(value: Any, topic: str = PLANT) -> list[Sent]:
    return [(topic, json.dumps(value).encode())]


def _ms(block: Block, index: int = 0) -> int:
    return round(block.at_ns(index) / 1e6)


def _rows(block: Block) -> list[list[float]]:
    return [list(row) for row in zip(*block.lists, strict=True)]


def _objects(block: Block, skip: Sequence[int] = ()) -> list[dict[str, Any]]:
    names = "xyz"[: len(block.lists)]
    return [
        {"t": _ms(block, index), **dict(zip(names, row, strict=True))}
        for index, row in enumerate(_rows(block))
        if index not in skip
    ]


def _packed(block: Block, code: str, layout: str = "planar") -> bytes:
    numbers = np.round(block.samples) if code[1] in "iu" else block.samples
    table = numbers if layout == "planar" else numbers.T
    return np.ascontiguousarray(table).astype(code).tobytes()


def _base64(block: Block, variant: int) -> str:
    text = base64.b64encode(_packed(block, "<f4")).decode()
    if variant == 0:
        return text + "\n"
    if variant == 1:
        return text.rstrip("=")
    if variant == 2:
        return text.translate(str.maketrans("+/", "-_"))
    return f"data:application/octet-stream;base64,{text}"


def _csv(block: Block, delimiter: str = ",") -> str:
    return delimiter.join(str(one) for one in block.lists[0])


def _german(block: Block) -> bytes:
    lines = ["zeit;x;y"]
    for index, row in enumerate(_rows(block)):
        cells = [float(index), *row]
        lines.append(";".join(str(cell).replace(".", ",") for cell in cells))
    return b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n"


def _blanks(block: Block) -> bytes:
    lines = ["# rig 4", "# n x y z"]
    for index, row in enumerate(_rows(block)):
        lines.append(f"{index:4d} " + " ".join(f"{cell:10.4f}" for cell in row))
    return "\n".join(lines).encode() + b"\n"


def _telegraf(block: Block) -> dict[str, Any]:
    x, y = block.lists
    seconds = block.start_ns // 10**9
    parts = [
        {
            "name": "vib",
            "tags": {"machine": "mill", "point": point},
            "timestamp": seconds,
            "fields": {"x": x, "y": y},
        }
        for point in ("front", "rear")
    ]
    return {
        "metrics": [
            {"name": "cpu", "tags": {"host": "gw"}, "fields": {"idle": 98.1}},
            *parts,
        ]
    }


def _int24(block: Block) -> bytes:
    wide = np.round(block.samples.T).astype(">i4").tobytes()
    return np.frombuffer(wide, np.uint8).reshape(-1, 4)[:, 1:].tobytes()


def _rich_header(block: Block) -> bytes:
    ticks = block.start_ns // 100 + 621_355_968_000_000_000
    head = b"VIB1\x00\x02\x00\x1c" + struct.pack(
        ">IfqI", block.number, block.rate_hz, ticks, 0
    )
    return head[:24] + struct.pack(">f", 0.001) + _packed(block, ">i2")


def _structs(block: Block) -> bytes:
    base_us = 77_000_123 + block.start_ns // 1000 - T0_NS // 1000
    out = b""
    for index, row in enumerate(_rows(block)):
        at_us = base_us + round(index * 1e6 / block.rate_hz)
        out += struct.pack("<Ifffhxx", at_us, *row, 215)
    return out


def _cpsens(block: Block) -> bytes:
    seconds, rest = divmod(block.start_ns, 10**9)
    head = struct.pack("<HH", 28, 1) + struct.pack("<QQQ", seconds, rest, 41 + block.number)
    return head + _packed(block, "<f4")


def _bams(block: Block) -> bytes:
    head = f"sb2{block.start_ns // 10**9:08x}"
    return head.encode() + _packed(block, ">f4", "interleaved").hex().encode()


def _openeew(block: Block) -> dict[str, Any]:
    traces = [
        {axis: values[k : k + 32] for axis, values in zip("xyz", block.lists, strict=True)}
        for k in range(0, len(block.lists[0]), 32)
    ]
    return {"d": {"device_id": "4b1f", "traces": traces}}


def _washing(block: Block) -> list[dict[str, Any]]:
    base_us = 77_000_123 + (block.start_ns - T0_NS) // 1000
    return [
        {
            "timestamp_us": base_us + round(index * 1e6 / block.rate_hz / 10) * 10,
            "sensor_id": "wm-1",
            "ax_g": row[0],
            "ay_g": row[1],
            "az_g": row[2],
        }
        for index, row in enumerate(_rows(block))
    ]


def _ni_daq(block: Block) -> dict[str, Any]:
    base_s = (block.start_ns - T0_NS) / 1e9
    rows = [
        [round(base_s + index / block.rate_hz, 6), row]
        for index, row in enumerate(_rows(block))
    ]
    return {"data": rows}


def _esp32(block: Block) -> list[Sent]:
    found = []
    for axis, values in zip("xy", block.lists, strict=True):
        meta = {"device": "esp-9", "axis": axis, "fs": 1000, "t0": block.start_ns // 1000}
        found.append(("accel/blobs", cbor2.dumps({"meta": meta, "data": values})))
    return found


def _senseye(block: Block) -> list[dict[str, Any]]:
    return [
        {
            "sensorId": name,
            "timestamp": block.iso,
            "amplitudeUnit": unit,
            "spacing": 0.0005,
            "data": values,
        }
        for name, unit, values in zip(
            ("S-1", "S-2"), ("g", "m/s2"), block.lists, strict=True
        )
    ]


def _gatech(block: Block) -> list[Sent]:
    found: list[Sent] = []
    for name, values in zip(("spindle", "table"), block.lists, strict=True):
        tree = {
            "dateTime": block.iso,
            "assetId": "A1000",
            "sensorId": name,
            "samplingInterval": 0.001,
            "value": values,
        }
        found += _json(tree, "Asset/A1000/Vibration")
    return found


def _senml_json(block: Block) -> list[Sent]:
    records: list[dict[str, Any]] = [
        {
            "bn": "urn:dev:ow:10e2073a01080063:",
            "bt": block.start_ns / 1e9,
            "bu": "m/s2",
            "n": "temp",
            "u": "Cel",
            "v": 21.5,
        }
    ]
    for index, row in enumerate(_rows(block)):
        at_s = round(index / block.rate_hz, 6)
        records += [{"n": n, "t": at_s, "v": v} for n, v in zip("xyz", row, strict=True)]
    return _json(records, "plant/mill")


def _senml_cbor(block: Block) -> bytes:
    records = []
    for device, values in zip("ab", block.lists, strict=True):
        records += [
            {0: device, 6: round(index / block.rate_hz, 6), 2: value}
            for index, value in enumerate(values)
        ]
    records[0] = {-2: "press-", -3: block.start_ns / 1e9, -5: 0.5} | records[0]
    return bytes(cbor2.dumps(records))


# -- Sparkplug, by hand: field numbers of the specification ---------------------------------------


def _varint(value: int) -> bytes:
    out = b""
    while True:
        value, low = value >> 7, value & 127
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _metric(name: str, at_ms: int, value: bytes, datatype: int) -> bytes:
    typed = _field(4, datatype) if datatype else b""
    return _field(1, name.encode()) + _field(3, at_ms) + typed + _field(16, value)


def _sparkplug(block: Block, metrics: Sequence[bytes]) -> bytes:
    body = b"".join(_field(2, metric) for metric in metrics)
    return _field(1, _ms(block)) + body + _field(3, block.number % 256)


def _sparkplug_bytes(block: Block) -> bytes:
    return _sparkplug(block, [_metric("vibration/x", _ms(block), _packed(block, "<f4"), 0)])


def _sparkplug_arrays(block: Block) -> bytes:
    rows = [np.round(channel).astype("<i2").tobytes() for channel in block.samples]
    pairs = zip("xy", rows, strict=True)
    return _sparkplug(block, [_metric(name, _ms(block), row, 23) for name, row in pairs])


DDATA = "spBv1.0/plant/DDATA/line-1/press"

SENDERS: dict[str, Sender] = {
    "cbor-typed-array": Sender(
        lambda b: [
            (PLANT, cbor2.dumps({"t": b.iso, "v": cbor2.CBORTag(85, _packed(b, "<f4"))}))
        ]
    ),
    "csv-blank-columns": Sender(lambda b: [(PLANT, _blanks(b))], 3),
    "csv-german": Sender(lambda b: [(PLANT, _german(b))], 2),
    "d01-axes-under-keys": Sender(
        lambda b: _json({"t": _ms(b), **dict(zip("xyz", b.lists, strict=True))}), 3
    ),
    "d02-rows-of-frames": Sender(lambda b: _json({"samples": _rows(b)}), 3),
    "d04-objects-batch": Sender(lambda b: _json({"data": _objects(b)}), 3),
    "d05-one-sample-json": Sender(
        lambda b: _json({"ts": _ms(b), "x": b.lists[0][0]}), n=1, n_blocks=800
    ),
    "d08-base64-variants": Sender(lambda b: _json({"samples": _base64(b, b.number % 4)})),
    "d10-csv-text-payload": Sender(lambda b: [(PLANT, _csv(b).encode())]),
    "d10-text-in-json": Sender(
        lambda b: _json(
            {"samples": [str(one) for one in b.lists[0]] if b.number % 2 else _csv(b, ", ")}
        )
    ),
    "d13-nul-bom-around-json": Sender(
        lambda b: [
            (PLANT, b"\xef\xbb\xbf" + json.dumps({"samples": b.lists[0]}).encode() + b"\0")
        ]
    ),
    "d14-nan-in-json": Sender(
        lambda b: _json(
            {
                "samples": [
                    float("nan") if b.number == 3 and k == 9 else one
                    for k, one in enumerate(b.lists[0])
                ]
            }
        )
    ),
    "d32-sparkplug-b": Sender(lambda b: [(DDATA, _sparkplug_bytes(b))]),
    "d34-units": Sender(
        lambda b: _json({"samples": b.lists}),
        3,
        gravity=False,
        because="nothing tells in/s², nor that an axis is turned round",
    ),
    "gzip-json": Sender(
        lambda b: [(PLANT, gzip.compress(json.dumps({"samples": b.lists[0]}).encode()))]
    ),
    "json-base64-axes": Sender(
        lambda b: _json(
            {
                axis: base64.b64encode(np.round(channel).astype(">i2").tobytes()).decode()
                for axis, channel in zip("xy", b.samples, strict=True)
            }
        ),
        2,
        per_ms2=100,
        because="981 counts may be 1 g in cm/s² or in mg",
        answer="counts 0.01",
    ),
    "json-flat-interleaved": Sender(
        lambda b: _json({"samples": [one for row in _rows(b) for one in row]}), 3
    ),
    "json-hole-inside": Sender(
        lambda b: _json(
            {"n": 4 + b.number, "d": _objects(b, range(9, 14) if b.number == 5 else ())}
        )
    ),
    "json-indices": Sender(
        lambda b: _json({"blocks": [[b.start_ns / 1e9], {"acc.values": b.lists[0]}]})
    ),
    "json-list-at-top": Sender(lambda b: _json(b.lists[0])),
    "json-telegraf-batch": Sender(
        lambda b: _json(_telegraf(b), "telegraf"),
        2,
        n=1000,
    ),
    "msgpack-bytes": Sender(
        lambda b: [
            (
                PLANT,
                msgpack.packb(
                    {1: 6 + b.number, 2: b.start_ns // 1000, 3: _packed(b, "<i2")}
                ),
            )
        ],
        2,
        per_ms2=100,
        because="981 counts may be 1 g in cm/s² or in mg",
        answer="counts 0.01",
    ),
    "raw-int24-big-endian": Sender(
        lambda b: [(PLANT, _int24(b))],
        3,
        per_ms2=1e5,
        because="no chip is known to count so",
        answer="counts 0.00001",
    ),
    "raw-properties": Sender(
        lambda b: [(PLANT, _packed(b, "<i2"))],
        per_ms2=1000 / G,
        properties=lambda b: {
            "sample_rate_hz": "1000",
            "start_time_ms": str(_ms(b)),
            "sequence": str(b.number),
        },
        because="1000 in one axis may be mg or an offset",
        answer="mg",
    ),
    "raw-rich-header": Sender(
        lambda b: [(PLANT, _rich_header(b))],
        per_ms2=1000,
        because="nothing tells that bytes 24 to 27 are a scale",
    ),
    "raw-structs": Sender(lambda b: [(PLANT, _structs(b))], 3),
    "raw-uint16-planar": Sender(
        lambda b: [
            (
                PLANT,
                (np.round(b.samples).astype(int) + 32768).astype("<u2").tobytes()
                + zlib.crc32(b.samples.tobytes()).to_bytes(4, "little")[:2],
            )
        ],
        3,
        per_ms2=100,
        gravity=False,
        because="nothing tells what a count is",
        asks="channels",
    ),
    "s01-openeew": Sender(
        lambda b: _json(_openeew(b), "iot-2/evt/status/fmt/json"),
        3,
        31.25,
        per_ms2=100,
        because="980 at rest may be 1 g in cm/s² or, a little off, in mg",
        answer="gal",
    ),
    "s02-ax-ay-lists": Sender(
        lambda b: _json(
            {"timestamp": _ms(b), "ax": b.lists[0], "ay": b.lists[1]}, "sensor/m7/data"
        ),
        2,
        per_ms2=1 / G,
        because="1 in one of two axes may be an offset",
        answer="g",
    ),
    "s03-acc-object": Sender(
        lambda b: _json(
            {
                "ts": b.start_ns / 1e9,
                "sample_rate": 1600,
                "acc": dict(zip("xyz", b.lists, strict=True)),
            },
            "machines/m7/3/telemetry",
        ),
        3,
        1600,
        per_ms2=1 / G,
    ),
    "s04-washing-machine": Sender(
        lambda b: _json(_washing(b), "washing/acceleration"),
        3,
        800,
        n=10,
        n_blocks=100,
        per_ms2=1 / G,
    ),
    "s05-ni-daq": Sender(
        lambda b: _json(_ni_daq(b), "daq/rig"),
        4,
        gravity=False,
        because="nothing tells the scale of each channel",
    ),
    "s06-number-alone": Sender(
        lambda b: [(PLANT, str(b.lists[0][0]).encode())], n=1, n_blocks=800
    ),
    "s07-three-numbers": Sender(
        lambda b: _json(
            {
                "timestamp": b.iso,
                **dict(zip(("ax", "ay", "az"), [c[0] for c in b.lists], strict=True)),
            },
            "shm/windturbine/node01/accel",
        ),
        3,
        200,
        n=1,
        n_blocks=500,
    ),
    "s08-two-numbers": Sender(
        lambda b: _json(
            {"sensor": 17, "t": _ms(b), "ax": b.lists[0][0], "ay": b.lists[1][0]},
            "plant/press",
        ),
        2,
        100,
        n=1,
        n_blocks=500,
    ),
    "s09-cpsens": Sender(lambda b: [("cpsens/d8-3a/ch1/acc", _cpsens(b))]),
    "s10-bams": Sender(
        lambda b: [("BAMS", _bams(b))],
        2,
        100,
        per_ms2=1 / G,
        because="text of its own making",
        asks="payload",
    ),
    "s11-esp32-cbor": Sender(
        _esp32, 2, per_ms2=1 / G, because="1 in one axis may be an offset", answer="g"
    ),
    "s12-senseye": Sender(lambda b: _json(_senseye(b), "senseye/hall-2"), 2, 2000),
    "s13-gatech": Sender(_gatech, 2),
    "s14-vibralyzer": Sender(
        lambda b: _json(
            {"point_id": "DE/H", "fs": 8192, "signal": b.lists[0]}, "vib/motor-4"
        ),
        1,
        8192,
        n=512,
    ),
    "s15-raw-int32": Sender(
        lambda b: [(PLANT, _packed(b, "<i4"))],
        per_ms2=100,
        because="981 counts may be 1 g in cm/s² or in mg",
        answer="counts 0.01",
    ),
    "senml-cbor": Sender(
        lambda b: [("senml", _senml_cbor(b))],
        2,
        gravity=False,
        because="nothing tells the unit",
        answer="m/s2",
    ),
    "senml-json": Sender(_senml_json, 3),
    "sparkplug-arrays": Sender(
        lambda b: [(DDATA, _sparkplug_arrays(b))],
        2,
        per_ms2=100,
        because="981 counts may be 1 g in cm/s² or in mg",
        answer="counts 0.01",
    ),
    "zlib-raw": Sender(
        lambda b: [(PLANT, zlib.compress(_packed(b, "<i2")))],
        per_ms2=100,
        because="981 counts may be 1 g in cm/s² or in mg",
        answer="counts 0.01",
    ),
    "zstd-csv": Sender(
        lambda b: [(PLANT, zstandard.ZstdCompressor().compress(_csv(b).encode()))]
    ),
}
