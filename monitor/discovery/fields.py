"""What the bytes before the samples say: the time, a counter, how many samples there are.

A time is taken where the same bytes of every message are near its arrival in
one of the formats; a counter where they go up by one a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, Literal, get_args

import numpy as np

from monitor.discovery import clocks
from monitor.discovery.notes import Notes

WIDTHS = {8: "uint64", 4: "uint32", 2: "uint16", 1: "uint8"}
Order = Literal["little", "big"]
ORDERS: tuple[Order, ...] = get_args(Order)
ALIGNED = 2  # where fields begin


def header_of(
    heads: Sequence[bytes], received_ns: Sequence[int], byte_order: str, notes: Notes
) -> dict[str, Any]:
    """The setting `header`. heads : of the messages of one sender, all as long"""
    n_bytes = len(heads[0])
    header: dict[str, Any] = {"bytes": n_bytes}
    taken: set[int] = set()
    time = _time(heads, received_ns)
    fraction = None if time is None else _fraction(heads, received_ns, time)
    if time is not None and fraction is None and _stands_still(heads, time):
        notes.say("time", f"a time at byte {time['at']} is too coarse to be used")
        time = None
    for name, found in (
        ("time", time),
        ("time_fraction", fraction),
        ("sequence", _sequence(heads)),
    ):
        if found is None or taken & set(_span(found)):
            continue
        taken |= set(_span(found))
        order = found.pop("byte_order")
        if order != byte_order and found["dtype"] != "uint8":
            found["byte_order"] = order
        header[name] = found
        notes.say(name, _sentence(name, found))
    return header


def _sentence(name: str, field: dict[str, Any]) -> str:
    what = f"{field['dtype']} at byte {field['at']}"
    if name == "sequence":
        return f"{what} goes up by one a message"
    if name == "time_fraction":
        return f"{what} counts {field['format']} within the second"
    return f"{what} is a time ({field['format']}) near the arrival"


def _span(field: dict[str, Any]) -> range:
    width = int("".join(filter(str.isdigit, field["dtype"]))) // 8
    return range(field["at"], field["at"] + width)


def _values(heads: Sequence[bytes], at: int, width: int, order: Order) -> list[int]:
    return [int.from_bytes(head[at : at + width], order) for head in heads]


@dataclass(frozen=True, slots=True)
class _Number:
    """A whole number at one place of every head. values : of each head"""

    at: int
    width: int
    order: Order
    values: list[int]


def _numbers(heads: Sequence[bytes], widths: Iterable[int], step: int) -> Iterator[_Number]:
    """Every `step` bytes, of these widths and both byte orders."""
    for width, order in product(widths, ORDERS):
        for at in range(0, len(heads[0]) - width + 1, step):
            yield _Number(at, width, order, _values(heads, at, width, order))


def _time(heads: Sequence[bytes], received_ns: Sequence[int]) -> dict[str, Any] | None:
    for one in _numbers(heads, (8, 4), ALIGNED):
        name = clocks.format_of(one.values, received_ns)
        if name is None or name == "ole_days" or not _goes_on(one.values):
            continue
        if len(set(one.values)) > 1 and clocks.keeps_pace(one.values, received_ns, name):
            dtype = "int64" if one.width == 8 else WIDTHS[one.width]
            return {"at": one.at, "dtype": dtype, "byte_order": one.order, "format": name}
    return None


def _fraction(
    heads: Sequence[bytes], received_ns: Sequence[int], time: dict[str, Any]
) -> dict[str, Any] | None:
    """Parts of a second beside a time in whole ones, with which it keeps pace with the arrivals."""
    if time["format"] != "s":
        return None
    order, span = time["byte_order"], _span(time)
    seconds = np.array(_values(heads, span.start, len(span), order), np.float64)
    since = np.array(received_ns, np.float64) / 1e9 - seconds
    for one in _numbers(heads, (8, 4, 2), 1):
        if one.order != order or set(range(one.at, one.at + one.width)) & set(span):
            continue
        values = np.array(one.values, np.float64)
        for unit in ("ns", "us", "ms"):
            parts = values / clocks.STEPS[unit]
            if parts.max() >= 1:
                continue
            if np.std(since - parts) < 0.1 * np.std(since) + 1e-3 < np.std(parts):
                found = {"at": one.at, "dtype": WIDTHS[one.width], "byte_order": order}
                return found | {"format": unit}
    return None


def _stands_still(heads: Sequence[bytes], time: dict[str, Any]) -> bool:
    span = _span(time)
    values = _values(heads, span.start, len(span), time["byte_order"])
    return sum(a == b for a, b in pairwise(values)) > 0.2 * len(values)


def _goes_on(values: Sequence[int]) -> bool:
    return all(b >= a for a, b in pairwise(values))


def _sequence(heads: Sequence[bytes]) -> dict[str, Any] | None:
    """The widest that still counts: what stands above it is then 0, and part of it."""
    for one in _numbers(heads, WIDTHS, 1):
        at, width = one.at, one.width
        is_aligned = at % width == 0 or (len(heads[0]) - at) % width == 0
        # Were the upper half no part of it, it would hardly be 0.
        is_whole = is_aligned and (width < 4 or max(one.values) < 1 << (6 * width))
        if is_whole and clocks.is_counter(one.values):
            return {"at": at, "dtype": WIDTHS[width], "byte_order": one.order}
    return None
