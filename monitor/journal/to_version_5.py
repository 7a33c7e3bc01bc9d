"""The step from version 4 to 5 (migrations.py): rows become small.

Frozen like every step. What the bytes mean is in maps.py, numbers.py and
samples.py: a later version that packs otherwise does so in modules of its own,
and leaves these to this step.

Version 4 kept maps as float32, spectra in hundredths of a decibel, samples as
float32, and names, scores and figures of quality as text in each row.
"""

from __future__ import annotations

import json
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from monitor.journal.maps import pack_cells, pack_spectra
from monitor.journal.numbers import pack_numbers
from monitor.journal.samples import pack_samples
from monitor.records.evidence import Evidence, Grid
from monitor.records.signal import Float32

N_AT_ONCE = 256  # rows
OLD_STEP_DB = np.float32(0.01)
PERIOD_S = 10.0  # between two sentences on how far it is

log = logging.getLogger(__name__)

Row = tuple[Any, ...]

MAKE = """
ALTER TABLE verdict RENAME TO verdict_4;
ALTER TABLE map RENAME TO map_4;
ALTER TABLE kept_window RENAME TO kept_window_4;
DROP INDEX verdict_by_time;
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
CREATE TABLE map (
    row_id INTEGER PRIMARY KEY REFERENCES verdict_row,
    grid_id INTEGER NOT NULL REFERENCES grid,
    cells BLOB NOT NULL, spectrum BLOB);
CREATE TABLE kept_window (
    row_id INTEGER PRIMARY KEY REFERENCES verdict_row,
    n_channels INTEGER NOT NULL, sample_rate_hz REAL NOT NULL,
    why TEXT NOT NULL, n_bytes INTEGER NOT NULL, samples BLOB NOT NULL)
"""

# Labels and the like referred to the table that was renamed, and follow its name there and back.
FINISH = """
CREATE INDEX verdict_by_time ON verdict_row (sensor_id, end_ns);
DELETE FROM sqlite_sequence WHERE name = 'verdict_row';
UPDATE sqlite_sequence SET name = 'verdict_row' WHERE name = 'verdict_4';
DROP TABLE kept_window_4;
DROP TABLE map_4;
DROP TABLE verdict_4;
ALTER TABLE verdict_row RENAME TO verdict_4;
ALTER TABLE verdict_4 RENAME TO verdict_row;
CREATE VIEW verdict AS SELECT
    row_id, name AS sensor, segment, first_sample, n_samples, start_ns, end_ns, status, reason,
    kinds, scores, band_low_hz, band_high_hz, band_share, alarm, running, model_id, continuity,
    quality_names, quality, geometry_id, commissioning_id, sensor_id
    FROM verdict_row LEFT JOIN sensor USING (sensor_id) LEFT JOIN manner USING (manner_id)
"""

VERDICTS = (
    "SELECT row_id, sensor, model_id, geometry_id, continuity, evidence, quality, segment,"
    " first_sample, n_samples, start_ns, end_ns, status, reason, band_low_hz, band_high_hz,"
    " band_share, alarm, running, commissioning_id"
    " FROM verdict_4 WHERE row_id > ? ORDER BY row_id LIMIT ?"
)
INSERT_VERDICT = f"INSERT INTO verdict_row VALUES ({', '.join('?' * 18)})"
MAPS = (
    "SELECT row_id, grid_id, f_edges_hz, t_edges_s, cells, spectrum, evidence"
    " FROM map_4 JOIN verdict_4 USING (row_id) JOIN grid USING (grid_id)"
    " WHERE row_id > ? ORDER BY row_id LIMIT ?"
)
KEPT = "SELECT * FROM kept_window_4 WHERE row_id > ? ORDER BY row_id LIMIT ?"


def to_version_5(link: sqlite3.Connection, on_update: Callable[[], None]) -> None:
    for statement in MAKE.split(";\n"):
        link.execute(statement)
    _copy_verdicts(link, _chunks(link, "verdict_4", VERDICTS, "verdicts", on_update))
    _copy_maps(link, _chunks(link, "map_4", MAPS, "maps", on_update))
    kept = _chunks(link, "kept_window_4", KEPT, "kept windows", on_update, 16)
    for chunk in kept:
        rows = [(*row[:4], *_packed_samples(row[1], row[5])) for row in chunk]
        link.executemany("INSERT INTO kept_window VALUES (?, ?, ?, ?, ?, ?)", rows)
    for statement in FINISH.split(";\n"):
        link.execute(statement)


