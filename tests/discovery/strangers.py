"""Senders that nobody had in mind while discovery was written: what products, gateways and
platforms publish, each with a configuration written by hand. `source` says where the shape is
documented; "from memory" that no documentation of it was at hand.

As in senders.py: a sender takes a block of samples and gives the messages of it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgpack

from tests.discovery.senders import Block, Sender, Sent

PER_G = 1 / 9.80665


@dataclass(frozen=True, slots=True)
class Stranger:
    """sender : with what discovery asks, where it must ask
    configuration : by hand, for subscriptions and sensors; "" where none can be
    sensors : name by hand: which channels of the block are its own; {} of all in one
    is_vibration : False where messages hold no waveform of acceleration
    """

    source: str
    sender: Sender
    configuration: str = ""
    sensors: dict[str, list[int]] = field(default_factory=dict)
    is_vibration: bool = True


XYZ = "sensors: [{sample_rate_hz: 1000, channels: [x, y, z]}]"


def _by_hand(topic: str, payload: str, sensors: str = XYZ) -> str:
    return f"subscriptions:\n- topic: '{topic}'\n  payload: {{{payload}}}\n{sensors}\n"


def _one(topic: str, tree: Any) -> list[Sent]:
    return [(topic, json.dumps(tree).encode())]


def _ms(block: Block, index: int = 0) -> int:
    return block.at_ns(index) // 10**6


def _local(block: Block) -> str:
    """To the millisecond, without a zone."""
    at = datetime.fromtimestamp(block.start_ns / 1e9, UTC).replace(tzinfo=None)
    return at.isoformat(timespec="milliseconds")


def _rows(block: Block) -> list[tuple[float, ...]]:
    return list(zip(*block.lists, strict=True))


# -- platforms ------------------------------------------------------------------------------------


def _thingsboard(block: Block) -> list[Sent]:
    names = ("accel_x", "accel_y", "accel_z")
    entries = [
        {"ts": _ms(block, k), "values": dict(zip(names, row, strict=True))}
        for k, row in enumerate(_rows(block))
    ]
    return _one("v1/devices/me/telemetry", entries)


def _thingsboard_gateway(block: Block) -> list[Sent]:
    tree = {
        device: [
            {"ts": _ms(block, k), "values": {"vibration": value}}
            for k, value in enumerate(values)
        ]
        for device, values in zip(("Pump A", "Pump B"), block.lists, strict=True)
    }
    return _one("v1/gateway/telemetry", tree)


def _cognite(block: Block) -> list[Sent]:
    series = [
        {
            "externalId": f"vib-{name}",
            "items": [
                {"timestamp": _ms(block, k), "value": value}
                for k, value in enumerate(values)
            ],
        }
        for name, values in zip(("front", "rear"), block.lists, strict=True)
    ]
    return _one("cdf/vibration", {"timeseriesData": series})


def _kepserver(block: Block) -> list[Sent]:
    """One value of each tag a message."""
    values = [
        {"id": f"Ch1.Mill.Acc{axis}", "v": row[0], "q": True, "t": _ms(block)}
        for axis, row in zip("XYZ", block.lists, strict=True)
    ]
    return _one("iotgateway", {"timestamp": _ms(block), "values": values})


def _neuron_values(block: Block) -> list[Sent]:
    tree = {
        "timestamp": _ms(block),
        "node": "mill",
        "group": "vibration",
        "values": {f"acc_{a}": v for a, v in zip("xyz", block.lists, strict=True)},
        "errors": {},
        "metas": {},
    }
    return _one("neuron/mqtt/upload", tree)


def _neuron_tags(block: Block) -> list[Sent]:
    tags = [
        {"name": f"acc_{axis}", "value": values}
        for axis, values in zip("xyz", block.lists, strict=True)
    ]
    tree = {"node": "mill", "group": "vibration", "timestamp": _ms(block), "tags": tags}
    return _one("neuron/mqtt/upload", tree)


def _aveva(block: Block) -> list[Sent]:
    """JSON-VTQ1: a topic for each item."""
    found = []
    for axis, values in zip("XY", block.lists, strict=True):
        tree = {"d": values[0], "dt": 5, "ts": block.iso, "q": 192}
        found += _one(f"Mill/Vib{axis}", tree)
    return found


def _losant(block: Block) -> list[Sent]:
    tree = {
        "time": {"$date": block.iso},
        "data": {"vibration": block.lists[0], "rpm": 1480},
    }
    return _one("losant/5f1e/state", tree)


# -- controllers and acquisition ------------------------------------------------------------------


def _twincat(block: Block) -> list[Sent]:
    values = {f"aAcc{a}": v for a, v in zip("XYZ", block.lists, strict=True)}
    tree = {
        "Timestamp": _local(block),
        "GroupName": "Spindle",
        "Values": values,
        "MetaData": {},
    }
    return _one("plc/CX-4711/TcIotCommunicator/Json/Tx/Data", tree)


def _labview(block: Block) -> list[Sent]:
    """A waveform as LabVIEW flattens it to JSON."""
    tree = {"t0": block.iso, "dt": 1 / block.rate_hz, "Y": block.lists[0], "attributes": {}}
    return _one("daq/cDAQ1Mod1/ai0", tree)


def _in_base64(block: Block) -> list[Sent]:
    """A waveform attribute with metadata of its own."""
    text = base64.b64encode(block.samples[0].astype("<f4").tobytes()).decode()
    wave = {"metadata": {"frequency": block.rate_hz, "size": block.samples.shape[1]}}
    tree = {"metadata": {"timestamp": _ms(block)}, "data": {"vib": {**wave, "data": text}}}
    return _one("devices/pump-7/measurement", tree)


# -- sensors --------------------------------------------------------------------------------------


def _ncd_raw(block: Block) -> list[Sent]:
    """Time-domain data of NCD's sensors as their Node-RED library gives it: an object whose keys
    count the instants, in mg.
    """
    rows = {
        str(k + 1): dict(zip("xyz", row, strict=True)) for k, row in enumerate(_rows(block))
    }
    tree = {
        "nodeId": 0,
        "counter": block.number % 256,
        "sensor_type": 80,
        "addr": "00:13:a2:00:41:f1:b2:c7",
        "received": _ms(block),
        "sensor_data": {"mode": 1, "odr": f"{block.rate_hz:.0f}Hz", "data": rows},
    }
    return _one("ncd/00:13:a2:00:41:f1:b2:c7/raw", tree)


def _ncd_processed(block: Block) -> list[Sent]:
    values = {
        f"{axis}_{name}": round(abs(float(row.std())) * share, 3)
        for axis, row in zip("xyz", block.samples, strict=True)
        for name, share in (("rms_ACC_G", 1), ("max_ACC_G", 3), ("velocity_mm_sec", 0.2))
    }
    packet = [127, 0, 7, 3, *(abs(round(one * 40)) % 256 for one in block.lists[0])]
    tree = {
        "counter": block.number % 256,
        "sensor_data": {"mode": 0, "odr": "800Hz", "temperature": 34.15, **values},
        "addr": "00:13:a2:00:41:f1:b2:c7",
        "received": _ms(block),
        "original": {"mac": "00:13:a2:00:41:f1:b2:c7", "data": packet},
    }
    return _one("ncd/00:13:a2:00:41:f1:b2:c7", tree)


def _monitron(block: Block) -> list[Sent]:
    axes = {
        f"{axis}Axis": {"rms": round(float(row.std()), 4)}
        for axis, row in zip("xyz", block.samples, strict=True)
    }
    bands = {"band0To6000Hz": axes, "band10To1000Hz": axes}
    payload = {
        "assetName": "pump",
        "sensor": {"physicalId": "a1", "rssi": -60},
        "sequenceNo": block.number,
        "features": {"acceleration": bands, "velocity": {"band10To1000Hz": axes}},
    }
    tree = {"timestamp": block.iso, "eventType": "measurement", "eventPayload": payload}
    return _one("monitron/export", tree)


def _veva(block: Block) -> list[Sent]:
    """Peaks of a blast monitor, with the time of each."""
    tree = {
        "type": "peak",
        "mac": "abc123",
        "time": block.iso,
        "scale": "mm/s",
        **{
            f"ppv_{axis}": [float(abs(row).max()), 5.5, block.iso]
            for axis, row in zip("xyz", block.samples, strict=True)
        },
    }
    return _one("veva/samp", tree)


def _sensor_logger(block: Block) -> list[Sent]:
    """A phone's app: accelerometer and gyroscope take turns in one list."""
    entries = []
    for k, row in enumerate(_rows(block)):
        axes = dict(zip("zyx", row[:3], strict=True))
        turn = dict(zip("zyx", row[3:], strict=True))
        at_ns = block.at_ns(k)
        entries += [
            {"name": "accelerometer", "time": at_ns, "values": axes},
            {"name": "gyroscope", "time": at_ns + 40_000, "values": turn},
        ]
    tree = {
        "messageId": block.number,
        "sessionId": "4b1f",
        "deviceId": "phone-3",
        "payload": entries,
    }
    return _one("sensor-logger", tree)


