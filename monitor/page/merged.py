"""One fleet of many instances: each point once, of whichever has its newest windows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from monitor.page.views import Tree, difference

# Of windows of one point: within so much the first instance in order is taken, so that the view
# does not go back and forth between two that judge the same messages.
SAME_MS = 10_000
FRESH_MS = 60_000  # another instance's windows that are no older are told of
NO_ANSWER = "NO_ANSWER"

Message = tuple[str, Any]  # the event's name and its data


class Part(Protocol):
    """One instance, or the page of another machine, which may show several.

    shown : its points by name, each as page.views has it, with instance
    refused : topics whose messages nothing is made of
    """

    @property
    def is_remote(self) -> bool: ...

    @property
    def shown(self) -> Mapping[str, Tree]: ...

    @property
    def refused(self) -> Sequence[Tree]: ...

    def told(self) -> list[Tree]:
        """Its instances: name, health, trouble."""
        ...

    def read(self, now_s: float) -> list[Message]:
        """What is new since the last call."""
        ...


def once(candidates: Sequence[Tree]) -> Tree:
    """A point of which several instances know: that of the newest windows, and which others have
    fresh ones. candidates : at least one, in the order of the instances
    """
    newest_ms = max(one["end_ms"] for one in candidates)
    near = [one for one in candidates if one["end_ms"] >= newest_ms - SAME_MS]
    chosen = min(near, key=lambda one: one["status"] == NO_ANSWER)
    also = [
        one["instance"]
        for one in candidates
        if one is not chosen and one["end_ms"] >= newest_ms - FRESH_MS
    ]
    return chosen | {"also": [*chosen.get("also", ()), *also]}


class Merged:
    """What browsers were told of some parts; take() says what is new to them."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._shown: dict[str, Tree] = {}
        self._instances: list[Tree] = []
        self._refused: list[Tree] = []

    def snapshot(self) -> Message:
        return "snapshot", {
            "sensors": list(self._shown.values()),
            "instances": self._instances,
            "refused": self._refused,
        }

    def take(
        self, parts: Sequence[Part], news: Iterable[tuple[Part, Sequence[Message]]]
    ) -> list[Message]:
        """news : of these parts alone"""
        touched: set[str] = set()
        events: list[Tree] = []
        is_whole = list(parts) != self._parts
        for _, messages in news:
            for name, data in messages:
                is_whole |= name == "snapshot"
                if name == "fleet":
                    touched |= {change["sensor"] for change in data}
                if name == "events":
                    events += data
        self._parts = list(parts)
        told = self._take_told()
        if is_whole:
            names = {name for part in parts for name in part.shown}
            self._shown = {name: self._once(name) for name in sorted(names)}
            return [self.snapshot()]
        changes = [change for name in sorted(touched) if (change := self._change(name))]
        return [
            *([("fleet", changes)] if changes else []),
            *([("events", events)] if events else []),
            *told,
        ]

    def _take_told(self) -> list[Message]:
        """Of instances and refused messages, where anything changed."""
        before = self._instances, self._refused
        self._instances = [tree for part in self._parts for tree in part.told()]
        self._refused = [tree for part in self._parts for tree in part.refused]
        now = self._instances, self._refused
        names = ("instances", "refused")
        both = zip(names, before, now, strict=True)
        return [(name, new) for name, old, new in both if old != new]

    def _once(self, sensor: str) -> Tree:
        return once([part.shown[sensor] for part in self._parts if sensor in part.shown])

    def _change(self, sensor: str) -> Tree:
        new = self._once(sensor)
        change = difference(self._shown.get(sensor, {}), new)
        self._shown[sensor] = new
        return change if len(change) > 1 else {}
