"""What rows have in common, stored once: sensors' names, grids, and manners of judging."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.records.evidence import Grid
from monitor.records.verdict import Verdict

MANNER_COLUMNS = ("model_id", "geometry_id", "continuity", "kinds", "quality_names")


@dataclass(frozen=True, slots=True)
class Manner:
    """What the verdicts of one sensor have in common as long as nothing is changed.

    kinds : of its evidence, in their order: kind, unit and whether it decides
    quality : names of its figures of quality
    """

    model_id: str
    geometry_id: str
    continuity: str
    kinds: tuple[tuple[str, str, bool], ...]
    quality: tuple[str, ...]

    @classmethod
    def of(cls, verdict: Verdict) -> Manner:
        return cls(
            verdict.model_id,
            verdict.geometry_id,
            verdict.continuity,
            tuple((found.kind, found.unit, found.decides) for found in verdict.evidence),
            tuple(verdict.quality),
        )

    def columns(self) -> tuple[str, ...]:
        kinds, quality = json.dumps(self.kinds), json.dumps(self.quality)
        return self.model_id, self.geometry_id, self.continuity, kinds, quality


class SideTables:
    """Ids of what rows name, used by one writer. A new one is stored within its transaction."""

    def __init__(self) -> None:
        self._sensors: dict[str, int] = {}
        self._grids: dict[Grid, int] = {}
        self._manners: dict[Manner, int] = {}

    def clear(self) -> None:
        """After a rollback: what it took with it is no longer there."""
        self._sensors.clear()
        self._grids.clear()
        self._manners.clear()

    def sensor_id(self, link: sqlite3.Connection, name: str) -> int:
        if name not in self._sensors:
            self._sensors[name] = _id(link, "sensor", ["name"], [name])
        return self._sensors[name]

    def grid_id(self, link: sqlite3.Connection, grid: Grid) -> int:
        if grid not in self._grids:
            edges = [json.dumps(grid.f_edges_hz), json.dumps(grid.t_edges_s)]
            self._grids[grid] = _id(link, "grid", ["f_edges_hz", "t_edges_s"], edges)
        return self._grids[grid]

    def manner_id(self, link: sqlite3.Connection, manner: Manner) -> int:
        if manner not in self._manners:
            self._manners[manner] = _id(link, "manner", MANNER_COLUMNS, manner.columns())
        return self._manners[manner]


def _id(
    link: sqlite3.Connection, table: str, columns: Sequence[str], values: Sequence[str]
) -> int:
    """Of the row with these values; makes it where there is none."""
    marks = ", ".join("?" * len(values))
    names = ", ".join(columns)
    link.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", values)
    query = f"SELECT {table}_id FROM {table} WHERE ({names}) = ({marks})"
    return int(link.execute(query, values).fetchone()[0])
