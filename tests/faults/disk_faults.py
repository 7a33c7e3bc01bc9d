"""The journal's disk full; the journal torn, damaged, somebody else's."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.campaign import Done, Skipped, scenario
from tests.faults.stage import Stage

DISK_BYTES = 24 << 20


@scenario("disk full, then space again", "nothing lost", quick=True)
def disk_full(stage: Stage) -> Done:
    """Nothing is acknowledged that the journal could not take; the broker holds it."""
    with small_disk(stage.folder / "disk") as disk:
        service = stage.start(folder=disk)
        full_s = 2.0 if stage.quick else 12.0
        filler = disk / "filler"
        stage.play(
            seconds=full_s + 2, faults={0.2: lambda: _fill(filler), 0.8: filler.unlink}
        )
        said = re.findall(r"the journal cannot be written.*The broker keeps", service.log())
        assert said, "the full disk was met"
        assert len(said) == len(set(said)), f"said once a minute: {said}"
        service.wait_taken(stage.recording)
        code, _ = service.stop()
        assert code == 0
        service.move(stage.folder / "moved")
    service.start()
    return Done(f"no space on a {DISK_BYTES >> 20} MiB disk for {full_s * 0.6:.0f} s")


@scenario("SIGTERM while the disk is full", "nothing lost")
def stop_on_full_disk(stage: Stage) -> Done:
    with small_disk(stage.folder / "disk") as disk:
        service = stage.start(folder=disk)
        filler = disk / "filler"
        stage.play(seconds=3.0, faults={0.3: lambda: _fill(filler)})
        service.wait(lambda: "the journal cannot be written" in service.log())
        code, stop_s = service.stop()
        assert code == 0, f"exit code {code}"
        assert stop_s < 10
        filler.unlink()
        service.move(stage.folder / "moved")
    service.start()
    return Done(f"stopped within {stop_s:.1f} s, started again with space")


@scenario("journal torn mid-write", "nothing lost", quick=True)
def torn(stage: Stage) -> Done:
    """As a power cut leaves it: killed, and behind the last commit half a frame of the write-ahead
    log.
    """
    service = stage.start()
    third = len(stage.cuts) // 3
    for part in range(3):
        stage.play(
            seconds=1.0,
            cuts=stage.cuts[part * third : (part + 1) * third if part < 2 else None],
        )
        if part == 2:
            break
        service.wait(lambda part=part: len(service.rows()) > 30 * (part + 1))  # type: ignore[misc]
        service.kill()
        log = service.journal_path.with_name(service.journal_path.name + "-wal")
        with log.open("ab") as file:
            file.write(os.urandom(24 + 4096 // 2))
        service.start()
    return Done("2 SIGKILL, each with a torn frame behind the last commit")


@scenario("journal is no database, is damaged, is another's", "refused")
def not_a_journal(stage: Stage) -> Done:
    """The service does not start, says why in one line, and leaves the file alone."""
    service = stage.start()
    stage.play(seconds=1.0)
    service.wait_taken(stage.recording)
    assert service.stop()[0] == 0
    stage.stop_watching()
    service.close_reader()
    sqlite3.connect(service.journal_path).execute(
        "PRAGMA wal_checkpoint(TRUNCATE)"
    ).connection.close()
    good = service.journal_path.read_bytes()
    damages = {
        "no database": b"\x89PNG" + bytes(8192),
        "header damaged": os.urandom(100) + good[100:],
        "pages damaged": good[:4096] + os.urandom(len(good) - 4096),
        "cut short": good[: len(good) // 2 + 100],
        "another program's database": good[:68] + b"\x00\x00\x00\x07" + good[72:],
    }
    for name, content in damages.items():
        service.journal_path.write_bytes(content)
        service.log_path.write_text("", encoding="utf-8")
        code, said = service.run_to_end()
        assert code == 2, f"{name}: exit code {code}, {said[-500:]}"
        assert said.count("\n") == 1, f"{name}: {said}"
        assert service.journal_path.name in said, f"{name}: {said}"
        assert service.journal_path.read_bytes() == content, f"{name}: the file was changed"
    service.journal_path.write_bytes(good)
    service.start()
    return Done(", ".join(damages))


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A tmpfs that is soon full."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if (
        os.geteuid() != 0
        or subprocess.run(command, capture_output=True, timeout=10, check=False).returncode
    ):
        raise Skipped("needs root, to mount a small tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)


def _fill(path: Path) -> None:
    """Take all the space there is, and what a checkpoint sets free a moment later."""
    with path.open("wb", buffering=0) as filler:
        for _ in range(2):
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                time.sleep(0.05)
