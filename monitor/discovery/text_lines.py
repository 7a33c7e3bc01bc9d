"""Numbers as text: what parts them, which column is what.

A comma is a decimal sign only where something else parts the cells, and a
header is a line of words above lines of numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from monitor.discovery import clocks, words
from monitor.discovery.nodes import grows_steadily
from monitor.discovery.notes import Choice, Notes
from monitor.signal.payload.csv_text import NUMBER, cells_of
from monitor.signal.payload.times import time_ns

DELIMITERS = (";", "\t", "|", ",", "blank")
MAX_SKIPPED = 40
HEX = re.compile(r"[0-9a-fA-F\s]+")


@dataclass(frozen=True, slots=True)
class Table:
    """rows : cells of the lines of numbers; names : of the header, none where there is none"""

    delimiter: str
    decimal: str
    skip_lines: int
    names: tuple[str, ...]
    rows: list[list[str]] = field(compare=False)

    @property
    def shape(self) -> tuple[object, ...]:
        """What all messages have in common."""
        n = len(self.rows[0]) if len(self.rows) > 1 or self.names else 0
        return self.delimiter, self.decimal, self.skip_lines, self.names, n

    def column(self, index: int) -> list[str]:
        return [row[index] for row in self.rows]


def table_of(text: str) -> Table | None:
    """The numbers of one message; None where it is no such text."""
    lines = [line for line in text.splitlines() if line.strip()]
    for delimiter in DELIMITERS:
        for decimal in (".", ","):
            if decimal != delimiter and (found := _table(lines, delimiter, decimal)):
                return found
    return None


def _table(lines: list[str], delimiter: str, decimal: str) -> Table | None:
    rows = [cells_of(line, delimiter) for line in lines]
    start = next((k for k, row in enumerate(rows) if _is_data(row, decimal)), len(rows))
    body = rows[start:]
    if not body or start > MAX_SKIPPED or not all(_is_data(row, decimal) for row in body):
        return None
    if len(body) > 1 and len({len(row) for row in body}) > 1 and len(body[0]) > 1:
        is_one_run = start == 0 and all(len(row) == len(body[0]) for row in body[:-1])
        if not is_one_run:
            return None
        body = [[cell for row in body for cell in row]]
    if len(body) > 1 and len(body[0]) == 1 and delimiter != DELIMITERS[0]:
        return None
    if delimiter == "\t" and any(" " in line.strip() for line in lines[start:]):
        return None
    has_names = start > 0 and _are_names(rows[start - 1], body[0])
    names = tuple(rows[start - 1]) if has_names else ()
    return Table(_usable(delimiter, decimal, body), decimal, start - has_names, names, body)


def _usable(delimiter: str, decimal: str, body: list[list[str]]) -> str:
    """With one number a line nothing parts them: the usual sign will do. Tabs are blanks."""
    if len(body[0]) == 1:
        return ";" if decimal == "," else ","
    return "blank" if delimiter == "\t" else delimiter


def _is_data(row: list[str], decimal: str) -> bool:
    """Numbers, except for one cell that may be a time."""
    odd = [cell for cell in row if not _is_number(cell, decimal)]
    if not odd:
        return True
    return len(odd) == 1 and len(row) > 1 and time_ns(odd[0], "iso8601") is not None


def number(cell: str) -> float:
    """NaN where it is none."""
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return math.nan


def _is_number(cell: str, decimal: str) -> bool:
    if decimal == ",":
        if "." in cell:
            return False
        cell = cell.replace(",", ".")
    return NUMBER.fullmatch(cell) is not None


def _are_names(row: list[str], first: list[str]) -> bool:
    is_comment = row[0].startswith(("#", "%", "//"))
    return len(row) == len(first) and not is_comment and len(set(row)) == len(row)


# -- settings -------------------------------------------------------------------------------------


def settings_of(
    tables: Sequence[Table], received_ns: Sequence[int], notes: Notes
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The settings beside format and compression, and names of the channels; none but one where
    the columns do not tell them.
    """
    first = tables[0]
    settings: dict[str, Any] = {"delimiter": first.delimiter, "decimal": first.decimal}
    if first.delimiter == "," and first.decimal == ".":
        settings = {}
    elif first.decimal == ".":
        settings.pop("decimal")
    if first.skip_lines:
        settings["skip_lines"] = first.skip_lines
    if first.names:
        settings["header"] = True
    notes.say("format", f"lines of numbers parted by {first.delimiter!r}")
    n = len(first.rows[0])
    if all(len(table.rows) == 1 for table in tables) and not first.names:
        return settings, ()
    if n == 1 and not first.names:
        return settings, ("a",)
    return _columns(tables, received_ns, settings, notes)


