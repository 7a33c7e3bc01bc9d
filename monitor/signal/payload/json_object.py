"""JSON: its samples in lists, in objects, under a key for each channel, in base64 or as text.

NaN, Infinity and null among the samples are read as from raw: quality marks
their window as BAD_DATA. A byte-order mark, NULs around the text and letters in
Latin-1 are tolerated and counted. JSON Lines, a value a line, are a list.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np

from monitor.records.signal import Chunk, Message
from monitor.signal.payload import tree
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.facts import short
from monitor.signal.payload.text import cleaned
from monitor.signal.payload.tolerated import marked
from monitor.signal.payload.tree_settings import TreePayload

# "[" and "{" inside each other: bounded before the recursive parser sees them.
MAX_DEPTH = 32

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1


class JsonPayload(TreePayload):
    """Field names are paths of keys joined by dots: data.values finds {"data": {"values": ...}}.

    encoding: binary reads a list of bytes, as JavaScript writes its buffers.
    """

    format: Literal["json"]


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """Chunks of one or more sensors. Raises PayloadError: not_json, too_nested and those of
    tree.chunks_of.
    """
    payload = settings.payload
    assert isinstance(payload, JsonPayload)
    check_depth(message.payload)
    text, tolerated = cleaned(message.payload)
    return marked(tree.chunks_of(parse(text), message, settings, payload), tolerated)


def parse(text: str) -> Any:
    """The tree of a text. Raises PayloadError: not_json, too_nested."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise _too_nested() from error
    except ValueError as error:
        # JSONDecodeError, a whole number of thousands of digits.
        lines = _lines(text)
        if lines is not None:
            return lines
        raise PayloadError(
            "not_json", f"Payload is not JSON: {short(str(error))}."
        ) from error


def _lines(text: str) -> list[Any] | None:
    """The objects of JSON Lines, one each. None where a line is anything else."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or not all(line.lstrip().startswith("{") for line in lines):
        return None
    try:
        return list(map(json.loads, lines))
    except ValueError:
        return None


def check_depth(data: bytes) -> None:
    """Brackets within text count too: a name may have a few. Raises PayloadError: too_nested."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    brackets = np.frombuffer(data.translate(None, _NOT_BRACKETS), np.uint8)
    if np.cumsum(_STEPS[brackets], dtype=np.int64).max() > MAX_DEPTH:
        raise _too_nested()


def _too_nested() -> PayloadError:
    return PayloadError("too_nested", f"JSON is nested deeper than {MAX_DEPTH} levels.")
