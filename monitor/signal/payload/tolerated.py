"""What a message had too much, was read all the same, and is counted."""

from __future__ import annotations

from dataclasses import replace

from monitor.records.signal import Chunk


def marked(chunks: list[Chunk], tolerated: tuple[str, ...]) -> list[Chunk]:
    """The message's first chunk carries the names."""
    if not tolerated:
        return chunks
    first = replace(chunks[0], tolerated=chunks[0].tolerated + tolerated)
    return [first, *chunks[1:]]
