"""Strangers' text, made safe to show: topic names, payloads, a server's answer."""

from __future__ import annotations

MAX_CHARS = 300


def printable(text: str, max_chars: int = MAX_CHARS) -> str:
    """One line without control characters, cut: safe for logs and terminals."""
    shown = "".join(
        char if char.isprintable() else f"\\x{ord(char):02x}" for char in text[: max_chars + 1]
    )
    return shown if len(shown) <= max_chars else shown[: max_chars - 3] + "..."
