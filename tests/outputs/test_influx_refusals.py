"""What InfluxDB refuses for good costs few requests, and nothing that it would take.

The words are those of the servers: of 2.7 and 3 by the stand-in, of 1.x by a
real one beside it.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.journal.cursors import JournalRow
from monitor.outputs.influx.answers import (
    Answer,
    conflict_in,
    n_too_old,
    read_answer,
    retention_bound_ns,
)
from monitor.outputs.influx.line_protocol import event_line, health_line, verdict_lines
from monitor.outputs.influx.refusals import REMEMBERED_NS, Refusals, n_fields
from tests.outputs.influx_sending import (
    InfluxSender,
    MemoryOutbox,
    drain,
    good,
    lines_of,
    malformed,
    row_of,
)
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import Dialect, Fault, InfluxStandIn
from tests.servers.strict_line_protocol import Row, parse
from tests.verdicts import make_verdict

N = 200


def verdict_row(number: int, maps: bool = False) -> JournalRow:
    verdict = make_verdict(number, "m/p")
    return row_of("verdict", number, verdict_lines(verdict, maps=maps))


def newest(standin: InfluxStandIn) -> Row:
    rows = standin.rows("vibration_verdict")
    return max(
        (row for row in rows if row.tags["machine"] == "m"), key=lambda row: row.time_ns
    )


def sender_of(standin: InfluxStandIn, folder: Path, batch_rows: int) -> InfluxSender:
    """The timeout is long, for the stand-in parses in Python."""
    changes = {"batch_rows": batch_rows, "timeout_s": 30.0}
    return InfluxSender(standin.settings(folder, **changes), jitter=lambda: 1.0)


DIALECTS: list[Dialect] = ["2.7", "2.7.12", "1.8", "3"]


@pytest.fixture(params=DIALECTS)
def standin(
    request: pytest.FixtureRequest, influx_standin_alone: InfluxStandIn
) -> InfluxStandIn:
    influx_standin_alone.dialect = request.param
    return influx_standin_alone


def poison(standin: InfluxStandIn, line: str) -> None:
    standin.keep(parse(line)[0])


def test_a_field_of_another_type_is_left_out(
    standin: InfluxStandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It cost 2,239 requests for 200 rows, and all 200 were rejected."""
    caplog.set_level(logging.INFO)
    poison(standin, "vibration_verdict,machine=old,point=p logit=1i 1")
    outbox = MemoryOutbox([verdict_row(number) for number in range(N)])
    sender = sender_of(standin, tmp_path, 100)
    drain(sender, outbox)
    assert standin.n_requests == N / 100 + 1
    assert not outbox.rejected
    assert len(outbox.accepted) == N
    stored = [
        row for row in standin.rows("vibration_verdict") if row.tags["machine"] == "m"
    ]
    expected = [parse(lines_of(verdict_row(number))[0])[0] for number in range(N)]
    for found, whole in zip(stored, expected, strict=True):
        assert found.fields == {k: v for k, v in whole.fields.items() if k != "logit"}
    n_left_out, left_out = sender.left_out
    assert n_left_out == N
    said = (
        "InfluxDB refuses, and is no longer sent: field logit of vibration_verdict (float; the"
        " database has it as integer)."
    )
    assert left_out == said
    assert [record.getMessage() for record in caplog.records] == [said]


def test_a_map_without_one_of_its_bands_would_not_add_up(
    standin: InfluxStandIn, tmp_path: Path
) -> None:
    n = 10
    lines = lines_of(verdict_row(0, maps=True))
    of_map = [line for line in lines if line.startswith("vibration_cam")]
    band = next(iter(parse(of_map[0])[0].fields))
    poison(standin, f"vibration_cam,machine=old,point=p {band}=0.5 1")
    outbox = MemoryOutbox([verdict_row(number, maps=True) for number in range(n)])
    sender = sender_of(standin, tmp_path, 5)
    drain(sender, outbox)
    assert standin.n_requests <= 2 + 1
    assert (len(outbox.accepted), outbox.rejected) == (n, {})
    assert len(standin.rows("vibration_verdict")) == n
    assert len(standin.rows("vibration_spectrum")) > n
    assert {row.tags["machine"] for row in standin.rows("vibration_cam")} == {"old"}
    assert sender.left_out[0] == n * sum(n_fields(line) for line in of_map)


