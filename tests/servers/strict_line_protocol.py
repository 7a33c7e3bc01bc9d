"""A strict reader of InfluxDB's line protocol: it takes what the specification spells out, nothing
else.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ :
stricter than the real servers in that a backslash must escape something,
control characters stand only inside strings, and every row carries its time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FieldValue = bool | int | float | str

_MEASUREMENT = re.compile(r"(?!#)(?:[^, \\\x00-\x1f\x7f-\x9f]|\\[, ])+")
_KEY = re.compile(r"(?:[^,= \\\x00-\x1f\x7f-\x9f]|\\[,= ])+")
_STRING = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_INTEGER = re.compile(r"(-?\d+)i")
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_BOOLEAN = re.compile(r"true|false")
_TIME = re.compile(r" (-?\d+)(?=\n|\Z)")
_ESCAPED_KEY = re.compile(r"\\([,= ])")
_ESCAPED_STRING = re.compile(r'\\(["\\])')

MAX_KEY_BYTES = 65_535
MAX_STRING_BYTES = 65_536
TYPE_NAMES = {bool: "boolean", int: "integer", float: "float", str: "string"}


class ParseError(ValueError):
    """Not line protocol; str() as InfluxDB words it."""


@dataclass(frozen=True)
class Row:
    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, FieldValue]
    time_ns: int

    @property
    def series(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        return self.measurement, tuple(sorted(self.tags.items()))


def parse(body: str) -> list[Row]:
    """Every row of a request's body. Raises ParseError at the first that is malformed."""
    return list(_rows(body))


def type_name(value: FieldValue) -> str:
    return TYPE_NAMES[type(value)]


def _rows(body: str) -> Iterator[Row]:
    at = 0
    while at < len(body):
        row, at = _row(body, at)
        yield row
        if at < len(body):
            at = _expect(body, at, "\n")


def _row(body: str, at: int) -> tuple[Row, int]:
    start = at
    found = _match(_MEASUREMENT, body, at, "missing measurement")
    at = found.end()
    tags: dict[str, str] = {}
    while body[at : at + 1] == ",":
        key, at = _key(body, at + 1, "missing tag key")
        value, at = _key(body, _expect(body, at, "="), "missing tag value")
        _put(tags, key, value, "duplicate tags")
    if len(body[start:at].encode()) > MAX_KEY_BYTES:
        raise ParseError(
            f"unable to parse '{body[start:at][:40]}...': max key length exceeded"
        )
    fields: dict[str, FieldValue] = {}
    at = _expect(body, at, " ")
    while True:
        key, at = _key(body, at, "missing fields")
        value_of_field, at = _value(body, _expect(body, at, "="))
        _put(fields, key, value_of_field, "duplicate fields")
        if body[at : at + 1] != ",":
            break
        at += 1
    time = _match(_TIME, body, at, "bad timestamp")
    return (
        Row(
            found[0].replace(r"\,", ",").replace(r"\ ", " "),
            tags,
            fields,
            _int64(time[1], body, at),
        ),
        time.end(),
    )


def _value(body: str, at: int) -> tuple[FieldValue, int]:
    if found := _STRING.match(body, at):
        text = _ESCAPED_STRING.sub(r"\1", found[1])
        if len(text.encode()) > MAX_STRING_BYTES:
            raise ParseError(
                f"unable to parse '{body[at : at + 40]}...': string longer than {MAX_STRING_BYTES}"
                " bytes"
            )
        return text, found.end()
    if found := _BOOLEAN.match(body, at):
        return found[0] == "true", found.end()
    if found := _INTEGER.match(body, at):
        return _int64(found[1], body, at), found.end()
    found = _match(_FLOAT, body, at, "invalid field format")
    return float(found[0]), found.end()


def _int64(digits: str, body: str, at: int) -> int:
    if not -(2**63) <= int(digits) < 2**63:
        raise ParseError(f"unable to parse '{body[at : at + 40]}': value out of range")
    return int(digits)


def _key(body: str, at: int, problem: str) -> tuple[str, int]:
    found = _match(_KEY, body, at, problem)
    return _ESCAPED_KEY.sub(r"\1", found[0]), found.end()


def _put(into: dict[str, Any], key: str, value: object, problem: str) -> None:
    if key in into:
        raise ParseError(f"unable to parse '{key}': {problem}")
    into[key] = value


def _match(pattern: re.Pattern[str], body: str, at: int, problem: str) -> re.Match[str]:
    found = pattern.match(body, at)
    if found is None:
        raise ParseError(f"unable to parse '{body[max(0, at - 40) : at + 40]}': {problem}")
    return found


def _expect(body: str, at: int, char: str) -> int:
    if body[at : at + 1] != char:
        raise ParseError(
            f"unable to parse '{body[max(0, at - 40) : at + 40]}': expected {char!r}"
        )
    return at + 1
