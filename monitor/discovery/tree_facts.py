"""What stands beside the samples of a tree: time, counter, rate, unit, and the sensor's name.

A fact is taken for what its values do over many messages; its name decides between equals alone.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.discovery import clocks, words
from monitor.discovery.notes import Choice, Notes
from monitor.discovery.trees import Place, grows_steadily, is_number, is_numbers, joined, nodes
from monitor.signal.payload.paths import at
from monitor.signal.payload.times import time_ns
from monitor.signal.payload.units import MS2_PER_UNIT, spelled

DEFAULT_PATHS = ("time", "sequence", "sample_rate_hz", "spacing_s")
OFF_NS = 1800 * 10**9  # a clock that is farther off is not used as it is
ZONELESS = re.compile(r"[^Zz]*T?\d\d:\d\d(:\d\d([.,]\d+)?)?")
# Some of the zones that factories are in: any other may be the answer.
ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Helsinki", "America/New_York", "America/Chicago",
    "America/Denver", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Shanghai",
    "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip
STRONG_RATES = frozenset({"fs", "sr", "odr", "samplerate", "samplingrate", "sample", "sampling"})


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message, or all of it. stream : what tells whose it is, as far as is known"""

    topic: str
    received_ns: int
    tree: Any
    whole: Any

    def at(self, path: str) -> Any:
        value = at(self.tree, path)
        return at(self.whole, path) if value is None else value


@dataclass(slots=True)
class Facts:
    """settings : of the payload; weak : those of them that the cadence must confirm"""

    settings: dict[str, Any] = field(default_factory=dict)
    identities: dict[str, list[str]] = field(default_factory=dict)  # path: values, in order
    weak: set[str] = field(default_factory=set)


def parts_of(place: Place, messages: Sequence[tuple[str, int, Any]]) -> list[Part]:
    """messages : (topic, arrival, tree)"""
    found = []
    for topic, at_ns, tree in messages:
        entries = [tree] if place.parts is None else at(tree, place.parts)
        first = place.channels[0] if place.channels else None
        for entry in entries if isinstance(entries, list) else []:
            value = at(entry, place.paths[0])
            if value is None or (first is not None and not value):
                continue
            found.append(Part(topic, at_ns, entry, tree))
    return found


def facts_of(place: Place, parts: Sequence[Part], notes: Notes) -> Facts:
    facts = Facts()
    paths = _scalar_paths(place, parts)
    facts.identities = _identities(paths, parts)
    streams = _streams(parts, facts.identities)
    _find_sample_time(place, parts, facts, notes)
    _find_time(paths, streams, facts, notes)
    _find_sequence(paths, streams, facts, notes)
    _find_rate(paths, parts, facts, notes)
    _find_unit(paths, parts, facts, notes)
    for key in DEFAULT_PATHS:  # what stands there by accident must not be read
        if key not in facts.settings and any(one.at(key) is not None for one in parts):
            facts.settings[key] = None
    return facts


def _scalar_paths(place: Place, parts: Sequence[Part]) -> list[str]:
    """Of text and numbers beside the samples, in the part first, then in the whole."""
    found: dict[str, None] = {}
    for one in parts[:8]:
        for path in _scalars(one.tree):
            found.setdefault(path)
        if place.parts not in (None, "."):
            for path in _scalars(one.whole):
                if not path.startswith(f"{place.parts}."):
                    found.setdefault(path)
    inside = tuple(f"{path}." for path in place.paths)
    samples = set(place.paths)
    kept = [path for path in found if path not in samples and path != "."]
    if place.channels:  # within entries: only what all share, the first tells
        of_first = [path for path in kept if path.startswith(inside) or "." in place.paths]
        other = [path for path in kept if path not in of_first]
        prefix = "0." if place.paths == (".",) else f"{place.paths[0]}.0."
        return other + [path for path in of_first if path.startswith(prefix)]
    return [path for path in kept if not path.startswith(inside)]


def _scalars(tree: Any) -> Iterator[str]:
    """Paths of texts, numbers and times; of those in short lists too."""
    for path, value in nodes(tree):
        if isinstance(value, str | int | float) or hasattr(value, "isoformat"):
            yield path
        elif is_numbers(value) and len(value) <= 3:
            yield from (joined(path, str(index)) for index in range(len(value)))


# -- whose it is ----------------------------------------------------------------------------------


