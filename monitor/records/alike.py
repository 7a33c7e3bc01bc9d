"""What is alike is worked on at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def places_alike(keys: Iterable[K]) -> dict[K, list[int]]:
    """The places of each key, in order."""
    found: dict[K, list[int]] = {}
    for place, key in enumerate(keys):
        found.setdefault(key, []).append(place)
    return found
