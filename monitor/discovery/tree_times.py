"""The times in a message that is a tree: of its first sample, or of each.

A value is a time where it is near the arrival in one of the formats and keeps
pace with it; a count from any moment tells the rate alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.discovery import clocks, words
from monitor.discovery.nodes import grows_steadily, is_number, is_numbers, nodes
from monitor.discovery.notes import Choice, Notes
from monitor.discovery.parts import Facts, Part
from monitor.discovery.trees import Place
from monitor.signal.payload.paths import at, entries_at
from monitor.signal.payload.times import time_ns

OFF_NS = 1800 * 10**9  # a clock that is farther off is not used as it is
ZONELESS = re.compile(r"[^Zz]*T?\d\d:\d\d(:\d\d([.,]\d+)?)?")
# Some of the zones that factories are in: any other may be the answer.
ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Helsinki", "America/New_York", "America/Chicago",
    "America/Denver", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Shanghai",
    "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip


def find_sample_time(
    place: Place, parts: Sequence[Part], facts: Facts, notes: Notes
) -> None:
    """A time in each entry, or a list of them beside the lists."""
    if place.shape == "objects":
        path = _entry_clock(place, parts)
    elif place.shape == "each" and place.form == "list":
        path = _list_clock(place, parts)
    else:
        return
    if path is None:
        return
    pairs = [
        (value, one.received_ns)
        for one in parts
        for value in _first_times(one, place, path)
    ]
    if not pairs:
        return
    values, arrivals = [value for value, _ in pairs], [at_ns for _, at_ns in pairs]
    name = clocks.format_of(values, arrivals)
    if name is None:
        name = _relative(path, values, arrivals, notes)
    if name is None:
        return
    facts.settings |= {"sample_time": path, "sample_time_format": name}
    if name.startswith("relative_"):
        notes.say(
            "sample_time", f"{path} counts {name[9:]} from any moment, for each sample"
        )
    else:
        facts.settings["time"] = None
        notes.say(
            "sample_time", f"{path} is a time ({name}) near the arrival, for each sample"
        )


def _entry_clock(place: Place, parts: Sequence[Part]) -> str | None:
    entries = entries_at(parts[0].tree, place.paths[0])
    if not isinstance(entries, list) or len(entries) < 2:
        return None
    candidates = [
        path
        for path, value in nodes(entries[0])
        if path not in place.channels and (is_number(value) or _may_be_time(value))
    ]
    for path in sorted(candidates, key=lambda one: not words.says(one, words.TIME)):
        values = [at(entry, path) for entry in entries]
        numbers = all(map(is_number, values))
        is_growing = numbers and all(b >= a for a, b in pairwise(values))
        is_clock = is_growing and len(set(values)) > 1 and _is_clock_name(path, values)
        if is_clock or clocks.format_of(values[:1], [parts[0].received_ns]):
            return path
    return None


def _may_be_time(value: object) -> bool:
    """A text, or an object of seconds and nanoseconds."""
    return isinstance(value, str) or (
        isinstance(value, Mapping) and time_ns(value, "s") is not None
    )


def _is_clock_name(path: str, values: Sequence[Any]) -> bool:
    is_index = all(b - a == 1 for a, b in pairwise(values))
    is_named = words.says(path, words.TIME) or words.time_unit_of(path) is not None
    return is_named or (not is_index and path.isdigit())


def _list_clock(place: Place, parts: Sequence[Part]) -> str | None:
    first = at(parts[0].tree, place.paths[0])
    if not is_numbers(first):
        return None
    n = len(first)
    for path, value in nodes(parts[0].tree):
        if path in place.paths or not is_numbers(value) or len(value) != n:
            continue
        if grows_steadily(list(value)):
            return path
    return None


def _first_times(part: Part, place: Place, path: str) -> list[Any]:
    if place.shape == "objects":
        entries = entries_at(part.tree, place.paths[0])
        return [at(entries[0], path)] if entries else []
    value = at(part.tree, path)
    return [value[0]] if is_numbers(value) else []


def _relative(
    path: str, values: Sequence[Any], arrivals: Sequence[int], notes: Notes
) -> str | None:
    """The unit of a count from any moment, by its growth over the messages, else by its name."""
    if not all(map(is_number, values)):
        return None
    by_growth = clocks.unit_of_count(values, arrivals)
    by_name = words.time_unit_of(path)
    if by_growth is not None:
        return f"relative_{by_growth}"
    if by_name is not None and len(set(values)) == 1:  # begins anew in each message
        return f"relative_{by_name}"
    answer = notes.ask(
        "sample_time_unit",
        f"{path} grows with the samples and is no time of day: what does it count?",
        [Choice(unit) for unit in ("us", "ms", "s", "ns")],
    )
    return None if answer is None else f"relative_{answer}"


def find_time(
    paths: Sequence[str], streams: Sequence[Sequence[Part]], facts: Facts, notes: Notes
) -> None:
    """Of the first sample, as the message has it."""
    if "time" in facts.settings:
        return
    found = []
    for path in paths:
        pairs = [(one.at(path), one.received_ns) for stream in streams for one in stream]
        values = [value for value, _ in pairs]
        if None in values or (not words.says(path, words.TIME) and not _is_large(values)):
            continue
        name = clocks.format_of(values, [at_ns for _, at_ns in pairs])
        if name is not None and all(_keeps_pace(path, name, stream) for stream in streams):
            found.append((path, name))
    if not found:
        return
    path, name = min(found, key=lambda one: not words.says(one[0], words.TIME))
    if any(_stands_still(path, stream) for stream in streams):
        facts.settings["time"] = None
        notes.say("time", f"{path} stands still over several messages: it is not used")
        return
    off_ns = _off_ns(path, name, streams)
    if abs(off_ns) > OFF_NS and not _settle_offset(
        path, name, off_ns, streams, facts, notes
    ):
        return
    facts.settings |= {"time": path, "time_format": name}
    notes.say("time", f"{path} is a time ({name}) near the arrival")


def _off_ns(path: str, name: str, streams: Sequence[Sequence[Part]]) -> int:
    """How far the times are before the arrivals, usually."""
    off = [
        one.received_ns - (time_ns(one.at(path), name) or 0)
        for stream in streams
        for one in stream
    ]
    return sorted(off)[len(off) // 2]


def _settle_offset(
    path: str,
    name: str,
    off_ns: int,
    streams: Sequence[Sequence[Part]],
    facts: Facts,
    notes: Notes,
) -> bool:
    """A clock that is hours off may be a local one: then its zone is asked, and with it the time
    can be used. Any other is left alone, and arrival counts.
    """
    hours = off_ns / 3600e9
    value = streams[0][0].at(path)
    is_local = (
        name == "iso8601" and isinstance(value, str) and abs(hours * 4 % 1 - 0.5) > 0.4
    )
    if not (is_local and abs(hours) < 15 and ZONELESS.fullmatch(value.strip())):
        facts.settings["time"] = None
        notes.say("time", f"{path} is {hours:+.1f} h off the arrival: it is not used")
        return False
    zones = [
        Choice(one)
        for one in ZONES
        if _offset_h(one, streams[0][0].received_ns) == -round(hours, 2)
    ]
    text = f"{path} names no zone and is {-hours:+.1f} h off UTC: which zone is it?"
    answer = notes.ask("time_zone", text, [*zones, Choice("none", "then arrival counts")])
    if answer is None or answer == "none":
        facts.settings["time"] = None
        return False
    facts.settings["time_zone"] = answer
    return True


def _offset_h(zone: str, at_ns: int) -> float:
    try:
        offset = datetime.fromtimestamp(at_ns / 1e9, ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return math.nan
    return math.nan if offset is None else offset.total_seconds() / 3600


def _keeps_pace(path: str, name: str, stream: Sequence[Part]) -> bool:
    values, arrivals = [one.at(path) for one in stream], [one.received_ns for one in stream]
    return clocks.keeps_pace(values, arrivals, name)


def _is_large(values: Sequence[Any]) -> bool:
    """So large that no reading is near to it by accident; or text."""
    return all(
        isinstance(one, str) or (is_number(one) and abs(one) > 1e8) for one in values
    ) or all(hasattr(one, "isoformat") for one in values)


def _stands_still(path: str, stream: Sequence[Part]) -> bool:
    values = [one.at(path) for one in stream]
    same = sum(a == b for a, b in pairwise(values))
    return len(values) > 2 and same > 0.2 * (len(values) - 1)
