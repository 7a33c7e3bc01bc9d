"""Reading the journal, from any process: verdicts with their maps, evidence, books."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from monitor.journal.diagnoses import newest_diagnosis
from monitor.journal.indicators import indicators_of
from monitor.journal.maps import unpack_cells, unpack_spectrum
from monitor.journal.mutes import Mute, standing
from monitor.journal.numbers import unpack_numbers
from monitor.journal.occlusions import newest_occluded, occlusion_of
from monitor.journal.places import ID_OF_KIND, TABLE_OF_KIND, furthest_behind
from monitor.journal.refusals import Refusal, refusals
from monitor.journal.samples import unpack_samples
from monitor.journal.schema import END_NS, UNDONE, connect_read_only, one_moment, reading
from monitor.journal.taken_over import taken_over
from monitor.journal.window_context import context_of
from monitor.journal.writer import POINTS
from monitor.records.batch import TROUBLES
from monitor.records.books import Books, RowCounts
from monitor.records.context import Context
from monitor.records.diagnosis import Diagnosed
from monitor.records.evidence import NO_CELLS, Evidence, Grid
from monitor.records.occlusion import Occlusion
from monitor.records.signal import Float32
from monitor.records.verdict import Band, Status, Verdict

VERDICT_COLUMNS = (
    "sensor",
    "segment",
    "first_sample",
    "n_samples",
    "start_ns",
    "end_ns",
    "status",
    "reason",
    "kinds",
    "scores",
    "band_low_hz",
    "band_high_hz",
    "band_share",
    "alarm",
    "running",
    "model_id",
    "continuity",
    "quality_names",
    "quality",
    "geometry_id",
    "commissioning_id",
)
SELECT_VERDICT = (
    f"SELECT row_id, {', '.join('v.' + name for name in VERDICT_COLUMNS)}, g.f_edges_hz,"
    f" g.t_edges_s, m.cells, m.spectrum, {UNDONE} FROM verdict v LEFT JOIN map m USING"
    " (row_id) LEFT JOIN grid g USING (grid_id) "
)


@dataclass(frozen=True, slots=True)
class Row:
    """A verdict as the journal holds it.

    is_undone : the commissioning that judged it was undone since
    """

    row_id: int
    verdict: Verdict
    is_undone: bool


class JournalReader:
    """Read-only view of a journal that a service may be writing. Raises JournalError."""

    def __init__(self, path: Path) -> None:
        self._link = connect_read_only(path)

    def close(self) -> None:
        self._link.close()

    def rows(
        self, sensor: str | None = None, after_row: int = 0, limit: int = -1
    ) -> Iterator[Row]:
        """Verdicts with maps, oldest first."""
        query = (
            SELECT_VERDICT
            + "WHERE row_id > ? AND (? IS NULL OR v.sensor = ?) ORDER BY row_id LIMIT ?"
        )
        for found in self._execute(query, (after_row, sensor, sensor, limit)):
            yield read_row(found)

    def row(self, row_id: int) -> Row | None:
        found = self._execute(SELECT_VERDICT + "WHERE row_id = ?", (row_id,)).fetchone()
        return None if found is None else read_row(found)

    def latest(self) -> dict[str, Row]:
        """Each sensor's newest verdict."""
        query = (
            SELECT_VERDICT
            + "WHERE row_id IN (SELECT max(row_id) FROM verdict_row GROUP BY sensor_id)"
            " ORDER BY v.sensor"
        )
        return {row.verdict.sensor: row for row in map(read_row, self._execute(query))}

    def troubles(self) -> dict[str, tuple[int, str]]:
        """What was told last that a person should put right, by sensor: when, and the sentence."""
        marks = ", ".join("?" * len(TROUBLES))
        query = (
            "SELECT sensor, at_ns, text FROM event WHERE event_id IN (SELECT max(event_id) FROM"
            f" event WHERE kind IN ({marks}) AND sensor != '' GROUP BY sensor)"
        )
        return {
            sensor: (at_ns, text) for sensor, at_ns, text in self._execute(query, TROUBLES)
        }

    def taken_over(self) -> str:
        """What was taken over of another journal and what was not; '' where nothing was."""
        with reading():
            return taken_over(self._link)

    def last_row_id(self) -> int:
        return int(
            self._execute("SELECT coalesce(max(row_id), 0) FROM verdict_row").fetchone()[0]
        )

    def kept_window(self, row_id: int) -> tuple[Float32, float] | None:
        """Raw samples (n_channels, n_window) in m/s² and their rate in Hz, if they were kept."""
        query = "SELECT samples, sample_rate_hz FROM kept_window WHERE row_id = ?"
        found = self._execute(query, (row_id,)).fetchone()
        return None if found is None else (unpack_samples(found[0]), float(found[1]))

    def context(self, row_ids: Iterable[int]) -> dict[int, Context]:
        """Speed, load, tool and the like of these windows, where any was told."""
        with reading():
            return context_of(self._link, row_ids)

    def indicators(self, row_ids: Iterable[int]) -> dict[int, dict[str, float]]:
        """Condition indicators of these windows by name, where they have any."""
        with reading():
            return indicators_of(self._link, row_ids)

    def diagnosis(
        self, sensor: str, from_ns: int = -(2**63), to_ns: int = END_NS
    ) -> Diagnosed | None:
        """The newest of a sensor's signal that ended in a span of time."""
        with reading():
            return newest_diagnosis(self._link, sensor, from_ns, to_ns)

    def asked_diagnosis(self, sensor: str, from_ns: int, to_ns: int) -> Diagnosed | None:
        """The newest that somebody asked for, of signal that ended in a span of time."""
        with reading():
            return newest_diagnosis(self._link, sensor, from_ns, to_ns, is_asked=True)

    def diagnosis_of_alarm(self, sensor: str, to_ns: int = END_NS) -> Diagnosed | None:
        """The newest since a sensor's alarm was last raised; None where that one has none."""
        query = """
            SELECT max(at_ns) FROM event
            WHERE sensor = ? AND kind = 'alarm_raised' AND at_ns <= ?
        """
        (raised_ns,) = self._execute(query, (sensor, to_ns)).fetchone()
        return None if raised_ns is None else self.diagnosis(sensor, raised_ns, to_ns)

    def occlusion(self, row_id: int) -> Occlusion | None:
        """Of a window that raised an alarm; None where there is none."""
        with reading():
            return occlusion_of(self._link, row_id)

    def newest_occluded(self, sensor: str, from_ns: int, to_ns: int) -> int | None:
        """The row of a sensor's newest window that has one, of those that ended in a span."""
        with reading():
            return newest_occluded(self._link, sensor, from_ns, to_ns)

    def counts(self) -> dict[str, dict[str, int]]:
        """Windows by sensor and status."""
        counts: dict[str, dict[str, int]] = {}
        for sensor, status, n in self._execute(
            "SELECT name, status, n FROM (SELECT sensor_id, status, count(*) AS n FROM verdict_row"
            " GROUP BY sensor_id, status) JOIN sensor USING (sensor_id) ORDER BY name, status"
        ):
            counts.setdefault(sensor, {})[status] = n
        return counts

    def bad_payloads(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest messages that could not be used."""
        names = ("received_ns", "topic", "reason", "detail", "n_bytes", "head")
        query = f"SELECT {', '.join(names)} FROM bad_payload ORDER BY id DESC LIMIT ?"
        return [
            dict(zip(names, found, strict=True)) for found in self._execute(query, (limit,))
        ]

    def refusals(self, since_ns: int = 0, limit: int = 100) -> list[Refusal]:
        """What was refused since a time, by topic and reason, the latest first."""
        with reading():
            return refusals(self._link, since_ns, limit)

    def mutes(self, now_ns: int) -> dict[str, Mute]:
        """The mutes that hold, by sensor."""
        with reading():
            return standing(self._link, now_ns)

    def health(self) -> tuple[int, dict[str, Any]] | None:
        """The newest health figures and their time."""
        found = self._execute(
            "SELECT at_ns, fields FROM health ORDER BY health_id DESC LIMIT 1"
        ).fetchone()
        if found is None:
            return None
        fields = json.loads(found[1])
        fields.pop(POINTS, None)
        return int(found[0]), fields

    def health_back(self, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """The newest health figures and their times, newest first."""
        query = "SELECT at_ns, fields FROM health ORDER BY health_id DESC LIMIT ?"
        return [
            (at_ns, json.loads(fields)) for at_ns, fields in self._execute(query, (limit,))
        ]

    def books(self) -> Books:
        """Both ledgers, of one moment."""
        with self._one_moment():
            samples: dict[str, dict[tuple[str, str], int]] = {}
            for sensor, fate, reason, n in self._execute(
                "SELECT sensor, fate, reason, n_samples FROM book"
            ):
                samples.setdefault(sensor, {})[(fate, reason)] = n
            waiting = dict(self._execute("SELECT sensor, n_waiting FROM stream").fetchall())
            counters = dict(self._execute("SELECT name, value FROM counter").fetchall())
            return Books(samples, waiting, counters, self._delivery())

    def oldest_waiting_age_s(self, now_ns: int, outputs: Sequence[str]) -> float:
        """How long ago the oldest verdict ended that one of these outputs has yet to get."""
        with self._one_moment():
            cursor = furthest_behind(self._link, outputs)
            query = "SELECT end_ns FROM verdict WHERE row_id > ? ORDER BY row_id LIMIT 1"
            found = None if cursor is None else self._execute(query, (cursor,)).fetchone()
        return 0.0 if found is None else max(0.0, (now_ns - found[0]) / 1e9)

    def n_to_resend(self) -> dict[str, int]:
        """Rows that are still to be sent again, by output."""
        if not self._has_table("resend"):
            return {}
        found = self._execute("SELECT output, count(*) FROM resend GROUP BY output")
        return dict(found.fetchall())

    def _has_table(self, name: str) -> bool:
        """Not in a journal that an older program wrote last."""
        query = "SELECT 1 FROM sqlite_schema WHERE name = ?"
        return self._execute(query, (name,)).fetchone() is not None

    def _delivery(self) -> dict[str, dict[str, RowCounts]]:
        ledger: dict[str, dict[str, RowCounts]] = {}
        rows = self._execute(
            "SELECT output, kind, cursor, n_accepted, n_rejected FROM output_cursor"
        ).fetchall()
        for output, kind, cursor, accepted, rejected in rows:
            key, table = ID_OF_KIND[kind], TABLE_OF_KIND[kind]
            # Two queries look at one row each, one at all.
            query = (
                f"SELECT (SELECT min({key}) FROM {table}), (SELECT max({key}) FROM {table})"
            )
            first, last = self._execute(query).fetchone()
            waiting = 0 if last is None else max(0, last - max(cursor, first - 1))
            ledger.setdefault(output, {})[kind] = RowCounts(accepted, rejected, waiting)
        return ledger

    @contextmanager
    def _one_moment(self) -> Iterator[None]:
        """All that is read inside is of one moment. Raises JournalError also for what fails while
        rows are fetched.
        """
        with reading(), one_moment(self._link):
            yield

    def _execute(self, query: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        with reading():
            return self._link.execute(query, values)


def read_row(found: tuple[Any, ...]) -> Row:
    """One result of SELECT_VERDICT as a Row."""
    row_id, *rest = found
    v = dict(zip(VERDICT_COLUMNS, rest, strict=False))
    f_edges, t_edges, cells, spectrum, is_undone = rest[len(VERDICT_COLUMNS) :]
    grid = None if f_edges is None else grid_of(f_edges, t_edges)
    return Row(
        row_id,
        Verdict(
            sensor=v["sensor"],
            segment=v["segment"],
            first_sample=v["first_sample"],
            n_samples=v["n_samples"],
            start_ns=v["start_ns"],
            end_ns=v["end_ns"],
            status=Status(v["status"]),
            reason=v["reason"],
            evidence=unpack_evidence(v["kinds"], v["scores"], cells, grid),
            band=band_of(v["band_low_hz"], v["band_high_hz"], v["band_share"]),
            alarm=v["alarm"],
            running=None if v["running"] is None else bool(v["running"]),
            model_id=v["model_id"],
            geometry_id=v["geometry_id"],
            commissioning_id=v["commissioning_id"],
            continuity=v["continuity"],
            quality=unpack_quality(v["quality_names"], v["quality"]),
            grid=grid,
            spectrum_db=unpack_spectrum(spectrum, grid),
        ),
        bool(is_undone),
    )


@lru_cache(maxsize=256)
def grid_of(f_edges: str, t_edges: str) -> Grid:
    """A grid from its columns."""
    return Grid(tuple(json.loads(f_edges)), tuple(json.loads(t_edges)))


def unpack_evidence(
    kinds: str, scores: bytes, cells: bytes | None, grid: Grid | None
) -> tuple[Evidence, ...]:
    """Evidence as the writer packed it, with its cells; NO_CELLS where the map was not kept."""
    found = unpack_scores(kinds, scores)
    maps = [NO_CELLS] * len(found)
    if cells is not None and grid is not None:
        maps = unpack_cells(cells, [one.score - one.bias for one in found], grid)
    return tuple(
        replace(one, cells=one_map) for one, one_map in zip(found, maps, strict=True)
    )


def unpack_scores(kinds: str, scores: bytes) -> tuple[Evidence, ...]:
    """Evidence without cells."""
    names = unpack_names(kinds)
    numbers = iter(unpack_numbers(scores, 4 * len(names)))
    found = []
    for (kind, unit, decides), four in zip(
        names, zip(*[numbers] * 4, strict=True), strict=True
    ):
        score, threshold, bias, residual = four
        assert score is not None
        found.append(
            Evidence(
                kind,
                unit,
                score,
                threshold,
                NO_CELLS,
                bias or 0.0,
                residual or 0.0,
                bool(decides),
            )
        )
    return tuple(found)


def unpack_quality(names: str, quality: bytes) -> dict[str, float]:
    known = unpack_names(names)
    numbers = unpack_numbers(quality, len(known))
    return {
        name: number
        for name, number in zip(known, numbers, strict=True)
        if number is not None
    }


@lru_cache(maxsize=256)
def unpack_names(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def band_of(
    low_hz: float | None, high_hz: float | None, share: float | None
) -> Band | None:
    """A band from its columns, which are all there or all null."""
    if low_hz is None or high_hz is None or share is None:
        return None
    return Band(low_hz, high_hz, share)