def _labelled_text(block: Block) -> list[Sent]:
    x, y, z = (row[0] for row in block.lists)
    return [("data/val/accelerometer", f"X: {x},Y: {y},Z: {z}".encode())]


def _line_protocol(block: Block) -> list[Sent]:
    """Telegraf's own format."""
    lines = [
        f"accelerometer,host=edge-1 x={row[0]},y={row[1]},z={row[2]} {block.at_ns(k)}"
        for k, row in enumerate(_rows(block))
    ]
    return [("telegraf/edge-1/accelerometer", "\n".join(lines).encode() + b"\n")]


def _number_a_topic(block: Block) -> list[Sent]:
    """A topic for each axis, and text in it, as ESPHome has it."""
    return [
        (f"esphome-press/sensor/accel_{axis}/state", str(row[0]).encode())
        for axis, row in zip("xyz", block.lists, strict=True)
    ]


def _texts(block: Block) -> list[Sent]:
    """Numbers as text, as String(value, 5) of an Arduino makes them."""
    tree = {axis: f"{row[0]:.5f}" for axis, row in zip("xyz", block.lists, strict=True)}
    return _one("arduino/press/imu", {"mac": "A4:CF:12:9B", **tree})


SLOW: dict[str, Any] = {"n": 1, "n_blocks": 1500, "rate_hz": 100.0, "jitter_s": 0.0005}
EVERY_2_MS: dict[str, Any] = {"n": 50, "rate_hz": 500.0}
NOW_AND_THEN: dict[str, Any] = {"n_channels": 3, "period_s": 60.0}

