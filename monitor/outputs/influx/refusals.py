"""What one database refuses for good, learned from its answers, and lines without it. Pure.

A field that exists with another type is left out of its line. A map that lacks
a band would no longer add up: its measurement is left out whole. What is older
than the bucket's retention is not sent. All that holds for an hour and is then
tried anew, for somebody may have mended it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from monitor.outputs.influx.answers import Conflict
from monitor.outputs.influx.line_protocol import FIELDS_STAND_ALONE

REMEMBERED_NS = 3600 * 10**9
N_NAMED = 5  # in one sentence

_UNESCAPED_SPACE = re.compile(r"(?<!\\) ")
_FIELD = re.compile(r'((?:[^,=\\ ]|\\.)+)=("(?:[^"\\]|\\.)*"|[^,]*)')


class Trimmed(NamedTuple):
    """A line as it may be sent. text : '' where nothing of it may; reason : why."""

    text: str
    n_left_out: int = 0  # fields
    reason: str = ""


class Refusals:
    """Empty until an answer teaches something."""

    def __init__(self) -> None:
        # (field, type sent): reason
        self._fields: dict[str, dict[tuple[str, str], str]] = {}
        self._maps: dict[str, str] = {}
        self._named: dict[str, None] = {}  # in the order of their finding
        self._oldest_ns: int | None = None
        self._too_old = ""
        self._learned_ns: int | None = None

    def __bool__(self) -> bool:
        return bool(self._named) or self._oldest_ns is not None

    def learn_conflict(self, found: Conflict, reason: str, now_ns: int) -> None:
        self._learned(now_ns)
        if found.measurement in FIELDS_STAND_ALONE:
            fields = self._fields.setdefault(found.measurement, {})
            fields[found.field, found.sent] = reason
            what = f"field {found.field} of {found.measurement}"
        else:
            self._maps[found.measurement] = reason
            what = f"{found.measurement}, for its field {found.field}"
        self._named[f"{what} ({found.sent}; the database has it as {found.stored})"] = None

    def learn_oldest(self, before_ns: int, reason: str, now_ns: int) -> None:
        """Nothing before this time is stored. It holds by the server's clock, and stays true as
        time goes on.
        """
        self._learned(now_ns)
        if self._oldest_ns is None or before_ns > self._oldest_ns:
            self._oldest_ns, self._too_old = before_ns, reason

    def is_stale(self, now_ns: int) -> bool:
        """Learned over an hour ago, or before the clock was set back: start over."""
        return self._learned_ns is not None and not (
            0 <= now_ns - self._learned_ns < REMEMBERED_NS
        )

    def trim(self, text: str) -> Trimmed:
        if self._oldest_ns is not None:
            time_ns = time_of(text)
            if time_ns is not None and time_ns < self._oldest_ns:
                return Trimmed("", n_fields(text), self._too_old)
        measurement = measurement_of(text)
        if measurement in self._maps:
            return Trimmed("", n_fields(text), self._maps[measurement])
        refused = self._fields.get(measurement)
        return _without(text, refused) if refused else Trimmed(text)

    def __str__(self) -> str:
        """One clause for a person; '' where nothing is refused."""
        named = list(self._named)
        parts = named[:N_NAMED]
        if len(named) > N_NAMED:
            parts.append(f"{len(named) - N_NAMED} more")
        if self._oldest_ns is not None:
            parts.append("what is older than its retention")
        return "; ".join(parts)

    def _learned(self, now_ns: int) -> None:
        if self._learned_ns is None:
            self._learned_ns = now_ns


def measurement_of(text: str) -> str:
    return re.split("[, ]", text, maxsplit=1)[0]


def time_of(text: str) -> int | None:
    """In nanoseconds; None where the line carries none."""
    try:
        return int(text[text.rindex(" ") + 1 :])
    except ValueError:
        return None


def n_fields(text: str) -> int:
    return sum(1 for _ in _fields_of(text)[1])


def _fields_of(text: str) -> tuple[str, Iterator[re.Match[str]], str]:
    """What stands before the fields, the fields, and the time."""
    head, *rest = _UNESCAPED_SPACE.split(text, maxsplit=1)
    fields, _, time = "".join(rest).rpartition(" ")
    return head, _FIELD.finditer(fields), time


def _without(text: str, refused: dict[tuple[str, str], str]) -> Trimmed:
    head, found, time = _fields_of(text)
    kept: list[str] = []
    reasons: list[str] = []
    for field in found:
        reason = refused.get((field[1], _type_of(field[2])))
        if reason is None:
            kept.append(field[0])
        else:
            reasons.append(reason)
    if not reasons:
        return Trimmed(text)
    line = f"{head} {','.join(kept)} {time}" if kept else ""
    return Trimmed(line, len(reasons), reasons[0])


def _type_of(value: str) -> str:
    """As InfluxDB names it, of a value as line_protocol writes it."""
    if value.startswith('"'):
        return "string"
    if value in ("true", "false"):
        return "boolean"
    return "integer" if value.endswith("i") else "float"
