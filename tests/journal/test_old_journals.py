"""Journals and models written by version 0.1.0 open, say the same, and go on."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.evidence.limits import novelty_threshold
from monitor.evidence.network import Classifier
from monitor.evidence.novelty import NOVELTY_FLOOR
from monitor.journal import migrations, schema
from monitor.journal.commissioning import CommissioningStore
from monitor.journal.cursors import Cursor
from monitor.journal.labels import LabelStore, labelled
from monitor.journal.maps import STEP_DB
from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError, connect, transaction
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from monitor.records.verdict import Verdict
from tests.paths import FIXTURES
from tests.signals import START_NS, configure, messages, noise, rules

OLD = FIXTURES / "journal-0.1.0.gz"
FOURTH = FIXTURES / "journal-version-4.gz"
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "journal-0.1.0.json").read_text())
MODEL = FIXTURES / "model-0.1.0"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A journal as 0.1.0 left it, with something in every table."""
    path = tmp_path / "camshaft.journal"
    path.write_bytes(gzip.decompress(OLD.read_bytes()))
    return path


def as_written(row_id: int, v: Verdict) -> list[Any]:
    """The fields in the order in which 0.1.0 listed them for the fixture."""
    network, novelty = v.of_kind("network"), v.of_kind("novelty")
    return [
        *(row_id, v.sensor, v.segment, v.first_sample, v.n_samples, v.start_ns, v.end_ns),
        *(v.status.value, v.reason),
        None if network is None else network.score,
        None if network is None else network.bias,
        None if network is None else network.threshold,
        None if novelty is None else novelty.score,
        None if novelty is None else novelty.threshold,
        *(v.alarm, v.model_id),
        None if network is None else float(network.cells.sum(dtype=np.float64)),
        None if novelty is None else float(novelty.cells.sum(dtype=np.float64)),
        None if v.spectrum_db is None else float(v.spectrum_db.sum(dtype=np.float64)),
    ]


def test_every_verdict_says_what_it_said(old: Path) -> None:
    Journal(old).close()
    rows = list(JournalReader(old).rows())
    for row, expected in zip(rows, EXPECTED["rows"], strict=True):
        found = as_written(row.row_id, row.verdict)
        assert found[:-3] == expected[:-3]
        assert found[-3:-1] == [
            one and pytest.approx(one, abs=1e-6) for one in expected[-3:-1]
        ]
        # Each level of the spectrum is within half a step.
        n_levels = 0 if row.verdict.spectrum_db is None else row.verdict.spectrum_db.size
        assert found[-1] == pytest.approx(expected[-1], abs=STEP_DB / 2 * n_levels)
    assert {e.kind for row in rows for e in row.verdict.evidence} == {"network", "novelty"}


def test_all_else_is_there(old: Path) -> None:
    journal = Journal(old)
    reader, views = JournalReader(old), JournalViews(old)
    books = reader.books()
    samples = {
        sensor: {f"{fate}/{reason}": n for (fate, reason), n in book.items()}
        for sensor, book in books.samples.items()
    }
    assert samples == EXPECTED["samples"]
    assert books.waiting == EXPECTED["waiting"]
    assert books.counters == EXPECTED["counters"]
    assert books.imbalance() == {}
    streams = {
        sensor: [
            stream.position.segment,
            stream.position.first_sample,
            len(stream.keys),
            stream.alarm_raised,
            None if stream.tail is None else stream.tail.shape[1],
        ]
        for sensor, stream in journal.streams().items()
    }
    assert streams == EXPECTED["streams"]
    kept = [row.row_id for row in reader.rows() if views.has_kept_window(row.row_id)]
    assert kept == EXPECTED["evidence"]
    changed = [
        event for event in views.new_events(0, -1) if event.kind == "novelty_changed"
    ]
    assert [event.sensor for event in changed] == list(EXPECTED["commissioned"])
    assert len(views.new_events(0, -1)) == EXPECTED["events"] + len(changed)
    assert [found.label.author for found in labelled(old)] == ["Ben", "Ann"]
    active = CommissioningStore(old).active()
    assert {
        sensor: [c.n_windows, c.logit_threshold, c.running_limit_ms2]
        for sensor, c in active.items()
    } == {
        sensor: [n, *limits[1:]]
        for sensor, (n, *limits) in EXPECTED["commissioned"].items()
    }
    journal.close()


