"""The journal's tables, and opening the file that holds them. One SQLite file in WAL mode is all
that lasts.
"""

from __future__ import annotations

import fcntl
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from monitor.journal import (
    diagnoses,
    healthy,
    indicators,
    occlusions,
    promises,
    refusals,
    tail_records,
    taken_over,
    trend_tables,
)
from monitor.journal.migrations import MIGRATIONS

APPLICATION_ID = 0x43414D53  # "CAMS": tells our file from any other SQLite database
END_NS = 2**63 - 1  # no later time can be stored
VERSION = 5  # migrations.py brings older journals up to date

# Of a verdict, verdict_row holds what is its own, in few bytes; the view joins the rest. Where a
# view is slower than its table (counting, grouping, the right side of a join), the table is asked.
# maps.py says what cells and spectrum are, numbers.py scores and quality, samples.py samples.
SCHEMA = """
CREATE TABLE grid (
    grid_id INTEGER PRIMARY KEY,
    f_edges_hz TEXT NOT NULL, t_edges_s TEXT NOT NULL,
    UNIQUE (f_edges_hz, t_edges_s));
CREATE TABLE sensor (sensor_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE manner (
    manner_id INTEGER PRIMARY KEY,
    model_id TEXT NOT NULL, geometry_id TEXT NOT NULL, continuity TEXT NOT NULL,
    kinds TEXT NOT NULL, quality_names TEXT NOT NULL,
    UNIQUE (model_id, geometry_id, continuity, kinds, quality_names));
CREATE TABLE verdict_row (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor_id INTEGER NOT NULL REFERENCES sensor,
    manner_id INTEGER NOT NULL REFERENCES manner,
    segment INTEGER NOT NULL, first_sample INTEGER NOT NULL, n_samples INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL, scores BLOB NOT NULL,
    band_low_hz REAL, band_high_hz REAL, band_share REAL,
    alarm TEXT NOT NULL, running INTEGER, quality BLOB NOT NULL, commissioning_id INTEGER,
    UNIQUE (sensor_id, segment, first_sample, n_samples));
CREATE INDEX verdict_by_time ON verdict_row (sensor_id, end_ns);
CREATE VIEW verdict AS SELECT
    row_id, name AS sensor, segment, first_sample, n_samples, start_ns, end_ns, status, reason,
    kinds, scores, band_low_hz, band_high_hz, band_share, alarm, running, model_id, continuity,
    quality_names, quality, geometry_id, commissioning_id, sensor_id
    FROM verdict_row LEFT JOIN sensor USING (sensor_id) LEFT JOIN manner USING (manner_id);
CREATE TABLE map (
    row_id INTEGER PRIMARY KEY REFERENCES verdict_row,
    grid_id INTEGER NOT NULL REFERENCES grid,
    cells BLOB NOT NULL, spectrum BLOB);
CREATE TABLE kept_window (
    row_id INTEGER PRIMARY KEY REFERENCES verdict_row,
    n_channels INTEGER NOT NULL, sample_rate_hz REAL NOT NULL,
    why TEXT NOT NULL, n_bytes INTEGER NOT NULL, samples BLOB NOT NULL);
CREATE TABLE bad_payload (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received_ns INTEGER NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, n_bytes INTEGER NOT NULL, head BLOB NOT NULL);
CREATE TABLE stream (
    sensor TEXT PRIMARY KEY,
    position TEXT NOT NULL, keys TEXT NOT NULL, alarm_recent TEXT NOT NULL,
    alarm_raised INTEGER NOT NULL, n_waiting INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tail (
    sensor TEXT NOT NULL, segment INTEGER NOT NULL,
    first_sample INTEGER NOT NULL, n_samples INTEGER NOT NULL,
    n_channels INTEGER NOT NULL, samples BLOB NOT NULL,
    PRIMARY KEY (sensor, segment, first_sample));
CREATE TABLE delivered (delivery_key INTEGER PRIMARY KEY, digest INTEGER NOT NULL);
CREATE TABLE book (
    sensor TEXT NOT NULL, fate TEXT NOT NULL, reason TEXT NOT NULL,
    n_samples INTEGER NOT NULL,
    PRIMARY KEY (sensor, fate, reason)) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE event (
    event_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ns INTEGER NOT NULL, sensor TEXT NOT NULL, kind TEXT NOT NULL,
    text TEXT NOT NULL, model_id TEXT NOT NULL);
CREATE TABLE health (
    health_id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ns INTEGER NOT NULL, fields TEXT NOT NULL);
CREATE TABLE commissioning (
    commissioning_id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor TEXT NOT NULL, at_ns INTEGER NOT NULL, n_windows INTEGER NOT NULL,
    after_row INTEGER, false_alarm_rate REAL,
    settled_ns INTEGER, error TEXT,
    f_edges_hz TEXT, low_db BLOB, high_db BLOB,
    novelty_threshold REAL, logit_threshold REAL, model_id TEXT,
    running_limit_ms2 REAL, undone_ns INTEGER,
    from_ns INTEGER, to_ns INTEGER, author TEXT NOT NULL DEFAULT '',
    even_so TEXT, geometry TEXT);
CREATE TABLE label (
    label_id INTEGER PRIMARY KEY AUTOINCREMENT,
    row_id INTEGER NOT NULL REFERENCES verdict_row, at_ns INTEGER NOT NULL,
    word TEXT NOT NULL, failure_mode TEXT NOT NULL,
    author TEXT NOT NULL, comment TEXT NOT NULL);
CREATE INDEX label_by_row ON label (row_id);
CREATE TABLE output_cursor (
    output TEXT NOT NULL, kind TEXT NOT NULL, cursor INTEGER NOT NULL,
    n_accepted INTEGER NOT NULL, n_rejected INTEGER NOT NULL,
    PRIMARY KEY (output, kind)) WITHOUT ROWID;
CREATE TABLE dead_letter (
    output TEXT NOT NULL, kind TEXT NOT NULL, row_id INTEGER NOT NULL,
    at_ns INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (output, kind, row_id)) WITHOUT ROWID;
CREATE TABLE notified (
    output TEXT NOT NULL, sensor TEXT NOT NULL, state TEXT NOT NULL,
    raised_ns INTEGER, held_event INTEGER, n_held INTEGER NOT NULL,
    PRIMARY KEY (output, sensor)) WITHOUT ROWID;
"""

