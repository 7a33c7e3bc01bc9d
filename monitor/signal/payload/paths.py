"""Paths into a tree: keys and list indices joined by dots, data.0.values. "." is the whole."""

from __future__ import annotations

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
