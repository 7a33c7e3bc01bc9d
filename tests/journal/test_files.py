"""A journal's file as a whole: copied while it is written, put back, compacted; refused in time."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor.cli import main
from monitor.journal import files
from monitor.journal.files import backup, compact, restore
from monitor.journal.reader import JournalReader
from monitor.journal.schema import JournalError, claim
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from tests.page_stage import write_config
from tests.servers.child import run_child
from tests.verdicts import make_verdict


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "camshaft.journal"
    write(path, 0, 4)
    return path


def write(path: Path, first: int, n: int) -> None:
    journal = Journal(path)
    journal.commit(Batch(verdicts=[make_verdict(first + i) for i in range(n)]))
    journal.close()


def last_row(path: Path) -> int:
    reader = JournalReader(path)
    try:
        return reader.last_row_id()
    finally:
        reader.close()


def names(folder: Path) -> set[str]:
    return {
        file.name for file in folder.iterdir() if not file.name.endswith(("-shm", "-wal"))
    }


def test_a_backup_is_of_one_moment_though_the_service_goes_on(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PAGES_AT_ONCE", 1)
    service, told = Journal(path), []

    def goes_on(done: int, total: int) -> None:
        told.append((done, total))
        if len(told) < 5:
            service.commit(Batch(verdicts=[make_verdict(10 + len(told))]))

    target = tmp_path / "copy"
    assert backup(path, target, goes_on) == target.stat().st_size
    assert (last_row(target), last_row(path)) == (4, 8)
    assert told[-1][0] == told[-1][1] > 10
    assert [row.verdict.spectrum_db is None for row in JournalReader(target).rows()] == [
        False
    ] * 4
    service.close()


def test_a_backup_that_is_interrupted_leaves_what_was_there(
    path: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    target.write_text("the one before")
    before = names(tmp_path)

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(path, target, interrupt)
    assert target.read_text() == "the one before"
    assert names(tmp_path) == before


def test_what_was_there_is_kept_aside_with_what_a_kill_left(
    path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    backup(path, copy)
    journal = Journal(path)
    journal.commit(Batch(verdicts=[make_verdict(20)]))
    killed = tmp_path / "killed"
    killed.mkdir()
    # the newest row is in the -wal file alone
    for file in tmp_path.glob("camshaft.journal*"):
        shutil.copy(file, killed / file.name)
    journal.close()
    there = killed / path.name
    restored = restore(copy, there)
    assert restored.aside is not None
    assert (last_row(there), last_row(restored.aside)) == (4, 5)
    write(there, 30, 1)
    assert (last_row(there), last_row(restored.aside)) == (5, 5)


def test_a_journal_that_is_gone_is_restored_too(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    backup(path, copy)
    assert restore(copy, tmp_path / "new.journal").aside is None
    assert last_row(tmp_path / "new.journal") == 4


def no_database(file: Path) -> None:
    file.write_bytes(b"no database at all" * 400)


def another_database(file: Path) -> None:
    sqlite3.connect(file).execute("CREATE TABLE a (b)").connection.close()


def newer(file: Path) -> None:
    link = sqlite3.connect(file)
    link.execute("PRAGMA user_version = 99")
    link.close()


def damaged(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[3 * 4096 : 7 * 4096] = bytes(4 * 4096)
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (no_database, "not a database"),
        (another_database, "not a Camshaft journal"),
        (newer, "version 99; this program knows versions up to"),
        (damaged, "damaged|malformed"),
        (Path.unlink, "there is no such file"),
    ],
)
def test_what_is_no_whole_journal_is_not_restored(
    path: Path, tmp_path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    source = tmp_path / "source"
    backup(path, source)
    if spoil is another_database:
        source.unlink()
    spoil(source)
    before = names(tmp_path)
    with pytest.raises(JournalError, match=why):
        restore(source, path)
    assert last_row(path) == 4
    assert names(tmp_path) - {"camshaft.journal.lock"} == before


def test_beside_a_service_or_another_restore_nothing_is_restored(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lock is of its process: another one is needed to see it."""
    config = write_config(tmp_path)
    copy = tmp_path / "copy"
    assert main(["backup", str(copy), "-c", str(config)]) == 0
    assert "MB, a copy of" in capsys.readouterr().out
    with claim(path):
        for words in (["restore", str(copy)], ["compact"]):
            other = run_child(
                [sys.executable, "-m", "monitor.cli", *words, "-c", str(config)]
            )
            assert other.returncode == 2
            assert "another Camshaft service" in other.stderr
    assert main(["restore", str(copy), "-c", str(config)]) == 0
    assert "What was there is now" in capsys.readouterr().out


def test_free_space_goes_back_to_the_disk(path: Path) -> None:
    write(path, 100, 400)
    link = sqlite3.connect(path)
    link.execute("DELETE FROM map")
    link.commit()
    link.close()
    before, after = compact(path)
    assert after < 0.9 * before
    assert last_row(path) == 404


def test_a_full_disk_is_said_before_anything_is_done(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(JournalError, match="17 MB are needed, 1 MB are free"):
        compact(path)
    with pytest.raises(JournalError, match="are needed"):
        backup(path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_the_journal_is_no_backup_of_itself(path: Path) -> None:
    for what in (backup, restore):
        with pytest.raises(JournalError, match="is the journal itself"):
            what(path, path)
