"""The commands of docs/backup.md, as they stand there, on a journal of the tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.verdict import Status, Verdict
from tests.paths import ROOT

pytestmark = pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs sqlite3")


def commands() -> list[str]:
    text = (ROOT / "docs" / "backup.md").read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def run(command: str, live: Path, backup: Path) -> None:
    here = command.replace("/var/lib/camshaft", str(live)).replace("/backup", str(backup))
    subprocess.run(here, shell=True, check=True, timeout=30)


def write(journal: Journal, n: int) -> None:
    start = n * 10**9
    verdict = Verdict("m/p", 0, n, 100, start, start + 10**9, Status.OK, alarm="clear")
    journal.commit(Batch(verdicts=[verdict]))


def last_row(path: Path) -> int:
    reader = JournalReader(path)
    try:
        return reader.last_row_id()
    finally:
        reader.close()


def test_a_journal_in_use_is_copied_and_put_back_beside_what_a_kill_left(tmp_path: Path) -> None:
    copy, *restore = commands()
    assert copy.startswith("sqlite3 ")
    live, backup = tmp_path / "live", tmp_path / "backup"
    live.mkdir()
    backup.mkdir()
    journal = Journal(live / "camshaft.journal")
    for n in range(3):
        write(journal, n)
    run(copy, live, backup)
    assert last_row(backup / "camshaft.journal") == 3
    write(journal, 3)
    killed = tmp_path / "killed"
    shutil.copytree(live, killed)  # what a kill -9 leaves: rows are in the -wal file alone
    journal.close()
    assert (killed / "camshaft.journal-wal").stat().st_size > 0
    assert len(restore) == 3
    for command in restore[:2]:  # the third needs a user of the service
        run(command, killed, backup)
    assert last_row(killed / "camshaft.journal") == 3
    journal = Journal(killed / "camshaft.journal")
    write(journal, 9)
    journal.close()
    assert last_row(killed / "camshaft.journal") == 4
