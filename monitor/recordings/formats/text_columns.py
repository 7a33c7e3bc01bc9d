"""Text in columns: CSV as programs and spreadsheets of any country write it, DAT, TXT.

A line of numbers with more or fewer cells than the others is refused, never
filled up.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from monitor.recordings.formats.base import N_SHOWN, FileError, Stored
from monitor.recordings.formats.stated import rate_in_lines
from monitor.recordings.formats.text_layout import (
    Layout,
    fitted,
    split,
    with_comment_header,
)
from monitor.recordings.formats.text_lines import (
    all_lines,
    encoding_of,
    ends_within_a_line,
    lines_of,
)
from monitor.recordings.formats.text_numbers import number
from monitor.recordings.formats.text_readings import lay_out
from monitor.recordings.formats.text_times import (
    NO_TIMES,
    SECONDS_PER_UNIT,
    Clock,
    clock_of,
    is_time_name,
    tell,
)

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key

N_HEAD = 200  # lines that tell the layout
LABVIEW = "LabVIEW Measurement"

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?')


def csv(path: Path, settings: FileSettings, key: Key) -> Stored:
    encoding = encoding_of(path)
    head, layout = _layout(path, encoding, settings)
    clock = _clock(layout, settings, head)
    columns = _columns(layout, key, clock, head)
    lines = (one for one in lines_of(path, encoding) if one[0] >= layout.first_line)
    said = str(layout) if encoding.startswith("utf-8") else f"{layout}, text in {encoding}"
    if ends_within_a_line(path, encoding):
        said += ", nothing ends the last line (is the file whole?)"
    stored = read_columns(lines, layout, columns, clock, settings.sample_rate_hz, said)
    if stored.rate is not None:
        return stored
    before = islice(all_lines(path, encoding), min(layout.first_line - 1, N_HEAD))
    rate = rate_in_lines((line for _, line in before), settings.sample_rate_hz)
    return replace(stored, rate=rate)


def _layout(
    path: Path, encoding: str, settings: FileSettings
) -> tuple[list[list[str]], Layout]:
    """Cells of the first lines of numbers, and how they are laid out."""
    n_skipped = settings.skip_lines or 0
    lines = (one for one in lines_of(path, encoding) if one[0] > n_skipped)
    head = list(islice(lines, N_HEAD))
    if head and head[0][1].startswith(LABVIEW):
        raise FileError("is a measurement file of LabVIEW: set files.format: lvm")
    if head and (found := _SEPARATOR_LINE.fullmatch(head[0][1].strip())):
        head.pop(0)
        if settings.delimiter is None:
            settings = settings.model_copy(update={"delimiter": found[1]})
    layout = lay_out(head, settings)
    if layout.is_open:  # whole numbers so far: what follows must not be taken for thousands
        with_signs = (one for one in lines if "." in one[1] or "," in one[1])
        layout = lay_out([*head, *islice(with_signs, N_HEAD)], settings)
    if not layout.names and settings.header is None:
        before = islice(all_lines(path, encoding), layout.first_line - 1)
        comments = [line for _, line in before if line.strip()]
        if comments:
            layout = with_comment_header(layout, comments[-1])
    rows = [split(line, layout.delimiter) for at, line in head if at >= layout.first_line]
    return [cells for row in rows if (cells := fitted(row, layout.n_columns))], layout


def _clock(
    layout: Layout, settings: FileSettings, head: Sequence[Sequence[str]]
) -> Clock | None:
    """The column of the times: the one that the settings name, or the first that is called so and
    goes on.
    """
    if settings.time_key == NO_TIMES:
        return None
    if settings.time_key is not None:
        at = _column(layout, settings.time_key)
        if found := _clock_at(layout, at, head):
            return found
        raise FileError(f"holds no times that go on in column {settings.time_key!r}")
    named = (at for at, name in enumerate(layout.names) if is_time_name(name))
    found = next((one for at in named if (one := _clock_at(layout, at, head))), None)
    timed = (at for at, unit in enumerate(layout.units) if unit in SECONDS_PER_UNIT)
    clocks = (one for at in timed if (one := _clock_at(layout, at, head)))
    return found or next((one for one in clocks if _goes_on(one, head)), None)


def _goes_on(clock: Clock, head: Sequence[Sequence[str]]) -> bool:
    """Whether a column in seconds that is not called a time is one."""
    times = [clock.read(row[clock.column]) or 0.0 for row in head]
    return len(times) > 1 and all(one < other for one, other in pairwise(times))


def _clock_at(layout: Layout, at: int, head: Sequence[Sequence[str]]) -> Clock | None:
    name, unit = layout.column_names[at], layout.units[at] if layout.units else ""
    return clock_of(at, name, unit, [row[at] for row in head], layout.decimal)


def _columns(
    layout: Layout, key: Key, clock: Clock | None, head: Sequence[Sequence[str]]
) -> tuple[int, ...]:
    """Named ones, or by number from 0; with no key all but that of the time, or what is called so
    and holds no numbers: a clock that stands still.
    """
    if key is None:
        times = {clock.column} if clock is not None else _still(layout, head)
        if beside := tuple(at for at in range(layout.n_columns) if at not in times):
            return beside
        raise FileError("has no column other than that of its times")
    return tuple(_column(layout, name) for name in ([key] if isinstance(key, str) else key))


def _still(layout: Layout, head: Sequence[Sequence[str]]) -> set[int]:
    return {
        at
        for at, name in enumerate(layout.names)
        if is_time_name(name)
        and all(number(row[at], layout.decimal) is None for row in head)
    }


def _column(layout: Layout, name: str) -> int:
    if (count := layout.names.count(name)) > 1:
        raise FileError(
            f"has {count} columns {name!r}: name columns by their number from 0"
        )
    if count:
        return layout.names.index(name)
    if name.isascii() and name.isdigit() and int(name) < layout.n_columns:
        return int(name)
    found = (
        list(layout.names[:N_SHOWN])
        or f"columns 0 to {layout.n_columns - 1} without a header"
    )
    raise FileError(f"has no column {name!r}, found {found}")


def read_columns(
    lines: Iterable[tuple[int, str]],
    layout: Layout,
    columns: tuple[int, ...],
    clock: Clock | None,
    declared_hz: float,
    understood: str,
) -> Stored:
    """The samples of all lines. Raises FileError, naming the line."""
    samples, times = array("d"), array("d")
    first = last = ""
    for at, line in lines:
        cells = _cells(at, line, layout)
        for column in columns:
            samples.append(_number(at, cells[column], layout))
        if clock is not None:
            last = cells[clock.column]
            first = first or last
            times.append(_time(at, last, clock))
    values = np.frombuffer(samples).reshape(-1, len(columns))
    units = tuple(layout.units[at] for at in columns) if layout.units else ()
    units = units if any(units) else ()
    if clock is None or not last:
        return Stored(values, units=units, understood=understood)
    coarse = max(clock.resolution(first), clock.resolution(last))
    rate, breaks = tell(clock, np.frombuffer(times), coarse, declared_hz)
    return Stored(values, rate, units, breaks=breaks, understood=understood)


def _cells(at: int, line: str, layout: Layout) -> list[str]:
    row = split(line, layout.delimiter)
    cells = fitted(row, layout.n_columns)
    if cells is None:
        raise FileError(
            f"has {len(row)} cells in line {at}, {layout.n_columns} in the others"
        )
    return cells


def _number(at: int, cell: str, layout: Layout) -> float:
    value = number(cell, layout.decimal)
    if value is None:
        what = f"{cell[:20]!r} is no number" if cell else "an empty cell is no number"
        raise FileError(f"{what}: line {at}, decimal {layout.decimal!r}")
    return value


def _time(at: int, cell: str, clock: Clock) -> float:
    value = clock.read(cell)
    if value is None:
        raise FileError(f"has no time in line {at}, column {clock.name!r}: {cell[:30]!r}")
    return value
