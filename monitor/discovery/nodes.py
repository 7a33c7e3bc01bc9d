"""The nodes of a tree of keys and lists, and which of them hold numbers, in which form."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from monitor.records.signal import Float64
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.base64_text import from_base64

# How the numbers stand there: in a list, as text, or as bytes in one of three spellings.
Form = Literal["list", "text", "base64", "hex", "binary"]
MIN_TEXT_BYTES = 16
NUMBER_TEXT = re.compile(
    r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*|nan|[+-]?inf", re.I
)
SEPARATED = re.compile(r"[\s,;]+")
HEX = re.compile(r"[0-9a-fA-F]+")


def nodes(tree: Any, path: str = ".", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(path, value) of every dict, list and leaf, except what stands in lists of numbers."""
    yield path, tree
    if depth > 12:
        return
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from nodes(value, joined(path, str(key)), depth + 1)
    elif isinstance(tree, list | tuple) and len(tree) <= 64 and not is_numbers(tree):
        for index, value in enumerate(tree):
            if index < 4 or not isinstance(value, Mapping | list):
                yield from nodes(value, joined(path, str(index)), depth + 1)


def joined(path: str, key: str) -> str:
    return key if path == "." else f"{path}.{key}"


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_numbers(value: object) -> bool:
    """A list of numbers, or a typed array of them. null stands for one."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and len(value) > 0
    if not isinstance(value, list | tuple) or not value:
        return False
    return set(map(type, value)) <= {int, float, type(None)} and any(
        one is not None for one in value
    )


def floats_of(values: Sequence[Any]) -> Float64:
    """NaN for what is no number, infinite what is beyond all."""
    try:
        return np.array(values, np.float64)  # None becomes NaN
    except (ValueError, TypeError, OverflowError):
        return np.array([_float(one) for one in values], np.float64)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return math.nan


def form_of(value: object) -> Form | None:
    """How a value holds numbers, None where it holds none."""
    if is_numbers(value):
        return "list"
    if isinstance(value, bytes):
        return "binary" if len(value) >= 2 else None
    if isinstance(value, list) and value and all(is_number_text(one) for one in value):
        return "text"
    if isinstance(value, str):
        return _form_of_text(value)
    return None


def form_of_rows(value: object) -> Form | None:
    """How a list of lists holds numbers, all of them as many. None where it is no such list."""
    if not isinstance(value, list) or len(value) < 2:
        return None
    if all(is_numbers(row) for row in value):
        form: Form = "list"
    elif all(isinstance(row, list) and form_of(row) == "text" for row in value):
        form = "text"
    else:
        return None
    return form if len({len(row) for row in value}) == 1 else None


def long_texts(tree: Any) -> Iterator[str]:
    """The texts that are long enough to hold samples."""
    for _, value in nodes(tree):
        if isinstance(value, str) and len(value) >= MIN_TEXT_BYTES:
            yield value


def is_number_text(value: object) -> bool:
    return isinstance(value, str) and NUMBER_TEXT.fullmatch(value) is not None


def _form_of_text(value: str) -> Form | None:
    cells = SEPARATED.split(value.strip(" \t\r\n,;\0[]"))
    if len(cells) > 2 and all(map(is_number_text, cells)):
        return "text"
    if len(value) < MIN_TEXT_BYTES:
        return None
    if HEX.fullmatch(value) and len(value) % 2 == 0:
        return "hex" if not value.isdigit() or len(value) > 64 else None
    try:
        data = from_base64(value, "text")
    except PayloadError:
        return None
    is_word = value.isalnum() and value.lower() == value
    return "base64" if len(data) >= 12 and not is_word and "." not in value else None


def length_of(value: Any, form: Form) -> int:
    if form == "base64":
        return len(from_base64(value, "text"))
    if form == "text" and isinstance(value, str):
        return len(SEPARATED.split(value.strip(" \t\r\n,;\0[]")))
    return len(value)


def grows_steadily(values: Sequence[Any]) -> bool:
    """A clock: always on, in steps that are nearly alike. Signals are not so."""
    if len(values) < 4 or not set(map(type, values)) <= {int, float}:
        return False
    numbers = floats_of(values)
    if not np.isfinite(numbers).all():
        return False
    steps = np.diff(numbers)
    usual = float(np.median(steps))
    if usual < 0 or np.any(steps < 0):
        return False
    if usual == 0:  # coarse: several instants in one step
        return bool(
            len(values) >= 16 and steps.max() > 0 and len(set(steps[steps > 0])) == 1
        )
    return bool(np.mean(np.abs(steps - usual) <= 0.5 * usual) > 0.8)
