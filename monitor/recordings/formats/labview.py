"""LabVIEW's measurement files (LVM): text with a header for the file and one for its segment.

After National Instruments' "Specification for the LabVIEW Measurement File
(.lvm)". Files in use hold more samples than they say, where writing went on,
and round their step to microseconds. A file of several segments with a header
each is refused: each is a stretch of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.recordings.formats.base import N_SHOWN, RATE_TOLERANCE, FileError, Rate, Stored
from monitor.recordings.formats.text_columns import LABVIEW, read_columns
from monitor.recordings.formats.text_layout import Layout, known_unit
from monitor.recordings.formats.text_lines import (
    all_lines,
    encoding_of,
    ends_within_a_line,
)
from monitor.recordings.formats.text_numbers import Decimal, number, resolution
from monitor.recordings.formats.text_times import Clock

if TYPE_CHECKING:
    from monitor.recordings.file_settings import FileSettings, Key

END_OF_HEADER = "***End_of_Header***"
START_SPECIAL, END_SPECIAL = "***Start_Special***", "***End_Special***"
MAX_HEADER_LINES = 1000
DELIMITERS = {"tab": "\t", "comma": ","}
X_VALUE, COMMENT = "X_Value", "Comment"

Lines = Iterator[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class _Segment:
    """The header of the samples, one entry a channel.

    columns : of the channels among the cells of a line
    steps : Delta_X as written, of each channel
    n_samples : the most that a channel states
    """

    layout: Layout
    columns: tuple[int, ...]
    units: tuple[str, ...]
    steps: tuple[str, ...]
    n_samples: int


def lvm(path: Path, settings: FileSettings, key: Key) -> Stored:
    encoding = encoding_of(path)
    if ends_within_a_line(path, encoding):
        raise FileError("is cut short: nothing ends its last line")
    lines = all_lines(path, encoding)
    segment = _segment(lines)
    layout = segment.layout
    chosen = _chosen(segment, key)
    columns = tuple(segment.columns[at] for at in chosen)
    clock, rows = None, _rows(lines, layout)
    if layout.names[0] == X_VALUE:
        rows, clock = _with_clock(rows, layout)
    names = ", ".join(layout.names[at] for at in columns)
    said = f"LabVIEW, decimal {layout.decimal!r}, channels {names}"
    stored = read_columns(rows, layout, columns, clock, settings.sample_rate_hz, said)
    is_short = segment.n_samples > len(stored.array)
    return replace(
        stored,
        rate=_rate(segment, chosen) or stored.rate,
        units=tuple(segment.units[at] for at in chosen) if any(segment.units) else (),
        n_stated=segment.n_samples if is_short else None,
    )


def _segment(lines: Lines) -> _Segment:
    """Both headers and the line of names, taken off the lines. Raises FileError."""
    _, first = next(lines, (0, ""))
    if not first.startswith(LABVIEW):
        raise FileError(
            f"is no measurement file of LabVIEW: it does not begin with {LABVIEW!r}"
        )
    tags, of_segment = _tags(lines), _tags(lines)
    delimiter = DELIMITERS.get(_value(tags, "Separator", "Tab").lower())
    decimal = _value(tags, "Decimal_Separator", ".")
    if delimiter is None or decimal not in (".", ",") or decimal == delimiter:
        raise FileError(
            "has a header without a Separator and Decimal_Separator that we know"
        )
    header_line, text = next((one for one in lines if one[1].strip()), (0, ""))
    names = tuple(name.strip() for name in text.split(delimiter))
    names = names[:-1] if names[-1] in (COMMENT, "") else names
    columns = tuple(at for at, name in enumerate(names) if at and name != X_VALUE)
    if not columns:
        raise FileError("has no channels in its line of names")
    sign: Decimal = "," if decimal == "," else "."
    return _Segment(
        Layout(delimiter, sign, names, (), len(names), header_line + 1, header_line),
        columns,
        tuple(
            known_unit(one) or one
            for one in _per_channel(of_segment, "Y_Unit_Label", columns)
        ),
        _per_channel(of_segment, "Delta_X", columns),
        max(
            int(number(one, sign) or 0)
            for one in _per_channel(of_segment, "Samples", columns)
        ),
    )


def _tags(lines: Lines) -> Mapping[str, Sequence[str]]:
    """Of one header, by name; what stands in special blocks is other programs'."""
    tags: dict[str, Sequence[str]] = {}
    is_special = False
    for _, (_, line) in zip(range(MAX_HEADER_LINES), lines, strict=False):
        if line.startswith(END_OF_HEADER):
            return tags
        is_special = line.startswith(START_SPECIAL) or (
            is_special and not line.startswith(END_SPECIAL)
        )
        sign = "\t" if "\t" in line else ","
        name, *values = (cell.strip() for cell in line.split(sign))
        if not is_special:
            tags.setdefault(name, values)
    raise FileError(f"has a header without an end, which is a line of {END_OF_HEADER}")


