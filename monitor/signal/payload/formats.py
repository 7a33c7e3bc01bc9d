"""The table of payload formats. A new format is one file beside this one, and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from monitor.records.signal import Chunk, Message
from monitor.signal.payload import json_object, raw
from monitor.signal.payload.base import DecoderSettings, PayloadSettings, check_size

# Raises PayloadError, which refuses the whole message, and nothing else, whatever the bytes.
Decoder = Callable[[Message, DecoderSettings], list[Chunk]]

DECODERS: dict[type[PayloadSettings], Decoder] = {
    raw.RawPayload: raw.decode,
    json_object.JsonPayload: json_object.decode,
}

# What `payload` may be in the configuration.
AnyPayload = Annotated[raw.RawPayload | json_object.JsonPayload, Field(discriminator="format")]
FORMAT_NAMES = frozenset({"raw", "json"})


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """All chunks of one message, of any number of sensors, in order. Raises PayloadError."""
    check_size(message, settings.max_bytes)
    return DECODERS[type(settings.payload)](message, settings)
