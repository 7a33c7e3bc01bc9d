"""Delivery of rows to InfluxDB. No thread, no queue, no sleep: one caller's thread asks for one
step after another.

A row has one of three fates. Accepted: the server has it. Rejected: the server refused it for what
it holds; it is parked with the server's reason. Waiting: everything else, however long it takes.
Writing a row twice is harmless (same series and time overwrite), so a row whose answer was lost is
simply sent again.
"""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from monitor.config import ConfigError, InfluxSettings
from monitor.log_limiter import LogLimiter
from monitor.outputs.retry import Backoff, Outbox, Shipment
from monitor.text import printable

PRECISION: Any = WritePrecision.NS  # of every row: see line_protocol.py
FEW_LINES = 200  # no request is made smaller than that because no answer came
IDLE_S = 1.0  # until the next look when nothing waits
LOG_PERIOD_S = 60.0
MAX_ANSWER_BYTES = 16_384
COMPRESSION = 1  # gzip's level
NO_ANSWER = 0

HINTS = {
    401: "the token is missing or unknown",
    403: "the token may not write to this bucket",
    404: "the organisation or the bucket does not exist",
}

log = logging.getLogger(__name__)


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


class InfluxSender:
    """Feeds InfluxDB from an outbox. trouble says in one sentence why rows wait, '' while they
    flow.
    """

    def __init__(
        self, settings: InfluxSettings, jitter: Callable[[], float] = random.random
    ) -> None:
        """Reads the token, touches no network.
        Raises ConfigError where the token cannot be used.
        """
        self._writer = _Writer(settings)
        self._batch_rows = settings.batch_rows
        self._jitter = jitter
        self._shipment: Shipment | None = None
        self._max_lines = self._most_lines = 2**31  # of a request; what the server takes at all
        self._backoff = Backoff()
        self._not_before_s = float("-inf")
        self._log_limiter = LogLimiter(log, LOG_PERIOD_S)
        self.trouble = ""

    def step(self, outbox: Outbox, now_s: float) -> float:
        """Send one request at most. now_s: a clock that never jumps. Returns the seconds until the
        next step is due.

        Waits for the server at most the configured timeout, and as long again for the rest of its
        answer.
        """
        if now_s < self._not_before_s:
            return self._not_before_s - now_s
        if self._shipment is None:
            rows = outbox.pending(self._batch_rows)
            if not rows:
                return IDLE_S
            self._shipment = Shipment(rows, self._max_lines)
        delay_s = 0.0 if self._shipment.done else self._send(self._shipment, now_s)
        if self._shipment.done:
            outbox.settle(self._shipment.accepted, self._shipment.rejected)
            self._shipment = None
        return delay_s

    def close(self) -> None:
        self._writer.close()

    def _send(self, shipment: Shipment, now_s: float) -> float:
        answer = self._writer.write(shipment.body())
        meaning = fate(answer.status)
        if meaning == "wait":
            if (
                not answer.status and shipment.n_lines > FEW_LINES
            ):  # it may have been too much for one timeout
                shipment.halve()
                self._max_lines = shipment.n_lines
            return self._wait(answer, now_s)
        if self.trouble:
            log.info("InfluxDB takes rows again.")
        self.trouble = ""
        self._backoff.after_success()
        if meaning == "accepted":
            shipment.advance()
            self._max_lines = min(2 * self._max_lines, self._most_lines)
            return 0.0
        if meaning == "split":
            self._max_lines = self._most_lines = max(1, shipment.n_lines // 2)
        if shipment.n_lines == 1:
            text = f"InfluxDB rejected a row, it is parked: {answer.status} {answer.message}"
            self._log_limiter.note(logging.ERROR, text, now_s, "rejected")
        shipment.refuse(f"{answer.status} {answer.message}")
        return 0.0

    def _wait(self, answer: Answer, now_s: float) -> float:
        said = (
            f"answered {answer.status} {answer.message}"
            if answer.status
            else f"gave no answer: {answer.message}"
        )
        hint = f" ({HINTS[answer.status]})" if answer.status in HINTS else ""
        self.trouble = f"InfluxDB {said}{hint}. Rows wait in the journal."
        level = logging.ERROR if hint else logging.WARNING
        self._log_limiter.note(level, self.trouble, now_s, "waiting")
        delay_s = self._backoff.after_failure(answer.retry_after_s, self._jitter())
        self._not_before_s = now_s + delay_s
        return delay_s


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
