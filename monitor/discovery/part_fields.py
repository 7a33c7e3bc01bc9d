"""One stretch of samples in several messages: which fields say which part of how many it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from monitor.discovery import words
from monitor.discovery.notes import Notes
from monitor.discovery.parts import Facts, Part

IN_ORDER = 0.9  # of the steps: parts may be lost, or overtaken
MIN_SERIES = 3
NO_SERIES = (
    "A message is part {index} of {count}, and nothing tells one series from the next"
)


def find_parts(
    paths: Sequence[str], parts: Sequence[Part], facts: Facts, notes: Notes
) -> set[str]:
    """The fields that are used up so: they are no counters, and nobody's name."""
    for count in paths:
        n = _constant(count, parts)
        if n is None or not words.says(count, words.COUNT):
            continue
        for index in paths:
            if index == count or not words.says(index, words.PART):
                continue
            first = _first_number([one.at(index) for one in parts], n)
            if first is not None:
                return _take(count, index, first, paths, parts, facts, notes)
    return set()


def _constant(path: str, parts: Sequence[Part]) -> int | None:
    values = [one.at(path) for one in parts]
    is_one = type(values[0]) is int and all(value == values[0] for value in values)
    return values[0] if is_one and values[0] > 1 else None


def _first_number(values: Sequence[Any], n: int) -> int | None:
    """0 or 1, where the values go from there through n numbers again and again."""
    if any(type(value) is not int for value in values):
        return None
    for first in (0, 1):
        if set(values) != set(range(first, first + n)):
            continue
        steps = [(b - a) % n == 1 for a, b in pairwise(values)]
        if len(values) >= MIN_SERIES * n and sum(steps) >= IN_ORDER * len(steps):
            return first
    return None


def _take(
    count: str,
    index: str,
    first: int,
    paths: Sequence[str],
    parts: Sequence[Part],
    facts: Facts,
    notes: Notes,
) -> set[str]:
    runs = _runs([one.at(index) for one in parts], first)
    shared = [path for path in paths if path not in (count, index)]
    series = next((one for one in shared if _tells(one, runs, parts)), None)
    if series is None:
        notes.ask("payload", NO_SERIES.format(index=index, count=count) + ": what does?")
        return {count, index}
    facts.settings |= {"part_index": index, "part_count": count, "series": series}
    notes.say("part_index", f"{index} counts the {count} parts of each {series}")
    return {count, index, series}


def _runs(indices: Sequence[int], first: int) -> list[slice]:
    starts = [k for k, index in enumerate(indices) if index == first]
    return [slice(a, b) for a, b in pairwise([*starts, len(indices)])]


def _tells(path: str, runs: Sequence[slice], parts: Sequence[Part]) -> bool:
    """Whether all parts of a series share the value, and the next has another."""
    values = [one.at(path) for one in parts]
    if any(type(value) not in (int, str) or value == "" for value in values):
        return False
    if any(len(set(values[run])) > 1 for run in runs):
        return False
    return all(values[a.start] != values[b.start] for a, b in pairwise(runs))
