"""A third payload format, known to this file alone: CBOR with any number of sensors and chunks.

{"chunks": [{"machine": "m", "point": "p", "seq": 3, "t_ns": 1.7e18, "x":
[[...], [...]]}]}
"""

from __future__ import annotations

from typing import Any, Literal

import cbor2
import numpy as np

from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings
from monitor.signal.payload.facts import chunk_of
from monitor.signal.payload.samples import to_ms2


class CborPayload(PayloadSettings):
    format: Literal["cbor"] = "cbor"
    machine: str = "machine"  # the keys that name a chunk's sensor
    point: str = "point"


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """Raises PayloadError: not_cbor, wrong_channels, and what facts and rules say."""
    payload = settings.payload
    assert isinstance(payload, CborPayload)
    try:
        tree = cbor2.loads(message.payload)
        parts = [dict(part) for part in tree["chunks"]]
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise PayloadError(
            "not_cbor", f"Payload is not CBOR with chunks: {error}."
        ) from error
    return [_chunk(message, settings, payload, part) for part in parts]


def _chunk(
    message: Message, settings: DecoderSettings, payload: CborPayload, part: dict[str, Any]
) -> Chunk:
    sensor = f"{part.get(payload.machine)}/{part.get(payload.point)}"
    rule = settings.rule(sensor)
    samples = to_ms2(np.asarray(part["x"], np.float64), rule.ms2_per_number)
    if samples.shape[0] != len(rule.channels):
        text = f"{sensor} has {samples.shape[0]} channels, {len(rule.channels)} are set."
        raise PayloadError("wrong_channels", text)
    facts: dict[str, Any] = {"sequence": part.get("seq")}
    if "t_ns" in part:
        facts["time"] = ("ns", part["t_ns"])
    return chunk_of(message, sensor, rule, samples, facts)