def test_a_baseline_of_the_score_before_is_carried_over_without_its_threshold(
    old: Path,
) -> None:
    """Two deviations about the mean; what other machines reach holds until the next commissioning,
    which an event asks for.
    """
    link = sqlite3.connect(old)
    (mean, std) = link.execute("SELECT mean_db, std_db FROM commissioning").fetchone()
    link.close()
    Journal(old).close()
    (own,) = CommissioningStore(old).active().values()
    mean_db, std_db = np.frombuffer(mean, "<f4"), np.frombuffer(std, "<f4")
    np.testing.assert_allclose(own.baseline.low_db.ravel(), mean_db - 2 * std_db, rtol=1e-6)
    np.testing.assert_allclose(
        own.baseline.high_db.ravel(), mean_db + 2 * std_db, rtol=1e-6
    )
    assert (own.baseline.threshold, own.baseline.rate_was_asked) == (0, False)
    assert novelty_threshold(own, None) == NOVELTY_FLOOR
    (event,) = [
        e for e in JournalViews(old).new_events(0, -1) if e.kind == "novelty_changed"
    ]
    assert event.text.endswith("commission the sensor again to have its own")


def test_the_service_goes_on_where_0_1_0_stopped(old: Path) -> None:
    """The old model judges, streams continue, and new rows come after the old ones."""
    journal = Journal(old)
    settings = rules(configure(sensor={"model": str(MODEL)}), Classifier(MODEL))
    pipeline = Pipeline(settings, journal.streams(), journal.digests(), 0.0)
    pipeline.commission(CommissioningStore(old).active())
    last = JournalReader(old).last_row_id()
    pipeline.process(
        messages(noise(7_700, 1), [700] * 11, "mill-1/spindle", 300), START_NS, 0.0
    )
    fresh = messages(noise(4_000, 5), [1000] * 4, "new/one", 400)
    pipeline.process(fresh, START_NS, 0.0)
    journal.commit(pipeline.take_batch(True))
    rows = list(JournalReader(old).rows(after_row=last))
    assert [row.row_id for row in rows] == list(range(last + 1, last + 1 + len(rows)))
    assert len([row for row in rows if row.verdict.sensor == "new/one"]) == 4
    assert JournalReader(old).books().imbalance() == {}
    journal.close()


