"""The table of recordings, as programs and spreadsheets save it, and the values in its cells.

Excel saves with the delimiter of its country, a byte-order mark or Windows'
code page, dates as its cells show them, and rows that were emptied.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.recordings.local_dates import day_comes_first, iso_text
from monitor.recordings.recording import LABELS, Label, RecordingError
from monitor.signal.payload.local_time import with_offset
from monitor.signal.payload.times import time_ns
from monitor.text import printable

MAX_TABLE_BYTES = 64 << 20
N_SHOWN = 8  # names in a sentence
DELIMITERS = (",", ";", "\t")
SHOWN = {",": "commas", ";": "semicolons", "\t": "tabs"}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")

_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?\r?\n', re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.,]\d{3})+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of recordings.

    rows : line of the file, and the value of each column by its name, "" where
        a cell is missing
    understood : how it was read
    """

    name: str
    delimiter: str
    understood: str
    rows: tuple[tuple[int, Mapping[str, str]], ...] = ()


def read_table(path: Path, names: Mapping[str, str]) -> Table:
    """names : of our columns, as the table has them, in small or capital letters

    Raises RecordingError: no file, too large, no table, a name that stands
    twice.
    """
    text, encoding = _text(path)
    separator = _SEPARATOR_LINE.match(text)
    body = text[separator.end() :] if separator else text
    delimiter = separator[1] if separator else _delimiter(body)
    first_line = 2 if separator else 1
    table = Table(
        path.name, delimiter, f"{SHOWN[delimiter]} between the cells, text in {encoding}"
    )
    try:
        lines = list(_lines(body, delimiter, first_line))
    except csv.Error as error:
        raise RecordingError(f"{path} is not a CSV table: {error}.") from error
    if not lines:
        return table
    (_, header), *rows = lines
    columns = _columns(path, header, names)
    return replace(
        table, rows=tuple((at, _row(path, at, row, columns)) for at, row in rows)
    )


def _text(path: Path) -> tuple[str, str]:
    """Of the file, and in which encoding. Raises RecordingError."""
    try:
        if path.exists() and not path.is_file():
            raise RecordingError(f"{path} is no file: a CSV table is needed.")
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise RecordingError(f"{path} has over {MAX_TABLE_BYTES} bytes.")
        content = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}.") from error
    # cp1252: Excel's plain CSV on Windows, in Western languages.
    for encoding in ("utf-16",) if content.startswith(UTF_16) else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise RecordingError(f"{path} is not a CSV table: it is no text.")


def _delimiter(body: str) -> str:
    """The one that the header has most of."""
    header = body.lstrip("\r\n").partition("\n")[0]
    return max(DELIMITERS, key=header.count)


def _lines(body: str, delimiter: str, first_line: int) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that is not empty."""
    text = io.StringIO(body, newline="")
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield reader.line_num + first_line - 1, cells


def _columns(path: Path, header: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Names of the columns, ours as we write them, "" where a cell of the header is empty."""
    ours = {name.lower(): name for name in names.values()}
    columns = [
        name if name in ours.values() else ours.get(name.lower(), name) for name in header
    ]
    for name in columns:
        if name and columns.count(name) > 1:
            raise RecordingError(
                f"{path.name}: the header names {printable(name, 60)!r} twice."
            )
    return columns


def _row(path: Path, at: int, row: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    over = [cell for cell, name in zip(row, columns, strict=False) if cell and not name]
    if over or any(row[len(columns) :]):
        raise RecordingError(
            f"{path.name} row {at}: has more cells than the header has columns."
        )
    cells = [*row, *[""] * (len(columns) - len(row))]
    return {name: cell for name, cell in zip(columns, cells, strict=False) if name}


def check_has(table: Table, column: str) -> None:
    """Raises RecordingError where the table lacks the column of the paths."""
    found = table.rows[0][1] if table.rows else {column: ""}
    if column not in found:
        shown = ", ".join(repr(printable(name, 60)) for name in list(found)[:N_SHOWN])
        raise RecordingError(
            f"{table.name}: the header has no column {column!r}, found {shown}; columns: {{path:"
            " NAME} in the manifest says which column holds the paths."
        )


# -- values ---------------------------------------------------------------------------------------


def number_of(
    column: str, text: str, default: float, least: float, delimiter: str
) -> float:
    """Between semicolons or tabs a comma is the decimal sign too. Raises ValueError."""
    if delimiter != "," and _GROUPED.fullmatch(text):
        raise ValueError(
            f"{column} = {text!r} can be a thousand times as much: write no separator"
        )
    try:
        value = (
            float(text if delimiter == "," else text.replace(",", ".")) if text else default
        )
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        rule = "" if least == -math.inf else f" of {least:g} or more"
        raise ValueError(f"{column} = {text!r} must be a finite number{rule}")
    return value


def whole_of(column: str, text: str, least: int) -> int:
    """Raises ValueError."""
    if (text and not (text.isdecimal() and len(text) < 19)) or int(text or 0) < least:
        raise ValueError(f"{column} = {text!r} must be a whole number of {least} or more")
    return int(text or 0)


def label_of(text: str) -> Label:
    """Raises ValueError."""
    for label in LABELS:
        if text.lower() == label:
            return label
    if not text:
        return "unlabelled"
    raise ValueError(f"label = {text!r} must be one of ok, ng, unlabelled")


def starts_with_day(table: Table, column: str) -> bool | None:
    """Whether dates of the column have the day first; None where nothing tells. Raises
    RecordingError.
    """
    try:
        return day_comes_first(row.get(column, "") for _, row in table.rows)
    except ValueError as error:
        raise RecordingError(
            f"{table.name}: {column}: {error}: one form is needed."
        ) from error


def start_ns_of(text: str, day_first: bool | None, zone: str | None) -> int | None:
    """ISO 8601, a local date, or seconds since 1970. Raises ValueError.

    zone : of texts that name none; None is UTC. Of an hour that comes twice,
        the first is meant.
    """
    if not text:
        return None
    if text.replace(".", "", 1).isdigit():
        return round(float(text) * 1e9)
    try:
        named = with_offset(iso_text(text, day_first), zone, 0)
    except ValueError as error:
        raise ValueError(f"start = {error}") from error
    if (start_ns := time_ns(named, "iso8601")) is None:
        raise ValueError(
            f"start = {text!r} must be an ISO 8601 time, a date such as 24.11.2026 08:30 or seconds"
            " since 1970"
        )
    return start_ns