STRANGERS: dict[str, Stranger] = {
    "thingsboard": Stranger(
        "thingsboard.io, MQTT device API: an array with client-side timestamps",
        Sender(_thingsboard, n_channels=3, **EVERY_2_MS),
        _by_hand(
            "v1/devices/{machine}/telemetry",
            "format: json, samples: ., time: null, sample_time: ts, sample_time_format: ms,"
            " channels: [values.accel_x, values.accel_y, values.accel_z]",
            "sensors: [{sample_rate_hz: 500, channels: [x, y, z]}]",
        ),
    ),
    "thingsboard-gateway": Stranger(
        "thingsboard.io, MQTT gateway API: the names of devices are keys",
        Sender(_thingsboard_gateway, n_channels=2, **EVERY_2_MS),
        _by_hand(
            "v1/gateway/telemetry",
            "format: json, parts: ., machine: key, samples: value, time: null,"
            " channels: [values.vibration], sample_time: ts, sample_time_format: ms",
            "sensors: [{sample_rate_hz: 500}]",
        ),
        {"Pump A/main": [0], "Pump B/main": [1]},
    ),
    "cognite": Stranger(
        "docs.cognite.com, hosted extractors: the Cognite message format",
        Sender(_cognite, n_channels=2, **EVERY_2_MS),
        _by_hand(
            "cdf/vibration",
            "format: json, parts: timeseriesData, machine: externalId, samples: items,"
            " channels: [value], time: null, sample_time: timestamp, sample_time_format: ms",
            "sensors: [{sample_rate_hz: 500}]",
        ),
        {"vib-front/main": [0], "vib-rear/main": [1]},
    ),
    "kepserver": Stranger(
        "support.ptc.com, Kepware IoT gateway: id, value, quality, time; keys from memory",
        Sender(_kepserver, n_channels=3, **SLOW),
        _by_hand(
            "iotgateway",
            "format: json, parts: values, machine: id, samples: v, time: t, time_format: ms",
            "sensors: [{sample_rate_hz: 100}]",
        ),
        {f"Ch1.Mill.Acc{axis}/main": [k] for k, axis in enumerate("XYZ")},
    ),
    "neuron-values": Stranger(
        "docs.emqx.com, Neuron's MQTT plugin: Values-format",
        Sender(_neuron_values, n_channels=3),
        _by_hand(
            "neuron/mqtt/upload",
            "format: json, machine: node, point: group, time: timestamp, time_format: ms,"
            " samples: [values.acc_x, values.acc_y, values.acc_z]",
        ),
    ),
    "neuron-tags": Stranger(
        "docs.emqx.com, Neuron's MQTT plugin: Tags-format",
        Sender(_neuron_tags, n_channels=3),
        _by_hand(
            "neuron/mqtt/upload",
            "format: json, parts: tags, machine: node, point: name, samples: value,"
            " time: timestamp, time_format: ms",
            "sensors: [{sample_rate_hz: 1000}]",
        ),
        {f"mill/acc_{axis}": [k] for k, axis in enumerate("xyz")},
    ),
    "aveva": Stranger(
        "docs.aveva.com, MQTT communication driver: JSON-VTQ1, an item a topic",
        Sender(
            _aveva,
            n_channels=2,
            because="d may be anything",
            asks="samples",
            answer="d",
            **SLOW,
        ),
        _by_hand(
            "{machine}/{point}",
            "format: json, samples: d, time: ts",
            "sensors: [{sample_rate_hz: 100}]",
        ),
        {"Mill/VibX": [0], "Mill/VibY": [1]},
    ),
    "losant": Stranger(
        "Losant, state of a device, from memory",
        Sender(_losant),
        _by_hand(
            "losant/{machine}/state",
            "format: json, samples: data.vibration, time: time.$date",
            "sensors: [{sample_rate_hz: 1000}]",
        ),
    ),
    "twincat": Stranger(
        "infosys.beckhoff.com: TwinCAT JSON",
        Sender(_twincat, n_channels=3),
        _by_hand(
            "plc/{machine}/TcIotCommunicator/Json/Tx/Data",
            "format: json, point: GroupName, time: Timestamp,"
            " samples: [Values.aAccX, Values.aAccY, Values.aAccZ]",
        ),
    ),
    "labview": Stranger(
        "LabVIEW's waveform, flattened to JSON, from memory",
        Sender(_labview),
        _by_hand(
            "daq/{machine}/{point}",
            "format: json, samples: Y, time: t0, spacing_s: dt",
            "sensors: [{sample_rate_hz: 1000}]",
        ),
    ),
    "base64-with-metadata": Stranger(
        "docs.biot-med.com: waveform measurements",
        Sender(_in_base64),
        _by_hand(
            "devices/{machine}/measurement",
            "format: json, samples: data.vib.data, encoding: base64, time_format: ms,"
            " time: metadata.timestamp, sample_rate_hz: data.vib.metadata.frequency",
            "sensors: [{sample_rate_hz: 1000}]",
        ),
    ),
    "ncd-raw": Stranger(
        "ncd.io, time-domain data by the Node-RED library; keys from memory",
        Sender(
            _ncd_raw,
            n_channels=3,
            n=512,
            rate_hz=3200.0,
            period_s=600.0,
            per_ms2=1000 * PER_G,
            because="the rate is told as text",
            asks="sample_rate_hz",
            answer="3200",
        ),
        _by_hand(
            "ncd/{machine}/raw",
            "format: json, samples: sensor_data.data, channels: [x, y, z],"
            " time: received, time_format: ms",
            "sensors: [{sample_rate_hz: 3200, channels: [x, y, z], unit: mg,"
            " acquisition: snapshot, window_s: 0.16, expected_period_s: 600}]",
        ),
    ),
    "ncd-processed": Stranger(
        "ncd.io: processed data, with the packet it was read from",
        Sender(_ncd_processed, because="a packet", asks="vibration", **NOW_AND_THEN),
        is_vibration=False,
    ),
    "monitron": Stranger(
        "docs.aws.amazon.com, Monitron: the export schema, version 2",
        Sender(_monitron, **NOW_AND_THEN),
        is_vibration=False,
    ),
    "veva": Stranger(
        "docs.inzwa.cloud, Veva III: peaks",
        Sender(_veva, because="peaks", asks="samples", **NOW_AND_THEN),
        is_vibration=False,
    ),
    "sensor-logger": Stranger(
        "tszheichoi/awesome-sensor-logger, MQTT publishing; keys from memory",
        Sender(
            _sensor_logger,
            n_channels=6,
            rate_hz=100.0,
            n=20,
            because="accelerometer and gyroscope take turns",
            asks="payload",
        ),
        _by_hand(
            "sensor-logger",
            "format: json, parts: payload, machine: deviceId, point: name,"
            " samples: [values.z, values.y, values.x], time: time, time_format: ns",
            "sensors: [{match: '*/accelerometer', sample_rate_hz: 100, channels: [z, y, x]}]",
        ),
        {"phone-3/accelerometer": [0, 1, 2]},
    ),
    "labelled-text": Stranger(
        "a flow of Node-RED that takes 'X: 0.1,Y: 0.2,Z: 9.8' apart",
        Sender(_labelled_text, n_channels=3, because="text", asks="payload", **SLOW),
    ),
    "line-protocol": Stranger(
        "docs.influxdata.com, Telegraf: line protocol",
        Sender(_line_protocol, n_channels=3, because="text", asks="payload", **EVERY_2_MS),
    ),
    "number-a-topic": Stranger(
        "ESPHome, the state of each sensor, from memory",
        Sender(_number_a_topic, n_channels=3, **SLOW),
        _by_hand(
            "{machine}/sensor/{point}/state",
            "format: csv",
            "sensors: [{sample_rate_hz: 100}]",
        ),
        {f"esphome-press/accel_{axis}": [k] for k, axis in enumerate("xyz")},
    ),
    "texts": Stranger(
        "sketches that send String(value), from memory",
        Sender(_texts, n_channels=3, **SLOW),
        _by_hand(
            "arduino/{machine}/{point}",
            "format: json, samples: [x, y, z], encoding: text",
            "sensors: [{sample_rate_hz: 100, channels: [x, y, z]}]",
        ),
    ),
}

