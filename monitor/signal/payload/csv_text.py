"""CSV: numbers as text. A line is an instant with a column for each channel, or all is one row.

With one channel and no columns named, all numbers of the message follow each
other, however the lines are broken. Where the decimal sign is a comma, the
delimiter must be another.
"""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Chunk, Message
from monitor.settings import Count, Names
from monitor.signal.payload import sample_times
from monitor.signal.payload.base import DecoderSettings, PayloadError, PayloadSettings
from monitor.signal.payload.facts import chunk_of, property_facts, quote, stated_scale
from monitor.signal.payload.local_time import check_zone, with_offset
from monitor.signal.payload.samples import to_ms2
from monitor.signal.payload.text import cleaned
from monitor.signal.payload.times import RelativeFormat, TimeFormat
from monitor.signal.payload.tolerated import marked

Rows = list[list[str]]

NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf)", re.I
)


class CsvPayload(PayloadSettings):
    """columns : of the channels, by number from 0, or by name where there is a header
    delimiter : one character, or the words "tab" and "blank", which is any
        white space
    skip_lines : before the header, or before the first line of numbers
    """

    format: Literal["csv"]
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    skip_lines: Count = 0
    header: bool = False
    columns: Names | None = None
    time_column: str | None = None
    time_format: TimeFormat | RelativeFormat = "iso8601"
    time_zone: str | None = None  # of texts that name none; None: UTC

    def check(self) -> None:
        super().check()
        check_zone(self.time_zone)
        if self.time_zone is not None and self.time_format != "iso8601":
            raise ValueError("time_zone is for texts: counts are taken as from UTC")
        if self.delimiter not in ("tab", "blank") and len(self.delimiter) != 1:
            raise ValueError(
                f"delimiter = {self.delimiter!r} must be one character that is no blank, or the"
                " word tab or blank"
            )
        if self.delimiter == self.decimal:
            raise ValueError("delimiter and decimal cannot be the same sign")
        named = [*(self.columns or ()), *([self.time_column] if self.time_column else ())]
        if not self.header and any(not (n.isascii() and n.isdigit()) for n in named):
            raise ValueError("without a header, columns are numbers from 0")


def decode(message: Message, settings: DecoderSettings) -> list[Chunk]:
    """One chunk, or one for each unbroken piece where lines have times. Raises PayloadError:
    not_text, not_numbers, no_samples, bad_length, wrong_channels, bad_rate,
    bad_time, bad_sequence.
    """
    payload = settings.payload
    assert isinstance(payload, CsvPayload)
    rule, sensor = settings.rule(settings.sensor), settings.sensor
    text, tolerated = cleaned(message.payload)
    if "\0" in text:
        raise PayloadError("not_text", "Payload has NULs within: it is no text.")
    facts = property_facts(message.properties)
    rows, names = _rows(text, payload)
    numbers = _numbers(rows, names, payload, len(rule.channels))
    samples = to_ms2(numbers, stated_scale(facts, rule))
    if payload.time_column is None:
        return marked([chunk_of(message, sensor, rule, samples, facts)], tolerated)
    column = _column(payload.time_column, names)
    times = [
        with_offset(
            _time(_cell(row, column), payload), payload.time_zone, message.received_ns
        )
        for row in rows
    ]
    unit = payload.time_format
    chunks = sample_times.chunks_of(message, sensor, rule, samples, facts, times, unit)
    return marked(chunks, tolerated)


def _rows(text: str, payload: CsvPayload) -> tuple[Rows, list[str]]:
    """Cells of all lines that are not blank, and the names in the header."""
    lines = [line for line in text.splitlines() if line.strip()][payload.skip_lines :]
    rows = [cells_of(line, payload.delimiter) for line in lines]
    names = rows.pop(0) if payload.header and rows else []
    if not rows:
        raise PayloadError("no_samples", "Payload has no lines of numbers.")
    return rows, names


def cells_of(line: str, delimiter: str) -> list[str]:
    """Without the quotes around them."""
    sign = {"blank": None, "tab": "\t"}.get(delimiter, delimiter)
    cells = line.split(sign)
    if sign is not None and '"' in line:
        with suppress(csv.Error):  # a cell beyond the library's bound stays as it is
            (cells,) = csv.reader([line], delimiter=sign, skipinitialspace=True)
    elif '"' in line:
        cells = [cell.strip('"') for cell in cells]
    if len(cells) > 1 and not cells[-1].strip():  # a delimiter at the end of the line
        cells.pop()
    return [cell.strip() for cell in cells]


def _numbers(
    rows: Rows, names: list[str], payload: CsvPayload, n_channels: int
) -> NDArray[np.float64]:
    """(n_channels, n)"""
    if payload.columns is None and n_channels == 1 and payload.time_column is None:
        cells = [cell for row in rows for cell in row]
        return _parsed(cells, payload.decimal)[np.newaxis]
    columns = _columns(rows, names, payload)
    if len(columns) != n_channels:
        text = (
            f"Lines have {len(columns)} columns of samples, {n_channels} channels are set."
        )
        raise PayloadError("wrong_channels", text)
    return np.stack(
        [_parsed([_cell(row, at) for row in rows], payload.decimal) for at in columns]
    )


def _columns(rows: Rows, names: list[str], payload: CsvPayload) -> list[int]:
    """Of the channels: those named, else all but that of the time. All lines are as long."""
    lengths = {len(row) for row in rows} | ({len(names)} if names else set())
    if len(lengths) > 1:
        text = f"Lines have {min(lengths)} to {max(lengths)} cells."
        raise PayloadError("bad_length", text)
    if payload.columns is not None:
        return [_column(name, names) for name in payload.columns]
    time = None if payload.time_column is None else _column(payload.time_column, names)
    return [at for at in range(len(rows[0])) if at != time]


def _column(name: str, names: list[str]) -> int:
    if names:
        if names.count(name) != 1:
            text = f"The header names {name!r} {names.count(name)} times, not once."
            raise PayloadError("no_samples", text)
        return names.index(name)
    return int(name)


def _cell(row: list[str], at: int) -> str:
    if at >= len(row):
        raise PayloadError(
            "bad_length", f"A line has {len(row)} cells, none in column {at}."
        )
    return row[at]


def _parsed(cells: list[str], decimal: str) -> NDArray[np.float64]:
    if decimal == ",":
        cells = [cell.replace(",", ".") for cell in cells]
    odd = next((cell for cell in cells if not NUMBER.fullmatch(cell)), None)
    if odd is not None:
        raise PayloadError("not_numbers", f"{quote(odd)} is no number.")
    return np.array(list(map(float, cells)), np.float64)


def _time(cell: str, payload: CsvPayload) -> Any:
    return cell.replace(",", ".") if payload.decimal == "," else cell