def _columns(
    tables: Sequence[Table],
    received_ns: Sequence[int],
    settings: dict[str, Any],
    notes: Notes,
) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    first = tables[0]
    n = len(first.rows[0])
    keys = list(first.names) or [str(index) for index in range(n)]
    clock = _clock(tables, received_ns, keys, notes)
    if clock is not None:
        settings |= {"time_column": keys[clock[0]], "time_format": clock[1]}
        notes.say("time_column", f"{keys[clock[0]]} is a time ({clock[1]})")
    others = [
        index
        for index in range(n)
        if (clock is None or index != clock[0])
        and not words.is_context(keys[index])
        and not _is_index(first.column(index))
    ]
    if not others:
        notes.ask("columns", "No column looks like samples: which ones are?")
        return None
    names = _settled_names([keys[index] for index in others], bool(first.names), notes)
    if names is None:
        return None
    if len(names) < n - (clock is not None):
        settings["columns"] = names
    if first.names:
        return settings, tuple(words.channel_names([_bare(name) for name in names]))
    return settings, _numbered(len(names))


def _settled_names(names: list[str], is_named: bool, notes: Notes) -> list[str] | None:
    """Of the columns with samples; None where they are asked for."""
    is_clear = len(names) < 2 or words.are_axes([_bare(name) for name in names])
    if not is_named or is_clear:
        return names
    text = f"Which columns are samples: {', '.join(names)}?"
    answer = notes.ask("columns", text, [Choice(",".join(names))])
    return None if answer is None else [one.strip() for one in answer.split(",")]


def _bare(name: str) -> str:
    """Without its unit: x of "x [g]"."""
    return re.sub(r"\s*[\[(].*$", "", name).strip() or name


def _numbered(n: int) -> tuple[str, ...]:
    return ("x", "y", "z")[:n] if n <= 3 else tuple(f"ch{index + 1}" for index in range(n))


def _clock(
    tables: Sequence[Table], received_ns: Sequence[int], keys: Sequence[str], notes: Notes
) -> tuple[int, str] | None:
    first = tables[0]
    for index, key in enumerate(keys):
        starts = [table.rows[0][index] for table in tables]
        name = clocks.format_of(starts, list(received_ns))
        if name is not None and (words.says(key, words.TIME) or name != "ole_days"):
            return index, name
        values = list(map(number, first.column(index)))
        is_growing = len(first.rows) > 3 and grows_steadily(values)
        if is_growing and (
            words.says(key, words.TIME) or not _is_index(first.column(index))
        ):
            unit = _unit(key, tables, received_ns, index, notes)
            if unit is not None:
                return index, f"relative_{unit}"
    return None


def _unit(
    key: str,
    tables: Sequence[Table],
    received_ns: Sequence[int],
    index: int,
    notes: Notes,
) -> str | None:
    starts = [number(table.rows[0][index]) for table in tables]
    found = clocks.unit_of_count(starts, received_ns) or words.time_unit_of(key)
    if found is not None:
        return found
    spans = [
        number(table.rows[-1][index]) - start
        for table, start in zip(tables, starts, strict=True)
    ]
    by_span = _by_span(spans[0], received_ns)
    # begins anew in each message, and fills the time between
    if by_span and len(set(starts)) == 1:
        return by_span
    text = f"Column {key} grows with the samples: what does it count?"
    best = [Choice(by_span, "so the samples of a message last as long as the message")]
    rest = [Choice(unit) for unit in ("ms", "s", "us", "ns") if unit != by_span]
    return notes.ask("time_format", text, (best if by_span else []) + rest)


def _by_span(span: float, received_ns: Sequence[int]) -> str:
    """Where the messages of a stream join, one lasts until the next."""
    if len(received_ns) < 3:
        return ""
    between_s = (received_ns[-1] - received_ns[0]) / 1e9 / (len(received_ns) - 1)
    return next(
        (
            unit
            for unit, step in clocks.STEPS.items()
            if 0.8 < span / step / between_s < 1.25
        ),
        "",
    )


def _is_index(cells: Sequence[str]) -> bool:
    """0, 1, 2, ...: numbers of lines."""
    if len(cells) < 3 or not all(cell.isdigit() for cell in cells):
        return False
    numbers = list(map(int, cells))
    return all(b - a == 1 for a, b in pairwise(numbers))
