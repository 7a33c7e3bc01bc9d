"""The rules that a note of a repair must keep. Pure: journal/repairs.py stores it."""

from __future__ import annotations

from monitor.records.labels import LabelError


def check_repair(author: str, done: str) -> None:
    """Raises LabelError."""
    if not author:
        raise LabelError("The name is missing: whoever notes a repair says who it was.")
    if not done:
        raise LabelError("What was done is missing: say it in a few words.")
