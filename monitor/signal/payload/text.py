"""A payload that is text, without what does not belong to it."""

from __future__ import annotations

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WHITE_SPACE = b" \t\r\n"


def cleaned(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Text, and the names of what was taken off it or read in another way."""
    tolerated = []
    if data.startswith(BYTE_ORDER_MARK):
        data = data[len(BYTE_ORDER_MARK) :]
        tolerated.append("byte_order_mark")
    stripped = data.strip(WHITE_SPACE)
    if stripped[-1:] == b"\0" or stripped[:1] == b"\0":
        stripped = stripped.strip(WHITE_SPACE + b"\0")
        tolerated.append("nul_bytes")
    try:
        return stripped.decode("utf-8"), tuple(tolerated)
    except UnicodeDecodeError:
        return stripped.decode("latin-1"), (*tolerated, "latin_1")
