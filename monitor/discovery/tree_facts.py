"""What stands beside the samples of a tree: time, counter, rate, unit, and the sensor's name.

A fact is taken for what its values do over many messages; its name decides
between equals alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitor.discovery import clocks, words
from monitor.discovery.nodes import floats_of, is_number, is_numbers, joined, nodes
from monitor.discovery.notes import Notes
from monitor.discovery.part_fields import find_parts
from monitor.discovery.parts import Facts, Part
from monitor.discovery.tree_times import find_sample_time, find_time
from monitor.discovery.trees import Place
from monitor.signal.payload.facts import RATES, SPACINGS
from monitor.signal.payload.times import time_ns
from monitor.signal.payload.units import MS2_PER_UNIT, MS_PER_UNIT, spelled

SLOWEST_STATED_HZ = 1.0
DEFAULT_PATHS = ("time", "sequence", "sample_rate_hz", "spacing_s")
STRONG_RATES = frozenset(
    {"fs", "sr", "odr", "samplerate", "samplingrate", "sample", "sampling"}
)


def facts_of(place: Place, parts: Sequence[Part], notes: Notes) -> Facts:
    facts = Facts()
    paths = _scalar_paths(place, parts)
    if place.parts is None:
        used = find_parts(paths, parts, facts, notes)
        paths = [path for path in paths if path not in used]
    facts.identities = _identities(paths, parts)
    streams = _streams(parts, facts.identities)
    find_sample_time(place, parts, facts, notes)
    find_time(paths, streams, facts, notes)
    _find_sequence(paths, streams, facts, notes)
    _find_rate(paths, parts, facts)
    _find_unit(paths, parts, facts, notes)
    for key in DEFAULT_PATHS:  # what stands there by accident must not be read
        if key not in facts.settings and any(one.at(key) is not None for one in parts):
            facts.settings[key] = None
    return facts


def _scalar_paths(place: Place, parts: Sequence[Part]) -> list[str]:
    """Of text and numbers beside the samples, in the part first, then in the whole."""
    found = dict.fromkeys(path for one in parts[:8] for path in _scalars_of(one, place))
    inside = tuple(f"{path}." for path in place.paths)
    samples = set(place.paths)
    kept = [path for path in found if path not in samples and path != "."]
    if place.channels:  # within entries: only what all share, the first tells
        of_first = [path for path in kept if path.startswith(inside) or "." in place.paths]
        other = [path for path in kept if path not in of_first]
        prefix = "0." if place.paths == (".",) else f"{place.paths[0]}.0."
        return other + [path for path in of_first if path.startswith(prefix)]
    return [path for path in kept if not path.startswith(inside)]


def _scalars_of(one: Part, place: Place) -> Iterator[str]:
    yield from _scalars(one.tree)
    if place.parts not in (None, "."):
        inside = f"{place.parts}."
        yield from (path for path in _scalars(one.whole) if not path.startswith(inside))


def _scalars(tree: Any) -> Iterator[str]:
    """Paths of texts, numbers and times; of those in short lists too."""
    for path, value in nodes(tree):
        is_scalar = isinstance(value, str | int | float) or hasattr(value, "isoformat")
        if is_scalar or (isinstance(value, Mapping) and time_ns(value, "s") is not None):
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
        if words.says(path, words.KIND):  # sensor_type, device_model
            continue
        is_text = all(isinstance(value, str) and 0 < len(value) <= 96 for value in values)
        is_id = all(type(value) is int for value in values) and not clocks.is_counter(
            values
        )
        distinct = len({str(value) for value in values})
        if (is_text or is_id) and distinct <= max(1, len(values) // 2) + (
            len(values) <= 3
        ) * 2:
            found[path] = [str(value) for value in values]
    return found


def _streams(parts: Sequence[Part], identities: dict[str, list[str]]) -> list[list[Part]]:
    """Parts of one sender, in order of arrival."""
    streams: dict[tuple[str, ...], list[Part]] = defaultdict(list)
    for index, one in enumerate(parts):
        names = tuple(values[index] for values in identities.values())
        streams[one.topic, *names].append(one)
    return list(streams.values())


def _find_sequence(
    paths: Sequence[str], streams: Sequence[Sequence[Part]], facts: Facts, notes: Notes
) -> None:
    for path in sorted(paths, key=lambda one: not words.says(one, words.SEQUENCE)):
        if path == facts.settings.get("time") or words.is_context(path):
            continue
        long = [stream for stream in streams if len(stream) >= 4]
        if long and all(
            clocks.is_counter([one.at(path) for one in stream]) for stream in long
        ):
            facts.settings["sequence"] = path
            notes.say("sequence", f"{path} goes up by one a message")
            return


# -- rate and unit --------------------------------------------------------------------------------


def _find_rate(paths: Sequence[str], parts: Sequence[Part], facts: Facts) -> None:
    for path in paths:
        values = [one.at(path) for one in parts]
        if not all(is_number(value) and value > 0 for value in values):
            continue
        name = words.tokens(path.rpartition(".")[2])
        key = _rate_key(path, name) or _spacing_key(path)
        if key is None or any(_is_slow(key, value) for value in floats_of(values)):
            continue
        facts.settings[key] = path
        is_strong = bool(STRONG_RATES & set(name)) or "".join(name) in STRONG_RATES
        if not is_strong:
            facts.weak.add(key)
        return


def _is_slow(key: str, value: float) -> bool:
    """No rate at which anything vibrates: dt may be a data type."""
    factor = RATES.get(key)
    rate_hz = 1 / (value * SPACINGS[key]) if factor is None else value * factor
    return rate_hz < SLOWEST_STATED_HZ


def _rate_key(path: str, name: Sequence[str]) -> str | None:
    if not words.says(path, words.RATE) and "khz" not in name:
        return None
    return "sample_rate_khz" if "khz" in name else "sample_rate_hz"


def _spacing_key(path: str) -> str | None:
    if not words.says(path, words.SPACING):
        return None
    unit = words.time_unit_of(path) or "s"
    return f"spacing_{unit}" if unit in ("s", "ms", "us") else None


def _find_unit(
    paths: Sequence[str], parts: Sequence[Part], facts: Facts, notes: Notes
) -> None:
    if notes.answer("unit") is not None:
        return  # a person knows better
    for path in paths:
        values = [one.at(path) for one in parts]
        if not all(isinstance(value, str) for value in values):
            continue
        units = {spelled(value) for value in values}
        is_named = words.says(path, words.UNIT)
        if units <= set(MS2_PER_UNIT) and is_named:
            facts.settings["unit"] = path
            notes.say("unit", f"{path} says {', '.join(sorted(units))}")
        elif units <= set(MS_PER_UNIT) and len(units) == 1 and is_named:
            facts.velocity = units.pop()
        elif is_named and not any(word in words.tokens(path) for word in ("temp", "time")):
            notes.ask(
                "unit",
                f"{path} says {sorted(set(values))[0]!r}, which is no unit of acceleration that is"
                " read: are these accelerations, and in which unit?",
            )
