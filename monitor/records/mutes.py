"""The rules that a mute must keep, whoever sets it. Pure: journal/mutes.py stores it."""

from __future__ import annotations

from monitor.records.labels import LabelError

LONGEST_NS = 90 * 86_400 * 10**9  # a mute that outlives a season was forgotten


def check_mute(author: str, reason: str, until_ns: int | None, now_ns: int) -> int:
    """The end of a mute. Raises LabelError: one without an end, a name or a reason is refused."""
    if until_ns is None:
        raise LabelError("A mute without an end is refused: say until when.")
    if until_ns <= now_ns:
        raise LabelError("The end of a mute must lie in the future.")
    if until_ns - now_ns > LONGEST_NS:
        raise LabelError("A mute ends within 90 days: whoever needs longer sets it again.")
    check_author(author)
    if not reason:
        raise LabelError("The reason is missing: say why the point is muted.")
    return until_ns


def check_author(author: str) -> None:
    """Raises LabelError."""
    if not author:
        raise LabelError(
            "The name is missing: whoever mutes a point, or ends it, says who it was."
        )
