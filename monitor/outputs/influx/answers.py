"""What InfluxDB answers to a write, and what its words mean. Pure.

The words of 1.x and 2 come from tsdb/shard.go and coordinator/points_writer.go,
those of 3 from influxdb3_server's http.rs and influxdb3_catalog's error.rs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from monitor.text import printable
from monitor.tls import is_from_tls_port

NO_ANSWER = 0
STORED = 204
WRITE_PATH = "/api/v2/write"
MAX_STRANGER_CHARS = 120  # shown of an answer that is not InfluxDB's
OLDEST_VERSION = (1, 8)  # that has WRITE_PATH

HINTS = {
    401: "the token is missing or unknown",
    403: "the token may not write to this bucket",
}

_CONFLICT = re.compile(
    r'input field "([^"]*)" on measurement "([^"]*)" is type (\w+), already exists as type (\w+)'
)
_CONFLICT_OF_3 = re.compile(
    r"invalid column type for column '([^']*)', expected iox::column_type::(?:field::)?(\w+),"
    r" got iox::column_type::field::(\w+)"
)
_TOO_OLD = re.compile(r"points (?:beyond|outside) retention policy")
_LOWER_BOUND = re.compile(r"Retention Policy Lower Bound at ([0-9T:.-]+Z)")
_OTHER_BOUND = re.compile(r"Upper Bound|Write Window")
_DROPPED = re.compile(r"dropped=(\d+)")
_UNPARSABLE = re.compile(r"unable to parse '(.*?)': ([^\n]*)", re.DOTALL)
_FIRST_WORDS = re.compile(r'\s*\{\s*"error"\s*:\s*("[^"\\]*")')
_TITLE = re.compile(r"<title>(.*?)</title>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of one request.

    status : NO_ANSWER where nothing came
    message : printable and short
    words : of an InfluxDB, in full; '' where whoever answered does not speak as
        one
    refused : what InfluxDB 3 says of single lines, by their number from 0
    version : InfluxDB's, where it says so
    retry_after_s : when the server wants to be asked again, if it said so
    """

    status: int
    message: str = ""
    words: str = ""
    refused: Mapping[int, str] = field(default_factory=dict)
    version: str = ""
    retry_after_s: float | None = None

    @property
    def is_refusal(self) -> bool:
        """InfluxDB refuses lines of this request, or the request, for what it holds."""
        return self.status in (400, 422) and bool(self.words)

    @property
    def is_partial(self) -> bool:
        """The good lines of the request are stored."""
        return self.is_refusal and "partial write" in self.words

    @property
    def said(self) -> str:
        """'answered 404 not found', or why no answer came."""
        if self.status == NO_ANSWER:
            return f"gave no answer: {self.message}"
        return f"answered {self.status} {self.message}".rstrip()


class Conflict(NamedTuple):
    """A field that the database holds as another type; stored : that type."""

    measurement: str
    field: str
    sent: str
    stored: str


def read_answer(
    status: int, headers: Mapping[str, str], body: bytes, reason: str
) -> Answer:
    """reason : the status line's words, for an answer without any. Header names in lower case."""
    text = body.decode("utf-8", "replace")
    tree = _json(text)
    words = tree.get("message") or tree.get("error") or ""
    if not isinstance(words, str):
        words = ""
    return Answer(
        status,
        _shown(status, words, text) or printable(reason),
        words,
        _refused_lines(tree.get("data")),
        printable(headers.get("x-influxdb-version", ""), 40),
        _seconds(headers.get("retry-after")),
    )


def conflict_in(words: str, measurement: str = "") -> Conflict | None:
    """measurement : of the line that the words are about, for InfluxDB 3 does not name it."""
    if found := _CONFLICT.search(words):
        return Conflict(found[2], found[1], found[3], found[4])
    if found := _CONFLICT_OF_3.search(words):
        return Conflict(measurement, found[1], found[3], found[2])
    return None


def n_too_old(words: str) -> int:
    """How many of the request's lines, its oldest, are beyond the retention; 0 where the words are
    about something else.
    """
    found = _DROPPED.search(words)
    if found is None or not _TOO_OLD.search(words) or _OTHER_BOUND.search(words):
        return 0
    return int(found[1])


def retention_bound_ns(words: str) -> int | None:
    """Nothing before this time is stored: newer servers say so, by their own clock."""
    found = _LOWER_BOUND.search(words)
    if found is None:
        return None
    whole, _, fraction = found[1].rstrip("Z").partition(".")
    try:
        seconds = datetime.fromisoformat(whole + "+00:00").timestamp()
        return int(seconds) * 10**9 + int((fraction or "0").ljust(9, "0")[:9])
    except ValueError:
        return None


def unparsable_lines(answer: Answer) -> dict[str, str]:
    """The lines that the answer quotes as malformed, each with its reason."""
    return {
        line: printable(f"{answer.status} unable to parse '{line}': {why}")
        for line, why in _UNPARSABLE.findall(answer.words)
    }


def hint(answer: Answer) -> str:
    """What to look at, one clause; '' where the answer says it all, or time will mend it."""
    if answer.status == 404:
        return _not_found(answer)
    if "either orgID or org" in answer.words:
        return "influx.org names no organisation"
    if is_from_tls_port(answer.message):
        return "this port speaks TLS: influx.url must begin with https://"
    if answer.status in (400, 422) and not answer.words:
        return "these are not InfluxDB's words: something else answers at influx.url"
    if 200 <= answer.status < 400:
        return f"an InfluxDB that has stored rows answers {STORED}: something else answers"
    return HINTS.get(answer.status, "")


def _not_found(answer: Answer) -> str:
    if _is_too_old(answer.version):
        return f"this InfluxDB is {answer.version}, older than 1.8, and has no {WRITE_PATH}"
    for word, key in (
        ("organization", "org"),
        ("bucket", "bucket"),
        ("database", "bucket"),
    ):
        if word in answer.words and "path" not in answer.words:
            return f"influx.{key} names none that this InfluxDB has"
    return (
        f"nothing answers to {WRITE_PATH} below influx.url: the path is wrong, or this InfluxDB is"
        " older than 1.8"
    )


def _is_too_old(version: str) -> bool:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) < OLDEST_VERSION


def _shown(status: int, words: str, text: str) -> str:
    """One line: InfluxDB's words, or of a stranger's the title, or the beginning."""
    if words:
        return printable(" ".join(words.split()))
    title = _TITLE.search(text)
    line = " ".join((title[1] if title else text).split())
    return printable(line.removeprefix(f"{status} "), MAX_STRANGER_CHARS)


def _json(text: str) -> dict[str, Any]:
    """{} where it is none; its first words where it was cut."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        found = _FIRST_WORDS.match(text)
        tree = {"error": json.loads(found[1])} if found else {}
    return tree if isinstance(tree, dict) else {}


def _refused_lines(data: object) -> dict[int, str]:
    """InfluxDB 3's account of single lines: a list, or one where it stored nothing."""
    refused = {}
    for entry in data if isinstance(data, list) else [data]:
        if not isinstance(entry, dict):
            continue
        number, why = entry.get("line_number"), entry.get("error_message")
        if isinstance(number, int) and isinstance(why, str):
            refused[number - 1] = why
    return refused


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds, as InfluxDB sends it; None for anything else, a date included."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