# -- what a stranger with a plant sent ------------------------------------------------------------


def _javascript_buffer(block: Block) -> list[Sent]:
    data = block.samples[0].astype("<f4").tobytes()
    return _one("nodered/mill", {"payload": {"type": "Buffer", "data": list(data)}})


def _data_frame(block: Block) -> list[Sent]:
    first_s = block.number * len(block.lists[0]) / block.rate_hz
    rows = [
        [str(round(first_s + k / block.rate_hz, 6)), *map(str, row)]
        for k, row in enumerate(_rows(block))
    ]
    frame = {"columns": ["t", "ai0", "ai1"], "data": rows}
    return _one("ni/dataframe/press", {"frame": frame, "endOfData": False})


def _influx_answer(block: Block) -> list[Sent]:
    rows = [[block.at_ns(k), *row] for k, row in enumerate(_rows(block))]
    series = {"name": "vib", "columns": ["time", "x", "y", "z"], "values": rows}
    return _one("influx/mill", {"results": [{"statement_id": 0, "series": [series]}]})


def _pandas(block: Block) -> list[Sent]:
    columns = {
        f"acc_{axis}": {str(k): value for k, value in enumerate(values)}
        for axis, values in zip("xyz", block.lists, strict=True)
    }
    return _one("py/mill", columns)


