"""The payload formats. A new one is a file beside this one, and stands in the two lists here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, get_args

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
FORMAT_NAMES = frozenset(
    name for settings in DECODERS for name in get_args(settings.model_fields["format"].annotation)
)


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """All chunks of one message, of any number of sensors, in order. Raises PayloadError."""
    check_size(message, settings.max_bytes)
    return DECODERS[type(settings.payload)](message, settings)
