"""The parts of messages that are trees, each with its arrival, and what is found beside samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.discovery import words
from monitor.discovery.nodes import nodes
from monitor.discovery.trees import Place
from monitor.signal.payload.paths import at, entries_at, parts_at


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
    """settings : of the payload; weak : those of them that the cadence must confirm
    velocity : the unit where samples are stated to be of a velocity
    """

    settings: dict[str, Any] = field(default_factory=dict)
    identities: dict[str, list[str]] = field(default_factory=dict)  # path: values, in order
    weak: set[str] = field(default_factory=set)
    velocity: str = ""


def parts_of(place: Place, messages: Sequence[tuple[str, int, Any]]) -> list[Part]:
    """messages : (topic, arrival, tree)"""
    found = []
    for topic, at_ns, tree in messages:
        entries = [tree] if place.parts is None else parts_at(tree, place.parts)
        first = place.channels[0] if place.channels else None
        for entry in entries if isinstance(entries, list) else []:
            value = at(entry, place.paths[0])
            if value is None or (first is not None and not value):
                continue
            found.append(Part(topic, at_ns, entry, tree))
    return found


def senders_in_turns(place: Place, parts: Sequence[Part]) -> str:
    """The names that entries of one list bear where they are not all of one sender: as one stream
    they would be mixed. "" where they are, or bear none.
    """
    if place.shape not in ("objects", "stretches"):
        return ""
    for part in parts[:8]:
        entries = entries_at(part.tree, place.paths[0])
        for path, value in nodes(entries[0]):
            if not isinstance(value, str) or not words.says(path, words.IDENTITY):
                continue
            names = {str(at(entry, path)) for entry in entries}
            if 1 < len(names) <= len(entries) // 2:
                return f"{path}: {', '.join(sorted(names)[:4])}"
    return ""