def _in_two_parts(at_ns: int, seconds: str, nanoseconds: str) -> dict[str, int]:
    return {seconds: at_ns // 10**9, nanoseconds: at_ns % 10**9}


def _sitewise(block: Block) -> list[Sent]:
    found = []
    for axis, values in zip("xyz", block.lists, strict=True):
        entries = [
            {
                "value": {"doubleValue": value},
                "timestamp": _in_two_parts(
                    block.at_ns(k), "timeInSeconds", "offsetInNanos"
                ),
                "quality": "GOOD",
            }
            for k, value in enumerate(values)
        ]
        tree = {"propertyAlias": f"/mill/acc/{axis}", "propertyValues": entries}
        found += _one("sitewise/mill", tree)
    return found


def _rosbridge(block: Block) -> list[Sent]:
    stamp = _in_two_parts(block.start_ns, "secs", "nsecs")
    axes = {axis: values[0] for axis, values in zip("xyz", block.lists, strict=True)}
    turns = {axis: round(value / 1000, 5) for axis, value in axes.items()}
    message: dict[str, Any] = {
        "header": {"seq": block.number, "stamp": stamp, "frame_id": "imu"}
    }
    message |= {"angular_velocity": turns, "linear_acceleration": axes}
    return _one("ros/imu", {"op": "publish", "topic": "/imu", "msg": message})


def _json_lines(block: Block) -> list[Sent]:
    lines = [
        json.dumps({"t": block.at_ns(k) / 1e9, **dict(zip("xyz", row, strict=True))})
        for k, row in enumerate(_rows(block))
    ]
    return [("lines/mill", "\n".join(lines).encode() + b"\n")]


def _quoted(block: Block) -> list[Sent]:
    lines = ['"Sample";"Time";"Accel X (m/s²)"']
    for k, value in enumerate(block.lists[0]):
        at = datetime.fromtimestamp(block.at_ns(k) / 1e9, UTC).isoformat()
        lines.append(f'"{k}";"{at}";"{value}"')
    return [("csv/mill", "\n".join(lines).encode())]


def _msgpack_time(block: Block) -> list[Sent]:
    at = msgpack.Timestamp(block.start_ns // 10**9, block.start_ns % 10**9)
    return [("pack/mill", msgpack.packb({"t": at, "fs": 1000, "acc": _rows(block)}))]


def _cumulocity(block: Block) -> list[Sent]:
    axes = {
        f"acceleration{axis}": {"value": values[0], "unit": "m/s²"}
        for axis, values in zip("XYZ", block.lists, strict=True)
    }
    tree = {"type": "c8y_Acceleration", "time": block.iso, "source": {"id": "4711"}}
    return _one("measurement/create", tree | {"c8y_Acceleration": axes})


def _velocity(block: Block) -> list[Sent]:
    tree = {"fs": 1000, "unit": "mm/s", "timestamp": block.iso, "values": block.lists[0]}
    return _one("velocity/mill", tree)


ONE_KHZ = "sensors: [{sample_rate_hz: 1000}]"
PLANT: dict[str, Stranger] = {
    "javascript-buffer": Stranger(
        "nodejs.org, Buffer: toJSON() writes its bytes as numbers",
        Sender(_javascript_buffer),
        _by_hand(
            "nodered/{machine}",
            "format: json, samples: payload.data, encoding: binary",
            ONE_KHZ,
        ),
    ),
    "data-frame": Stranger(
        "NI SystemLink's DataFrame service: rows of numbers as text",
        Sender(_data_frame, 2),
        _by_hand(
            "ni/{machine}/{point}",
            "format: json, samples: frame.data, channels: ['1', '2'], encoding: text",
            "sensors: [{sample_rate_hz: 1000, channels: [x, y]}]",
        ),
    ),
    "influx-answer": Stranger(
        "docs.influxdata.com: the answer to a query of version 1",
        Sender(_influx_answer, 3),
        _by_hand(
            "influx/{machine}",
            "format: json, samples: results.0.series.0.values, channels: ['1', '2', '3'],"
            " sample_time: '0', sample_time_format: ns",
        ),
    ),
    "pandas": Stranger(
        "pandas.pydata.org: DataFrame.to_json() with its defaults",
        Sender(_pandas, 3),
        _by_hand("py/{machine}", "format: json, samples: [acc_x, acc_y, acc_z]"),
    ),
    "sitewise": Stranger(
        "docs.aws.amazon.com, IoT SiteWise Edge: payload of its broker",
        Sender(_sitewise, 3),
        _by_hand(
            "sitewise/{machine}",
            "format: json, samples: propertyValues, channels: [value.doubleValue], point:"
            " propertyAlias, sample_time: timestamp, time: null",
            ONE_KHZ,
        ),
        {f"mill/.mill.acc.{axis}": [k] for k, axis in enumerate("xyz")},
    ),
    "rosbridge": Stranger(
        "rosbridge's protocol with sensor_msgs/Imu of ROS 1",
        Sender(
            _rosbridge,
            3,
            n=1,
            n_blocks=400,
            rate_hz=100,
            because="a gyroscope beside, as long",
            asks="samples",
            answer=",".join(f"msg.linear_acceleration.{axis}" for axis in "xyz"),
        ),
        _by_hand(
            "ros/{machine}",
            "format: json, samples: [msg.linear_acceleration.x, msg.linear_acceleration.y,"
            " msg.linear_acceleration.z], time: msg.header.stamp",
            "sensors: [{sample_rate_hz: 100, channels: [x, y, z]}]",
        ),
    ),
    "json-lines": Stranger(
        "jsonlines.org",
        Sender(_json_lines, 3),
        _by_hand(
            "lines/{machine}",
            "format: json, samples: ., channels: [x, y, z], sample_time: t,"
            " sample_time_format: s, time: null",
        ),
    ),
    "quoted": Stranger(
        "RFC 4180: every cell in quotes",
        Sender(_quoted),
        _by_hand(
            "csv/{machine}",
            "format: csv, delimiter: ;, header: true, columns: [Accel X (m/s²)],"
            " time_column: Time",
            ONE_KHZ,
        ),
    ),
    "msgpack-time": Stranger(
        "msgpack's specification: the timestamp extension",
        Sender(_msgpack_time, 3),
        _by_hand(
            "pack/{machine}",
            "format: msgpack, samples: acc, layout: interleaved, time: t",
        ),
    ),
    "cumulocity": Stranger(
        "Cumulocity's measurements: a value and a unit under each name",
        Sender(_cumulocity, 3, n=1, n_blocks=400, rate_hz=100),
        _by_hand(
            "measurement/create",
            "format: json, machine: source.id, samples: [c8y_Acceleration.accelerationX.value,"
            " c8y_Acceleration.accelerationY.value, c8y_Acceleration.accelerationZ.value]",
            "sensors: [{sample_rate_hz: 100, channels: [x, y, z]}]",
        ),
    ),
    "velocity": Stranger(
        "a waveform of velocity that says so",
        Sender(_velocity, gravity=False, per_ms2=1000),
        _by_hand(
            "velocity/{machine}",
            "format: json, samples: values, unit: unit, sample_rate_hz: fs",
            "sensors: [{sample_rate_hz: 1000, unit: mm/s}]",
        ),
    ),
}
STRANGERS |= PLANT
