"""Raw samples, bare or behind a header, in one block or in a struct for each instant."""

from __future__ import annotations

import binascii
import struct
from typing import Any, Literal

import numpy as np

from monitor.records.signal import Chunk, Float32, Message
from monitor.settings import CheckedSettings, Count, Counts, Finite
from monitor.signal.payload import sample_times
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings
from monitor.signal.payload.base64_text import from_base64
from monitor.signal.payload.facts import chunk_of, property_facts, quote, stated_scale
from monitor.signal.payload.names import sensor_name
from monitor.signal.payload.samples import (
    N_BYTES,
    ByteOrder,
    Dtype,
    Layout,
    Scale,
    from_bytes,
    numbers_of,
    to_ms2,
)
from monitor.signal.payload.times import RelativeFormat, TimeFormat

FieldDtype = Dtype | Literal["int64", "uint64", "text", "hex"]
FLOATS = {"float32": "f", "float64": "d"}


class FieldSettings(CheckedSettings):
    """One value at a fixed place. text and hex have a length, which is their number of bytes."""

    at: Count
    dtype: FieldDtype
    byte_order: ByteOrder | None = None  # None: that of the samples
    length: Count | None = None

    @property
    def end(self) -> int:
        """The first byte behind it."""
        n_bytes = N_BYTES.get(self.dtype, 8) if self.length is None else self.length
        return self.at + n_bytes

    def check(self) -> None:
        if (self.dtype in ("text", "hex")) != (self.length is not None):
            raise ValueError("length belongs to dtype = text or hex, and to them alone")


class TimeFieldSettings(FieldSettings):
    format: TimeFormat = "s"


class FractionFieldSettings(FieldSettings):
    format: Literal["ms", "us", "ns"] = "ns"


class SampleTimeFieldSettings(FieldSettings):
    format: TimeFormat | RelativeFormat = "us"


class HeaderSettings(CheckedSettings):
    """What stands before the samples. time_fraction: further parts of a second, added to time."""

    bytes: Count
    time: TimeFieldSettings | None = None
    time_fraction: FractionFieldSettings | None = None
    sequence: FieldSettings | None = None
    sample_rate_hz: FieldSettings | None = None
    scale: FieldSettings | None = None
    machine: FieldSettings | None = None
    point: FieldSettings | None = None

    def check(self) -> None:
        for name, field in self:
            if isinstance(field, FieldSettings) and field.end > self.bytes:
                raise ValueError(
                    f"{name} ends at byte {field.end}, behind bytes = {self.bytes}"
                )
        if self.time_fraction is not None and self.time is None:
            raise ValueError("time_fraction needs a time that it is a fraction of")


class FrameSettings(CheckedSettings):
    """A struct for each instant. at: where each channel's number lies in it."""

    bytes: Count
    at: Counts
    time: SampleTimeFieldSettings | None = None

    def check(self) -> None:
        if self.time is not None and self.time.end > self.bytes:
            raise ValueError(
                f"time ends at byte {self.time.end}, behind bytes = {self.bytes}"
            )


class RawPayload(PayloadSettings):
    format: Literal["raw"]
    dtype: Dtype = "int16"
    byte_order: ByteOrder = "little"
    layout: Layout = "interleaved"
    zero: Finite = 0.0  # the stored number that means 0 m/s²
    encoding: Literal["binary", "base64", "hex"] = "binary"  # of all behind the header
    header: HeaderSettings | None = None
    trailer_bytes: Count = 0  # a checksum, say, that is not read
    frame: FrameSettings | None = None

    @property
    def names_machine(self) -> bool:
        return self.header is not None and self.header.machine is not None

    @property
    def names_point(self) -> bool:
        return self.header is not None and self.header.point is not None

    def check(self) -> None:
        super().check()
        if self.frame is None:
            return
        end = max(self.frame.at) + N_BYTES[self.dtype]
        if end > self.frame.bytes:
            raise ValueError(
                f"frame: a channel ends at byte {end}, behind bytes = {self.frame.bytes}"
            )
        if self.layout == "planar":
            raise ValueError("layout = planar and frame cannot both hold")


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """One chunk, or one for each unbroken piece where frames have times. Raises PayloadError:
    bad_header, bad_length, bad_name, bad_rate, bad_scale, bad_time,
    bad_sequence, not_base64, not_hex, wrong_channels.

    NaN and infinity in float32 are passed on: the sensor did send these
    samples, and quality marks their window as BAD_DATA.
    """
    payload = settings.payload
    assert isinstance(payload, RawPayload)
    sensor, facts = settings.sensor, property_facts(message.properties)
    if payload.header is not None:
        names, own = _header_facts(payload.header, message.payload, payload.byte_order)
        sensor, facts = sensor_name(sensor, *names), own | facts
    data = sample_bytes(payload, message.payload)
    rule = settings.rule(sensor)
    n_channels, scale = len(rule.channels), stated_scale(facts, rule)
    if payload.frame is None:
        samples = from_bytes(data, payload, payload.layout, n_channels, scale)
        return [chunk_of(message, sensor, rule, samples, facts)]
    samples = _from_frames(data, payload, payload.frame, n_channels, scale)
    if payload.frame.time is None:
        return [chunk_of(message, sensor, rule, samples, facts)]
    times = _frame_times(data, payload.frame, payload.frame.time, payload.byte_order)
    unit = payload.frame.time.format
    return sample_times.chunks_of(message, sensor, rule, samples, facts, times, unit)


