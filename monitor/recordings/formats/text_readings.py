"""What the settings leave open of a text file's layout, told from its first lines.

Each way to read them is tried. Of those that fit, all must give the same
numbers; else a person must say which is meant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.recordings.formats.base import FileError
from monitor.recordings.formats.text_layout import (
    BLANK,
    ONE_COLUMN,
    Layout,
    fitted,
    known_unit,
    name_and_unit,
    split,
)
from monitor.recordings.formats.text_numbers import Decimal, number

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings

WORDS = {"tab": "\t", "blank": BLANK}
# The first that fits wins where several give the same numbers.
DELIMITERS = ("\t", ";", ",", "|", ONE_COLUMN, BLANK)

_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
_TIME = re.compile(r"\d[:/-]\d|^\d{1,2}\.\d{1,2}\.\d{2,4}")
NO_NUMBERS = "has no lines of numbers"


@dataclass(frozen=True, slots=True)
class _Grid:
    """The first lines, split in one way.

    head : their number and text
    rows : their cells
    numbers : what the cells say, or None
    n_columns : of the lines of numbers
    numeric : those that are numbers
    first : the first row of numbers
    """

    head: Sequence[tuple[int, str]]
    rows: list[list[str]]
    numbers: list[list[float | None]]
    n_columns: int
    numeric: tuple[int, ...]
    first: int

    def has_numbers(self, at: int) -> bool:
        """Whether a row is one of numbers."""
        is_whole = fitted(self.rows[at], self.n_columns) is not None
        return is_whole and _are(self.numbers[at], self.numeric)

    @property
    def shown(self) -> str:
        """All numbers as text, as NaN is unlike itself."""
        found = self.numbers[self.first :]
        return repr([[row[at] for at in self.numeric if at < len(row)] for row in found])

    @property
    def n_odd(self) -> int:
        return sum(not self.has_numbers(at) for at in range(self.first, len(self.rows)))


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read the first lines. n_odd : lines that do not fit"""

    layout: Layout
    numbers: str
    n_odd: int


def lay_out(head: Sequence[tuple[int, str]], settings: FileSettings) -> Layout:
    """head : number and text of the first lines that are neither blank nor comments

    Raises FileError: no lines of numbers, or several ways to read them.
    """
    readings, reasons = [], []
    for delimiter in _delimiters(settings):
        for decimal in _decimals(settings):
            try:
                readings.append(_reading(head, delimiter, decimal, settings))
            except _Unfit as error:
                reasons.append(str(error))
    if not readings:
        raise FileError(next((one for one in reasons if one != NO_NUMBERS), NO_NUMBERS))
    n_odd = min(one.n_odd for one in readings)
    fitting = [one for one in readings if one.n_odd == n_odd]
    others = [one for one in fitting if one.numbers != fitting[0].numbers]
    if others:
        raise FileError(_ambiguous(fitting[0].layout, others[0].layout))
    is_open = len({one.layout.decimal for one in fitting}) > 1
    return replace(fitting[0].layout, is_open=is_open)


class _Unfit(Exception):
    """The lines cannot be meant so; str() says why."""


def _delimiters(settings: FileSettings) -> Sequence[str]:
    if settings.delimiter is None:
        return DELIMITERS
    return (WORDS.get(settings.delimiter, settings.delimiter),)


def _decimals(settings: FileSettings) -> Sequence[Decimal]:
    return (".", ",") if settings.decimal is None else (settings.decimal,)


def _ambiguous(one: Layout, other: Layout) -> str:
    ways = [
        f"delimiter {way.shown_delimiter}, decimal {way.decimal!r}, {way.n_columns} columns"
        for way in (one, other)
    ]
    keys = [
        f"files.{key}"
        for key in ("delimiter", "decimal")
        if getattr(one, key) != getattr(other, key)
    ]
    return f"can be read in two ways ({'; '.join(ways)}): set {' and '.join(keys)}"


def _reading(
    head: Sequence[tuple[int, str]],
    delimiter: str,
    decimal: Decimal,
    settings: FileSettings,
) -> _Reading:
    if delimiter == decimal and not any('"' in line for _, line in head):
        raise _Unfit(NO_NUMBERS)
    grid, header = _grid(head, delimiter, decimal), settings.header
    n_cells = len(grid.rows[min(grid.first, len(head) - 1)])
    if n_cells == 1 and delimiter != ONE_COLUMN and settings.delimiter is None:
        raise _Unfit(NO_NUMBERS)
    # a header of numbers, as the settings say, or the numbers of the columns
    if grid.first == 0 and (header or (header is None and _is_counted(grid))):
        grid = replace(grid, first=1)
    _check_text(grid)
    if header is False:
        _check_before(grid)
    has_header = header is not False and grid.first > 0
    names, units, at = _header(grid, delimiter, header) if has_header else ((), (), None)
    layout = Layout(
        delimiter=delimiter,
        decimal=decimal,
        names=names,
        units=units,
        n_columns=grid.n_columns,
        first_line=head[min(grid.first, len(head) - 1)][0],
        header_line=0 if at is None else head[at][0],
    )
    if 2 * grid.n_odd > len(head) - grid.first:
        raise _Unfit(NO_NUMBERS)
    return _Reading(layout, grid.shown, grid.n_odd)