def _identities(paths: Sequence[str], parts: Sequence[Part]) -> dict[str, list[str]]:
    """Texts, or whole numbers so named, that tell one sender from another."""
    found = {}
    for path in paths:
        values = [one.at(path) for one in parts]
        if None in values or not words.says(path, words.IDENTITY):
            continue
        is_text = all(isinstance(value, str) and 0 < len(value) <= 96 for value in values)
        is_id = all(type(value) is int for value in values) and not clocks.is_counter(values)
        distinct = len({str(value) for value in values})
        if (is_text or is_id) and distinct <= max(1, len(values) // 2) + (len(values) <= 3) * 2:
            found[path] = [str(value) for value in values]
    return found


def _streams(parts: Sequence[Part], identities: dict[str, list[str]]) -> list[list[Part]]:
    """Parts of one sender, in order of arrival."""
    streams: dict[tuple[str, ...], list[Part]] = defaultdict(list)
    for index, one in enumerate(parts):
        names = tuple(values[index] for values in identities.values())
        streams[one.topic, *names].append(one)
    return list(streams.values())


# -- times ----------------------------------------------------------------------------------------


def _find_sample_time(place: Place, parts: Sequence[Part], facts: Facts, notes: Notes) -> None:
    """A time in each entry, or a list of them beside the lists."""
    if place.shape == "objects":
        path = _entry_clock(place, parts)
    elif place.shape == "each" and place.form == "list":
        path = _list_clock(place, parts)
    else:
        return
    if path is None:
        return
    pairs = [(value, one.received_ns) for one in parts for value in _first_times(one, place, path)]
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
        notes.say("sample_time", f"{path} counts {name[9:]} from any moment, for each sample")
    else:
        facts.settings["time"] = None
        notes.say("sample_time", f"{path} is a time ({name}) near the arrival, for each sample")


def _entry_clock(place: Place, parts: Sequence[Part]) -> str | None:
    entries = at(parts[0].tree, place.paths[0])
    if not isinstance(entries, list) or len(entries) < 2:
        return None
    candidates = [
        path
        for path, value in nodes(entries[0])
        if path not in place.channels and (is_number(value) or isinstance(value, str))
    ]
    for path in sorted(candidates, key=lambda one: not words.says(one, words.TIME)):
        values = [at(entry, path) for entry in entries]
        numbers = all(map(is_number, values))
        is_growing = numbers and all(b >= a for a, b in pairwise(values))
        is_clock = is_growing and len(set(values)) > 1 and _is_clock_name(path, values)
        if is_clock or clocks.format_of(values[:1], [parts[0].received_ns]):
            return path
    return None


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
        entries = at(part.tree, place.paths[0])
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


def _find_time(
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
    if abs(off_ns) > OFF_NS and not _settle_offset(path, name, off_ns, streams, facts, notes):
        return
    facts.settings |= {"time": path, "time_format": name}
    notes.say("time", f"{path} is a time ({name}) near the arrival")


def _off_ns(path: str, name: str, streams: Sequence[Sequence[Part]]) -> int:
    """How far the times are before the arrivals, usually."""
    off = [
        one.received_ns - (time_ns(one.at(path), name) or 0) for stream in streams for one in stream
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
    is_local = name == "iso8601" and isinstance(value, str) and abs(hours * 4 % 1 - 0.5) > 0.4
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


def _find_sequence(
    paths: Sequence[str], streams: Sequence[Sequence[Part]], facts: Facts, notes: Notes
) -> None:
    for path in sorted(paths, key=lambda one: not words.says(one, words.SEQUENCE)):
        if path == facts.settings.get("time") or words.is_context(path):
            continue
        long = [stream for stream in streams if len(stream) >= 4]
        if long and all(clocks.is_counter([one.at(path) for one in stream]) for stream in long):
            facts.settings["sequence"] = path
            notes.say("sequence", f"{path} goes up by one a message")
            return


# -- rate and unit --------------------------------------------------------------------------------


def _find_rate(paths: Sequence[str], parts: Sequence[Part], facts: Facts, notes: Notes) -> None:
    for path in paths:
        values = [one.at(path) for one in parts]
        if not all(is_number(value) and value > 0 for value in values):
            continue
        name = words.tokens(path.rpartition(".")[2])
        key = _rate_key(path, name) or _spacing_key(path, name)
        if key is None:
            continue
        facts.settings[key] = path
        is_strong = bool(STRONG_RATES & set(name)) or "".join(name) in STRONG_RATES
        if not is_strong:
            facts.weak.add(key)
        return


def _rate_key(path: str, name: Sequence[str]) -> str | None:
    if not words.says(path, words.RATE) and "khz" not in name:
        return None
    return "sample_rate_khz" if "khz" in name else "sample_rate_hz"


def _spacing_key(path: str, name: Sequence[str]) -> str | None:
    if not words.says(path, words.SPACING):
        return None
    unit = words.time_unit_of(path) or "s"
    return f"spacing_{unit}" if unit in ("s", "ms", "us") else None


def _find_unit(paths: Sequence[str], parts: Sequence[Part], facts: Facts, notes: Notes) -> None:
    for path in paths:
        values = [one.at(path) for one in parts]
        if not all(isinstance(value, str) for value in values):
            continue
        units = {spelled(value) for value in values}
        is_named = words.says(path, words.UNIT)
        if units <= set(MS2_PER_UNIT) and is_named:
            facts.settings["unit"] = path
            notes.say("unit", f"{path} says {', '.join(sorted(units))}")
        elif is_named and not any(word in words.tokens(path) for word in ("temp", "time")):
            notes.ask(
                "unit",
                f"{path} says {sorted(set(values))[0]!r}, which is no unit of acceleration that is"
                " read: are these accelerations, and in which unit?",
            )
