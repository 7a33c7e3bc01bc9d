"""From the topics of one shape to a pattern: levels that vary name the sensor.

Where nothing varies, as with one sensor, levels that are no general words do.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.discovery import words
from monitor.discovery.notes import Notes
from monitor.records.topic import PLACES

OWN = "camshaft/"
SYSTEM = "$"


def is_foreign(topic: str) -> bool:
    """No topic of a sensor: the broker's, or our own."""
    return topic.startswith((OWN, SYSTEM))


def pattern_of(
    topics: Sequence[str], names_machine: bool, names_point: bool, notes: Notes
) -> str | None:
    """names_machine, names_point : the payload names them. None where more varies than names can
    tell apart.
    """
    if (answer := notes.answer("topic")) is not None:
        notes.say("topic", f"{answer}, as answered")
        return answer
    levels = [
        list(column) for column in zip(*(topic.split("/") for topic in topics), strict=True)
    ]
    varying = [k for k, column in enumerate(levels) if len(set(column)) > 1]
    wanted = [
        *(["machine"] if not names_machine else []),
        *(["point"] if not names_point else []),
    ]
    named = _named_levels(levels, varying, wanted)
    if named is None:
        notes.ask("topic", f"{len(varying)} levels vary: which of them name the sensor?")
        return None
    text = "/".join(_level(k, column, named) for k, column in enumerate(levels))
    if varying:
        shown = ", ".join(sorted({levels[varying[0]][k] for k in range(len(topics))})[:4])
        notes.say("topic", f"levels that differ name the sensor ({shown}, ...)")
    else:
        notes.say("topic", f"one topic alone: {topics[0]}")
    return text


def _level(index: int, column: list[str], named: dict[int, str]) -> str:
    if index in named:
        return f"{{{named[index]}}}"
    return column[0] if len(set(column)) == 1 else "+"


def _named_levels(
    levels: list[list[str]], varying: list[int], wanted: list[str]
) -> dict[int, str] | None:
    """By level: machine, point, or a place."""
    if not wanted:
        return {}
    if not varying:
        return _by_words(levels, wanted)
    if len(varying) > len(wanted) + (len(PLACES) if "machine" in wanted else 0):
        return None
    if wanted == ["point"]:
        return {varying[-1]: "point"}
    named = {}
    rest = list(varying)
    specific = [k for k in _specific(levels) if k < varying[-1] and k > 0]
    if "point" in wanted and (len(rest) > 1 or specific):
        named[rest.pop()] = "point"
        if not rest:
            rest = [specific[-1]]
    for name in ("machine", *reversed(PLACES)):
        if rest:
            named[rest.pop()] = name
    return named


def _specific(levels: list[list[str]]) -> list[int]:
    return [
        k
        for k, column in enumerate(levels)
        if not set(words.tokens(column[0])) <= words.GENERIC_LEVELS and column[0]
    ]


def _by_words(levels: list[list[str]], wanted: list[str]) -> dict[int, str]:
    """The last levels that are no general words; the first level only where no other is left."""
    specific = _specific(levels)
    inner = [k for k in specific if k > 0]
    if wanted == ["point"]:
        return {inner[-1]: "point"} if inner else {}
    usable = inner or specific or [len(levels) - 1]
    if len(usable) >= 2 and "point" in wanted:
        return {usable[-2]: "machine", usable[-1]: "point"}
    return {usable[-1]: "machine"}
