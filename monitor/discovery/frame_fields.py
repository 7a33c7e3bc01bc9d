"""The fields of a struct that comes with each instant: which are samples, what its clock counts.

Floating point shows by itself, field by field. Whole numbers are of one type,
or it is asked. What never changes is padding; of more than three fields that
move, some may be rotations or temperatures, so a person says which are meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monitor.discovery import binary, clocks, raw_bytes
from monitor.discovery.binary import Stored
from monitor.discovery.frames import (
    N_MESSAGES,
    NAMES,
    ORDERS,
    Bytes,
    Clock,
    Frames,
    unit_of,
    values_of,
)
from monitor.discovery.notes import Choice, Notes

MAX_UNASKED = 3  # fields that are taken for axes


def settings_of(
    frames: Frames, datas: Sequence[bytes], received_ns: Sequence[int], notes: Notes
) -> tuple[dict[str, Any], int] | None:
    """The settings beside format and compression, and the number of channels; None where something
    is asked.

    datas, received_ns : of the messages of one sender
    """
    table = np.concatenate([frames.table(data) for data in datas[:N_MESSAGES]])
    fields = _floats(frames.clock, table) or _alike(frames, datas, notes)
    if fields is None:
        return None
    stored = next(iter(fields.values()))
    at = _chosen(_moving(fields, table), notes)
    if at is None:
        return None
    clock = frames.clock
    notes.say(
        "frame",
        f"a struct of {clock.frame} bytes for each instant: {stored.dtype} at bytes"
        f" {', '.join(map(str, at))}",
    )
    frame: dict[str, Any] = {"bytes": clock.frame, "at": at}
    if not _is_counter(clock, frames.head, datas):
        time = _time(clock, frames.head, datas, received_ns, stored, notes)
        if time is None:
            return None
        frame["time"] = time
    settings = raw_bytes.settings_of_type(stored) | {"frame": frame}
    if frames.head:
        settings["header"] = {"bytes": frames.head}
    if frames.tail:
        settings["trailer_bytes"] = frames.tail
    return settings, len(at)


def _floats(clock: Clock, table: Bytes) -> dict[int, Stored]:
    """Fields of float32 by their place, all in one byte order."""
    places = [
        at
        for at in range(0, clock.frame - 3, 4)
        if set(range(at, at + 4)).isdisjoint(clock.span)
    ]
    found: list[dict[int, Stored]] = []
    for order in ORDERS.values():
        stored = Stored("float32", order, 0, 0.0)
        own = {at: stored.numbers(table[:, at : at + 4].tobytes()) for at in places}
        found.append({at: stored for at in places if binary.are_floats(own[at])})
    return max(found, key=len)


def _alike(
    frames: Frames, datas: Sequence[bytes], notes: Notes
) -> dict[int, Stored] | None:
    """All fields of one type of whole numbers; None where it is asked."""
    clock = frames.clock
    stored = raw_bytes.number_type(frames.rests(datas), notes, tails=(0,))
    if stored is None:
        return None
    before, behind = clock.at, clock.frame - clock.at - clock.width
    if before % stored.width or behind % stored.width:
        notes.ask(
            "payload",
            f"A struct of {clock.frame} bytes comes with every instant, with a clock at byte"
            f" {clock.at}: which fields are the samples?",
        )
        return None
    first, last = range(0, before), range(clock.at + clock.width, clock.frame)
    return {at: stored for at in (*first[:: stored.width], *last[:: stored.width])}


def _moving(fields: Mapping[int, Stored], table: Bytes) -> list[int]:
    """Places whose numbers are not always the same: padding is no channel."""
    return [
        at
        for at, stored in fields.items()
        if np.ptp(stored.numbers(table[:, at : at + stored.width].tobytes())) > 0
    ]


def _chosen(moving: list[int], notes: Notes) -> list[int] | None:
    if len(moving) <= MAX_UNASKED and notes.answer("channels") is None:
        return moving
    choices = [Choice(",".join(map(str, some))) for some in (moving[:MAX_UNASKED], moving)]
    answer = notes.ask(
        "channels",
        f"The struct of each instant has {len(moving)} fields that move, at bytes"
        f" {', '.join(map(str, moving))}: which are vibration?",
        choices,
    )
    places = [int(one) for one in (answer or "").split(",") if one.strip().isdigit()]
    return [at for at in places if at in moving] or None


def _is_counter(clock: Clock, head: int, datas: Sequence[bytes]) -> bool:
    """One up at each instant: it tells the order, and no time."""
    every = values_of(clock, head, datas[:N_MESSAGES])
    return all(bool(np.all(np.diff(values) == 1)) for values in every)


def _time(
    clock: Clock,
    head: int,
    datas: Sequence[bytes],
    received_ns: Sequence[int],
    stored: Stored,
    notes: Notes,
) -> dict[str, Any] | None:
    name = unit_of(clock, head, datas, received_ns)
    if name is None:
        answer = notes.ask(
            "sample_time_unit",
            "A number in each struct grows with the samples: what does it count?",
            [Choice(one) for one in clocks.STEPS],
        )
        if answer is None:
            return None
        name = f"relative_{answer}"
    notes.say("sample_time", f"{NAMES[clock.code]} at byte {clock.at} is its time ({name})")
    time = {"at": clock.at, "dtype": NAMES[clock.code], "format": name}
    if ORDERS[clock.order] != stored.byte_order:
        time["byte_order"] = ORDERS[clock.order]
    return time
