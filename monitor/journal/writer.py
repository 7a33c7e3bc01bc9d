"""Writing the journal: one transaction per batch, and what a restarted service takes up again.

The writer is used by one thread. Other processes read (reader.py) and write labels and
commissioning.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from monitor.journal import remembered
from monitor.journal.labels import INSERT_EVENT, store_label
from monitor.journal.places import furthest_behind
from monitor.journal.refusals import count_refusals
from monitor.journal.schema import NEWEST_FIRST, JournalError, connect, transaction
from monitor.journal.trends import StoredWindow, TrendWriter, thin_trends
from monitor.records.batch import Batch, BookKey
from monitor.records.evidence import Evidence, Grid
from monitor.records.labels import TOPIC, LabelRequest
from monitor.records.remembered import Remembered
from monitor.records.signal import Float32
from monitor.records.stream import Position, StoredStream, StreamUpdate
from monitor.records.verdict import Verdict

MAX_BAD_PAYLOADS = 1000  # kept for inspection, newest first
POINTS = "points"  # among the fields of a health row
MAX_HEALTH_ROWS = 8640  # a day at one per 10 s
SPECTRUM_STEP_DB = 0.01  # int16 hundredths of a decibel reach from -327 to 327 dB

VERDICT_COLUMNS = (
    *("sensor", "segment", "first_sample", "n_samples", "start_ns", "end_ns", "status", "reason"),
    *("evidence", "band_low_hz", "band_high_hz", "band_share", "alarm", "running", "model_id"),
    *("continuity", "quality", "geometry_id", "commissioning_id"),
)
POSITION_FIELDS = tuple(field.name for field in fields(Position))
INSERT_BAD_PAYLOAD = (
    "INSERT INTO bad_payload (received_ns, topic, reason, detail, n_bytes, head) VALUES (?, ?, ?,"
    " ?, ?, ?)"
)
END_IS_TAKEN = (
    "SELECT 1 FROM verdict WHERE sensor = ? AND end_ns = ?"
    " AND (segment, first_sample) IS NOT (?, ?)"
)
INSERT_VERDICT = (
    f"INSERT INTO verdict ({', '.join(VERDICT_COLUMNS)}) VALUES"
    f" ({', '.join('?' * len(VERDICT_COLUMNS))}) ON CONFLICT DO NOTHING RETURNING row_id"
)


class Journal:
    """The one writer. Every method is a transaction: it happens whole or not at all.

    Raises JournalError from any method while the disk is full or the file cannot be written: call
    again later.
    """

    def __init__(self, path: Path, on_update: Callable[[], None] = lambda: None) -> None:
        """on_update : called now and then while an older journal is brought up to date"""
        self.path = path
        self._link = connect(path, on_update)
        self._grids: dict[Grid, int] = {}
        self._trends = TrendWriter()

    def close(self) -> None:
        self._link.close()

    def commit(self, batch: Batch) -> None:
        """Store a batch: verdicts, maps, evidence, streams, books."""
        with self._transaction() as link:
            self._trends.add(link, self._insert_verdicts(link, batch.verdicts))
            for verdict in batch.late_maps:
                self._insert_late_map(link, verdict)
            link.executemany(
                "INSERT OR IGNORE INTO kept_window SELECT row_id, ?, ?, ?, ?, ? FROM verdict "
                "WHERE sensor = ? AND segment = ? AND first_sample = ? AND n_samples > 0",
                [
                    _kept_row(
                        e.samples, e.sample_rate_hz, e.why, e.sensor, e.segment, e.first_sample
                    )
                    for e in batch.kept_windows
                ],
            )
            _insert_bad_payloads(link, batch)
            link.executemany(
                INSERT_EVENT,
                [(e.at_ns, e.sensor, e.kind, e.text, e.model_id) for e in batch.events],
            )
            for request in batch.labels:
                _store_label(link, request)
            _add(link, batch.books, batch.counters)
            for update in batch.streams:
                _store_stream(link, update)
            link.executemany(
                "INSERT OR REPLACE INTO delivered VALUES (?, ?)", batch.digests.items()
            )
            remembered.store(link, batch)

    def streams(self) -> dict[str, StoredStream]:
        """Every sensor's stored stream, to go on with after a start."""
        rows = self._link.execute(
            "SELECT s.sensor, position, keys, alarm_recent, alarm_raised, model_id, geometry_id"
            " FROM stream s LEFT JOIN verdict ON row_id = (SELECT row_id FROM verdict v WHERE"
            f" v.sensor = s.sensor {NEWEST_FIRST} LIMIT 1)"
        ).fetchall()
        return {
            sensor: StoredStream(
                position=(where := _position(position)),
                keys=[tuple(key) for key in json.loads(keys)],
                alarm_recent=[bool(ng) for ng in json.loads(recent)],
                alarm_raised=bool(raised),
                model_id=model_id,
                geometry_id=geometry_id,
                tail=self._tail(sensor, where),
            )
            for sensor, position, keys, recent, raised, model_id, geometry_id in rows
        }

    def digests(self) -> dict[int, int]:
        """Of messages that were settled, by their delivery's key."""
        return dict(self._link.execute("SELECT delivery_key, digest FROM delivered"))

    def remembered(self) -> Remembered:
        """What earlier messages told that later ones need."""
        return remembered.remembered(self._link)

    def store_health(
        self,
        at_ns: int,
        fields: dict[str, Any],
        points: Mapping[str, tuple[str, bool]] = MappingProxyType({}),
    ) -> None:
        """points : status and alarm of points, by the host's clock; health.PointStates"""
        text = json.dumps({**fields, POINTS: dict(points)} if points else fields)
        with self._transaction() as link:
            link.execute("INSERT INTO health (at_ns, fields) VALUES (?, ?)", (at_ns, text))
            link.execute(
                "DELETE FROM health WHERE health_id <= (SELECT max(health_id) FROM health) - ?",
                (MAX_HEALTH_ROWS,),
            )

    def thin(
        self, max_bytes: int, max_kept_bytes: int, outputs: Sequence[str], n_rows: int = 2000
    ) -> Counter[str]:
        """Make room, a bounded step at a time: evidence over its limit, then whole rows; oldest
        first.

        Labelled rows stay. Rows that all of these outputs have go before rows that one has not.
        Returns what was taken, by kind: kept_windows, delivered_rows, undelivered_rows.
        """
        taken: Counter[str] = Counter()
        with self._transaction() as link:
            over = self._sum(link, "SELECT total(n_bytes) FROM kept_window") - max_kept_bytes
            if over > 0:
                taken["kept_windows"] += _thin_kept_windows(link, over, n_rows)
            if _used_bytes(link) > max_bytes:
                taken.update(_thin_rows(link, n_rows, outputs))
            _add(link, Counter(), Counter({f"thinned.{kind}": n for kind, n in taken.items() if n}))
        return taken

    def thin_trends(
        self, kept_s: Mapping[int, int], now_ns: int, n_blocks: int = 500
    ) -> Counter[str]:
        """Delete rows of trends that are older than their tier is kept, a bounded step at a time.

        kept_s : seconds, by tier_s. Returns the rows taken, by the tier's name
        """
        with self._transaction() as link:
            taken = thin_trends(link, kept_s, now_ns, n_blocks)
            _add(link, Counter(), Counter({f"thinned.{kind}": n for kind, n in taken.items() if n}))
        return taken

    def _insert_verdicts(
        self, link: sqlite3.Connection, verdicts: list[Verdict]
    ) -> list[StoredWindow]:
        """Returns those that the journal did not hold before."""
        new = []
        for verdict in verdicts:
            end_ns = _free_end_ns(link, verdict)
            stored = link.execute(INSERT_VERDICT, _verdict_row(verdict, end_ns)).fetchone()
            if stored:
                new.append(StoredWindow(stored[0], end_ns, verdict))
                self._insert_map(link, stored[0], verdict)
                if verdict.context:
                    row = (stored[0], _compact(verdict.context))
                    link.execute("INSERT OR IGNORE INTO window_context VALUES (?, ?)", row)
        return new

    def _insert_late_map(self, link: sqlite3.Connection, verdict: Verdict) -> None:
        stored = link.execute(
            "SELECT row_id FROM verdict WHERE sensor = ? AND segment = ? AND first_sample = ? AND"
            " n_samples = ?",
            (verdict.sensor, verdict.segment, verdict.first_sample, verdict.n_samples),
        ).fetchone()
        if stored:
            self._insert_map(link, stored[0], verdict)

    def _insert_map(self, link: sqlite3.Connection, row_id: int, verdict: Verdict) -> None:
        if verdict.grid is None:
            return
        cells = b"".join(found.cells.astype("<f4").tobytes() for found in verdict.evidence)
        row = (row_id, self._grid_id(link, verdict.grid), cells)
        spectrum = pack_spectrum(verdict.spectrum_db)
        link.execute("INSERT OR IGNORE INTO map VALUES (?, ?, ?, ?)", (*row, spectrum))

    def _grid_id(self, link: sqlite3.Connection, grid: Grid) -> int:
        if grid not in self._grids:
            edges = (json.dumps(grid.f_edges_hz), json.dumps(grid.t_edges_s))
            link.execute("INSERT OR IGNORE INTO grid (f_edges_hz, t_edges_s) VALUES (?, ?)", edges)
            found = link.execute(
                "SELECT grid_id FROM grid WHERE f_edges_hz = ? AND t_edges_s = ?", edges
            )
            self._grids[grid] = int(found.fetchone()[0])
        return self._grids[grid]

    def _tail(self, sensor: str, position: Position) -> Float32 | None:
        rows = self._link.execute(
            "SELECT first_sample, n_channels, samples FROM tail WHERE sensor = ? AND segment = ?"
            " ORDER BY first_sample",
            (sensor, position.segment),
        ).fetchall()
        pieces = [
            np.frombuffer(blob, "<f4").reshape(n_channels, -1)[
                :, max(0, position.first_sample - first) :
            ]
            for first, n_channels, blob in rows
        ]
        return np.concatenate(pieces, axis=1) if pieces else None

    @staticmethod
    def _sum(link: sqlite3.Connection, query: str) -> int:
        return int(link.execute(query).fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with transaction(self._link) as link:
                yield link
        except JournalError:
            self._grids.clear()  # a rolled-back grid row is gone
            self._trends.forget()
            raise


def pack_spectrum(spectrum_db: Float32 | None) -> bytes | None:
    """int16 hundredths of a decibel: half the bytes, far finer than any spectrum is sure."""
    if spectrum_db is None:
        return None
    steps = np.clip(np.rint(spectrum_db / SPECTRUM_STEP_DB), -32768, 32767).astype("<i2")
    return bytes(steps.tobytes())


def pack_evidence(evidence: Sequence[Evidence]) -> str:
    """Everything but the cells, as JSON; reader.unpack_evidence reads it."""
    return _compact(
        [
            [e.kind, e.unit, e.score, e.threshold, e.bias, e.residual, int(e.decides)]
            for e in evidence
        ]
    )


def _free_end_ns(link: sqlite3.Connection, v: Verdict) -> int:
    """The verdict's end, or the next nanosecond that no row of its sensor has: databases know a row
    by sensor and time, and would overwrite the one before.
    """
    end_ns = v.end_ns
    while link.execute(END_IS_TAKEN, (v.sensor, end_ns, v.segment, v.first_sample)).fetchone():
        end_ns += 1
    return end_ns


def _verdict_row(v: Verdict, end_ns: int) -> tuple[object, ...]:
    low, high, share = (v.band.low_hz, v.band.high_hz, v.band.share) if v.band else (None,) * 3
    return (
        *(v.sensor, v.segment, v.first_sample, v.n_samples, v.start_ns, end_ns),
        *(v.status.value, v.reason, pack_evidence(v.evidence), low, high, share),
        *(v.alarm, v.running, v.model_id, v.continuity, _compact(v.quality)),
        *(v.geometry_id, v.commissioning_id),
    )


def _kept_row(samples: Float32, rate_hz: float, why: str, *key: object) -> tuple[object, ...]:
    blob = samples.astype("<f4").tobytes()
    return (samples.shape[0], rate_hz, why, len(blob), blob, *key)


def _store_label(link: sqlite3.Connection, request: LabelRequest) -> None:
    """A label that came by MQTT. One that fits no window is kept as a payload that could not be
    used.
    """
    if store_label(link, request) is not None:
        return
    what = (
        request.at_ns,
        TOPIC,
        "unknown_window",
        f"There is no window {request.window} in the journal.",
        0,
        b"",
    )
    link.execute(INSERT_BAD_PAYLOAD, what)
    _add(link, Counter(), Counter({"bad_payloads.unknown_window": 1}))


def _insert_bad_payloads(link: sqlite3.Connection, batch: Batch) -> None:
    if not batch.bad_payloads:
        return
    count_refusals(link, batch.bad_payloads)
    link.executemany(
        INSERT_BAD_PAYLOAD,
        [
            (b.received_ns, b.topic, b.reason, b.detail, b.n_bytes, b.head)
            for b in batch.bad_payloads[-MAX_BAD_PAYLOADS:]
        ],
    )
    link.execute(
        "DELETE FROM bad_payload WHERE id <= (SELECT max(id) FROM bad_payload) - ?",
        (MAX_BAD_PAYLOADS,),
    )


def _add(link: sqlite3.Connection, books: Counter[BookKey], counters: Counter[str]) -> None:
    link.executemany(
        "INSERT INTO book VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n_samples = n_samples +"
        " excluded.n_samples",
        [(*key, n) for key, n in books.items()],
    )
    link.executemany(
        "INSERT INTO counter VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value +"
        " excluded.value",
        counters.items(),
    )


def _store_stream(link: sqlite3.Connection, update: StreamUpdate) -> None:
    position = update.position
    link.execute(
        "INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?, ?, ?)",
        (
            update.sensor,
            _compact({name: getattr(position, name) for name in POSITION_FIELDS}),
            _compact(update.keys),
            _compact([int(ng) for ng in update.alarm_recent]),
            update.alarm_raised,
            update.n_waiting,
        ),
    )
    link.execute(
        "DELETE FROM tail WHERE sensor = ? AND (segment != ? OR first_sample + n_samples <= ?)",
        (update.sensor, position.segment, position.first_sample),
    )
    if update.tail is not None:
        first, samples = update.tail
        n_channels, n = samples.shape
        link.execute(
            "INSERT OR REPLACE INTO tail VALUES (?, ?, ?, ?, ?, ?)",
            (
                update.sensor,
                position.segment,
                first,
                n,
                n_channels,
                samples.astype("<f4").tobytes(),
            ),
        )


def _position(text: str) -> Position:
    tree = json.loads(text)
    for name in ("last_message", "first_message", "hole"):
        tree[name] = tuple(tree[name]) if tree[name] is not None else None
    for name in ("times", "covered"):
        tree[name] = [tuple(mark) for mark in tree.get(name, ())]
    return Position(**tree)


def _thin_kept_windows(link: sqlite3.Connection, n_bytes: int, n_rows: int) -> int:
    oldest = link.execute(
        "SELECT row_id, n_bytes FROM kept_window WHERE row_id NOT IN (SELECT row_id FROM label)"
        " ORDER BY row_id LIMIT ?",
        (n_rows,),
    ).fetchall()
    chosen = list(_until(oldest, n_bytes))
    link.executemany("DELETE FROM kept_window WHERE row_id = ?", chosen)
    return len(chosen)


def _until(rows: Iterable[tuple[int, int]], n_bytes: int) -> Iterator[tuple[int]]:
    for row_id, size in rows:
        if n_bytes <= 0:
            return
        n_bytes -= size
        yield (row_id,)


def _thin_rows(link: sqlite3.Connection, n_rows: int, outputs: Sequence[str]) -> Counter[str]:
    """The oldest verdicts with maps and unlabelled evidence. Those not yet delivered only when no
    other is left.
    """
    cursor = furthest_behind(link, outputs)
    query = (
        "SELECT row_id FROM verdict WHERE row_id NOT IN (SELECT row_id FROM label) {} ORDER BY"
        " row_id LIMIT ?"
    )
    chosen = link.execute(query.format("AND row_id <= ?"), (cursor or 0, n_rows)).fetchall()
    fate = "delivered_rows" if chosen or cursor is None else "undelivered_rows"
    chosen = chosen or link.execute(query.format(""), (n_rows,)).fetchall()
    for table in ("kept_window", "map", "window_context", "verdict"):
        link.executemany(f"DELETE FROM {table} WHERE row_id = ?", chosen)
    return Counter({fate: len(chosen)})


def _used_bytes(link: sqlite3.Connection) -> int:
    page, count, free = (
        link.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_size", "page_count", "freelist_count")
    )
    return int(page * (count - free))


# Made once: json.dumps would make one a call.
_compact = json.JSONEncoder(separators=(",", ":")).encode