def _value(tags: Mapping[str, Sequence[str]], name: str, default: str) -> str:
    """Of a file's tag. A comma as decimal sign between commas would be split: it is empty then."""
    values = tags.get(name, ())
    return (values[0] or ",") if values else default


def _per_channel(
    tags: Mapping[str, Sequence[str]], name: str, columns: Sequence[int]
) -> tuple[str, ...]:
    """One entry a channel, "" where the header has none."""
    values = [*tags.get(name, ()), *[""] * len(columns)]
    return tuple(values[: len(columns)])


def _chosen(segment: _Segment, key: Key) -> list[int]:
    """Indices of channels, by name or by number from 0."""
    names = [segment.layout.names[at] for at in segment.columns]
    if key is None:
        return list(range(len(names)))
    chosen = []
    for name in [key] if isinstance(key, str) else key:
        if names.count(name) == 1:
            chosen.append(names.index(name))
        elif name.isascii() and name.isdigit() and int(name) < len(names):
            chosen.append(int(name))
        else:
            raise FileError(
                f"has {names.count(name)} channels {name!r}, one is needed, found {names[:N_SHOWN]}"
            )
    return chosen


def _rows(lines: Lines, layout: Layout) -> Lines:
    """Lines of numbers, without the comment that may stand at the end of each."""
    for at, line in lines:
        if line.startswith(("***", "Channels", LABVIEW)):
            raise FileError(
                f"has another header in line {at}: each segment is a recording, in its own file"
            )
        cells = line.split(layout.delimiter)
        if line.strip():
            has_comment = len(cells) == layout.n_columns + 1
            yield at, layout.delimiter.join(cells[:-1] if has_comment else cells)


def _with_clock(rows: Lines, layout: Layout) -> tuple[Lines, Clock | None]:
    """X_Value as times, which show where samples are missing; files may leave it empty."""
    first = next(rows, None)
    if first is None:
        return rows, None
    cell = first[1].split(layout.delimiter)[0].strip()
    decimal = layout.decimal

    def again() -> Lines:
        yield first
        yield from rows

    if not cell:
        return again(), None
    clock = Clock(
        0,
        X_VALUE,
        read=lambda cell: number(cell, decimal),
        resolution=lambda cell: resolution(cell, decimal),
    )
    return again(), clock


def _rate(segment: _Segment, chosen: Sequence[int]) -> Rate | None:
    """By Delta_X, as exact as it is written."""
    cells = {segment.steps[at] for at in chosen}
    if len(cells) > 1:
        raise FileError(
            f"has channels of several rates: Delta_X is {', '.join(sorted(cells))}"
        )
    (cell,) = cells
    step_s = number(cell, segment.layout.decimal) or 0.0
    if not step_s > 0:
        return None
    tolerance = max(RATE_TOLERANCE, resolution(cell, segment.layout.decimal) / step_s)
    return Rate(1 / step_s, tolerance)
