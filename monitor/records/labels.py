"""A person's word on a window, and the rules it must keep. Pure: journal/labels.py stores it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

WORDS = ("NG confirmed", "false alarm", "unclear")
TOPIC = "camshaft/label"
MAX_AUTHOR, MAX_COMMENT, MAX_MODE, MAX_SENSOR = 80, 2000, 60, 200
MAX_MESSAGE_BYTES = 16_384
MESSAGE_KEYS = ("sensor", "row_id", "time_ns", "word", "failure_mode", "author", "comment")
MAX_INTEGER = 2**63 - 1


class LabelError(Exception):
    """The label cannot be taken; str() is one sentence that names key, value and rule."""


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
    """A label from word, failure_mode, author and comment, whoever sent them. Raises LabelError."""
    word = _text(values, "word", MAX_MODE)
    if word not in WORDS:
        raise LabelError(f"word = {word!r}: must be one of {', '.join(WORDS)}.")
    mode, known = _text(values, "failure_mode", MAX_MODE), tuple(failure_modes)
    if mode and mode not in known:
        raise LabelError(
            f"failure_mode = {mode!r}: must be one of page.failure_modes ({', '.join(known)}), or"
            " absent."
        )
    return Label(
        word,
        mode,
        _text(values, "author", MAX_AUTHOR),
        _text(values, "comment", MAX_COMMENT),
    )


def check_note(values: Mapping[str, object]) -> tuple[str, str]:
    """Author and comment of an acknowledgement. Raises LabelError."""
    return _text(values, "author", MAX_AUTHOR), _text(values, "comment", MAX_COMMENT)


def parse_message(
    payload: bytes, received_ns: int, failure_modes: Iterable[str]
) -> LabelRequest:
    """A label sent over MQTT as JSON: word and sensor or row_id, and where wanted the other
    MESSAGE_KEYS.

    Raises LabelError.
    """
    if len(payload) > MAX_MESSAGE_BYTES:
        raise LabelError(
            f"The message has {len(payload)} bytes; a label has at most {MAX_MESSAGE_BYTES}."
        )
    try:
        tree = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise LabelError(f"The message is not JSON: {str(error)[:100]}.") from error
    if not isinstance(tree, dict):
        raise LabelError(f"The message must be a JSON object, found {type(tree).__name__}.")
    if unknown := sorted(set(tree) - set(MESSAGE_KEYS)):
        raise LabelError(
            f"{unknown[0][:MAX_MODE]!r}: there is no such key; known are {', '.join(MESSAGE_KEYS)}."
        )
    row_id, time_ns = integer(tree, "row_id"), integer(tree, "time_ns")
    sensor = _text(tree, "sensor", MAX_SENSOR)
    if (row_id is None) == (not sensor):
        raise LabelError("A label needs exactly one of row_id and sensor.")
    return LabelRequest(
        check_label(tree, failure_modes), received_ns, row_id, sensor, time_ns
    )


def integer(values: Mapping[str, object], key: str) -> int | None:
    """A whole number from 0 on, or None where it is absent. Raises LabelError."""
    value = values.get(key)
    if value is None:
        return None
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not 0 <= value <= MAX_INTEGER
    ):
        raise LabelError(f"{key} = {str(value)[:60]!r}: must be a whole number from 0 on.")
    return value


def signed(text: str, author: str, comment: str) -> str:
    """One line: what was said, by whom, and the comment."""
    by = f" by {author}" if author else ""
    return f"{text}{by}" + (f": {comment}" if comment else "")


def _text(values: Mapping[str, object], key: str, limit: int) -> str:
    value = values.get(key, "")
    value = "" if value is None else value
    if not isinstance(value, str):
        raise LabelError(f"{key} = {str(value)[:60]!r}: must be text.")
    value = value.strip()
    if len(value) > limit:
        raise LabelError(f"{key} has {len(value)} characters: at most {limit} are kept.")
    if any(not char.isprintable() and char not in "\n\t" for char in value):
        raise LabelError(f"{key} = {value[:60]!r}: must be printable text.")
    return value


# -- camshaft label -------------------------------------------------------------------------------
