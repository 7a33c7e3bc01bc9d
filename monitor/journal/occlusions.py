"""What the logit of a window that raised an alarm would be without parts of it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import astuple

import numpy as np

from monitor.journal.older import has_table
from monitor.records.evidence import Grid
from monitor.records.occlusion import Occlusion, WithoutBand

TABLE = """
CREATE TABLE IF NOT EXISTS occlusion (
    row_id INTEGER PRIMARY KEY REFERENCES verdict_row,
    grid_id INTEGER NOT NULL REFERENCES grid, falls BLOB NOT NULL, bands TEXT NOT NULL);
"""
_INSERT = "INSERT OR IGNORE INTO occlusion VALUES (?, ?, ?, ?)"
_READ = (
    "SELECT f_edges_hz, t_edges_s, falls, bands FROM occlusion JOIN grid USING (grid_id)"
    " WHERE row_id = ?"
)
_NEWEST = (
    "SELECT row_id FROM occlusion JOIN verdict_row USING (row_id)"
    " JOIN sensor USING (sensor_id) WHERE name = ? AND end_ns BETWEEN ? AND ?"
    " ORDER BY end_ns DESC LIMIT 1"
)


def store_occlusion(
    link: sqlite3.Connection, row_id: int, grid_id: int, found: Occlusion
) -> None:
    """Within the caller's transaction."""
    bands = json.dumps([astuple(band) for band in found.bands])
    row = row_id, grid_id, found.falls.astype("<f4").tobytes(), bands
    link.execute(_INSERT, row)


def occlusion_of(link: sqlite3.Connection, row_id: int) -> Occlusion | None:
    """Of a window; None where it raised no alarm, or had no network or baseline."""
    if not has_table(link, "occlusion"):
        return None
    found = link.execute(_READ, (row_id,)).fetchone()
    if found is None:
        return None
    f_edges, t_edges, falls, bands = found
    grid = Grid(tuple(json.loads(f_edges)), tuple(json.loads(t_edges)))
    named = tuple(WithoutBand(*band) for band in json.loads(bands))
    return Occlusion(grid, np.frombuffer(falls, "<f4").reshape(grid.shape), named)


def newest_occluded(
    link: sqlite3.Connection, sensor: str, from_ns: int, to_ns: int
) -> int | None:
    """The row of a sensor's newest window that has one, of those that ended in a span of time."""
    if not has_table(link, "occlusion"):
        return None
    found = link.execute(_NEWEST, (sensor, from_ns, to_ns)).fetchone()
    return None if found is None else int(found[0])