def sample_bytes(payload: RawPayload, data: bytes) -> bytes:
    """The samples of a message without what stands before and behind them. Raises PayloadError."""
    if payload.header is not None:
        data = data[payload.header.bytes :]
    if payload.trailer_bytes:
        data = data[: -payload.trailer_bytes]
    return data if payload.encoding == "binary" else _from_text(data, payload.encoding)


def _header_facts(
    header: HeaderSettings, data: bytes, byte_order: ByteOrder
) -> tuple[tuple[object, object], dict[str, Any]]:
    """(machine, point) where the header has them, and facts."""
    if len(data) < header.bytes:
        raise PayloadError(
            "bad_header", f"{len(data)} bytes are less than the header's {header.bytes}."
        )
    found: dict[str, Any] = {
        name: _read(field, data, byte_order)
        for name, field in header
        if isinstance(field, FieldSettings)
    }
    names = found.pop("machine", None), found.pop("point", None)
    if header.time is not None:
        found["time"] = header.time.format, found["time"]
    if header.time_fraction is not None:
        found["time_fraction"] = header.time_fraction.format, found["time_fraction"]
    return names, found


def _read(field: FieldSettings, data: bytes, byte_order: ByteOrder) -> int | float | str:
    piece, order = data[field.at : field.end], field.byte_order or byte_order
    if field.dtype == "text":
        return piece.decode("utf-8", "replace").strip("\0 ")
    if field.dtype == "hex":
        return _hex_number(piece)
    if field.dtype in FLOATS:
        sign = "<" if order == "little" else ">"
        value: float = struct.unpack(sign + FLOATS[field.dtype], piece)[0]
        return value
    return int.from_bytes(piece, order, signed=field.dtype.startswith("int"))


def _hex_number(piece: bytes) -> int:
    try:
        return int.from_bytes(
            binascii.unhexlify(piece.rjust(len(piece) + len(piece) % 2, b"0"))
        )
    except ValueError as error:
        text = f"Header has {quote(piece)} where a hexadecimal number should be."
        raise PayloadError("bad_header", text) from error


def _from_text(data: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return from_base64(data, "Payload")
    try:
        return binascii.unhexlify(data.strip(b"\0 \t\r\n"))
    except ValueError as error:
        text = f"Payload is not hexadecimal text: {error}."
        raise PayloadError("not_hex", text) from error


def _from_frames(
    data: bytes, payload: RawPayload, frame: FrameSettings, n_channels: int, scale: Scale
) -> Float32:
    if len(frame.at) != n_channels:
        text = f"payload.frame.at has {len(frame.at)} channels, {n_channels} are set."
        raise PayloadError("wrong_channels", text)
    if not data or len(data) % frame.bytes:
        text = f"{len(data)} bytes are not a whole number of frames of {frame.bytes} bytes."
        raise PayloadError("bad_length" if data else "empty", text)
    rows, width = (
        np.frombuffer(data, np.uint8).reshape(-1, frame.bytes),
        N_BYTES[payload.dtype],
    )
    numbers = [
        numbers_of(rows[:, at : at + width].tobytes(), payload.dtype, payload.byte_order)
        for at in frame.at
    ]
    return to_ms2(np.stack(numbers), scale, payload.zero)


def _frame_times(
    data: bytes, frame: FrameSettings, field: FieldSettings, byte_order: ByteOrder
) -> list[int | float | str]:
    starts = range(0, len(data), frame.bytes)
    return [_read(field, data[at : at + frame.bytes], byte_order) for at in starts]
