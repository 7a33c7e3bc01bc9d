"""How a text file of numbers is laid out: delimiter, decimal sign, header, what stands before it.

What the settings leave open is told from the first lines. Each way to read them is tried; of those
that fit, all must give the same numbers, else a person must say which is meant.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.recordings.formats.base import N_SHOWN, FileError
from monitor.recordings.formats.text_numbers import Decimal, number
from monitor.signal.payload.units import MS2_PER_UNIT, spelled

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings

BLANK = "blank"
ONE_COLUMN = ""
# The first that fits wins where several give the same numbers.
DELIMITERS = ("\t", ";", ",", "|", ONE_COLUMN, BLANK)
SHOWN = {"\t": "tab", BLANK: "blanks", ONE_COLUMN: "none"}
OTHER_UNITS = frozenset(
    {"V", "mV", "uV", "µV", "A", "mA", "mm/s", "in/s", "m/s", "mm", "um", "µm", "m", "N", "bar"}
    | {"Pa", "%", "°C", "C", "rpm", "Hz", "s", "ms", "us", "µs", "ns", "min", "h"}
)

_UNIT_BEHIND = re.compile(r"(.*?)\s*[\[(]\s*([^\])]{1,20}?)\s*[\])]$")
_HAS_DIGIT = re.compile(r"\d")
_HAS_LETTER_OR_TIME = re.compile(r"[^\W\d_]|\d[:/-]\d|^\d{1,2}\.\d{1,2}\.\d{2,4}")
NO_NUMBERS = "has no lines of numbers"


@dataclass(frozen=True, slots=True)
class Layout:
    """names, units : of the columns; () and "" where the file has none
    n_columns : cells of each line of numbers
    first_line : of numbers, from 1
    header_line : 0 without one
    """

    delimiter: str
    decimal: Decimal
    names: tuple[str, ...]
    units: tuple[str, ...]
    n_columns: int
    first_line: int
    header_line: int

    def __str__(self) -> str:
        delimiter = SHOWN.get(self.delimiter, repr(self.delimiter))
        header = f"header in line {self.header_line}" if self.header_line else "no header"
        return (
            f"delimiter {delimiter}, decimal {self.decimal!r}, {header}, numbers from line"
            f" {self.first_line}, columns {', '.join(self.column_names[:N_SHOWN])}"
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        return self.names or tuple(map(str, range(self.n_columns)))


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read the first lines.

    numbers : all of them as text, as NaN is unlike itself
    n_odd : lines that do not fit
    """

    layout: Layout
    numbers: str
    n_odd: int


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line, without quotes. One empty cell at the end is none: many programs end
    each line with a delimiter.
    """
    if delimiter == ONE_COLUMN:
        cells = [line.strip().strip('"')]
    elif '"' in line:
        text, sign = (" ".join(line.split()), " ") if delimiter == BLANK else (line, delimiter)
        cells = next(csv.reader([text], delimiter=sign, skipinitialspace=True), [])
    else:
        cells = line.split() if delimiter == BLANK else line.split(delimiter)
    cells = [cell.strip() for cell in cells]
    return cells[:-1] if len(cells) > 1 and not cells[-1] else cells


def lay_out(head: Sequence[tuple[int, str]], settings: FileSettings) -> Layout:
    """head : number and text of the first lines that are neither blank nor comments

    Raises FileError: no lines of numbers, or several ways to read them.
    """
    readings, reasons = [], []
    for delimiter in DELIMITERS if settings.delimiter is None else (settings.delimiter,):
        for decimal in _decimals(settings):
            try:
                readings.append(_reading(head, delimiter, decimal, settings.header))
            except _Unfit as error:
                reasons.append(str(error))
    if not readings:
        raise FileError(next((one for one in reasons if one != NO_NUMBERS), NO_NUMBERS))
    n_odd = min(one.n_odd for one in readings)
    fitting = [one for one in readings if one.n_odd == n_odd]
    others = [one for one in fitting if one.numbers != fitting[0].numbers]
    if others:
        raise FileError(_ambiguous(fitting[0].layout, others[0].layout))
    return fitting[0].layout


class _Unfit(Exception):
    """The lines cannot be meant so; str() says why."""


def _decimals(settings: FileSettings) -> Sequence[Decimal]:
    return (".", ",") if settings.decimal is None else (settings.decimal,)


def _ambiguous(one: Layout, other: Layout) -> str:
    ways = [
        f"delimiter {SHOWN.get(way.delimiter, repr(way.delimiter))} and decimal {way.decimal!r}"
        f" ({way.n_columns} columns)"
        for way in (one, other)
    ]
    return f"can be read with {ways[0]} or with {ways[1]}: set files.delimiter and files.decimal"


def _reading(
    head: Sequence[tuple[int, str]], delimiter: str, decimal: Decimal, header: bool | None
) -> _Reading:
    if delimiter == decimal:
        raise _Unfit(NO_NUMBERS)
    rows = [split(line, delimiter) for _, line in head]
    numbers = [[number(cell, decimal) for cell in row] for row in rows]
    n_columns, numeric = _pattern(numbers)
    if n_columns == 1 and delimiter != ONE_COLUMN:
        raise _Unfit(NO_NUMBERS)
    first = next(
        at
        for at, row in enumerate(numbers)
        if len(row) == n_columns and all(row[column] is not None for column in numeric)
    )
    if header is True and first == 0:
        first = 1  # a header of numbers, as the settings say
    _check_text(rows[first:], numeric, n_columns)
    names, units, header_at = _header(head, rows, numbers, first, numeric, delimiter, header)
    fits = [len(row) == n_columns and _are(row, numeric) for row in numbers[first:]]
    layout = Layout(
        delimiter=delimiter,
        decimal=decimal,
        names=names,
        units=units,
        n_columns=n_columns,
        first_line=head[min(first, len(head) - 1)][0],
        header_line=0 if header_at is None else head[header_at][0],
    )
    shown = [[row[at] for at in numeric if at < len(row)] for row in numbers[first:]]
    return _Reading(layout, repr(shown), fits.count(False))


def _are(row: Sequence[float | None], numeric: Sequence[int]) -> bool:
    return all(row[at] is not None for at in numeric)


def _pattern(numbers: Sequence[Sequence[float | None]]) -> tuple[int, list[int]]:
    """How many cells most lines of numbers have, and which of them are numbers in most."""
    with_numbers = [row for row in numbers if any(one is not None for one in row)]
    if not with_numbers:
        raise _Unfit(NO_NUMBERS)
    # Of two counts as frequent, the later: what stands before the numbers comes first.
    counts = Counter(len(row) for row in reversed(with_numbers))
    n_columns = counts.most_common(1)[0][0]
    alike = [row for row in with_numbers if len(row) == n_columns]
    numeric = [
        at for at in range(n_columns) if 2 * sum(row[at] is not None for row in alike) > len(alike)
    ]
    if not numeric or not any(_are(row, numeric) for row in alike):
        raise _Unfit(NO_NUMBERS)
    return n_columns, numeric


def _check_text(rows: Sequence[Sequence[str]], numeric: Sequence[int], n_columns: int) -> None:
    """A column that is no number must be words or times: "5 0" is two numbers split wrongly."""
    for row in rows:
        for at in range(min(len(row), n_columns)):
            cell = row[at] if at not in numeric else ""
            if _HAS_DIGIT.search(cell) and not _HAS_LETTER_OR_TIME.search(cell):
                raise _Unfit(NO_NUMBERS)


def _header(
    head: Sequence[tuple[int, str]],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[Sequence[float | None]],
    first: int,
    numeric: Sequence[int],
    delimiter: str,
    header: bool | None,
) -> tuple[tuple[str, ...], tuple[str, ...], int | None]:
    """Names, units and the line that holds the names; no names where there is no header."""
    if header is False or first == 0:
        return (), (), None
    n_columns = len(rows[first]) if first < len(rows) else len(rows[first - 1])
    at = first - 1
    units = _units_row(rows[at]) if len(rows[at]) == n_columns else ()
    if units and at and len(rows[at - 1]) == n_columns and not _any(numbers[at - 1], numeric):
        at -= 1
    else:
        units = ()
    line, count = head[at][0], len(rows[at])
    if count == n_columns == 1:
        count = max(len(split(head[at][1], sign)) for sign in "\t;,|")
    if count != n_columns:
        doubled = delimiter == "," and n_columns == 2 * count
        hint = "; decimal commas between commas cannot be told apart" if doubled else ""
        raise _Unfit(
            f"has {count} cells in line {line} and {n_columns} in the lines of numbers below: if"
            f" that is no header, set files.header: false{hint}"
        )
    if header is None and _any(numbers[at], numeric):
        raise _Unfit(f"has a line {line} that is neither names nor numbers")
    named = [_name_and_unit(cell) for cell in rows[at]]
    units = units or tuple(unit for _, unit in named)
    return tuple(name for name, _ in named), units, at


def _any(row: Sequence[float | None], numeric: Sequence[int]) -> bool:
    return any(row[at] is not None for at in numeric if at < len(row))


def known_unit(text: str) -> str:
    """A unit as we spell it, or as it stands where it is one of another quantity; else ""."""
    unit = spelled(text)
    return unit if unit in MS2_PER_UNIT or unit in OTHER_UNITS else ""


def _name_and_unit(cell: str) -> tuple[str, str]:
    """ "Beschleunigung [g]" is a name and a unit; "x (left)" is a name."""
    if (found := _UNIT_BEHIND.fullmatch(cell)) and (unit := known_unit(found[2])):
        return found[1], unit
    return cell, ""


def _units_row(row: Sequence[str]) -> tuple[str, ...]:
    """Units below the names; () where a cell is none."""
    units = tuple(known_unit(cell.strip("[]() ")) if cell else "" for cell in row)
    is_unit = all(unit or not cell for unit, cell in zip(units, row, strict=True))
    return units if is_unit and any(units) else ()


def with_comment_header(layout: Layout, comment: str) -> Layout:
    """Names out of the last comment before the numbers, as numpy.savetxt writes them."""
    cells = split(comment.strip().lstrip("#%/ "), layout.delimiter)
    if layout.header_line or len(cells) != layout.n_columns:
        return layout
    named = [_name_and_unit(cell) for cell in cells]
    names, units = tuple(name for name, _ in named), tuple(unit for _, unit in named)
    return replace(layout, names=names, units=units)