# Older programs do well without these tables, so they make no new version.
LATER_TABLES = """
CREATE TABLE IF NOT EXISTS part (
    topic TEXT NOT NULL, series TEXT NOT NULL, number INTEGER NOT NULL,
    count INTEGER, checksum TEXT NOT NULL,
    received_ns INTEGER NOT NULL, properties TEXT NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (topic, series, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS window_context (
    row_id INTEGER PRIMARY KEY REFERENCES verdict_row, fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS told_context (
    name TEXT NOT NULL, machine TEXT NOT NULL, point TEXT NOT NULL,
    value TEXT NOT NULL, at_ns INTEGER NOT NULL, valid_ns INTEGER NOT NULL,
    PRIMARY KEY (name, machine, point)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS birth (topic TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscription (topic_filter TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS announced (topic TEXT PRIMARY KEY, payload TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS resend (
    output TEXT NOT NULL, kind TEXT NOT NULL, row_id INTEGER NOT NULL,
    PRIMARY KEY (output, kind, row_id)) WITHOUT ROWID;
"""
LATER_TABLES += refusals.TABLE + indicators.TABLE + diagnoses.TABLE + promises.TABLES
LATER_TABLES += occlusions.TABLE
LATER_TABLES += trend_tables.TABLES + healthy.TABLE + tail_records.TABLE + taken_over.TABLES
LATER_TABLES += """
CREATE TABLE IF NOT EXISTS mute (
    mute_id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor TEXT NOT NULL, at_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,
    author TEXT NOT NULL, reason TEXT NOT NULL, ended_ns INTEGER);
CREATE TABLE IF NOT EXISTS repair (
    repair_id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor TEXT NOT NULL, at_ns INTEGER NOT NULL,
    author TEXT NOT NULL, done TEXT NOT NULL, checked_ns INTEGER);
CREATE TABLE IF NOT EXISTS diagnosis_ask (
    ask_id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor TEXT NOT NULL, at_ns INTEGER NOT NULL, author TEXT NOT NULL,
    answered_ns INTEGER, answer TEXT);
CREATE TABLE IF NOT EXISTS in_use (
    one INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL,
    salt BLOB NOT NULL, leaves TEXT NOT NULL, refused TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reload_order (
    order_id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, author TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS source_position (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, n_partitions INTEGER NOT NULL,
    next_offset INTEGER NOT NULL, leader_epoch INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fence (one INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
"""


# Of a verdict: the commissioning that judged it was undone since.
UNDONE = (
    "(commissioning_id IN (SELECT commissioning_id FROM commissioning WHERE undone_ns IS NOT NULL))"
    " IS TRUE"
)

# Of one sensor's rows, in the order of its stream. Its clock may have stepped back meanwhile: by
# time the row before the step would stay the newest for as long.
NEWEST_FIRST = "ORDER BY segment DESC, first_sample DESC, n_samples DESC"

STEPS_PER_CALL = 5_000_000  # of SQLite's machine: a fraction of a second

log = logging.getLogger(__name__)


class JournalError(Exception):
    """The journal cannot be used now; str() is one sentence that says why."""