def test_a_journal_is_brought_up_to_date_whole_or_not_at_all(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = old.read_bytes()

    def half(link: sqlite3.Connection, on_update: Callable[[], None]) -> None:
        migrations.MIGRATIONS[1](link, on_update)
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", {**migrations.MIGRATIONS, 1: half})
        with pytest.raises(JournalError, match="disk is full"):
            Journal(old)
    whole = shutil.copyfile(old, tmp_path / "again.journal")
    link = sqlite3.connect(whole)
    assert link.execute("PRAGMA user_version").fetchone() == (1,)
    assert link.execute("SELECT count(logit) FROM verdict").fetchone()[0] > 0
    link.close()
    assert len(before) == whole.stat().st_size
    Journal(old).close()  # with room, the next start succeeds
    assert len(list(JournalReader(old).rows())) == len(EXPECTED["rows"])


@pytest.mark.parametrize("opened", [JournalReader, CommissioningStore, LabelStore, connect])
def test_nobody_but_the_service_brings_a_journal_up_to_date(
    old: Path, opened: Callable[[Path], object]
) -> None:
    """A service of the older program may be running."""
    with pytest.raises(JournalError, match=r"has version 1.*start the service once"):
        opened(old)
    link = sqlite3.connect(old)
    assert link.execute("PRAGMA user_version").fetchone() == (1,)
    link.close()


def test_outputs_go_on_where_0_1_0_stood(old: Path) -> None:
    Journal(old).close()
    delivery = JournalReader(old).books().delivery
    accepted, rejected, waiting = EXPECTED["delivery"]["event"]
    assert {kind: list(counts) for kind, counts in delivery["influx"].items()} == {
        **EXPECTED["delivery"],
        "event": [accepted, rejected, waiting + 1],  # the update says what it changed
    }
    influx = Cursor(old, "influx", ["verdict", "event", "health"])
    assert influx.pending(1)[0].key == ("verdict", EXPECTED["delivery"]["verdict"][0] + 2)
    webhook = Cursor(old, "webhook.pager", ["event"], from_start=False)
    assert webhook.counts() == (1, 0)
    (held,) = webhook.held()
    assert (held[0].state, held[0].n_held, held[1].kind) == ("raised", 1, "alarm_raised")
    link = sqlite3.connect(old)
    dead = link.execute("SELECT output, kind, reason FROM dead_letter").fetchall()
    assert dead == [("influx", "verdict", "400 field type conflict")]
    link.close()


def test_the_service_says_that_it_is_still_starting(
    old: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """systemd gives a start up after its time: a large journal takes longer."""
    monkeypatch.setattr(schema, "STEPS_PER_CALL", 100)
    calls: list[int] = []
    Journal(old, lambda: calls.append(1)).close()
    assert len(calls) > 10
    assert "Bringing the journal up to date" in caplog.text
    calls.clear()
    Journal(old, lambda: calls.append(1)).close()
    assert calls == []


def schema_of(path: Path) -> dict[str, Any]:
    """Each table's columns (name, type, not null, default, key) and indexes (columns, unique)."""
    link = sqlite3.connect(path)
    found: dict[str, Any] = {}
    for (table,) in link.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
    ).fetchall():
        columns = [row[1:6] for row in link.execute(f"PRAGMA table_info({table})")]
        indexes = sorted(
            (is_unique, [row[2] for row in link.execute(f"PRAGMA index_info({index})")])
            for _, index, is_unique, *_ in link.execute(
                f"PRAGMA index_list({table})"
            ).fetchall()
        )
        references = sorted(
            row[2:] for row in link.execute(f"PRAGMA foreign_key_list({table})")
        )
        found[table] = (columns, indexes, references)
    found |= dict(link.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'view'"))
    link.close()
    return found


def test_a_journal_brought_up_to_date_has_the_schema_of_a_new_one(
    old: Path, tmp_path: Path
) -> None:
    """Migrations are frozen and schema.py is not: only this keeps them together."""
    Journal(old).close()
    Journal(tmp_path / "new.journal").close()
    updated, new = schema_of(old), schema_of(tmp_path / "new.journal")
    assert updated.keys() == new.keys()
    for table, expected in new.items():
        assert updated[table] == expected, table


@pytest.fixture
def fourth(tmp_path: Path) -> Path:
    """A journal as version 4 left it: huge, tiny and zero maps, samples that came as whole numbers
    and others, labels, a commissioning that was undone.
    """
    path = tmp_path / "fourth.journal"
    path.write_bytes(gzip.decompress(FOURTH.read_bytes()))
    return path


def of_version_4(path: Path) -> list[dict[str, Any]]:
    """All that version 4 wrote of each window, as its own reader made it."""
    link = sqlite3.connect(path)
    link.row_factory = sqlite3.Row
    rows = link.execute(
        "SELECT v.*, cells, spectrum, f_edges_hz, t_edges_s, k.n_channels, k.samples FROM verdict v"
        " LEFT JOIN map USING (row_id) LEFT JOIN grid USING (grid_id)"
        " LEFT JOIN kept_window k USING (row_id) ORDER BY row_id"
    ).fetchall()
    link.close()
    return [dict(row) for row in rows]


def test_a_journal_of_version_4_says_the_same_to_a_step(fourth: Path) -> None:
    before = of_version_4(fourth)
    Journal(fourth).close()
    reader = JournalReader(fourth)
    for row, old in zip(reader.rows(), before, strict=True):
        v = row.verdict
        for name in (
            "sensor",
            "segment",
            "first_sample",
            "n_samples",
            "start_ns",
            "end_ns",
        ):
            assert getattr(v, name) == old[name]
        for name in ("status", "reason", "alarm", "running", "model_id", "continuity"):
            assert getattr(v, name) == old[name]
        assert (row.row_id, v.geometry_id) == (old["row_id"], old["geometry_id"])
        assert v.commissioning_id == old["commissioning_id"]
        assert v.quality == json.loads(old["quality"])
        assert [
            [e.kind, e.unit, e.score, e.threshold, e.bias, e.residual, e.decides]
            for e in v.evidence
        ] == json.loads(old["evidence"])
        assert (v.grid is None) == (old["cells"] is None)
        check_maps(v, old)
        kept = reader.kept_window(row.row_id)
        assert (kept is None) == (old["samples"] is None)
        if kept is not None:
            samples = np.frombuffer(old["samples"], "<f4").reshape(old["n_channels"], -1)
            np.testing.assert_array_equal(kept[0], samples)
    assert any(old["samples"] for old in before)


def check_maps(v: Verdict, old: dict[str, Any]) -> None:
    if v.grid is None:
        return
    assert [list(v.grid.f_edges_hz), list(v.grid.t_edges_s)] == [
        json.loads(old["f_edges_hz"]),
        json.loads(old["t_edges_s"]),
    ]
    maps = np.frombuffer(old["cells"], "<f4").reshape(-1, *v.grid.shape)
    for evidence, cells in zip(v.evidence, maps, strict=True):
        largest = float(np.abs(cells).max())
        assert np.abs(evidence.cells - cells).max() <= max(2e-4, 2e-4 * largest)
        found = float(evidence.cells.sum(dtype=np.float64))
        assert found + evidence.bias == pytest.approx(evidence.score, rel=1e-6, abs=1e-6)
    assert (v.spectrum_db is None) == (old["spectrum"] is None)
    if v.spectrum_db is not None:
        levels = np.frombuffer(old["spectrum"], "<i2").reshape(v.spectrum_db.shape) * 0.01
        assert np.abs(v.spectrum_db - levels).max() < STEP_DB / 2 + 1e-4


def test_all_else_of_version_4_is_there(fourth: Path) -> None:
    journal = Journal(fourth)
    views = JournalViews(fourth)
    assert [found.label.author for found in labelled(fourth)] == ["Ann", "Ben"]
    assert list(CommissioningStore(fourth).active()) == ["mill-1/spindle"]
    assert views.context([32]) == {32: {"speed_rpm": 1480.0, "tool": "T4"}}
    assert views.sensors() == ["mill-1/spindle", "press 7/bearing", "привод 2/ось"]
    assert set(journal.streams()) == {"mill-1/spindle", "привод 2/ось"}
    assert tuple(views.books().delivery["influx"]["verdict"])[:2] == (29, 1)
    last = views.last_row_id()
    pipeline = Pipeline(
        rules(configure(sensor={"model": str(MODEL)}), Classifier(MODEL)),
        journal.streams(),
        journal.digests(),
        0.0,
    )
    pipeline.process(messages(noise(1000, 5), [1000], "new/one", 400), START_NS, 0.0)
    journal.commit(pipeline.take_batch(True))
    assert [row.row_id for row in views.rows(after_row=last)] == [last + 1]
    journal.close()


def test_a_damaged_map_holds_no_update_up(
    fourth: Path, caplog: pytest.LogCaptureFixture
) -> None:
    link = sqlite3.connect(fourth)
    link.execute("UPDATE map SET cells = x'00' WHERE row_id = 25")
    link.commit()
    link.close()
    Journal(fourth).close()
    assert "1 of the journal's maps are damaged, and left out." in caplog.text
    row = JournalReader(fourth).row(25)
    assert row is not None
    assert row.verdict.grid is None
    assert row.verdict.evidence


def test_a_disk_that_fills_while_updating_leaves_the_journal_as_it_was(
    fourth: Path,
) -> None:
    before = of_version_4(fourth)
    link = sqlite3.connect(fourth)
    n_pages = link.execute("PRAGMA page_count").fetchone()[0]
    link.close()
    with pytest.raises(JournalError, match="full"):
        connect_with_room(fourth, n_pages + 4)
    assert of_version_4(fourth) == before
    Journal(fourth).close()


def connect_with_room(path: Path, n_pages: int) -> None:
    """As schema.connect does, on a disk that takes so many pages and no more."""
    link = sqlite3.connect(path, isolation_level=None)
    try:
        link.execute("PRAGMA journal_mode = WAL")
        link.execute(f"PRAGMA max_page_count = {n_pages}")
        with transaction(link):
            schema._bring_up_to_date(link, path, lambda: None)
    finally:
        link.close()


def test_a_journal_of_a_newer_version_is_refused(fourth: Path) -> None:
    link = sqlite3.connect(fourth)
    link.execute("PRAGMA user_version = 99")
    link.close()
    for opened in (JournalReader, Journal, CommissioningStore):
        with pytest.raises(
            JournalError, match=r"version 99; this program knows .* update it"
        ):
            opened(fourth)


POSITION_OF_0_2 = {
    "segment": 3,
    "first_sample": 2000,
    "n_counted": 2000,
    "rate_hz": 2000.0,
    "start_ns": START_NS,
    "last_message": [2400, START_NS + 1_200_000_000],
    "first_message": [0, START_NS],
    "times": [[1600, START_NS + 800_000_000]],
    "sequence": 6,
    "expected_ns": START_NS + 1_400_000_000,
    "hole": None,
    "verified": True,
    "n_window": 1000,
    "n_hop": 1000,
}


def test_a_stream_goes_on_where_0_2_stopped(tmp_path: Path) -> None:
    """Its position knew nothing of coarse clocks, arrival and spans of time with verdicts."""
    journal = Journal(tmp_path / "journal")
    first = Pipeline(rules(configure()), {}, {}, 0.0)
    sent = messages(noise(5600), [400] * 14)
    first.process(sent[:7], START_NS, 0.0)
    batch = first.take_batch(True)
    batch.streams[0].position.segment = 3
    journal.commit(batch)
    link = sqlite3.connect(tmp_path / "journal")
    with link:
        link.execute("UPDATE stream SET position = ?", (json.dumps(POSITION_OF_0_2),))
    link.close()
    second = Pipeline(rules(configure()), journal.streams(), journal.digests(), 0.0)
    second.process(sent[7:], START_NS, 0.0)
    verdicts = second.take_batch(True).verdicts
    assert [(v.segment, v.first_sample) for v in verdicts] == [
        (3, 2000),
        (3, 3000),
        (3, 4000),
    ]
    assert verdicts[0].start_ns == START_NS + 1_000_000_000
    journal.close()