def _grid(head: Sequence[tuple[int, str]], delimiter: str, decimal: Decimal) -> _Grid:
    rows = [split(line, delimiter) for _, line in head]
    numbers = [[number(cell, decimal) for cell in row] for row in rows]
    with_numbers = [
        at for at, row in enumerate(numbers) if any(one is not None for one in row)
    ]
    if not with_numbers:
        raise _Unfit(NO_NUMBERS)
    # Of two lengths as frequent, the later: what stands before the numbers comes first.
    lengths = Counter(len(rows[at]) for at in reversed(with_numbers))
    n_cells = lengths.most_common(1)[0][0]
    alike = [at for at in with_numbers if len(rows[at]) == n_cells]
    numeric = tuple(
        column
        for column in range(n_cells)
        if 2 * sum(numbers[at][column] is not None for at in alike) > len(alike)
    )
    first = next((at for at in alike if numeric and _are(numbers[at], numeric)), None)
    if first is None:
        raise _Unfit(NO_NUMBERS)
    named = rows[first - 1] if first else []
    n_columns = n_cells
    while not any(rows[at][n_columns - 1] for at in alike) and not any(
        named[n_columns - 1 :]
    ):
        n_columns -= 1
    return _Grid(head, rows, numbers, n_columns, numeric, first)


def _are(row: Sequence[float | None], numeric: Sequence[int]) -> bool:
    return all(at < len(row) and row[at] is not None for at in numeric)


def _check_text(grid: _Grid) -> None:
    """A column that is no number must be words or times: "5 0" is two numbers split wrongly."""
    for row in grid.rows[grid.first :]:
        for at, cell in enumerate(row[: grid.n_columns]):
            is_word = _LETTER.search(cell) or _TIME.search(cell) or not _DIGIT.search(cell)
            if at not in grid.numeric and not is_word:
                raise _Unfit(NO_NUMBERS)


def _check_before(grid: _Grid) -> None:
    """Where no header stands between, numbers above the others would be lost without a word."""
    for (line, _), row in zip(grid.head[: grid.first], grid.numbers, strict=False):
        if any(one is not None for one in row):
            raise _Unfit(
                f"has numbers in line {line}, above the lines of {grid.n_columns} cells: set"
                f" files.skip_lines: {grid.head[grid.first - 1][0]} to leave them out"
            )


def _header(
    grid: _Grid, delimiter: str, header: bool | None
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Names, units, and the row of the names."""
    at = grid.first - 1
    units = _units_below_names(grid, at)
    at -= bool(units)
    (line, text), row = grid.head[at], grid.rows[at]
    if delimiter == ONE_COLUMN:  # "x,y" are two names, "Beschleunigung x" is one
        row = max((_without_empty(split(text, sign)) for sign in "\t;,|"), key=len)
    names = fitted(row, grid.n_columns)
    if names is None:
        raise _Unfit(_unlike(line, len(row), grid.n_columns, delimiter))
    is_name = all(_LETTER.search(cell) or not _DIGIT.search(cell) for cell in names)
    if header is None and not is_name and not _is_count(names):
        raise _Unfit(f"has a line {line} that is neither names nor numbers")
    named = [name_and_unit(cell) for cell in names]
    return tuple(name for name, _ in named), units or tuple(unit for _, unit in named), at


def _is_counted(grid: _Grid) -> bool:
    """Whether the first line counts the columns, as pandas writes it, and the others do not."""
    others = [one for row in grid.numbers[1:] for one in row if one is not None]
    is_counted = len(grid.rows[0]) > 1 and _is_count(grid.rows[0])
    return is_counted and not all(one.is_integer() for one in others)


def _is_count(names: Sequence[str]) -> bool:
    """0, 1, 2, where the first cell may be empty: above an index."""
    counted = names[1:] if names[0] == "" else names
    return list(counted) == [str(at) for at in range(len(counted))]


def _without_empty(cells: list[str]) -> list[str]:
    return [cell for cell in cells if cell]


def _unlike(line: int, n_names: int, n_columns: int, delimiter: str) -> str:
    doubled = delimiter == "," and n_columns == 2 * n_names
    hint = "; decimal commas between commas cannot be told apart" if doubled else ""
    return (
        f"has {n_names} cells in line {line} and {n_columns} in the lines of numbers below: if that"
        f" is no header, set files.header: false{hint}"
    )


def _units_below_names(grid: _Grid, at: int) -> tuple[str, ...]:
    """Of the row above the numbers, where another with names is above it; else ()."""
    row = fitted(grid.rows[at], grid.n_columns)
    above = fitted(grid.rows[at - 1], grid.n_columns) if at else None
    if row is None or above is None or any(one is not None for one in grid.numbers[at - 1]):
        return ()
    units = tuple(known_unit(cell.strip("[]() ")) if cell else "" for cell in row)
    is_unit = all(unit or not cell for unit, cell in zip(units, row, strict=True))
    return units if is_unit and any(units) else ()