@pytest.mark.parametrize("dialect", ["2.7", "2.7.12", "1.8"])
def test_what_is_beyond_the_retention_is_dropped_in_one_request(
    dialect: Dialect,
    influx_standin_alone: InfluxStandIn,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It cost 10,399 requests for 200 rows. InfluxDB 3 takes such rows."""
    standin = influx_standin_alone
    standin.dialect = dialect
    rows = [verdict_row(number) for number in range(N)]
    times = [parse(lines_of(row)[0])[0].time_ns for row in rows]
    standin.oldest_ns = times[120] + 7
    outbox = MemoryOutbox(rows)
    sender = sender_of(standin, tmp_path, 50)
    drain(sender, outbox)
    assert standin.n_requests <= N / 50
    assert set(outbox.rejected) == {("verdict", number) for number in range(121)}
    assert all("retention policy" in reason for reason in outbox.rejected.values())
    assert [row.time_ns for row in standin.rows("vibration_verdict")] == times[121:]
    said = "InfluxDB refuses, and is no longer sent: what is older than its retention."
    assert sender.left_out == (0, said)
    assert caplog.text.count(said) == 1
    n_before = standin.n_requests
    drain(sender, late := MemoryOutbox(rows[:100]))
    assert standin.n_requests == n_before  # known by now: not sent
    assert len(late.rejected) == 100


def test_a_backlog_of_refused_rows_holds_up_nothing_else(
    standin: InfluxStandIn, tmp_path: Path
) -> None:
    poison(standin, "vibration_verdict,machine=old,point=p logit=1i,ng=0.5,severity=0.5 1")
    rows = [verdict_row(number) for number in range(N)]
    rows += [
        row_of("event", n, [event_line("m/p", "alarm_raised", n, "x")]) for n in range(1, 9)
    ]
    rows += [good(number) for number in range(1, 9)]
    outbox = MemoryOutbox(rows)
    sender = sender_of(standin, tmp_path, 50)
    drain(sender, outbox)
    # A request a batch, and one for each field, once.
    assert standin.n_requests <= -(-len(rows) // 50) + 3
    assert not outbox.rejected
    assert sender.left_out[0] >= 2 * N


def test_a_refused_field_is_tried_anew_after_an_hour(
    standin: InfluxStandIn, tmp_path: Path
) -> None:
    """Somebody may have mended it; in InfluxDB 2 a new shard takes the new type."""
    poison(standin, "vibration_verdict,machine=old,point=p logit=1i 1")
    sender = sender_of(standin, tmp_path, 100)
    drain(sender, MemoryOutbox([verdict_row(number) for number in range(3)]))
    standin.forget_types()
    hour_s = REMEMBERED_NS / 1e9
    drain(sender, MemoryOutbox([verdict_row(10)]), hour_s - 10)
    assert "logit" not in newest(standin).fields
    drain(sender, MemoryOutbox([verdict_row(11)]), hour_s + 10)
    assert "logit" in newest(standin).fields
    assert sender.left_out[1] == ""


def test_malformed_lines_are_named_by_the_server(
    standin: InfluxStandIn, tmp_path: Path
) -> None:
    bad = (3, 5, 41, 77, 98)
    outbox = MemoryOutbox([malformed(n) if n in bad else good(n) for n in range(100)])
    sender = sender_of(standin, tmp_path, 100)
    drain(sender, outbox)
    assert set(outbox.rejected) == {("event", number) for number in bad}
    assert len(standin.rows("monitor_health")) == 95
    assert standin.n_requests <= 5  # the rows twice, and 2.7 is probed before and after


def test_unknown_words_of_a_partial_write_cost_a_bounded_number_of_requests(
    influx_standin_alone: InfluxStandIn, tmp_path: Path
) -> None:
    said = {
        "code": "unprocessable entity",
        "message": "failure writing points to database: partial write: max-series-per-database"
        " limit exceeded: (1000000) dropped=3",
    }
    refusal = Fault("answer", 422, body=json.dumps(said).encode())
    influx_standin_alone.faults.extend([refusal] * 10_000)
    outbox = MemoryOutbox([good(number) for number in range(5000)])
    sender = sender_of(influx_standin_alone, tmp_path, 5000)
    drain(sender, outbox)
    assert influx_standin_alone.n_requests < 100
    assert len(outbox.rejected) == 5000


# -- answers that have nothing to do with the rows -----------------------------------------------

NO_ORG = b'{"code":"invalid","message":"Please provide either orgID or org"}'
PLAIN_HTTP = (
    b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n"
    b"<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n"
    b"</body>\r\n</html>\r\n"
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            NO_ORG,
            "InfluxDB answered 400 Please provide either orgID or org (influx.org names no"
            " organisation) to a plain probe row; the rows are not to blame. Rows wait in the"
            " journal.",
        ),
        (
            PLAIN_HTTP,
            "InfluxDB answered 400 The plain HTTP request was sent to HTTPS port (this port speaks"
            " TLS: influx.url must begin with https://). Rows wait in the journal.",
        ),
        (
            b'{"message":"Bad request"}',
            "InfluxDB answered 400 Bad request to a plain probe row; the rows are not to blame."
            " Rows wait in the journal.",
        ),
        (
            b"upstream sent no host",
            "InfluxDB answered 400 upstream sent no host (these are not InfluxDB's words: something"
            " else answers at influx.url). Rows wait in the journal.",
        ),
    ],
)
def test_a_refusal_of_any_row_parks_none(
    body: bytes,
    said: str,
    influx_standin_alone: InfluxStandIn,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All of the backlog was set aside within seconds."""
    standin = influx_standin_alone
    standin.faults.extend([Fault("answer", 400, body=body)] * 20)
    outbox = MemoryOutbox([good(number) for number in range(500)])
    sender = sender_of(standin, tmp_path, 500)
    now_s = 0.0
    for _ in range(15):
        now_s += sender.step(outbox, now_s)
    assert (outbox.accepted, outbox.rejected) == ([], {})
    assert sender.trouble == said
    assert "takes rows again" not in caplog.text
    assert 13 <= standin.n_requests <= 15  # one a try, whatever waits
    standin.faults.clear()
    drain(sender, outbox, now_s)
    assert len(outbox.accepted) == 500
    assert len(standin.rows("monitor_health")) == 500


def test_a_row_is_not_blamed_when_the_settings_break_meanwhile(
    influx_standin_alone: InfluxStandIn, tmp_path: Path
) -> None:
    """The first probe passes, then all is refused: the second probe tells."""
    standin = influx_standin_alone
    refusal = Fault("answer", 400, body=NO_ORG)
    outbox = MemoryOutbox([good(1), good(2)])
    sender = sender_of(standin, tmp_path, 100)
    standin.faults.append(refusal)
    sender.step(outbox, 0.0)
    sender.step(outbox, 0.0)  # the probe is stored
    standin.faults.extend([refusal] * 30)
    now_s = 0.0
    for _ in range(10):
        now_s += sender.step(outbox, now_s)
    assert outbox.rejected == {}
    assert "not to blame" in sender.trouble
    standin.faults.clear()
    drain(sender, outbox, now_s)
    assert len(outbox.accepted) == 2


# -- words ---------------------------------------------------------------------------------------


def test_the_words_of_a_real_server(influxdb: InfluxDatabase) -> None:
    def told(body: str) -> Answer:
        status, said = influxdb.write(body.encode())
        return read_answer(status, {}, said.encode(), "")

    assert told("m a=1i 1").status == 204
    conflict = conflict_in(told('m a="x" 2').words)
    assert conflict == ("m", "a", "string", "integer")
    assert told("m b=1 1\nbroken").is_partial
    influxdb.query(
        f'CREATE RETENTION POLICY "short" ON "{influxdb.name}" DURATION 1h REPLICATION 1 DEFAULT'
    )
    assert n_too_old(told("m a=1i 1\nm a=1i 2").words) == 2


def test_the_retentions_bound_as_newer_servers_say_it() -> None:
    """From the log of a real 2.7.12."""
    words = (
        "failure writing points to database: partial write: dropped 350 points outside retention"
        " policy of duration 72h0m0s - oldest point m,a=b at 2025-08-26T03:26:38Z dropped because"
        " it violates a Retention Policy Lower Bound at 2025-09-02T09:04:10.7684903Z, newest point"
        " m,a=b at 2025-08-26T03:31:28Z dropped because it violates a Retention Policy Lower Bound"
        " at 2025-09-02T09:04:10.7684903Z dropped=350 for database: 9f28 for retention policy: a"
    )
    assert n_too_old(words) == 350
    assert retention_bound_ns(words) == 1_756_803_850_768_490_300
    assert n_too_old(words.replace("Retention Policy Lower", "Write Window Upper")) == 0


text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=12
)
value = st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | text


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(fields=st.dictionaries(st.sampled_from("abcdef"), value, min_size=1), name=text)
def test_a_field_is_cut_out_exactly_whatever_stands_beside_it(
    fields: dict[str, bool | int | float | str], name: str
) -> None:
    line = health_line(name or "i", fields, 7)
    (whole,) = parse(line)
    assert n_fields(line) == len(fields)
    for cut, sent in fields.items():
        refusals = Refusals()
        kind = {bool: "boolean", int: "integer", float: "float", str: "string"}[type(sent)]
        words = (
            f'input field "{cut}" on measurement "monitor_health" is type {kind},'
            " already exists as type unsigned"
        )
        conflict = conflict_in(words)
        assert conflict is not None
        refusals.learn_conflict(conflict, "why", 0)
        trimmed = refusals.trim(line)
        left = {key: found for key, found in whole.fields.items() if key != cut}
        assert trimmed.n_left_out == 1
        if not left:
            assert trimmed == ("", 1, "why")
            continue
        (found,) = parse(trimmed.text)
        assert (found.tags, found.fields, found.time_ns) == (whole.tags, left, 7)
