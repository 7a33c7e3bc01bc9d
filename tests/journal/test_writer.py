"""The journal: what is written comes back, all or nothing; room is made in the right order;
strangers are refused.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.journal.cursors import Cursor
from monitor.journal.labels import LabelStore
from monitor.journal.maps import STEP_DB
from monitor.journal.places import RowKind
from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError, claim, connect
from monitor.journal.subscriptions import SubscriptionStore
from monitor.journal.writer import Journal
from monitor.outputs.base import Step
from monitor.outputs.influx.rows import lines_for
from monitor.outputs.influx.sender import InfluxOutput
from monitor.records.batch import BadPayload, Batch, Event, KeptWindow
from monitor.records.evidence import NO_CELLS, measured_residual
from monitor.records.labels import Label, LabelRequest
from monitor.records.verdict import Status, Verdict
from tests.verdicts import make_verdict, map_of

KINDS: tuple[RowKind, ...] = ("verdict", "event", "health")
PLENTY = 1 << 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def evidence_of(verdict: Verdict) -> KeptWindow:
    rng = np.random.default_rng(verdict.first_sample)
    samples = rng.normal(size=(1, verdict.n_samples)).astype(np.float32)
    return KeptWindow(
        verdict.sensor, verdict.segment, verdict.first_sample, 2000.0, samples, "ng"
    )


def label(path: Path, row_id: int) -> None:
    link = connect(path)
    link.execute(
        "INSERT INTO label (row_id, at_ns, word, failure_mode, author, comment) VALUES (?, 0, 'ng',"
        " '', '', '')",
        (row_id,),
    )
    link.close()


def test_a_verdict_comes_back_with_maps_that_still_add_up(path: Path) -> None:
    verdict = make_verdict()
    Journal(path).commit(Batch(verdicts=[verdict]))
    (row,) = JournalReader(path).rows()
    back = row.verdict
    assert map_of(back) is not None
    assert map_of(back, "novelty") is not None
    assert back.spectrum_db is not None
    assert verdict.spectrum_db is not None
    for kind in ("network", "novelty"):
        np.testing.assert_allclose(
            map_of(back, kind), map_of(verdict, kind), atol=2e-4, rtol=0
        )
        found, sent = back.of_kind(kind), verdict.of_kind(kind)
        assert found is not None
        assert sent is not None
        assert measured_residual(found.cells, found.bias, found.score) < 1e-6
        assert replace(found, cells=NO_CELLS) == replace(sent, cells=NO_CELLS)
    assert np.abs(back.spectrum_db - verdict.spectrum_db).max() <= STEP_DB / 2 + 1e-5
    for name in (
        "sensor",
        "segment",
        "start_ns",
        "end_ns",
        "status",
        "band",
        "running",
        "quality",
        "grid",
        "model_id",
    ):
        assert getattr(back, name) == getattr(verdict, name), name


@given(st.text(max_size=50), st.text(max_size=50), st.binary(max_size=50))
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=20,
    deadline=None,
)
def test_any_text_is_stored_as_text(
    tmp_path: Path, machine: str, point: str, head: bytes
) -> None:
    """Names and payloads come from strangers: none of them is ever SQL."""
    sensor = f"{machine}/{point}".encode("utf-8", "replace").decode()
    journal = Journal(tmp_path / "shared")
    journal.commit(
        Batch(
            verdicts=[make_verdict(sensor=sensor)],
            bad_payloads=[BadPayload(0, sensor, "r", "d", 1, head)],
        )
    )
    journal.close()
    reader = JournalReader(tmp_path / "shared")
    assert sensor in reader.latest()
    assert reader.bad_payloads(1)[0]["head"] == head
    reader.close()


def test_a_verdict_written_twice_stands_once(path: Path) -> None:
    journal = Journal(path)
    for _ in range(2):
        journal.commit(Batch(verdicts=[make_verdict(0), make_verdict(1)]))
    assert len(list(JournalReader(path).rows())) == 2


def test_no_two_rows_of_a_sensor_have_one_time(path: Path) -> None:
    """Case d17: databases know a row by sensor and time; clocks that step gave one to many."""
    journal = Journal(path)
    times: dict[str, Any] = {"start_ns": 1_700_000_000_137, "end_ns": 1_700_500_000_137}
    life = [make_verdict(0, "m/p", segment=segment, **times) for segment in range(3)]
    journal.commit(Batch(verdicts=[*life[:2], make_verdict(0, "m/q", **times)]))
    journal.commit(Batch(verdicts=life))  # the first two a second time
    found = [(row.verdict.sensor, row.verdict.end_ns) for row in JournalReader(path).rows()]
    end_ns = times["end_ns"]
    assert found == [
        ("m/p", end_ns),
        ("m/p", end_ns + 1),
        ("m/q", end_ns),
        ("m/p", end_ns + 2),
    ]


def test_many_windows_of_one_time_take_one_nanosecond_each(path: Path) -> None:
    """Whatever lies behind them already; and a thousand take few questions each."""
    journal = Journal(path)
    times: dict[str, Any] = {"start_ns": 1_700_000_000_137, "end_ns": 1_700_500_000_137}
    end_ns = times["end_ns"]
    behind = make_verdict(0, "m/p", segment=5000, **times | {"end_ns": end_ns + 6})
    journal.commit(Batch(verdicts=[behind]))
    n = 1000
    many = [make_verdict(0, "m/p", segment=segment, **times) for segment in range(n)]
    questions: list[str] = []
    journal._link.set_trace_callback(questions.append)
    journal.commit(Batch(verdicts=many))
    journal._link.set_trace_callback(None)
    found = [row.verdict.end_ns for row in JournalReader(path).rows()]
    assert sorted(found) == list(range(end_ns, end_ns + n + 1))
    asked = [text for text in questions if "IS NOT" in text]
    assert n <= len(asked) < n * 25


def test_a_journal_of_a_program_without_the_later_tables_gets_them(path: Path) -> None:
    Journal(path).commit(Batch(verdicts=[make_verdict()]))
    link = connect(path)
    link.execute("DROP TABLE subscription")
    link.close()
    store = SubscriptionStore(path)
    assert store.filters == set()
    store.keep(frozenset({"a/+", "b"}))
    store.keep(frozenset({"b", "c"}))
    store.close()
    assert SubscriptionStore(path).filters == {"b", "c"}
    assert len(list(JournalReader(path).rows())) == 1


def test_a_batch_is_stored_whole_or_not_at_all(path: Path) -> None:
    journal = Journal(path)
    broken = make_verdict(1, reason=object())  # SQLite cannot store it
    with pytest.raises(JournalError, match="cannot be written"):
        journal.commit(Batch(verdicts=[make_verdict(0), broken]))
    assert not list(JournalReader(path).rows())
    journal.commit(Batch(verdicts=[make_verdict(0)]))
    (row,) = JournalReader(path).rows()
    assert map_of(row.verdict) is not None


def test_evidence_goes_oldest_first_and_never_with_a_label(path: Path) -> None:
    verdicts = [make_verdict(index) for index in range(10)]
    journal = Journal(path)
    journal.commit(
        Batch(
            verdicts=verdicts, kept_windows=[evidence_of(verdict) for verdict in verdicts]
        )
    )
    label(path, 1)
    reader = JournalReader(path)
    sizes = [
        len(blob) for (blob,) in connect(path).execute("SELECT samples FROM kept_window")
    ]
    taken = journal.thin(PLENTY, sum(sizes[:1] + sizes[6:]), ["influx"])
    kept = [
        row.row_id for row in reader.rows() if reader.kept_window(row.row_id) is not None
    ]
    assert kept == [1, 7, 8, 9, 10]
    assert taken["kept_windows"] == 5
    assert reader.books().counters["thinned.kept_windows"] == 5


def test_rows_that_influxdb_has_go_before_rows_that_it_has_not(path: Path) -> None:
    journal = Journal(path)
    journal.commit(Batch(verdicts=[make_verdict(index) for index in range(10)]))
    cursor = Cursor(path, "influx", KINDS)
    fates = Step(
        accepted=[("verdict", 1), ("verdict", 2)], rejected={("verdict", 3): "400 no"}
    )
    cursor.settle(fates, at_ns=1)
    assert journal.thin(0, PLENTY, ["influx"])["delivered_rows"] == 3
    assert [row.row_id for row in JournalReader(path).rows()] == list(range(4, 11))
    assert journal.thin(0, PLENTY, ["influx"])["undelivered_rows"] == 7
    assert JournalReader(path).books().delivery["influx"]["verdict"] == (2, 1, 0)


def test_maps_that_nobody_asks_for_go_before_verdicts(path: Path) -> None:
    """Those of the older three quarters that are not NG, have no label and were delivered."""
    journal, reader = Journal(path), JournalReader(path)
    statuses = [Status.OK, Status.NG, Status.IDLE, *[Status.OK] * 17]
    journal.commit(
        Batch(
            verdicts=[make_verdict(n, status=status) for n, status in enumerate(statuses)]
        )
    )
    book = LabelStore(path)
    book.add(LabelRequest(Label("ok"), at_ns=1, row_id=4))
    book.close()
    cursor = Cursor(path, "influx", KINDS)
    cursor.settle(Step(accepted=[("verdict", n) for n in range(1, 13)]), at_ns=1)

    def with_map() -> list[int]:
        return [row.row_id for row in reader.rows() if row.verdict.evidence[0].cells.size]

    before = with_map()
    taken = journal.thin(0, PLENTY, ["influx"])
    gone = [row for row in before if row not in with_map()]
    assert gone == [1, 3, *range(5, 13)]
    assert (taken["maps"], taken.total()) == (len(gone), len(gone))
    assert reader.books().counters["thinned.maps"] == len(gone)
    assert len(list(reader.rows())) == len(statuses)
    assert journal.thin(0, PLENTY, ["influx"])["delivered_rows"] == 11


def test_the_outbox_gives_each_row_until_it_is_settled(path: Path) -> None:
    journal = Journal(path)
    verdicts = [make_verdict(0), make_verdict(1, status=Status.OK)]
    journal.commit(
        Batch(verdicts=verdicts, events=[Event(5, "m/p", "alarm_raised", "so it is")])
    )
    journal.store_health(7, {"received_samples": 3})
    outbox = Cursor(path, "influx", KINDS)
    rows = outbox.pending(10)
    assert [row.key for row in rows] == [
        ("verdict", 1),
        ("verdict", 2),
        ("event", 1),
        ("health", 1),
    ]
    lines_of = lines_for("plant", "ng")
    assert len(lines_of(rows[0])) > len(lines_of(rows[1]))  # maps of NG windows only
    assert [row.key for row in outbox.pending(1)] == [("verdict", 1)]
    outbox.settle(Step(accepted=[row.key for row in rows]), at_ns=1)
    assert not outbox.pending(10)
    assert JournalReader(path).books().delivery["influx"] == {
        "event": (1, 0, 0),
        "health": (1, 0, 0),
        "verdict": (2, 0, 0),
    }


def test_alarms_and_health_pass_a_backlog_of_verdicts(path: Path) -> None:
    """They never had a turn while more verdicts waited than one batch takes."""
    journal = Journal(path)
    alarm = Event(5, "m/p", "alarm_raised", "so it is")
    journal.commit(
        Batch(verdicts=[make_verdict(index) for index in range(30)], events=[alarm])
    )
    journal.store_health(7, {"received_samples": 3})
    rows = Cursor(path, "influx", InfluxOutput.kinds).pending(10)
    assert [row.kind for row in rows] == ["event", "health", *["verdict"] * 8]


def test_other_files_are_refused_in_one_sentence(path: Path) -> None:
    path.write_bytes(b"these are not the bytes of a database, not at all" * 100)
    with pytest.raises(JournalError, match="not a database"):
        Journal(path)
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(JournalError, match="not a Camshaft journal"):
        Journal(path)


def test_a_newer_journal_is_refused_and_a_missing_one_not_made_by_reading(
    path: Path,
) -> None:
    with pytest.raises(JournalError, match="no such file"):
        JournalReader(path)
    assert not path.exists()
    Journal(path).close()
    link = sqlite3.connect(path)
    link.execute("PRAGMA user_version = 99")
    link.close()
    with pytest.raises(JournalError, match="has version 99"):
        JournalReader(path)


def test_one_service_at_a_time_holds_a_journal(path: Path) -> None:
    import subprocess
    import sys

    held = claim(path)
    code = (
        "from monitor.journal.schema import claim; from pathlib import Path;"
        f" claim(Path({str(path)!r}))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "another Camshaft service uses it" in other.stderr
    held.close()


def test_books_on_a_damaged_page_are_one_sentence(path: Path) -> None:
    """The first rows still come, a later page does not: SQLite finds that out while rows are
    fetched.
    """
    journal = Journal(path)
    rows = [(f"machine-{i:05}/point", "analysed", "OK", 1) for i in range(5000)]
    link = connect(path)
    link.executemany(
        "INSERT INTO book (sensor, fate, reason, n_samples) VALUES (?, ?, ?, ?)", rows
    )
    link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    link.close()
    journal.close()
    content = path.read_bytes()
    place = content.index(b"machine-04000/point") // 4096 * 4096
    path.write_bytes(content[:place] + b"\xff" * 4096 + content[place + 4096 :])
    with pytest.raises(JournalError, match="the journal cannot be read"):
        JournalReader(path).books()


def count(path: Path, table: str) -> tuple[int, int]:
    """Rows of a table, and its lowest id."""
    name = {"health": "health_id", "bad_payload": "id"}[table]
    with sqlite3.connect(path) as link:
        found = link.execute(f"SELECT count(*), min({name}) FROM {table}").fetchone()
    link.close()
    return int(found[0]), int(found[1])


def test_health_is_kept_for_a_day_at_one_row_per_ten_seconds(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    with sqlite3.connect(path) as link:
        rows = [(i, "{}") for i in range(8640)]
        link.executemany("INSERT INTO health (at_ns, fields) VALUES (?, ?)", rows)
    link.close()
    journal = Journal(path)
    for i in range(3):
        journal.store_health(9000 + i, {})
    journal.close()
    assert count(path, "health") == (8640, 4)


@pytest.mark.parametrize("n_at_once", [1, 1200])
def test_the_newest_thousand_bad_payloads_are_kept(path: Path, n_at_once: int) -> None:
    """And no more, however they come."""
    bad = [BadPayload(i, "t", "too_short", "", 1, b"\0") for i in range(1200)]
    journal = Journal(path)
    journal.commit(Batch(bad_payloads=bad[: 1200 - n_at_once]))
    journal.commit(Batch(bad_payloads=bad[1200 - n_at_once :]))
    journal.close()
    with sqlite3.connect(path) as link:
        kept = [at for (at,) in link.execute("SELECT received_ns FROM bad_payload")]
    link.close()
    assert sorted(kept) == list(range(200, 1200))
