"""Delivery of rows to InfluxDB.

A row has one of three fates. Accepted: the server has it. Rejected: the server refused it for what
it holds; it becomes a dead letter, with the server's reason. Kept: everything else, however long
it takes. Writing a row twice is harmless (same series and time overwrite), so a row whose answer
was lost is simply sent again.
"""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from monitor.config import ConfigError, InfluxSettings
from monitor.journal.cursors import JournalRow
from monitor.journal.places import RowKind
from monitor.outputs.base import Step
from monitor.outputs.influx.in_flight import InFlight
from monitor.outputs.influx.rows import LinesOf
from monitor.text import printable

PRECISION: Any = WritePrecision.NS  # of every row: see line_protocol.py
FEW_LINES = 200  # no request is made smaller than that because no answer came
LOG_PERIOD_S = 60.0
MAX_ANSWER_BYTES = 16_384
COMPRESSION = 1  # gzip's level
NO_ANSWER = 0
DEFAULT_NAME = "influx"  # of the one database that most plants have

HINTS = {
    401: "the token is missing or unknown",
    403: "the token may not write to this bucket",
    404: "the organisation or the bucket does not exist",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of one request. status is NO_ANSWER where nothing did; message is printable
    and short.
    """

    status: int
    message: str = ""
    retry_after_s: float | None = None


def fate(status: int) -> Literal["accepted", "reject", "split", "wait"]:
    """What an answer means for the lines it is about. Only 204 says that they are stored."""
    if status == 204:
        return "accepted"
    if status in (400, 422):
        return "reject"
    return "split" if status == 413 else "wait"


class InfluxOutput:
    """One database, as an output (outputs.base.Output)."""

    kinds: Sequence[RowKind] = ("verdict", "event", "health")
    from_start = True
    rejection = "InfluxDB rejected a row, it is set aside: {reason}"
    log_period_s = LOG_PERIOD_S

    def __init__(self, settings: InfluxSettings, lines_of: LinesOf) -> None:
        """Reads the token, touches no network. Raises ConfigError where it cannot be used."""
        self.name = settings.name
        is_only_one = settings.name == DEFAULT_NAME
        self.title = "InfluxDB" if is_only_one else f"InfluxDB {settings.name}"
        self.batch_rows = settings.batch_rows
        self._lines_of = lines_of
        self._writer = _Writer(settings)
        self._in_flight: InFlight | None = None
        self._max_lines = self._most_lines = 2**31  # of a request; what the server takes at all

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Waits for the server at most the configured timeout, and as long for its answer's end."""
        if self._in_flight is None:
            if not rows:
                return Step()
            lines = [(row.key, self._lines_of(row)) for row in rows]
            self._in_flight = InFlight(lines, self._max_lines)
        step = Step(go_on=True) if self._in_flight.done else self._send(self._in_flight)
        if not self._in_flight.done:
            return step
        done, self._in_flight = self._in_flight, None
        return Step(accepted=done.accepted, rejected=done.rejected)

    def close(self) -> None:
        self._writer.close()

    def _send(self, in_flight: InFlight) -> Step:
        answer = self._writer.write(in_flight.body())
        meaning = fate(answer.status)
        if meaning == "wait":
            # It may have been too much for one timeout.
            if not answer.status and in_flight.n_lines > FEW_LINES:
                in_flight.halve()
                self._max_lines = in_flight.n_lines
            return self._kept(answer)
        if meaning == "accepted":
            in_flight.advance()
            self._max_lines = min(2 * self._max_lines, self._most_lines)
            return Step(go_on=True)
        if meaning == "split":
            self._max_lines = self._most_lines = max(1, in_flight.n_lines // 2)
        in_flight.refuse(f"{answer.status} {answer.message}")
        return Step(go_on=True)

    def _kept(self, answer: Answer) -> Step:
        said = f"gave no answer: {answer.message}"
        if answer.status:
            said = f"answered {answer.status} {answer.message}"
        hint = f" ({HINTS[answer.status]})" if answer.status in HINTS else ""
        return Step(
            trouble=f"{self.title} {said}{hint}. Rows wait in the journal.",
            level=logging.ERROR if hint else logging.WARNING,
            retry_after_s=answer.retry_after_s,
        )


class _Writer:
    """One write request, and its answer whatever happens."""

    def __init__(self, settings: InfluxSettings) -> None:
        token = settings.token.read() if settings.token else None
        if token is not None and not (token.isascii() and token.isprintable() and token):
            raise ConfigError("influx.token must be printable ASCII text without line breaks.")
        self._org, self._bucket = settings.org, settings.bucket
        timeout_ms = round(settings.timeout_s * 1000)
        self._client = InfluxDBClient(
            settings.url, token or "", timeout=timeout_ms, org=settings.org
        )
        rest: Any = self._client.api_client.rest_client
        self._pool = rest.pool_manager = _Gate(rest.pool_manager, settings.timeout_s)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, body: bytes) -> Answer:
        try:
            self._api.write(self._bucket, self._org, body, write_precision=PRECISION)
        except ApiException as error:
            if not error.status:  # TLS trouble comes this way
                return Answer(NO_ANSWER, printable(str(error.reason)))
            return Answer(error.status, str(error.message), _seconds(error.retry_after))
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            return Answer(NO_ANSWER, printable(f"{type(error).__name__}: {error}"))
        return Answer(self._pool.status)  # any 2xx

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]


class _Gate:
    """A urllib3 pool between influxdb-client and the network. Requests leave compressed; answers
    arrive short, printable and as JSON, whatever the server sent.

    influxdb-client compresses at level 9, which takes 22 times as long as level 1 for 30 % less; it
    reads an answer whole, decodes it strictly and logs it raw.
    """

    def __init__(self, pool: urllib3.PoolManager, timeout_s: float) -> None:
        self._pool, self._timeout_s = pool, timeout_s
        self.status = NO_ANSWER  # of the last answer

    def request(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: dict[str, str],
        preload_content: bool = True,
        **options: Any,
    ) -> urllib3.HTTPResponse:
        sent = gzip.compress(body, COMPRESSION)
        headers = headers | {"Content-Encoding": "gzip", "Accept-Encoding": "identity"}
        response = self._pool.request(
            method, url, body=sent, headers=headers, preload_content=False, **options
        )
        try:
            answer = self._read(response)
        finally:
            # a connection whose answer was read to its end is back in the pool by now
            response.close()
        self.status = response.status
        message = json.dumps({"message": _message(answer) or printable(response.reason or "")})
        kept = {
            name: value for name, value in response.headers.items() if name.lower() == "retry-after"
        }
        return urllib3.HTTPResponse(message.encode(), kept, status=response.status)

    def clear(self) -> None:
        self._pool.clear()

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """The answer's beginning. urllib3's timeout begins anew with each piece: a trickle would
        never end.
        """
        until_s = time.monotonic() + self._timeout_s
        body = b""
        while len(body) < MAX_ANSWER_BYTES and time.monotonic() < until_s:
            piece = response.read1(MAX_ANSWER_BYTES - len(body))
            if not piece:
                break
            body += piece
        return body


def _message(body: bytes) -> str:
    """The server's words: JSON's message (InfluxDB 2 and 3) or error (1.x),
    else the text itself.
    """
    text = body.decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return printable(text)
    said = answer.get("message") or answer.get("error") if isinstance(answer, dict) else None
    return printable(said if isinstance(said, str) else text)


def _seconds(retry_after: object) -> float | None:
    """Retry-After in seconds, as InfluxDB sends it; None for anything else, a date included."""
    text = str(retry_after).strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
