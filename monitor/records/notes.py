"""What people write into the journal, whoever takes it from them: name, comment, and the rules that
mutes, repairs and wishes must keep. Pure: monitor/journal stores it.
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_AUTHOR, MAX_COMMENT, MAX_SENSOR = 80, 2000, 200  # characters
MAX_INTEGER = 2**63 - 1
LONGEST_NS = 90 * 86_400 * 10**9  # a mute that outlives a season was forgotten


class NoteError(Exception):
    """It cannot be taken; str() is one sentence that names key, value and rule."""


def check_note(values: Mapping[str, object]) -> tuple[str, str]:
    """Author and comment. Raises NoteError."""
    return text(values, "author", MAX_AUTHOR), text(values, "comment", MAX_COMMENT)


def check_mute(author: str, reason: str, until_ns: int | None, now_ns: int) -> int:
    """The end of a mute. Raises NoteError: one without an end, a name or a reason is refused."""
    if until_ns is None:
        raise NoteError("A mute without an end is refused: say until when.")
    if until_ns <= now_ns:
        raise NoteError("The end of a mute must lie in the future.")
    if until_ns - now_ns > LONGEST_NS:
        raise NoteError("A mute ends within 90 days: whoever needs longer sets it again.")
    check_muter(author)
    if not reason:
        raise NoteError("The reason is missing: say why the point is muted.")
    return until_ns


def check_muter(author: str) -> None:
    """Raises NoteError."""
    if not author:
        raise NoteError(
            "The name is missing: whoever mutes a point, or ends it, says who it was."
        )


def check_repair(author: str, done: str) -> None:
    """Raises NoteError."""
    if not author:
        raise NoteError("The name is missing: whoever notes a repair says who it was.")
    if not done:
        raise NoteError("What was done is missing: say it in a few words.")


def check_asker(author: str) -> None:
    """Raises NoteError."""
    if not author:
        raise NoteError("The name is missing: whoever wants a diagnosis says who it was.")


def integer(values: Mapping[str, object], key: str) -> int | None:
    """A whole number from 0 on, or None where it is absent. Raises NoteError."""
    value = values.get(key)
    if value is None:
        return None
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not 0 <= value <= MAX_INTEGER
    ):
        raise NoteError(f"{key} = {str(value)[:60]!r}: must be a whole number from 0 on.")
    return value


def signed(text: str, author: str, comment: str) -> str:
    """One line: what was said, by whom, and the comment."""
    by = f" by {author}" if author else ""
    return f"{text}{by}" + (f": {comment}" if comment else "")


def text(values: Mapping[str, object], key: str, limit: int) -> str:
    value = values.get(key, "")
    value = "" if value is None else value
    if not isinstance(value, str):
        raise NoteError(f"{key} = {str(value)[:60]!r}: must be text.")
    value = value.strip()
    if len(value) > limit:
        raise NoteError(f"{key} has {len(value)} characters: at most {limit} are kept.")
    if any(not char.isprintable() and char not in "\n\t" for char in value):
        raise NoteError(f"{key} = {value[:60]!r}: must be printable text.")
    return value
