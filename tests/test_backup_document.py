"""The commands of docs/backup.md, as they stand there, on a journal of the tests."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from monitor.cli import main
from monitor.config_file import load_config
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.verdict import Status, Verdict
from tests.page_stage import write_config
from tests.paths import ROOT


def commands() -> list[list[str]]:
    """camshaft's own, word by word; systemctl needs a service."""
    text = (ROOT / "docs" / "backup.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    assert all(line.startswith(("camshaft ", "systemctl ")) for line in lines)
    return [shlex.split(line)[1:] for line in lines if line.startswith("camshaft ")]


def run(command: list[str], config: Path, backup: Path) -> int:
    words = [word.replace("/backup", str(backup)) for word in command]
    return main([*words, "-c", str(config)])


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


def test_a_journal_in_use_is_copied_and_put_back_beside_what_a_kill_left(
    tmp_path: Path,
) -> None:
    copy, restore, compact = commands()
    live, killed, backup = (tmp_path / name for name in ("live", "killed", "backup"))
    live.mkdir()
    backup.mkdir()
    config = write_config(live)
    path = load_config(config).journal.path
    journal = Journal(path)
    for n in range(3):
        write(journal, n)
    assert run(copy, config, backup) == 0
    assert last_row(backup / "camshaft.journal") == 3
    write(journal, 3)
    shutil.copytree(live, killed)  # what a kill -9 leaves: rows are in the -wal file alone
    journal.close()
    config = write_config(killed)
    path = load_config(config).journal.path
    assert path.with_name(f"{path.name}-wal").stat().st_size > 0
    assert run(restore, config, backup) == 0
    assert last_row(path) == 3
    journal = Journal(path)
    write(journal, 9)
    journal.close()
    assert run(compact, config, backup) == 0
    assert last_row(path) == 4
    (aside,) = killed.glob("camshaft.journal.before-*")
    assert last_row(aside) == 4
