"""What a message is, whatever it means: unpacked, and as a tree, lines of text, or bytes.

The strictest reading goes first. What stands at its beginning and how all of it
reads decide; a reading that leaves a byte over is none.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from monitor.records.signal import Message
from monitor.signal.payload import cbor, json_object, message_pack
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.compression import Broken, Compression, TooLong, decompress
from monitor.signal.payload.protobuf import NotProtobuf, fields
from monitor.signal.payload.text import cleaned

Kind = Literal["json", "cbor", "msgpack", "sparkplug", "text", "bytes"]

MAX_BYTES = 4 << 20
MAGICS: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
ZLIB_STARTS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
SPARKPLUG_TOPIC = re.compile(r"spBv1\.0/[^/]+/[DN]DATA/")
METRIC = 2
WHITE_SPACE = str.maketrans("\r\n\t", "   ")


@dataclass(frozen=True, slots=True)
class Opened:
    """original : as it came; message : with its payload unpacked
    tree : of json, cbor and msgpack; the text of text
    ids : texts in it that come again and again, and so are no samples
    """

    original: Message
    message: Message
    compression: Compression
    kind: Kind
    tree: Any = None
    ids: frozenset[str] = frozenset()


def opened(message: Message) -> Opened:
    compression, data = unpacked(message.payload)
    kind, tree = _kind(message.topic, data)
    return Opened(message, replace(message, payload=data), compression, kind, tree)


def unpacked(data: bytes) -> tuple[Compression, bytes]:
    """What bytes are packed with, and what comes out."""
    for compression in _compressions(data):
        try:
            out = decompress(data, compression, MAX_BYTES)
        except (Broken, TooLong):
            continue
        if out:
            return compression, out
    return "none", data


def _compressions(data: bytes) -> Iterator[Compression]:
    for magic, compression in MAGICS.items():
        is_there = (
            compression != "zstd" or importlib.util.find_spec("zstandard") is not None
        )
        if data.startswith(magic) and is_there:
            yield compression
    if data[:2] in ZLIB_STARTS:
        yield "zlib"
    elif len(data) >= 64 and _is_dense(data):
        yield "deflate"


def _is_dense(data: bytes) -> bool:
    """Nearly all byte values in a few hundred bytes, as packed data has them."""
    return len(set(data[:512])) > 0.55 * min(256, len(data[:512]))


def _kind(topic: str, data: bytes) -> tuple[Kind, Any]:
    if SPARKPLUG_TOPIC.match(topic) and _is_sparkplug(data):
        return "sparkplug", None
    text = _text(data)
    if text is not None:
        tree = _json(data, text)
        return ("text", text) if tree is None else ("json", tree)
    for kind, parse in (("msgpack", message_pack.parse), ("cbor", cbor.parse)):
        tree = _tree(parse, data)
        if tree is not None:
            return kind, tree  # type: ignore[return-value]
    return "bytes", None


def _text(data: bytes) -> str | None:
    """Text with nothing in it that text does not have."""
    text, tolerated = cleaned(data)
    if "latin_1" in tolerated and text.lstrip()[:1] not in ("{", "["):
        return None
    is_plain = text.translate(WHITE_SPACE).isprintable()
    return text if text and is_plain else None


def _json(data: bytes, text: str) -> Any:
    """A tree with keys or lists. A number alone is text."""
    try:
        json_object.check_depth(data)
        tree = json_object.parse(text)
    except PayloadError:
        return None
    return tree if isinstance(tree, dict | list) else None


def _tree(parse: Any, data: bytes) -> Any:
    """None where the bytes are no such tree, or one byte is left over: then a byte less will do."""
    tree = _parsed(parse, data)
    is_tree = isinstance(tree, dict | list) and len(tree) > 0
    return tree if is_tree and _parsed(parse, data[:-1]) is None else None


def _parsed(parse: Any, data: bytes) -> Any:
    try:
        return parse(data)
    except (PayloadError, ImportError, RecursionError):
        return None


def _is_sparkplug(data: bytes) -> bool:
    try:
        return any(number == METRIC for number, _ in fields(data))
    except NotProtobuf:
        return False
