"""Delivery against a stand-in that misbehaves on command, and through it into a real InfluxDB."""

from __future__ import annotations

import gzip
import json
import logging
import os
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.config_connections import Secret
from monitor.config_outputs import InfluxSettings
from monitor.outputs.influx.line_protocol import event_line, verdict_lines
from monitor.outputs.influx.sender import LOG_PERIOD_S
from monitor.outputs.retry import LONGEST_DELAY_S, LONGEST_RETRY_AFTER_S, Backoff
from monitor.outputs.runner import IDLE_S
from monitor.settings import ConfigError
from monitor.text import MAX_CHARS
from tests.outputs.influx_sending import (
    InfluxSender,
    MemoryOutbox,
    conflicting,
    drain,
    good,
    lines_of,
    malformed,
    row_of,
)
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import TOKEN, Fault, InfluxStandIn
from tests.servers.strict_line_protocol import parse
from tests.verdicts import make_verdict, score_of


@pytest.fixture
def standin(influx_standin_alone: InfluxStandIn) -> InfluxStandIn:
    return influx_standin_alone


@pytest.fixture
def sender(standin: InfluxStandIn, tmp_path: Path) -> Iterator[InfluxSender]:
    sender = InfluxSender(
        standin.settings(tmp_path, timeout_s=0.5, batch_rows=100), jitter=lambda: 1.0
    )
    yield sender
    sender.close()


def test_rows_arrive_in_order_and_once(
    sender: InfluxSender, standin: InfluxStandIn
) -> None:
    outbox = MemoryOutbox([good(number) for number in range(250)])
    drain(sender, outbox)
    assert outbox.accepted == [("health", number) for number in range(250)]
    assert [row.fields["number"] for row in standin.rows("monitor_health")] == list(
        range(250)
    )
    assert standin.statuses == [204, 204, 204]
    assert (standin.n_compressed, standin.n_connections) == (3, 1)
    assert sender.step(outbox, 0.0) == IDLE_S


def test_a_row_without_lines_is_accepted_unsent(
    sender: InfluxSender, standin: InfluxStandIn
) -> None:
    outbox = MemoryOutbox([row_of("verdict", 1, [])])
    drain(sender, outbox)
    assert (outbox.accepted, standin.n_requests) == ([("verdict", 1)], 0)


@pytest.mark.parametrize(
    "status", [401, 403, 404, 429, 500, 502, 503, 504, 418, 200, 202, 301]
)
def test_rows_wait_whatever_else_is_answered(
    status: int, sender: InfluxSender, standin: InfluxStandIn
) -> None:
    standin.faults.extend([Fault("answer", status)] * 3)
    outbox = MemoryOutbox([good(1), good(2)])
    assert sender.step(outbox, 0.0) == 1.0
    assert sender.step(outbox, 0.25) == 0.75  # too early: nothing is sent
    assert standin.n_requests == 1
    assert str(status) in sender.trouble
    assert sender.step(outbox, 1.0) == 2.0
    assert sender.step(outbox, 3.0) == 4.0
    assert not outbox.accepted
    assert sender.step(outbox, 7.0) == 0.0
    assert (len(outbox.accepted), outbox.rejected, sender.trouble) == (2, {}, "")


@pytest.mark.parametrize("kind", ["hang", "reset", "lose_answer"])
def test_a_lost_answer_loses_and_doubles_nothing(
    kind: Any, sender: InfluxSender, standin: InfluxStandIn
) -> None:
    standin.faults.append(Fault(kind))
    outbox = MemoryOutbox([good(1), good(2)])
    assert sender.step(outbox, 0.0) == 1.0
    assert "gave no answer" in sender.trouble
    drain(sender, outbox, 1.0)
    assert [row.fields["number"] for row in standin.rows("monitor_health")] == [1, 2]


