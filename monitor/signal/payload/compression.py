"""gzip, zlib, deflate and zstd around a payload of any format. What comes out is bounded."""

from __future__ import annotations

import importlib.util
import zlib
from typing import Any, Literal

Compression = Literal["none", "gzip", "zlib", "deflate", "zstd"]

_WINDOW_BITS = {"gzip": 31, "zlib": 15, "deflate": -15}
_ZSTD_WINDOW_BYTES = 8 << 20  # what its strongest usual level needs


class TooLong(Exception):
    """More comes out than may."""


class Broken(Exception):
    """The bytes are not so compressed, or end too early."""


def check_installed(compression: Compression) -> None:
    """Raises ValueError where a library is missing."""
    if compression == "zstd" and importlib.util.find_spec("zstandard") is None:
        raise ValueError(
            "compression = zstd needs the extra: pip install 'camshaft[formats]'"
        )


def decompress(data: bytes, compression: Compression, max_bytes: int) -> bytes:
    """Raises TooLong, without unpacking more than max_bytes, and Broken."""
    if compression == "zstd":
        return _unzstd(data, max_bytes)
    return _inflate(data, _WINDOW_BITS[compression], max_bytes)


def _inflate(data: bytes, window_bits: int, max_bytes: int) -> bytes:
    """All members of a gzip file, one after the other; the others have one."""
    out, rest = bytearray(), data
    while rest:
        inflater = zlib.decompressobj(window_bits)
        try:
            out += inflater.decompress(rest, max_bytes + 1 - len(out))
        except zlib.error as error:
            raise Broken(str(error)) from error
        if len(out) > max_bytes:
            raise TooLong
        if not inflater.eof:
            raise Broken("the bytes end too early")
        # Zeros behind the end come from senders with buffers of a fixed length.
        rest = inflater.unused_data.strip(b"\0")
    return bytes(out)


def _unzstd(data: bytes, max_bytes: int) -> bytes:
    """One frame. The library's stream reader alone would take one that ends early for whole."""
    import zstandard  # an extra

    inflater = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    try:
        stated = zstandard.get_frame_parameters(data).content_size
        if stated != zstandard.CONTENTSIZE_UNKNOWN and stated > max_bytes:
            raise TooLong
        return inflater.decompress(data, max_output_size=max_bytes, allow_extra_data=False)
    except zstandard.ZstdError as error:
        if _holds_more(inflater, data, max_bytes):
            raise TooLong from error
        raise Broken(str(error)) from error


def _holds_more(inflater: Any, data: bytes, max_bytes: int) -> bool:
    """Whether the frame failed for want of room: the library tells it no other way."""
    import zstandard

    with inflater.stream_reader(data) as reader:
        try:
            return len(reader.read(max_bytes + 1)) > max_bytes
        except zstandard.ZstdError:
            return False
