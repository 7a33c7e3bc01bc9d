"""Mutes, repairs and wishes for a diagnosis from the page: the command line's rules and words."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from monitor.journal.asks import AskStore
from monitor.journal.mutes import Mute, MuteStore
from monitor.journal.repairs import RepairStore
from monitor.journal.views import JournalViews
from monitor.records.notes import (
    MAX_SENSOR,
    NoteError,
    check_asker,
    check_mute,
    check_muter,
    check_note,
    check_repair,
    integer,
)
from monitor.times import clock

NS_PER_MS = 1_000_000


def mute(path: Path, values: Mapping[str, object], now_ns: int) -> int:
    """From sensor, until_ms, author and comment. Returns the end. Raises NoteError, JournalError.

    The event tells the end in the host's zone: whoever reads it may sit
    elsewhere than who wrote.
    """
    sensor = _sensor(path, values)
    author, reason = check_note(values)
    until_ms = integer(values, "until_ms")
    until_ns = None if until_ms is None else until_ms * NS_PER_MS
    until_ns = check_mute(author, reason, until_ns, now_ns)
    with closing(MuteStore(path)) as store:
        store.mute(Mute(sensor, now_ns, until_ns, author, reason), clock(until_ns, None))
    return until_ns


def unmute(path: Path, values: Mapping[str, object], now_ns: int) -> None:
    """From sensor and author. Raises as mute does."""
    sensor = _sensor(path, values)
    author, _ = check_note(values)
    check_muter(author)
    with closing(MuteStore(path)) as store:
        if not store.unmute(sensor, author, now_ns):
            raise NoteError(f"{sensor}: is not muted (any more).")


def note_repair(path: Path, values: Mapping[str, object], now_ns: int) -> None:
    """From sensor, author and comment, which says what was done. Raises as mute does."""
    sensor = _sensor(path, values)
    author, done = check_note(values)
    check_repair(author, done)
    with closing(RepairStore(path)) as store:
        store.note(sensor, now_ns, author, done)


def ask_diagnosis(path: Path, values: Mapping[str, object], now_ns: int) -> None:
    """From sensor and author. Raises as mute does."""
    sensor = _sensor(path, values)
    author, _ = check_note(values)
    check_asker(author)
    with closing(AskStore(path)) as store:
        store.ask(sensor, author, now_ns)


def _sensor(path: Path, values: Mapping[str, object]) -> str:
    sensor = values.get("sensor")
    with closing(JournalViews(path)) as views:
        if not isinstance(sensor, str) or views.newest(sensor) is None:
            name = str(sensor)[:MAX_SENSOR]
            raise NoteError(f"sensor = {name!r}: the journal does not know it.")
    return sensor