def test_a_server_that_is_not_there_yet(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    sender = InfluxSender(InfluxSettings(url=url, bucket="b"), jitter=lambda: 0.0)
    outbox = MemoryOutbox([good(1)])
    delays = []
    now_s = 0.0
    for _ in range(10):
        delays.append(sender.step(outbox, now_s))
        now_s += delays[-1]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert "refused" in sender.trouble


@pytest.mark.parametrize(
    ("asked", "delay_s"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("999999", LONGEST_RETRY_AFTER_S),
        ("-5", 1.0),
        ("soon", 1.0),
        ("1e9", 1.0),
        ("٣", 1.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0),
    ],
)
def test_retry_after_is_kept_within_reason(
    asked: str, delay_s: float, sender: InfluxSender, standin: InfluxStandIn
) -> None:
    headers = {"Retry-After": asked.encode().decode("latin-1")}
    standin.faults.append(Fault("answer", 429, headers))
    assert sender.step(MemoryOutbox([good(1)]), 0.0) == delay_s


@given(jitters=st.lists(st.floats(0, 1), min_size=1, max_size=80))
def test_backoff_grows_to_its_limit_and_starts_anew(jitters: list[float]) -> None:
    backoff = Backoff()
    for number, jitter in enumerate(jitters):
        full_s = min(2.0**number, LONGEST_DELAY_S)
        assert full_s / 2 <= backoff.after_failure(None, jitter) <= full_s
    backoff.after_success()
    assert backoff.after_failure(None, 1.0) == 1.0


def test_requests_shrink_while_no_answer_comes_and_grow_again(
    standin: InfluxStandIn, tmp_path: Path
) -> None:
    """A server too slow for a whole batch within the timeout would else be sent the same batch for
    ever.
    """
    sender = InfluxSender(standin.settings(tmp_path, batch_rows=500), jitter=lambda: 1.0)
    standin.faults.append(Fault("reset"))
    now_s = drain(sender, MemoryOutbox([good(number) for number in range(500)]))
    assert standin.n_requests == 3  # 500 lines, then 250 and 250
    drain(sender, MemoryOutbox([good(number) for number in range(500, 1000)]), now_s)
    assert standin.n_requests == 4
    assert len(standin.rows("monitor_health")) == 1000
    sender.close()


def test_a_batch_too_large_is_split_and_the_size_remembered(
    sender: InfluxSender, standin: InfluxStandIn
) -> None:
    standin.max_body_bytes = 1000  # some 20 rows
    outbox = MemoryOutbox([good(number) for number in range(200)])
    drain(sender, outbox)
    assert len(outbox.accepted) == 200
    assert len(standin.rows("monitor_health")) == 200
    # Of 100, 50 and 25 rows; the second batch begins small.
    assert standin.statuses.count(413) == 1 + 2 + 4


def test_one_row_too_large_is_parked(sender: InfluxSender, standin: InfluxStandIn) -> None:
    standin.max_body_bytes = 1000
    huge = row_of("event", 1, [event_line("m/p", "label", 1, "x" * 5000)])
    outbox = MemoryOutbox([good(1), huge, good(2)])
    drain(sender, outbox)
    assert outbox.accepted == [("health", 1), ("health", 2)]
    assert outbox.rejected == {
        ("event", 1): "413 unable to read data: points batch is too large"
    }


def test_malformed_rows_are_parked_and_their_neighbours_stored(
    sender: InfluxSender, standin: InfluxStandIn
) -> None:
    rows = [
        malformed(number) if number in (0, 41, 99) else good(number)
        for number in range(100)
    ]
    outbox = MemoryOutbox(rows)
    drain(sender, outbox)
    assert set(outbox.rejected) == {("event", number) for number in (0, 41, 99)}
    assert all(
        reason.startswith("400 unable to parse 'no line protocol")
        for reason in outbox.rejected.values()
    )
    assert len(standin.rows("monitor_health")) == len(outbox.accepted) == 97
    assert standin.n_requests < 50


def test_a_row_of_another_type_is_parked(
    sender: InfluxSender, standin: InfluxStandIn
) -> None:
    outbox = MemoryOutbox([good(1), conflicting(2), good(3)])
    drain(sender, outbox)
    assert outbox.accepted == [("health", 1), ("health", 3)]
    (reason,) = outbox.rejected.values()
    assert reason.startswith(
        "422 failure writing points to database: partial write: field type conflict"
    )


def test_good_lines_of_a_parked_row_are_stored(
    sender: InfluxSender, standin: InfluxStandIn
) -> None:
    row = row_of(
        "verdict", 1, [*lines_of(good(1)), "broken", *lines_of(good(2)), "broken too"]
    )
    outbox = MemoryOutbox([row])
    drain(sender, outbox)
    assert list(outbox.rejected) == [("verdict", 1)]
    assert len(standin.rows("monitor_health")) == 2


def test_trouble_while_a_batch_is_halved(
    sender: InfluxSender, standin: InfluxStandIn
) -> None:
    outbox = MemoryOutbox(
        [good(number) if number != 5 else malformed(5) for number in range(8)]
    )
    sender.step(outbox, 0.0)  # 400: halves wait
    standin.faults.extend([Fault("reset"), Fault("answer", 503), Fault("lose_answer")])
    drain(sender, outbox)
    assert (len(outbox.accepted), list(outbox.rejected)) == (7, [("event", 5)])


fault = st.sampled_from(
    [Fault("answer", status) for status in (401, 404, 429, 503)]
    + [Fault("reset"), Fault("lose_answer")]
)
row = st.sampled_from([good, good, good, malformed, conflicting])


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kinds=st.lists(row, max_size=20),
    faults=st.lists(st.none() | fault, max_size=12),
    batch_rows=st.integers(1, 25),
)
def test_every_row_meets_one_fate_whatever_happens(
    kinds: list[Any],
    faults: list[Fault | None],
    batch_rows: int,
    standin: InfluxStandIn,
    tmp_path: Path,
) -> None:
    rows = [good(0), *(kind(number) for number, kind in enumerate(kinds, 1))]
    standin.stored.clear()
    sender = InfluxSender(standin.settings(tmp_path, batch_rows=batch_rows))
    outbox = MemoryOutbox(rows)
    now_s = 0.0
    for one in faults:
        standin.faults.extend([one] if one else [])
        now_s += sender.step(outbox, now_s)
    standin.faults.clear()
    drain(sender, outbox, now_s)
    sender.close()
    n_good = [row.row_id for row in rows if row.kind == "health"]
    assert [key[1] for key in outbox.accepted] == n_good
    assert [row.time_ns for row in standin.rows("monitor_health")] == n_good
    assert len(outbox.rejected) == len(rows) - len(n_good)


