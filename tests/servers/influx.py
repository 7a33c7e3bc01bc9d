"""A real InfluxDB 1.x for the tests, started on free loopback ports in a temporary folder, and
fixtures around it.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.conftest import server_program
from tests.servers.child import start_child
from tests.servers.influx_standin import InfluxStandIn

START_S = 30.0
ANSWER_S = 30.0
_names = (f"test{number}" for number in itertools.count())


@dataclass(frozen=True)
class QuerySeries:
    """One series of an InfluxQL answer. Times are nanoseconds."""

    name: str
    tags: dict[str, str]
    columns: list[str]
    values: list[list[Any]]

    def column(self, name: str) -> list[Any]:
        at = self.columns.index(name)
        return [row[at] for row in self.values]


@dataclass(frozen=True)
class InfluxDatabase:
    """One database of the real server."""

    url: str
    name: str

    def query(self, influxql: str) -> list[QuerySeries]:
        """The series of the one statement's answer, [] where there are none. Raises AssertionError
        on an error.
        """
        query = urlencode({"db": self.name, "q": influxql, "epoch": "ns"})
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/query?{query}"), timeout=ANSWER_S
        ) as response:
            answer = json.load(response)
        (result,) = answer["results"]
        assert "error" not in result, f"{influxql}: {result['error']}"
        return [
            QuerySeries(
                one.get("name", ""),
                one.get("tags", {}),
                one["columns"],
                one.get("values", []),
            )
            for one in result.get("series", [])
        ]

    def write(self, body: bytes) -> tuple[int, str]:
        """Status and the server's words for a request of line protocol, times in nanoseconds."""
        url = f"{self.url}/write?{urlencode({'db': self.name, 'precision': 'ns'})}"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, body, method="POST"), timeout=ANSWER_S
            ) as response:
                return response.status, ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode("utf-8", "replace")


class InfluxServer:
    """A real influxd. Raises RuntimeError with the end of its log where it does not come up."""

    def __init__(self, program: str, folder: Path) -> None:
        port, rpc_port = _free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "influxd.log"
        environment = {
            **os.environ,
            "INFLUXDB_REPORTING_DISABLED": "true",
            "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{rpc_port}",
            "INFLUXDB_HTTP_BIND_ADDRESS": f"127.0.0.1:{port}",
            "INFLUXDB_META_DIR": str(folder / "meta"),
            "INFLUXDB_DATA_DIR": str(folder / "data"),
            "INFLUXDB_DATA_WAL_DIR": str(folder / "wal"),
            "INFLUXDB_DATA_QUERY_LOG_ENABLED": "false",
            "INFLUXDB_HTTP_LOG_ENABLED": "false",
            "INFLUXDB_MONITOR_STORE_ENABLED": "false",
            "INFLUXDB_CONTINUOUS_QUERIES_ENABLED": "false",
        }
        with self._log.open("wb") as log:
            command = [program, "run", "-config", os.devnull]
            self._process = start_child(command, log, environment)
        self._wait()

    def create_database(self) -> InfluxDatabase:
        database = InfluxDatabase(self.url, next(_names))
        self._statement(f'CREATE DATABASE "{database.name}"')
        return database

    def drop_database(self, database: InfluxDatabase) -> None:
        self._statement(f'DROP DATABASE "{database.name}"')

    def empty(self, database: InfluxDatabase) -> None:
        """Delete the database and make it anew."""
        self.drop_database(database)
        self._statement(f'CREATE DATABASE "{database.name}"')

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _statement(self, influxql: str) -> None:
        body = urlencode({"q": influxql}).encode()
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/query", body), timeout=ANSWER_S
        ) as response:
            assert "error" not in response.read().decode()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/ping", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        self.close()
        raise RuntimeError(
            f"influxd did not come up:\n{self._log.read_text(errors='replace')[-2000:]}"
        )


def _free_ports(n: int) -> list[int]:
    """Ports free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """The real server; tests that need it skip without it."""
    program = server_program("influxd")
    if program is None:
        pytest.skip(
            "needs a real InfluxDB: influxd was not found (Debian package influxdb)"
        )
    server = InfluxServer(program, tmp_path_factory.mktemp("influxd"))
    yield server
    server.close()


@pytest.fixture
def influxdb(influx_server: InfluxServer) -> Iterator[InfluxDatabase]:
    """An empty database of the real server: .url, .name, .query(influxql), .write(body)."""
    database = influx_server.create_database()
    yield database
    influx_server.drop_database(database)


@pytest.fixture
def influx_standin(influxdb: InfluxDatabase) -> Iterator[InfluxStandIn]:
    """InfluxDB 2's interface in front of the real database `influxdb`:
    what it accepts ends there.
    """
    standin = InfluxStandIn(forward=influxdb.write)
    yield standin
    standin.close()


@pytest.fixture
def influx_standin_alone() -> Iterator[InfluxStandIn]:
    """The stand-in for InfluxDB 2 without a database behind it."""
    standin = InfluxStandIn()
    yield standin
    standin.close()
