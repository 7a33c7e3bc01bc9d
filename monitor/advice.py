"""What to check and what to do, by failure mode and named part. The texts are in advice.toml; the
configuration's section `advice` replaces them or adds to them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

UNKNOWN = "unknown"  # what to do before the cause has a name
SHIPPED = Path(__file__).with_name("advice.toml")


class Replacement(Protocol):
    """One entry of the configuration."""

    @property
    def check(self) -> tuple[str, ...]: ...

    @property
    def do(self) -> tuple[str, ...]: ...

    @property
    def source(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Advice:
    """name : a failure mode or a part. words : what else means it in an alarm's text"""

    name: str
    title: str
    check: tuple[str, ...]
    do: tuple[str, ...]
    source: str
    words: tuple[str, ...] = ()

    def tree(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "check": list(self.check),
            "do": list(self.do),
            "source": self.source,
        }


class AdviceBook:
    """All advice, by name."""

    def __init__(self, entries: Iterable[Advice]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def __iter__(self) -> Iterator[Advice]:
        return iter(self._entries.values())

    def of(self, name: str) -> Advice | None:
        return self._entries.get(name)

    def of_text(self, *texts: str) -> Advice:
        """Of the first entry that a text names, as a word of its own and the earliest in it; else
        what to do while the cause has no name.
        """
        for text in texts:
            places = [
                (found.start(), -len(word), entry)
                for entry in self._entries.values()
                for word in (entry.name, *entry.words)
                if (found := re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE))
            ]
            if places:
                return min(places, key=lambda place: place[:2])[2]
        return self._entries[UNKNOWN]


def advice_book(replaced: Mapping[str, Replacement]) -> AdviceBook:
    """The shipped texts, with those of the configuration in their place."""
    with SHIPPED.open("rb") as file:
        entries = {name: _entry(name, tree) for name, tree in tomllib.load(file).items()}
    for name, new in replaced.items():
        shipped = entries.get(name)
        title = name[:1].upper() + name[1:] if shipped is None else shipped.title
        words = () if shipped is None else shipped.words
        entries[name] = Advice(name, title, new.check, new.do, new.source, words)
    return AdviceBook(entries.values())


def _entry(name: str, tree: Mapping[str, Any]) -> Advice:
    check, do, words = (tuple(tree.get(key, ())) for key in ("check", "do", "words"))
    return Advice(name, tree["title"], check, do, tree["source"], words)