def test_trouble_is_logged_once_a_period_with_its_count(
    sender: InfluxSender, standin: InfluxStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    standin.faults.extend([Fault("answer", 401)] * 8)
    outbox = MemoryOutbox([good(1)])
    now_s = drain(sender, outbox)
    assert now_s == 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60
    lines = [record.getMessage() for record in caplog.records]
    hint = (
        "InfluxDB answered 401 as told (the token is missing or unknown)."
        " Rows wait in the journal."
    )
    assert lines == [
        hint,  # at 0 s
        f"{hint} (6 times since the last such line)",  # at 63 s, LOG_PERIOD_S later
        hint,  # at 123 s
        "InfluxDB takes rows again.",
    ]
    assert LOG_PERIOD_S == 60
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"\x1b[2J\x07\r\nforged log line\n" * 50,
        b"\xff\xfe\x00 no UTF-8",
        b'{"message": "\\u001b[31mred\\nforged\\u202e"}',
        b'{"message": {"deep": [1, 2]}}',
        b"[" * 100_000,
        b'{"message": ' + b"9" * 10_000 + b"}",
        b"x" * 20_000_000,
        b"",
    ],
    ids=["control", "bytes", "json", "object", "deep", "digits", "20 MB", "empty"],
)
@pytest.mark.parametrize("status", [400, 503])
def test_a_hostile_answer_is_short_and_printable(
    body: bytes,
    status: int,
    sender: InfluxSender,
    standin: InfluxStandIn,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    standin.faults.extend([Fault("answer", status, body=body)] * 2)
    outbox = MemoryOutbox([good(1)])
    sender.step(outbox, 0.0)
    sender.step(outbox, 5.0)
    said = sender.trouble
    assert said
    assert not outbox.rejected
    assert said.isprintable()
    assert len(said) < MAX_CHARS + 100
    ours = [
        record.getMessage()
        for record in caplog.records
        if not record.name.startswith("urllib3")
    ]
    assert all(line.isprintable() and len(line) < MAX_CHARS + 100 for line in ours)


def test_a_compressed_bomb_is_read_in_part(
    sender: InfluxSender, standin: InfluxStandIn
) -> None:
    bomb = gzip.compress(b"x" * 50_000_000)
    standin.faults.append(Fault("answer", 503, {"Content-Encoding": "gzip"}, bomb))
    sender.step(MemoryOutbox([good(1)]), 0.0)
    assert "xxx..." in sender.trouble


@pytest.fixture
def babbler() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers each request with the bytes it is given, and hangs up. Its address, and
    those bytes.
    """
    answers: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answers[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", answers
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


status_line = st.sampled_from(
    [b"HTTP/1.1 204 No Content", b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad", b"HTTP/1.1 503 x"]
)
header = st.sampled_from(
    [
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 1, 2",
        b"Transfer-Encoding: chunked",
        b"Content-Encoding: gzip",
        b"Content-Encoding: br, deflate",
        b"Retry-After: 3",
        b"Location: http://[",
        b"x" * 70_000,
        b"Content-Type: application/json",
        b" folded",
        b": no name",
        b"Set-Cookie: a=\xff",
    ]
)
answer = st.binary(max_size=200) | st.builds(
    lambda first, headers, body: b"\r\n".join([first, *headers, b"", body]),
    status_line | st.binary(max_size=20),
    st.lists(header, max_size=4),
    st.binary(max_size=50),
)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(raw=answer)
def test_no_answer_whatsoever_stops_delivery(
    raw: bytes, babbler: tuple[str, list[bytes]]
) -> None:
    url, answers = babbler
    answers[:] = [raw]
    sender = InfluxSender(
        InfluxSettings(url=url, bucket="b", timeout_s=1.0), jitter=lambda: 1.0
    )
    outbox = MemoryOutbox([good(1)])
    assert 0.0 <= sender.step(outbox, 0.0) <= LONGEST_RETRY_AFTER_S
    sender.close()
    assert bool(outbox.accepted) <= raw.startswith(b"HTTP/1.1 204")
    assert sender.trouble.isprintable()


def test_a_trickle_ends_with_the_timeout(standin: InfluxStandIn, tmp_path: Path) -> None:
    standin.faults.append(Fault("trickle", 503, {}, b"x" * 1000))
    sender = InfluxSender(standin.settings(tmp_path, timeout_s=0.3), jitter=lambda: 1.0)
    began_s = time.monotonic()
    assert sender.step(MemoryOutbox([good(1)]), 0.0) == 1.0
    assert time.monotonic() - began_s < 5.0  # the whole answer would take 50 s
    assert "xxx" in sender.trouble
    sender.close()


def test_the_token_follows_no_redirect(
    sender: InfluxSender, standin: InfluxStandIn
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
        standin.faults.append(Fault("answer", 307, {"Location": location}))
        sender.step(MemoryOutbox([good(1)]), 0.0)
        with pytest.raises(TimeoutError):
            elsewhere.accept()
    assert "307" in sender.trouble


@pytest.mark.parametrize("token", ["", "two\nlines", "smörgås", "tab\t"])
def test_an_unusable_token_is_refused_before_anything_starts(
    token: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(token)
    settings = InfluxSettings(
        url="http://127.0.0.1:1", bucket="b", token=Secret(file=tmp_path / "token")
    )
    with pytest.raises(ConfigError, match="printable ASCII"):
        InfluxSender(settings)


def test_verdicts_end_in_a_real_database(
    influx_standin: InfluxStandIn, influxdb: InfluxDatabase, tmp_path: Path
) -> None:
    rows = [
        row_of("verdict", n, verdict_lines(make_verdict(n, "m=1,\n/p \\"), maps=True))
        for n in range(30)
    ]
    rows.insert(7, conflicting(100))
    rows.insert(0, good(1))
    sender = InfluxSender(influx_standin.settings(tmp_path, batch_rows=8))
    influx_standin.faults.extend(
        [Fault("answer", 503), Fault("lose_answer"), Fault("reset")]
    )
    outbox = MemoryOutbox(rows)
    drain(sender, outbox)
    sender.close()
    assert list(outbox.rejected) == [("verdict", 100)]
    sent = parse(
        "\n".join(
            line for row in rows if row.key in outbox.accepted for line in lines_of(row)
        )
    )
    for measurement in sorted({row.measurement for row in sent}):
        (series,) = influxdb.query(f'SELECT * FROM "{measurement}"')
        found = [dict(zip(series.columns, values, strict=True)) for values in series.values]
        expected = [
            {"time": row.time_ns, **row.tags, **row.fields}
            for row in sent
            if row.measurement == measurement
        ]
        assert found == expected


LIVE = tuple(f"CAMSHAFT_TEST_INFLUX_{name}" for name in ("URL", "TOKEN", "ORG", "BUCKET"))


@pytest.mark.skipif(
    not all(name in os.environ for name in LIVE),
    reason=f"needs a live InfluxDB 2 or 3: set {', '.join(LIVE)}",
)
def test_a_live_influxdb_2_or_3_gives_the_rows_back() -> None:
    url, _, org, bucket = (os.environ[name] for name in LIVE)
    sender = InfluxSender(
        InfluxSettings(url=url, org=org, bucket=bucket, token=Secret(env=LIVE[1]))
    )
    verdict = make_verdict(0, "camshaft-test/live, point=1")
    outbox = MemoryOutbox([row_of("verdict", 1, verdict_lines(verdict, maps=True))])
    drain(sender, outbox)
    assert outbox.accepted == [("verdict", 1)], outbox.rejected
    query = (
        "SELECT logit FROM vibration_verdict WHERE machine = 'camshaft-test' AND time ="
        f" {verdict.end_ns}"
    )
    assert live_query(url, bucket, query)[0]["values"][-1][1] == score_of(verdict)


def live_query(url: str, bucket: str, influxql: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{url.rstrip('/')}/query?{urlencode({'db': bucket, 'q': influxql})}"
    )
    request.add_header("Authorization", f"Token {os.environ[LIVE[1]]}")
    with urllib.request.urlopen(request, timeout=30) as response:
        return list(json.load(response)["results"][0]["series"])
