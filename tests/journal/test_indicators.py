"""Condition indicators in the journal: what was written is read back, and thinned with its row."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from monitor.journal.cursors import Cursor
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.verdict import Verdict
from tests.verdicts import make_verdict


def test_windows_with_other_names_and_with_none_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    kinds = [
        {"crest": 3.5, "zone": 2.0},
        {"crest.x": 1.5, "crest.y": 2.5},
        {},
        {"crest": 4.5},
    ]
    verdicts = [
        replace(make_verdict(index), indicators=one) for index, one in enumerate(kinds)
    ]
    Journal(path).commit(Batch(verdicts=verdicts))
    found = JournalReader(path).indicators(range(1, 9))
    assert [found.get(row_id, {}) for row_id in (1, 2, 3, 4)] == kinds
    rows = Cursor(path, "influx", ("verdict",)).pending(10)
    assert [
        one.content.indicators for one in rows if isinstance(one.content, Verdict)
    ] == kinds


def test_a_journal_without_the_table_has_none(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path).close()
    link = sqlite3.connect(path)
    link.execute("DROP TABLE window_indicators")
    link.commit()
    assert JournalReader(path).indicators([1]) == {}


def test_they_leave_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.commit(Batch(verdicts=[make_verdict(0)]))
    journal.thin(max_bytes=0, max_kept_bytes=0, outputs=[])
    (left,) = (
        sqlite3.connect(path).execute("SELECT count(*) FROM window_indicators").fetchone()
    )
    assert left == 0
