"""The journal's file as a whole: a copy while the service writes it, putting one back, and giving
free space back to the disk.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from monitor.journal.schema import JournalError, check_ours, claim

PAGES_AT_ONCE = 2000  # copied, before how far it is can be said
SPARE_BYTES = 16 << 20  # left free beside what is known to be needed

OnPages = Callable[[int, int], None]  # pages done, and of how many


@dataclass(frozen=True, slots=True)
class Restored:
    """aside : where the previous journal is kept; None where there was none"""

    n_bytes: int
    aside: Path | None


def backup(path: Path, target: Path, on_pages: OnPages = lambda done, of: None) -> int:
    """Copy the journal, all of one moment, into one file; a service may write it meanwhile.

    The file has its name only once it is whole. Returns its bytes. Raises
    JournalError.
    """
    _check_is_not(path, target)
    with _draft_of(target) as draft:
        _copy(path, draft, on_pages)
    return target.stat().st_size


def restore(
    source: Path, path: Path, on_pages: OnPages = lambda done, of: None
) -> Restored:
    """Put a backup in the journal's place, after a look at all of it; what was there is kept aside.

    Raises JournalError where a service uses the journal, or the file is no
    whole journal.
    """
    _check_is_not(path, source)
    with claim(path):
        with _draft_of(path, is_replaced=False) as draft:
            _copy(source, draft, on_pages)
            _check_whole(draft, source)
            _own_as(path, draft)
            aside = _put_aside(path)
            draft.replace(path)
        return Restored(path.stat().st_size, aside)


def compact(path: Path) -> tuple[int, int]:
    """Rewrite the journal without its free pages: its bytes before and after.

    SQLite does so whole or not at all. Raises JournalError where a service uses
    the journal, or the disk has no room for a second one.
    """
    if not path.exists():
        raise JournalError(f"journal.path = '{path}': there is no such file.")
    with claim(path), _said(path), closing(_opened(path)) as link:
        check_ours(link, path)
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = path.stat().st_size
        page, count, free = (
            link.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        _check_room(path.parent, 2 * page * (count - free))
        # Its second copy belongs where there is known to be room, not in the folder for such files.
        os.environ["SQLITE_TMPDIR"] = str(path.parent.absolute())
        link.execute("VACUUM")
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return before, path.stat().st_size


def _copy(source: Path, draft: Path, on_pages: OnPages) -> None:
    if not source.is_file():
        raise JournalError(f"'{source}': there is no such file.")
    with _said(source), closing(_opened(source, read_only=True)) as link:
        check_ours(link, source)
        link.execute("BEGIN")  # of one moment, though the service goes on
        (n_pages,) = link.execute("PRAGMA page_count").fetchone()
        (page,) = link.execute("PRAGMA page_size").fetchone()
        _check_room(draft.parent, n_pages * page)
        with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
            link.backup(
                copy,
                pages=PAGES_AT_ONCE,
                progress=lambda _, left, total: on_pages(total - left, total),
            )
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it


def _check_whole(draft: Path, source: Path) -> None:
    with _said(source), closing(_opened(draft, read_only=True)) as link:
        found = [text for (text,) in link.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise JournalError(f"'{source}': is damaged: {found[0]}.")


def _put_aside(path: Path) -> Path | None:
    """Keep the journal under a second name, until the copy takes over its first one."""
    if not path.exists():
        return None
    with suppress(sqlite3.Error), closing(_opened(path)) as link:
        link.execute("PRAGMA journal_mode = DELETE")  # its newest rows are in its -wal file
    aside = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    os.link(path, aside)
    for ending in ("-wal", "-shm"):  # of a journal that cannot be opened any more
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _own_as(path: Path, draft: Path) -> None:
    """Who restores may be another user than the service."""
    there = path if path.exists() else path.parent
    draft.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o640)
    with suppress(PermissionError):
        os.chown(draft, there.stat().st_uid, there.stat().st_gid)


@contextmanager
def _draft_of(target: Path, is_replaced: bool = True) -> Iterator[Path]:
    """A file beside the target, that takes its name at the end; nothing is left of it else."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.{time.monotonic_ns()}.part")
    try:
        yield draft
        if is_replaced:
            draft.replace(target)
    except OSError as error:
        raise JournalError(f"'{target}': cannot be written: {error.strerror}.") from error
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            draft.with_name(draft.name + ending).unlink(missing_ok=True)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """SQLite's errors as one sentence that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"'{path}': {error}.") from error


def _opened(path: Path, read_only: bool = False) -> sqlite3.Connection:
    mode = "ro" if read_only else "rw"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30.0)


def _check_is_not(path: Path, other: Path) -> None:
    if other.exists() and path.exists() and other.samefile(path):
        raise JournalError(f"'{other}': is the journal itself.")


def _check_room(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < n_bytes + SPARE_BYTES:
        needed, there = (n_bytes + SPARE_BYTES) / 1e6, free / 1e6
        raise JournalError(
            f"'{folder}': {needed:.0f} MB are needed, {there:.0f} MB are free."
        )