def _chunks(
    link: sqlite3.Connection,
    table: str,
    query: str,
    what: str,
    on_update: Callable[[], None],
    n_at_once: int = N_AT_ONCE,
) -> Iterator[list[Row]]:
    """A table's rows, some at once. Says now and then how far it is."""
    (n_all,) = link.execute(f"SELECT count(*) FROM {table}").fetchone()
    last, n_done, told_s = -(2**63), 0, time.monotonic()
    while chunk := link.execute(query, (last, n_at_once)).fetchall():
        yield chunk
        last, n_done = chunk[-1][0], n_done + len(chunk)
        on_update()
        if time.monotonic() - told_s > PERIOD_S:
            log.warning(
                "Bringing the journal up to date: %d of %d %s.", n_done, n_all, what
            )
            told_s = time.monotonic()


def _copy_verdicts(link: sqlite3.Connection, chunks: Iterator[list[Row]]) -> None:
    sensors: dict[tuple[str, ...], int] = {}
    manners: dict[tuple[str, ...], int] = {}
    for chunk in chunks:
        rows = []
        for row in chunk:
            row_id, sensor, *manner, evidence, quality = row[:7]
            found, figures = json.loads(evidence), json.loads(quality)
            kinds = json.dumps(
                [[kind, unit, bool(rest[-1])] for kind, unit, *rest in found]
            )
            key = (*manner, kinds, json.dumps(list(figures)))
            sensor_id = _id(link, sensors, "sensor", (sensor,))
            manner_id = _id(link, manners, "manner", key)
            scores = pack_numbers([number for one in found for number in one[2:6]])
            figured = pack_numbers(list(figures.values()))
            ids = (row_id, sensor_id, manner_id)
            rows.append((*ids, *row[7:14], scores, *row[14:19], figured, row[19]))
        link.executemany(INSERT_VERDICT, rows)


def _id(
    link: sqlite3.Connection,
    known: dict[tuple[str, ...], int],
    table: str,
    key: tuple[str, ...],
) -> int:
    if key not in known:
        marks = ", ".join("?" * len(key))
        known[key] = len(known) + 1
        link.execute(f"INSERT INTO {table} VALUES (?, {marks})", (known[key], *key))
    return known[key]


def _copy_maps(link: sqlite3.Connection, chunks: Iterator[list[Row]]) -> None:
    n_left_out = 0
    for chunk in chunks:
        read = [_old_maps(*row[2:]) for row in chunk]
        whole = [
            (row, *maps) for row, maps in zip(chunk, read, strict=True) if maps is not None
        ]
        n_left_out += len(chunk) - len(whole)
        cells = iter(pack_cells([one for _, evidence, _ in whole for one in evidence]))
        spectra = iter(pack_spectra([levels for *_, levels in whole if levels is not None]))
        rows = [
            (
                *row[:2],
                b"".join(next(cells) for _ in evidence),
                None if levels is None else next(spectra),
            )
            for row, evidence, levels in whole
        ]
        link.executemany("INSERT INTO map VALUES (?, ?, ?, ?)", rows)
    if n_left_out:
        log.warning("%d of the journal's maps are damaged, and left out.", n_left_out)


def _old_maps(
    f_edges: str, t_edges: str, cells: bytes, spectrum: bytes | None, evidence: str
) -> tuple[list[Evidence], Float32 | None] | None:
    """A row's evidence with its maps, and its spectrum; None where these are damaged."""
    shape = Grid(tuple(json.loads(f_edges)), tuple(json.loads(t_edges))).shape
    kinds, n_cells = json.loads(evidence), math.prod(shape)
    if len(cells) != 4 * n_cells * len(kinds) or len(spectrum or b"") % (2 * n_cells):
        return None
    maps = np.frombuffer(cells, "<f4").reshape(-1, *shape)
    found = [
        Evidence(kind, unit, score, threshold, one, bias)
        for (kind, unit, score, threshold, bias, *_), one in zip(kinds, maps, strict=True)
    ]
    if spectrum is None:
        return found, None
    return found, np.frombuffer(spectrum, "<i2").reshape(-1, *shape) * OLD_STEP_DB


def _packed_samples(n_channels: int, blob: bytes) -> tuple[int, bytes]:
    """How many bytes, and these."""
    packed = pack_samples(np.frombuffer(blob, "<f4").reshape(n_channels, -1))
    return len(packed), packed
