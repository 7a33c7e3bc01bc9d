"""The stored numbers of a message as bytes, where its format has any."""

from __future__ import annotations

import numpy as np

from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import PayloadError, PayloadSettings, SensorRule
from monitor.signal.payload.formats import unpacked
from monitor.signal.payload.raw import RawPayload, sample_bytes
from monitor.signal.payload.samples import DTYPES, N_BYTES
from monitor.signal.payload.tree_settings import TreePayload
from monitor.signal.plausibility.readings import Reading

BYTES = ("base64", "hex", "binary")  # encodings whose numbers are bytes
# in float32 samples
EXACT = ("int8", "uint8", "int16", "uint16", "int24", "uint24", "float32")


def reading_of(payload: PayloadSettings, rule: SensorRule) -> Reading | None:
    """How the settings read numbers; None where they are text, or not ours to read."""
    n_channels = len(rule.channels)
    if isinstance(payload, RawPayload):
        layout = payload.layout if payload.frame is None else "interleaved"
        return Reading(payload.dtype, payload.byte_order, layout, n_channels)
    if (
        isinstance(payload, TreePayload)
        and payload.encoding in BYTES
        and payload.channels is None
    ):
        layout = payload.layout or "interleaved"
        layout = layout if isinstance(payload.samples, str) else "planar"
        return Reading(payload.dtype, payload.byte_order, layout, n_channels)
    return None


def zero_of(payload: PayloadSettings) -> float:
    """The stored number that means 0 m/s²."""
    return payload.zero if isinstance(payload, RawPayload | TreePayload) else 0.0


def is_bare(payload: PayloadSettings) -> bool:
    """Whether a message is nothing but numbers, behind a header perhaps."""
    if not isinstance(payload, RawPayload) or payload.compression != "none":
        return False
    return payload.encoding == "binary" and not payload.frame


def stored_bytes(
    message: Message,
    payload: PayloadSettings,
    chunk: Chunk,
    rule: SensorRule,
    reading: Reading,
) -> bytes:
    """b"" where they cannot be had."""
    if isinstance(payload, RawPayload) and payload.frame is None:
        try:
            return sample_bytes(payload, unpacked(message.payload, payload.compression))
        except PayloadError:
            return b""
    return _encoded(chunk, payload, rule, reading)


def _encoded(
    chunk: Chunk, payload: PayloadSettings, rule: SensorRule, reading: Reading
) -> bytes:
    """Of samples that float32 holds exactly: the bytes that they came from."""
    states_scale = isinstance(payload, TreePayload) and (payload.scale or payload.unit)
    if reading.dtype not in EXACT or states_scale or not np.isfinite(chunk.samples).all():
        return b""
    assert isinstance(payload, RawPayload | TreePayload)
    scale = np.reshape(rule.ms2_per_number, (-1, 1))
    numbers = chunk.samples / scale + payload.zero
    if reading.layout == "interleaved":
        numbers = numbers.T
    if reading.dtype != "float32":
        numbers = np.rint(numbers).astype(np.int64)
    if N_BYTES[reading.dtype] == 3:
        wide = numbers.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]
        return bytes((wide if reading.byte_order == "little" else wide[:, ::-1]).tobytes())
    return bytes(numbers.astype(DTYPES[reading.dtype, reading.byte_order]).tobytes())
