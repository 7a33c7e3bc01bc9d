"""Steps that bring a journal of an older version up to date, each from version n to n + 1.

They run inside one transaction: a journal is brought up to date whole, or stays
as it was.

Frozen history: a step makes the tables that its version had, whatever schema.py
says today. So a released step is never edited; what changes after it is a step
of its own.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable

from monitor.journal.to_version_5 import to_version_5

OnUpdate = Callable[[], None]  # to be called now and then where SQLite is not at work


def _to_version_2(link: sqlite3.Connection, _: OnUpdate) -> None:
    """Version 1 (program 0.1.0) knew two kinds of evidence, one InfluxDB and webhooks."""
    link.create_function("evidence_of", 6, _evidence_of, deterministic=True)
    link.create_function("cells_of", 2, _cells_of, deterministic=True)
    for script in (_TO_VERSION_2, _OUTPUTS_OF_VERSION_2, _OUTPUTS_TO_VERSION_2):
        for statement in script.split(";\n"):
            link.execute(statement)


def _to_version_3(link: sqlite3.Connection, _: OnUpdate) -> None:
    """Version 2 (program 0.2.0) did not know by which geometry and commissioning it judged."""
    for statement in _TO_VERSION_3.split(";\n"):
        link.execute(statement)


def _to_version_4(link: sqlite3.Connection, _: OnUpdate) -> None:
    """Version 3 compared a sensor with the mean and deviation of its bands, not with their range.

    A range of two deviations to each side holds what the windows showed. Their
    threshold was of another score: it is 0, and what other machines show holds
    until the sensor is commissioned again, which an event asks for.
    """
    link.create_function("less_two", 2, lambda mean, std: _shifted(mean, std, -2))
    link.create_function("plus_two", 2, lambda mean, std: _shifted(mean, std, 2))
    for statement in _TO_VERSION_4.split(";\n"):
        link.execute(statement)


def _shifted(mean: bytes | None, std: bytes | None, n_deviations: int) -> bytes | None:
    """Of little-endian float32 each."""
    if mean is None or std is None:
        return None
    n = len(mean) // 4
    pairs = zip(struct.unpack(f"<{n}f", mean), struct.unpack(f"<{n}f", std), strict=True)
    return struct.pack(f"<{n}f", *(m + n_deviations * s for m, s in pairs))


def _evidence_of(
    logit: float | None,
    threshold: float | None,
    bias: float | None,
    residual: float | None,
    novelty: float | None,
    novelty_threshold: float | None,
) -> str:
    """The verdict's evidence as writer.pack_evidence writes it."""
    found: list[list[object]] = []
    if logit is not None:
        found.append(
            ["network", "logit", logit, threshold, bias or 0.0, residual or 0.0, 1]
        )
    if novelty is not None:
        found.append(["novelty", "novelty", novelty, novelty_threshold, 0.0, 0.0, 1])
    return json.dumps(found, separators=(",", ":"))


def _cells_of(contribution: bytes | None, novelty: bytes | None) -> bytes:
    """The maps of all evidence, one after another."""
    return (contribution or b"") + (novelty or b"")


_TO_VERSION_2 = """
ALTER TABLE evidence RENAME TO kept_window;
ALTER TABLE packet RENAME TO delivered;
ALTER TABLE delivered RENAME COLUMN packet_id TO delivery_key;
ALTER TABLE verdict RENAME TO verdict_1;
DROP INDEX verdict_by_time;
CREATE TABLE verdict (
    row_id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor TEXT NOT NULL, segment INTEGER NOT NULL,
    first_sample INTEGER NOT NULL, n_samples INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    band_low_hz REAL, band_high_hz REAL, band_share REAL,
    alarm TEXT NOT NULL, running INTEGER, model_id TEXT NOT NULL,
    continuity TEXT NOT NULL, quality TEXT NOT NULL,
    UNIQUE (sensor, segment, first_sample, n_samples));
INSERT INTO verdict SELECT
    row_id, sensor, segment, first_sample, n_samples, start_ns, end_ns, status, reason,
    evidence_of(logit, threshold, bias, residual, novelty, novelty_threshold),
    band_low_hz, band_high_hz, band_share, alarm, running, model_id, continuity, quality
    FROM verdict_1;
UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'verdict_1')
    WHERE name = 'verdict';
CREATE INDEX verdict_by_time ON verdict (sensor, end_ns);
ALTER TABLE map RENAME TO map_1;
CREATE TABLE map (
    row_id INTEGER PRIMARY KEY REFERENCES verdict,
    grid_id INTEGER NOT NULL REFERENCES grid,
    cells BLOB NOT NULL, spectrum BLOB);
INSERT INTO map SELECT row_id, grid_id, cells_of(contribution, novelty), spectrum FROM map_1;
DROP TABLE map_1;
DROP TABLE verdict_1
"""

_OUTPUTS_OF_VERSION_2 = """
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

_OUTPUTS_TO_VERSION_2 = """
INSERT INTO output_cursor SELECT 'influx', kind, cursor, n_accepted, n_rejected FROM delivery;
INSERT INTO output_cursor
    SELECT 'webhook.' || name, 'event', cursor, n_accepted, n_rejected FROM webhook;
INSERT INTO dead_letter SELECT 'influx', kind, row_id, at_ns, reason FROM parked;
INSERT INTO notified
    SELECT 'webhook.' || webhook, sensor, state, raised_ns, held_event, n_held FROM told;
DROP TABLE delivery;
DROP TABLE parked;
DROP TABLE webhook;
DROP TABLE told
"""

# Step 2 renamed the verdict table, and SQLite lets what refers to a renamed table follow it: kept
# windows and labels referred to verdict_1. Renaming forth and back takes their references along.
_TO_VERSION_3 = """
ALTER TABLE verdict RENAME TO verdict_1;
ALTER TABLE verdict_1 RENAME TO verdict;
ALTER TABLE verdict ADD COLUMN geometry_id TEXT NOT NULL DEFAULT '';
ALTER TABLE verdict ADD COLUMN commissioning_id INTEGER;
ALTER TABLE commissioning ADD COLUMN from_ns INTEGER;
ALTER TABLE commissioning ADD COLUMN to_ns INTEGER;
ALTER TABLE commissioning ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE commissioning ADD COLUMN even_so TEXT;
ALTER TABLE commissioning ADD COLUMN geometry TEXT
"""

# SQLite computes all right-hand sides of a SET from the row as it was.
_TO_VERSION_4 = """
ALTER TABLE commissioning RENAME COLUMN mean_db TO low_db;
ALTER TABLE commissioning RENAME COLUMN std_db TO high_db;
UPDATE commissioning SET
    low_db = less_two(low_db, high_db), high_db = plus_two(low_db, high_db),
    novelty_threshold = iif(novelty_threshold IS NULL, NULL, 0.0),
    false_alarm_rate = iif(settled_ns IS NULL, false_alarm_rate, NULL);
INSERT INTO event (at_ns, sensor, kind, text, model_id) SELECT
    max(settled_ns), sensor, 'novelty_changed',
    'novelty is another score since this update: the baseline was carried over, with the'
    || ' threshold of other machines; commission the sensor again to have its own',
    coalesce(model_id, '')
    FROM commissioning WHERE settled_ns IS NOT NULL AND error IS NULL AND undone_ns IS NULL
    GROUP BY sensor
"""

MIGRATIONS: dict[int, Callable[[sqlite3.Connection, OnUpdate], None]] = {
    1: _to_version_2,
    2: _to_version_3,
    3: _to_version_4,
    4: to_version_5,
}
