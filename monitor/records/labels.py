"""A person's word on a window, and the rules it must keep. Pure: journal/labels.py stores it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitor.records.notes import (
    MAX_SENSOR,
    NoteError,
    check_note,
    integer,
    signed,
    text,
)

WORDS = ("NG confirmed", "false alarm", "unclear")
TOPIC = "camshaft/label"
MAX_MODE = 60
MAX_MESSAGE_BYTES = 16_384
MESSAGE_KEYS = ("sensor", "row_id", "time_ns", "word", "failure_mode", "author", "comment")


@dataclass(frozen=True, slots=True)
class Label:
    word: str
    failure_mode: str = ""
    author: str = ""
    comment: str = ""

    @property
    def text(self) -> str:
        """For a mark on a time line."""
        mode = f" ({self.failure_mode})" if self.failure_mode else ""
        return signed(self.word + mode, self.author, self.comment)


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A label and the window it means: a journal row, or the sensor's window at time_ns, or its
    newest one.
    """

    label: Label
    at_ns: int
    row_id: int | None = None
    sensor: str = ""
    time_ns: int | None = None

    @property
    def window(self) -> str:
        """The window in words."""
        if self.row_id is not None:
            return f"row {self.row_id}"
        return (
            f"{self.sensor!r}"
            if self.time_ns is None
            else f"{self.sensor!r} at {self.time_ns} ns"
        )


def check_label(values: Mapping[str, object], failure_modes: Iterable[str]) -> Label:
    """A label from word, failure_mode, author and comment, whoever sent them. Raises NoteError."""
    word = text(values, "word", MAX_MODE)
    if word not in WORDS:
        raise NoteError(f"word = {word!r}: must be one of {', '.join(WORDS)}.")
    mode, known = text(values, "failure_mode", MAX_MODE), tuple(failure_modes)
    if mode and mode not in known:
        raise NoteError(
            f"failure_mode = {mode!r}: must be one of page.failure_modes ({', '.join(known)}), or"
            " absent."
        )
    return Label(word, mode, *check_note(values))


def parse_message(
    payload: bytes, received_ns: int, failure_modes: Iterable[str]
) -> LabelRequest:
    """A label sent over MQTT as JSON: word and sensor or row_id, and where wanted the other
    MESSAGE_KEYS.

    Raises NoteError.
    """
    if len(payload) > MAX_MESSAGE_BYTES:
        raise NoteError(
            f"The message has {len(payload)} bytes; a label has at most {MAX_MESSAGE_BYTES}."
        )
    try:
        tree = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise NoteError(f"The message is not JSON: {str(error)[:100]}.") from error
    if not isinstance(tree, dict):
        raise NoteError(f"The message must be a JSON object, found {type(tree).__name__}.")
    if unknown := sorted(set(tree) - set(MESSAGE_KEYS)):
        raise NoteError(
            f"{unknown[0][:MAX_MODE]!r}: there is no such key; known are {', '.join(MESSAGE_KEYS)}."
        )
    row_id, time_ns = integer(tree, "row_id"), integer(tree, "time_ns")
    sensor = text(tree, "sensor", MAX_SENSOR)
    if (row_id is None) == (not sensor):
        raise NoteError("A label needs exactly one of row_id and sensor.")
    return LabelRequest(
        check_label(tree, failure_modes), received_ns, row_id, sensor, time_ns
    )
