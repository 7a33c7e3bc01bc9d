"""Text for people: strangers' words made safe to show, and times."""

from __future__ import annotations

from datetime import UTC, datetime

MAX_CHARS = 300


def printable(text: str, max_chars: int = MAX_CHARS) -> str:
    """One line without control characters, cut: safe for logs and terminals."""
    shown = "".join(
        char if char.isprintable() else f"\\x{ord(char):02x}"
        for char in text[: max_chars + 1]
    )
    return shown if len(shown) <= max_chars else shown[: max_chars - 3] + "..."


def first_bytes(data: bytes, n_shown: int = 12) -> str:
    """As text where they are some, else in hexadecimal."""
    head = data[: 2 * n_shown]
    if head.isascii() and head.decode("ascii").isprintable():
        return repr(head.decode("ascii"))
    return head[:n_shown].hex(" ")


def utc(at_ns: int) -> str:
    """A time to the second."""
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"
