"""MQTT topic patterns with named levels: vibration/{machine}/{point}/waveform."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

PLACES = ("site", "area", "line")  # of a machine, as ISA-95 calls them; the wider first
LEVEL_NAMES = (*PLACES, "machine", "point")
# Brokers take these off a filter; what they deliver does not bear them.
SHARED = ("$share", "$queue", "$exclusive")
FIXED = re.compile(r"\{(\w+)=([^{}#+\0]+)\}")
# Topics whose sensor is remembered: senders use the same, time after time. A longer one is
# parsed every time, so that hostile topics cost no memory.
N_REMEMBERED, MAX_REMEMBERED = 1 << 14, 256


@dataclass(frozen=True, slots=True)
class TopicFilter:
    """What a source listens to.

    text : an MQTT topic filter
    is_state : its retained message still holds, and is wanted anew at every
        start
    is_optional : we can do without where we may not have it
    """

    text: str
    is_state: bool = False
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """A topic whose levels in braces name the sensor.

    fixed : names of levels that are plain text, {machine=mill}, and that text
    """

    levels: tuple[str, ...]
    fixed: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str, needs_machine: bool = True) -> TopicPattern:
        """Raises ValueError where the text is no such pattern.

        needs_machine : nothing else names it
        """
        written = text.split("/")
        found = [match for one in written if (match := FIXED.fullmatch(one))]
        fixed = tuple((match[1], match[2]) for match in found)
        levels = tuple(FIXED.sub(r"\2", level) for level in written)
        if levels[0] in SHARED:
            raise ValueError(
                f"begins with {levels[0]}/: a shared subscription deals out a sensor's messages"
                " among its readers, and each would see gaps; write the topic without it"
            )
        names = [
            match[1] for level in levels if (match := re.fullmatch(r"\{(\w+)\}", level))
        ]
        names += [name for name, _ in fixed]
        if unknown := [name for name in names if name not in LEVEL_NAMES]:
            raise ValueError(
                f"has a level {{{unknown[0]}}}; levels may be named {{machine}} and {{point}},"
                " and {site}, {area}, {line} where machines have the same name in each"
            )
        is_named = "machine" in names or not needs_machine
        if not is_named or len(set(names)) != len(names):
            raise ValueError("must name {machine} once and each other level at most once")
        if "machine" not in names and (
            places := [name for name in names if name in PLACES]
        ):
            raise ValueError(f"names {{{places[0]}}}, which needs {{machine}} as well")
        if any(
            set(level) & set("{}#+\0")
            for level in levels
            if not re.fullmatch(r"\{\w+\}|\+", level)
        ):
            raise ValueError("each level must be plain text, '+' or one name in braces")
        return cls(levels, fixed)

    @property
    def is_ambiguous(self) -> bool:
        """Two topics may name one sensor."""
        return "+" in self.levels

    @property
    def filter(self) -> str:
        """The MQTT topic filter to subscribe to."""
        return "/".join("+" if level.startswith("{") else level for level in self.levels)

    def match(self, topic: str) -> Mapping[str, str] | None:
        """The named levels of a topic that fits, else None."""
        found = topic.split("/")
        if len(found) != len(self.levels):
            return None
        named = dict(self.fixed)
        for level, text in zip(self.levels, found, strict=True):
            if level.startswith("{"):
                named[level[1:-1]] = text
            elif level not in ("+", text):
                return None
        return named

    def sensor(self, topic: str) -> str | None:
        """ "machine/point" of a topic that fits, else None. A pattern without {point} has the point
        "main", one without {machine} the machine "".
        """
        if len(topic) > MAX_REMEMBERED:
            return _sensor(self, topic)
        return _remembered_sensor(self, topic)


def _sensor(pattern: TopicPattern, topic: str) -> str | None:
    named = pattern.match(topic)
    if named is None or not all(named.values()):
        return None
    return f"{machine_in(named)}/{named.get('point', 'main')}"


_remembered_sensor = lru_cache(maxsize=N_REMEMBERED)(_sensor)


def machine_in(named: Mapping[str, str]) -> str:
    """The machine's name, with those of its places before it: hamburg.pump-1. "" where the topic
    names none.
    """
    return ".".join(named[name] for name in (*PLACES, "machine") if name in named)
