"""CBOR (RFC 8949) of the shapes that JSON has, with typed arrays (RFC 8746)."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

import numpy as np

from monitor.records.signal import Chunk, Message
from monitor.signal.payload import tree
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.facts import short
from monitor.signal.payload.tree_settings import TreePayload

MAX_DEPTH = 32
# RFC 8746, table 1: tags of typed arrays.
TYPED_ARRAYS = {
    64: "u1", 65: ">u2", 66: ">u4", 67: ">u8", 68: "u1", 69: "<u2", 70: "<u4", 71: "<u8",
    72: "i1", 73: ">i2", 74: ">i4", 75: ">i8", 77: "<i2", 78: "<i4", 79: "<i8",
    80: ">f2", 81: ">f4", 82: ">f8", 84: "<f2", 85: "<f4", 86: "<f8",
}  # fmt: skip


class CborPayload(TreePayload):
    """As JSON. encoding: binary reads byte strings; typed arrays need no word."""

    format: Literal["cbor"]

    def check(self) -> None:
        super().check()
        check_installed()


def check_installed() -> None:
    """Raises ValueError where the library is missing."""
    if importlib.util.find_spec("cbor2") is None:
        raise ValueError("CBOR needs the extra: pip install 'camshaft[formats]'")


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """Chunks of one or more sensors. Raises PayloadError: not_cbor and those of tree.chunks_of."""
    payload = settings.payload
    assert isinstance(payload, CborPayload)
    return tree.chunks_of(parse(message.payload), message, settings, payload)


def parse(data: bytes) -> Any:
    """The tree of CBOR. Raises PayloadError: not_cbor."""
    import cbor2  # an extra

    try:
        return cbor2.loads(data, tag_hook=_typed_array, max_depth=MAX_DEPTH)
    except (cbor2.CBORDecodeError, ValueError, TypeError, ArithmeticError) as error:
        text = f"Payload is not CBOR: {short(str(error))}."
        raise PayloadError("not_cbor", text) from error


def _typed_array(tag: Any, immutable: bool) -> Any:
    """Tags of arrays are read; what other tags stand on is of no use to us."""
    code = TYPED_ARRAYS.get(tag.tag)
    if code is None or not isinstance(tag.value, bytes):
        return tag
    return np.frombuffer(tag.value, np.dtype(code))
