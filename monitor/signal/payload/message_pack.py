"""MessagePack of the shapes that JSON has."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

from monitor.records.signal import Chunk, Message
from monitor.signal.payload import tree
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.facts import short
from monitor.signal.payload.tree_settings import TreePayload


class MessagePackPayload(TreePayload):
    """As JSON. encoding: binary reads byte strings."""

    format: Literal["msgpack"]

    def check(self) -> None:
        super().check()
        if importlib.util.find_spec("msgpack") is None:
            raise ValueError(
                "format = msgpack needs the extra: pip install 'camshaft[formats]'"
            )


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """Chunks of one or more sensors. Raises PayloadError: not_msgpack and those of
    tree.chunks_of.
    """
    payload = settings.payload
    assert isinstance(payload, MessagePackPayload)
    return tree.chunks_of(parse(message.payload), message, settings, payload)


def parse(data: bytes) -> Any:
    """The tree of MessagePack. Raises PayloadError: not_msgpack."""
    import msgpack  # an extra

    try:
        # Lengths that are stated are bounded by what is there, and so is the depth.
        return msgpack.unpackb(data, strict_map_key=False, timestamp=3)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        text = f"Payload is not MessagePack: {short(str(error)) or type(error).__name__}."
        raise PayloadError("not_msgpack", text) from error
