"""Raw samples: the channels of one instant side by side, x0 y0 z0 x1 y1 z1 ..."""

from __future__ import annotations

from typing import Literal

from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import DecoderSettings, PayloadSettings
from monitor.signal.payload.facts import chunk_of, property_facts
from monitor.signal.payload.samples import Dtype, from_bytes


class RawPayload(PayloadSettings):
    """Interleaved little-endian samples: x0 y0 z0 x1 y1 z1 ..."""

    format: Literal["raw"]
    dtype: Dtype = "int16"


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """One chunk. Raises PayloadError: bad_length, bad_rate, bad_time, bad_sequence.

    NaN and infinity in float32 are passed on: the sensor did send these samples, and quality marks
    their window as BAD_DATA.
    """
    payload = settings.payload
    assert isinstance(payload, RawPayload)
    rule = settings.rule(settings.sensor)
    facts = property_facts(message.properties)
    samples = from_bytes(message.payload, payload.dtype, len(rule.channels), rule.ms2_per_number)
    return [chunk_of(message, settings.sensor, rule, samples, facts)]
