"""Decoding one message of one sensor, for tests of formats that bring a single chunk."""

from __future__ import annotations

from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import (
    MAX_PAYLOAD_BYTES,
    DecoderSettings,
    PayloadSettings,
    SensorRule,
)
from monitor.signal.payload.formats import decode


def decode_one(
    message: Message,
    payload: PayloadSettings,
    sensor: str,
    rule: SensorRule,
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> Chunk:
    """The only chunk of a message. Raises PayloadError."""
    (chunk,) = decode(
        message, DecoderSettings(payload, sensor, lambda name: rule, max_bytes)
    )
    return chunk
