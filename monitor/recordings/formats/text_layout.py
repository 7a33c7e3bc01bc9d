"""How a text file of numbers is laid out, and its lines split into cells accordingly."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace

from monitor.recordings.formats.base import N_SHOWN
from monitor.recordings.formats.text_numbers import Decimal
from monitor.signal.payload.units import MS2_PER_UNIT, spelled

BLANK = "blank"
ONE_COLUMN = ""
SHOWN = {"\t": "tab", BLANK: "blanks", ONE_COLUMN: "none"}
OTHER_UNITS = frozenset(
    {
        "V",
        "mV",
        "uV",
        "µV",
        "A",
        "mA",
        "mm/s",
        "in/s",
        "m/s",
        "mm",
        "um",
        "µm",
        "m",
        "N",
        "bar",
    }
    | {"Pa", "%", "°C", "C", "rpm", "Hz", "s", "ms", "us", "µs", "ns", "min", "h"}
)

_UNIT_BEHIND = re.compile(r"(.*?)\s*[\[(]\s*([^\])]{1,20}?)\s*[\])]$")


@dataclass(frozen=True, slots=True)
class Layout:
    """names, units : of the columns; () and "" where the file has none
    n_columns : cells of each line of numbers
    first_line : of numbers, from 1
    header_line : 0 without one
    is_open : either decimal sign gives these numbers, so none was seen
    """

    delimiter: str
    decimal: Decimal
    names: tuple[str, ...]
    units: tuple[str, ...]
    n_columns: int
    first_line: int
    header_line: int
    is_open: bool = False

    def __str__(self) -> str:
        without = "names in a comment" if self.names else "no header"
        header = f"header in line {self.header_line}" if self.header_line else without
        return (
            f"delimiter {self.shown_delimiter}, decimal {self.decimal!r}, {header}, numbers from"
            f" line {self.first_line}, columns {', '.join(self.column_names[:N_SHOWN])}"
        )

    @property
    def shown_delimiter(self) -> str:
        return SHOWN.get(self.delimiter, repr(self.delimiter))

    @property
    def column_names(self) -> tuple[str, ...]:
        return self.names or tuple(map(str, range(self.n_columns)))


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line, without quotes and the blanks around them."""
    if delimiter == ONE_COLUMN:
        cells = [line.strip().strip('"')]
    elif '"' in line:
        cells = _quoted(line, delimiter)
    else:
        cells = _plain(line, delimiter)
    return [cell.strip() for cell in cells]


def _quoted(line: str, delimiter: str) -> list[str]:
    text, sign = (" ".join(line.split()), " ") if delimiter == BLANK else (line, delimiter)
    reader = csv.reader([text], delimiter=sign, skipinitialspace=True, strict=True)
    try:
        return next(reader, [])
    except csv.Error:  # a quote without its other one is a letter like others
        return _plain(line, delimiter)


def _plain(line: str, delimiter: str) -> list[str]:
    return line.split() if delimiter == BLANK else line.split(delimiter)


def fitted(cells: list[str], n_columns: int) -> list[str] | None:
    """The cells of a line of so many columns; None where it has fewer or more. Empty cells at the
    end are no more: many programs end each line with a delimiter.
    """
    if len(cells) < n_columns or any(cells[n_columns:]):
        return None
    return cells[:n_columns]


def known_unit(text: str) -> str:
    """A unit as we spell it, or as it stands where it is one of another quantity; else ""."""
    unit = spelled(text)
    return unit if unit in MS2_PER_UNIT or unit in OTHER_UNITS else ""


def name_and_unit(cell: str) -> tuple[str, str]:
    """ "Beschleunigung [g]" is a name and a unit; "x (left)" is a name, and "acc_mg" one that says
    its unit.
    """
    if (found := _UNIT_BEHIND.fullmatch(cell)) and (unit := known_unit(found[2])):
        return found[1], unit
    last = spelled(cell.rpartition("_")[2]) if "_" in cell else ""
    return cell, last if last in MS2_PER_UNIT else ""


def with_comment_header(layout: Layout, comment: str) -> Layout:
    """Names out of the last comment before the numbers, as numpy.savetxt writes them."""
    cells = fitted(
        split(comment.strip().lstrip("#%/ "), layout.delimiter), layout.n_columns
    )
    if layout.header_line or cells is None:
        return layout
    named = [name_and_unit(cell) for cell in cells]
    names, units = tuple(name for name, _ in named), tuple(unit for _, unit in named)
    return replace(layout, names=names, units=units)
