"""What bytes are that are no bare numbers: text, JSON, compressed, Sparkplug B, CBOR, MessagePack.

Each is told by its structure, never by a first byte alone: samples may begin
with any byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from monitor.signal.payload import protobuf
from monitor.signal.payload.compression import Broken, Compression, TooLong, decompress
from monitor.signal.plausibility import item_trees

Content = Literal[
    "gzip",
    "zlib",
    "zstd",
    "json",
    "csv",
    "base64",
    "hex",
    "text",
    "sparkplug",
    "cbor",
    "msgpack",
]

HEAD = 512  # bytes that text is told by
MIN_TEXT = 24
MIN_DISTINCT = 8  # of text, in each byte of a number: a quiet signal may rest on one letter
MIN_DIGITS = 3  # different ones of numbers as text
MIN_ALPHABET = 24  # different characters of base64
UNPACKED = 1 << 20  # enough to see that it unpacks

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SPARKPLUG_FIELDS = {1, 2, 3, 4, 5}
_PRINTABLE = bytes([*range(0x20, 0x7F), *b"\t\r\n"])
_NUMERIC = re.compile(rb"[-+0-9.eE,;:\s]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}\s*")
_HEX = re.compile(rb"[0-9a-fA-F\s]+")


def content_of(data: bytes, width: int = 1) -> Content | None:
    """None where the bytes may be bare numbers.

    width : bytes of a number, as configured; 1 where nothing is known. Text
        that is neither JSON nor numbers is told from 2 on only: samples of one
        byte may be letters.
    """
    for name, fits in _BINARY.items():
        if fits(data):
            return name
    return _text(data, width)


def _text(data: bytes, width: int) -> Content | None:
    head = data.removeprefix(b"\xef\xbb\xbf").strip(b"\0")[:HEAD]
    if len(head) < MIN_TEXT or not _is_printable(head):
        return None
    stripped = head.lstrip()
    if (
        stripped[:1] in (b"{", b"[")
        and stripped[1:2] not in (b"", b"{", b"}")
        and b'"' in head
    ):
        return "json"
    if stripped[:1] == b"[" and _NUMERIC.fullmatch(stripped.strip(b"[] \r\n\t")):
        return "json"
    if _NUMERIC.fullmatch(head) and _has_numbers(head):
        return "csv"
    is_whole = len(set(head)) >= MIN_DISTINCT
    if is_whole and _HEX.fullmatch(head) and not len(head.split()[0]) % 2:
        return "hex"
    if len(set(head)) >= MIN_ALPHABET and _BASE64.fullmatch(head):
        return "base64"
    if width > 1 and all(len(set(head[at::width])) >= MIN_DISTINCT for at in range(width)):
        return "text"
    return None


def _has_numbers(head: bytes) -> bool:
    return len(set(head) & set(b"0123456789")) >= MIN_DIGITS and bool(
        set(head) & set(b",;\t\n ")
    )


def _is_printable(head: bytes) -> bool:
    """ASCII, or UTF-8 that may be cut at the end."""
    if not head.translate(None, _PRINTABLE):
        return True
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return all(one.isprintable() or one in "\t\r\n" for one in text)
    return False


def _unpacks(data: bytes, compression: Compression) -> bool:
    """With its checksum: no samples look so."""
    try:
        return bool(decompress(data, compression, UNPACKED))
    except TooLong:
        return True
    except Broken:
        return False


def _is_gzip(data: bytes) -> bool:
    return data[:3] == b"\x1f\x8b\x08" and _unpacks(data, "gzip")


def _is_zlib(data: bytes) -> bool:
    is_header = data[:1] == b"\x78" and not int.from_bytes(data[:2], "big") % 31
    return is_header and _unpacks(data, "zlib")


def _is_zstd(data: bytes) -> bool:
    return data[:4] == _ZSTD_MAGIC and len(data) > 8


def _is_sparkplug(data: bytes) -> bool:
    """A whole message of the fields that Sparkplug B has, metrics among them."""
    if data[:1] not in (b"\x08", b"\x12") or len(data) < MIN_TEXT:
        return False
    try:
        found = list(protobuf.fields(data))
    except protobuf.NotProtobuf:
        return False
    numbers = {number for number, _ in found}
    metrics = [value for number, value in found if number == 2]
    return 2 in numbers <= _SPARKPLUG_FIELDS and all(map(_is_message, metrics))


def _is_message(value: protobuf.Value) -> bool:
    if not isinstance(value, bytes) or not value:
        return False
    try:
        return bool(list(protobuf.fields(value)))
    except protobuf.NotProtobuf:
        return False


_BINARY: dict[Content, Callable[[bytes], bool]] = {
    "gzip": _is_gzip,
    "zlib": _is_zlib,
    "zstd": _is_zstd,
    "sparkplug": _is_sparkplug,
    "cbor": item_trees.is_cbor,
    "msgpack": item_trees.is_message_pack,
}
