"""The payload formats. A new one is a file beside this one, and stands in the two lists here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, get_args

from pydantic import Field

from monitor.records.signal import Chunk, Message
from monitor.signal.payload import (
    cbor,
    csv_text,
    json_object,
    message_pack,
    opcua,
    raw,
    senml,
    sparkplug,
)
from monitor.signal.payload.base import (
    MAX_PAYLOAD_BYTES,
    DecoderSettings,
    PayloadError,
    PayloadSettings,
    check_size,
)
from monitor.signal.payload.compression import Broken, Compression, TooLong, decompress
from monitor.signal.payload.parts import PROPERTY

# Raises PayloadError, which refuses the whole message, and nothing else, whatever the bytes.
Decoder = Callable[[Message, DecoderSettings], list[Chunk]]

DECODERS: dict[type[PayloadSettings], Decoder] = {
    raw.RawPayload: raw.decode,
    json_object.JsonPayload: json_object.decode,
    csv_text.CsvPayload: csv_text.decode,
    cbor.CborPayload: cbor.decode,
    message_pack.MessagePackPayload: message_pack.decode,
    senml.SenmlPayload: senml.decode,
    opcua.OpcUaPayload: opcua.decode,
    sparkplug.SparkplugPayload: sparkplug.decode,
}

# What `payload` may be in the configuration.
AnyPayload = Annotated[
    raw.RawPayload
    | json_object.JsonPayload
    | csv_text.CsvPayload
    | cbor.CborPayload
    | message_pack.MessagePackPayload
    | senml.SenmlPayload
    | opcua.OpcUaPayload
    | sparkplug.SparkplugPayload,
    Field(discriminator="format"),
]
FORMAT_NAMES = frozenset(
    name
    for settings in DECODERS
    for name in get_args(settings.model_fields["format"].annotation)
)


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """All chunks of one message, of any number of sensors, in order. Raises PayloadError.

    None of what is known to bring no samples: a keep-alive, other metrics
    alone.
    """
    check_size(message, settings.max_bytes)
    if PROPERTY in message.properties:
        text = "This is one part of a longer payload: by itself it says nothing."
        raise PayloadError("part_alone", text)
    compression = settings.payload.compression
    if compression != "none":
        payload = unpacked(message.payload, compression, settings.max_bytes)
        message = replace(message, payload=payload)
    return DECODERS[type(settings.payload)](message, settings)


def unpacked(
    data: bytes, compression: Compression, max_bytes: int = MAX_PAYLOAD_BYTES
) -> bytes:
    """What a payload holds. Raises PayloadError."""
    if compression == "none":
        return data
    try:
        inside = decompress(data, compression, max_bytes)
    except TooLong as error:
        text = f"Payload unpacks to more than the {max_bytes} bytes that are taken."
        raise PayloadError("too_large", text) from error
    except Broken as error:
        text = f"Payload is not {compression}: {' '.join(str(error).split())[:100]}."
        raise PayloadError("not_compressed", text) from error
    if not inside:
        raise PayloadError("empty", "Payload unpacks to nothing.")
    return inside
