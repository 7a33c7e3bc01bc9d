"""Paths into a tree: keys and list indices joined by dots, data.0.values. "." is the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def at(tree: Any, path: str | None) -> Any:
    """The value at a path; None where it is absent or null. A key may have dots of its own."""
    if path is None:
        return None
    rest = path if path != "." else ""
    while rest:
        if isinstance(tree, dict) and rest in tree:
            return tree[rest]
        key, _, rest = rest.partition(".")
        tree = _child(tree, key)
    return tree


def _child(tree: Any, key: str) -> Any:
    is_index = key.isascii() and key.isdigit() and len(key) < 10
    if isinstance(tree, dict):
        found = tree.get(key)
        return tree.get(int(key)) if found is None and is_index else found
    if isinstance(tree, list | tuple) and is_index and int(key) < len(tree):
        return tree[int(key)]
    return None


def entries_at(tree: Any, path: str) -> Any:
    """What stands at a path, as a list where it is an object whose keys count its entries: {"1":
    ..., "2": ...}, from whichever number and in any order.
    """
    value = at(tree, path)
    return _counted(value) if isinstance(value, Mapping) else value


def _counted(value: Mapping[Any, Any]) -> Any:
    """value itself where a number is missing, or the keys are words."""
    if len(value) < 2 or not all(map(_is_number, value)):
        return value
    by_number = {int(key): entry for key, entry in value.items()}
    first = min(by_number)
    numbers = range(first, first + len(value))
    if by_number.keys() != set(numbers):
        return value
    return [by_number[number] for number in numbers]


def _is_number(key: object) -> bool:
    if isinstance(key, str):
        return key.isascii() and key.isdigit() and len(key) < 10
    return type(key) is int


def parts_at(tree: Any, path: str) -> Any:
    """What stands at a path, as a list of {"key", "value"} where it is an object: its keys are
    names.
    """
    value = at(tree, path)
    if isinstance(value, Mapping):
        return [{"key": key, "value": part} for key, part in value.items()]
    return value