def connect(path: Path, on_update: Callable[[], None] | None = None) -> sqlite3.Connection:
    """Open the journal for writing; make it where there is none.

    on_update : bring an older version up to date, whole or not at all, and call
        this now and then meanwhile. For the service alone, which has claimed
        the journal: under a running service of the older program it would
        break. None refuses an older version
    Raises JournalError if the file is something else, damaged, or of another
    version.
    """
    try:
        link = sqlite3.connect(
            path, isolation_level=None, timeout=30.0, check_same_thread=False
        )
        link.execute("PRAGMA journal_mode = WAL")
        link.execute("PRAGMA synchronous = FULL")
        link.execute("PRAGMA wal_autocheckpoint = 4000")
        _prepare(link, path, on_update)
    except sqlite3.Error as error:
        raise JournalError(f"journal.path = '{path}': {_plain(error)}.") from error
    return link


def claim(path: Path) -> IO[str]:
    """Hold the journal for this process, as long as the returned file stays open: two services
    would tear its streams.

    Raises JournalError where another service holds it.
    """
    lock_path = path.with_name(path.name + ".lock")
    try:
        lock = lock_path.open("w", encoding="ascii")
    except OSError as error:
        raise JournalError(
            f"journal.path = '{path}': cannot be written: {error.strerror}."
        ) from error
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalError(
            f"journal.path = '{path}': another Camshaft service uses it."
        ) from error
    return lock


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open an existing journal for reading only. Raises JournalError."""
    if not path.exists():
        raise JournalError(
            f"journal.path = '{path}': there is no such file; has the service run yet?"
        )
    try:
        link = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=30.0,
            check_same_thread=False,
        )
        _check(link, path)
    except sqlite3.Error as error:
        raise JournalError(f"journal.path = '{path}': {_plain(error)}.") from error
    return link


def connect_existing(path: Path) -> sqlite3.Connection:
    """Open a journal that is there for writing. Raises JournalError."""
    connect_read_only(path).close()  # connect would make one
    return connect(path)


@contextmanager
def transaction(link: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing. Raises JournalError where SQLite cannot write."""
    try:
        link.execute("BEGIN IMMEDIATE")
        try:
            yield link
            link.execute("COMMIT")
        except BaseException:
            if link.in_transaction:
                link.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise JournalError(f"the journal cannot be written: {error}.") from error


@contextmanager
def reading() -> Iterator[None]:
    """Raises JournalError where SQLite cannot read."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"the journal cannot be read: {error}.") from error


@contextmanager
def one_moment(link: sqlite3.Connection) -> Iterator[None]:
    """All that is read inside is of one moment."""
    link.execute("BEGIN")
    try:
        yield
    finally:
        if link.in_transaction:
            link.execute("ROLLBACK")


def _prepare(
    link: sqlite3.Connection, path: Path, on_update: Callable[[], None] | None
) -> None:
    link.execute("BEGIN IMMEDIATE")  # two processes may open a new journal at once
    try:
        if not link.execute("SELECT 1 FROM sqlite_schema").fetchone():
            for statement in SCHEMA.split(";\n"):
                link.execute(statement)
            link.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            link.execute(f"PRAGMA user_version = {VERSION}")
        if on_update is not None:
            _bring_up_to_date(link, path, on_update)
        _check(link, path)
        for statement in LATER_TABLES.split(";\n"):
            link.execute(statement)
        link.execute("COMMIT")
    except BaseException:
        link.execute("ROLLBACK")
        raise


def _bring_up_to_date(
    link: sqlite3.Connection, path: Path, on_update: Callable[[], None]
) -> None:
    """Within the caller's transaction."""
    if _version(link, path) == VERSION:
        return
    size_mb = path.stat().st_size / 1e6
    log.warning("Bringing the journal up to date, %.0f MB; this is done once.", size_mb)
    link.set_progress_handler(on_update, STEPS_PER_CALL)
    try:
        while (version := _version(link, path)) < VERSION:
            MIGRATIONS[version](link, on_update)
            link.execute(f"PRAGMA user_version = {version + 1}")
    finally:
        link.set_progress_handler(None, 0)


def _check(link: sqlite3.Connection, path: Path) -> None:
    """Raises JournalError for a file that is not ours, or of another version than ours."""
    version = _version(link, path)
    if version < VERSION:
        raise JournalError(
            f"journal.path = '{path}': has version {version}, this program works with version"
            f" {VERSION}: start the service once, it brings the journal up to date."
        )


def check_ours(link: sqlite3.Connection, path: Path) -> None:
    """Raises JournalError for a file that is no journal, or newer than this program."""
    _version(link, path)


def _version(link: sqlite3.Connection, path: Path) -> int:
    """The schema's version. Raises JournalError for a file that is not ours, or newer."""
    (application,) = link.execute("PRAGMA application_id").fetchone()
    (version,) = link.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise JournalError(
            f"journal.path = '{path}': is a database, but not a Camshaft journal."
        )
    if version > VERSION:
        raise JournalError(
            f"journal.path = '{path}': has version {version}; this program knows versions up to"
            f" {VERSION}: update it."
        )
    return int(version)


def _plain(error: sqlite3.Error) -> str:
    return str(error) or type(error).__name__
