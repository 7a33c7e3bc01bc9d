"""One write request to InfluxDB, and its answer whatever happens: the only use of its client."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from dataclasses import replace
from typing import Any

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from monitor.config_outputs import InfluxSettings
from monitor.outputs.influx.answers import NO_ANSWER, Answer, read_answer
from monitor.settings import ConfigError
from monitor.tls import client_context, why_no_answer

PRECISION: Any = WritePrecision.NS  # of every row: see line_protocol.py
MAX_ANSWER_BYTES = 4 << 20  # InfluxDB 3 says some 300 bytes of each refused line
PIECE_BYTES = 65_536
COMPRESSION = 1  # gzip's level


class Client:
    """Of one database. Raises ConfigError where token or certificates cannot be used."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        self._token, self._token_trouble = self._read_token(), ""
        context = (
            None if settings.tls is None else client_context(settings.tls, "influx.tls")
        )
        self._client = InfluxDBClient(
            settings.url,
            self._token,
            timeout=round(settings.timeout_s * 1000),
            org=settings.org,
            ssl_context=context,
        )
        rest: Any = self._client.api_client.rest_client
        self._gate = rest.pool_manager = _Gate(rest.pool_manager, settings.timeout_s)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, body: bytes) -> Answer:
        self._gate.authorization = f"Token {self._fresh_token()}"
        settings = self._settings
        try:
            self._api.write(settings.bucket, settings.org, body, write_precision=PRECISION)
        except ApiException as error:
            if not error.status:  # TLS trouble comes this way
                return Answer(NO_ANSWER, why_no_answer(error))
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            return Answer(NO_ANSWER, why_no_answer(error))
        answer = self._gate.answer
        if answer.status == 401 and self._token_trouble:
            return replace(answer, message=f"{answer.message}; {self._token_trouble}")
        return answer

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]

    def _read_token(self) -> str:
        if self._settings.token is None:
            return ""
        token = self._settings.token.read()
        if not (token.isascii() and token.isprintable() and token):
            raise ConfigError(
                "influx.token must be printable ASCII text without line breaks."
            )
        return token

    def _fresh_token(self) -> str:
        """Read anew for each request: a file may have been replaced. While it cannot be read, the
        last one stays in use.
        """
        try:
            self._token, self._token_trouble = self._read_token(), ""
        except ConfigError as error:
            self._token_trouble = str(error).rstrip(".")
        return self._token


class _Gate:
    """A urllib3 pool between influxdb-client and the network. Requests leave compressed; the client
    gets the status alone, and we the answer.

    influxdb-client compresses at level 9, which takes 22 times as long as level
    1 for 30 % less; it reads an answer whole, decodes it strictly and logs it
    raw.
    """

    def __init__(self, pool: urllib3.PoolManager, timeout_s: float) -> None:
        self._pool, self._timeout_s = pool, timeout_s
        self.authorization = ""
        self.answer = Answer(NO_ANSWER)  # the last

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
        headers = headers | {
            "Content-Encoding": "gzip",
            "Accept-Encoding": "identity",
            "Authorization": self.authorization,
        }
        response = self._pool.request(
            method, url, body=sent, headers=headers, preload_content=False, **options
        )
        try:
            answer = self._read(response)
        finally:
            # a connection whose answer was read to its end is back in the pool by now
            response.close()
        named = {name.lower(): value for name, value in response.headers.items()}
        self.answer = read_answer(response.status, named, answer, response.reason or "")
        message = json.dumps({"message": self.answer.message}).encode()
        return urllib3.HTTPResponse(message, status=response.status)

    def clear(self) -> None:
        self._pool.clear()

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """The answer's beginning. urllib3's timeout begins anew with each piece: a trickle would
        never end.
        """
        until_s = time.monotonic() + self._timeout_s
        body = bytearray()
        while len(body) < MAX_ANSWER_BYTES and time.monotonic() < until_s:
            piece = response.read1(min(PIECE_BYTES, MAX_ANSWER_BYTES - len(body)))
            if not piece:
                break
            body += piece
        return bytes(body)
