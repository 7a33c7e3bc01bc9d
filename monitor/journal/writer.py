"""Writing the journal: one transaction per batch, and what a restarted service resumes from.

The writer is used by one thread. Other processes read (reader.py) and write
labels and commissioning.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import compress, islice
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from monitor.journal import remembered
from monitor.journal.asks import settle_asks
from monitor.journal.diagnoses import store_diagnoses
from monitor.journal.events import store_events
from monitor.journal.healthy import healthy_of, store_healthy, thin_healthy
from monitor.journal.indicators import store_indicators
from monitor.journal.labels import store_label
from monitor.journal.maps import pack_cells, pack_spectra
from monitor.journal.numbers import pack_numbers
from monitor.journal.occlusions import store_occlusion
from monitor.journal.places import furthest_behind
from monitor.journal.positions import check_generation, resumed, store_position
from monitor.journal.promises import promise_states, store_promises
from monitor.journal.refusals import count_refusals
from monitor.journal.samples import pack_samples
from monitor.journal.schema import NEWEST_FIRST, JournalError, connect, transaction
from monitor.journal.side_tables import Manner, SideTables
from monitor.journal.tail_records import forget_records, store_records, tail_records
from monitor.journal.trend_changes import prune_changes
from monitor.journal.trends import StoredWindow, TrendWriter, thin_trends
from monitor.records.batch import Batch, BookKey, KeptWindow
from monitor.records.diagnosis import Healthy
from monitor.records.evidence import Evidence
from monitor.records.labels import TOPIC, LabelRequest
from monitor.records.occlusion import Occlusion
from monitor.records.position import Resumed
from monitor.records.promise import PromiseState
from monitor.records.remembered import Remembered
from monitor.records.signal import Float32
from monitor.records.stream import Position, StoredStream, StreamUpdate
from monitor.records.verdict import Verdict

MAX_BAD_PAYLOADS = 1000  # kept for inspection, newest first
POINTS = "points"  # among the fields of a health row
WITH_MAPS = 0.25  # of the rows, the newest: they keep their maps as long as they last
LOOKED_AT = 20_000  # maps, when looking for some to delete
HEALTHY_SHARE = 8  # of the journal, at most, may be signals of when machines were well
MAX_HEALTH_ROWS = 8640  # a day at one per 10 s

ROW_COLUMNS = (
    "sensor_id",
    "manner_id",
    "segment",
    "first_sample",
    "n_samples",
    "start_ns",
    "end_ns",
    "status",
    "reason",
    "scores",
    "band_low_hz",
    "band_high_hz",
    "band_share",
    "alarm",
    "running",
    "quality",
    "commissioning_id",
)
POSITION_FIELDS = tuple(field.name for field in fields(Position))
_position_values = attrgetter(*POSITION_FIELDS)
INSERT_BAD_PAYLOAD = (
    "INSERT INTO bad_payload (received_ns, topic, reason, detail, n_bytes, head) VALUES (?, ?, ?,"
    " ?, ?, ?)"
)
END_IS_TAKEN = (
    "SELECT 1 FROM verdict_row WHERE sensor_id = ? AND end_ns = ?"
    " AND (segment, first_sample) IS NOT (?, ?)"
)
INSERT_VERDICT = (
    f"INSERT INTO verdict_row ({', '.join(ROW_COLUMNS)}) VALUES"
    f" ({', '.join('?' * len(ROW_COLUMNS))}) ON CONFLICT DO NOTHING RETURNING row_id"
)
ROW_OF_WINDOW = (
    "SELECT row_id FROM verdict_row WHERE sensor_id = ? AND segment = ? AND first_sample = ?"
    " AND n_samples = ?"
)
INSERT_KEPT = (
    "INSERT OR IGNORE INTO kept_window SELECT row_id, ?, ?, ?, ?, ? FROM verdict_row"
    " WHERE sensor_id = ? AND segment = ? AND first_sample = ? AND n_samples > 0"
)


class Journal:
    """The one writer. Every method is a transaction: it happens whole or not at all.

    Raises JournalError from any method while the disk is full or the file
    cannot be written: call again later.
    """

    def __init__(
        self,
        path: Path,
        on_update: Callable[[], None] = lambda: None,
        generation: int | None = None,
    ) -> None:
        """on_update : called now and then while an older journal is brought up to date
        generation : as positions.next_generation gave it. Every method raises
            SupersededError once there is a newer one. None: no other process
            can be there
        """
        self.path = path
        self._generation = generation
        self._link = connect(path, on_update)
        self._ids = SideTables()
        self._names: dict[str, int] = {}  # of indicators
        self._trends = TrendWriter()
        if generation is not None:
            with transaction(self._link) as link:
                check_generation(link, generation)

    def close(self) -> None:
        self._link.close()

    def commit(self, batch: Batch) -> None:
        """Store a batch: verdicts, maps, evidence, streams, books."""
        with self._transaction() as link:
            self._trends.add(link, self._insert_verdicts(link, batch.verdicts))
            self._insert_late_maps(link, batch.late_maps)
            self._insert_kept(link, batch.kept_windows)
            _insert_bad_payloads(link, batch)
            store_events(link, *batch.events)
            store_diagnoses(link, batch.diagnoses)
            self._insert_occlusions(link, batch.occlusions)
            store_healthy(link, batch.healthy)
            settle_asks(link, batch.answers)
            for request in batch.labels:
                _store_label(link, request)
            _enter(link, batch.books)
            _count(link, batch.counters)
            for update in batch.streams:
                _store_stream(link, update)
            store_promises(link, batch.streams)
            store_records(link, batch.streams)
            link.executemany(
                "INSERT OR REPLACE INTO delivered VALUES (?, ?)", batch.digests.items()
            )
            remembered.store(link, batch)
            store_position(link, batch.position)

    def streams(self) -> dict[str, StoredStream]:
        """Every sensor's stored stream, to continue after a start."""
        rows = self._link.execute(
            "SELECT s.sensor, position, keys, alarm_recent, alarm_raised,"
            " coalesce(m.model_id, b.model_id), coalesce(m.geometry_id, b.geometry_id)"
            " FROM stream s LEFT JOIN sensor ON name = s.sensor LEFT JOIN verdict_row r"
            " ON r.row_id = (SELECT row_id FROM verdict_row v WHERE v.sensor_id = sensor.sensor_id"
            f" {NEWEST_FIRST} LIMIT 1) LEFT JOIN manner m USING (manner_id)"
            " LEFT JOIN judged_before b ON b.sensor = s.sensor"
        ).fetchall()
        promises, records = promise_states(self._link), tail_records(self._link)
        return {
            sensor: StoredStream(
                position=(where := Position.from_json(position)),
                keys=[tuple(key) for key in json.loads(keys)],
                alarm_recent=[bool(ng) for ng in json.loads(recent)],
                alarm_raised=bool(raised),
                model_id=model_id,
                geometry_id=geometry_id,
                tail=self._tail(sensor, where),
                promise=promises.get(sensor, PromiseState()),
                records=records.get(sensor),
            )
            for sensor, position, keys, recent, raised, model_id, geometry_id in rows
        }

    def forget_records(self) -> None:
        """Those of unfinished windows: nobody keeps them up to date any more."""
        with self._transaction() as link:
            forget_records(link)

    def digests(self) -> dict[int, int]:
        """Of messages that were settled, by their delivery's key."""
        return dict(self._link.execute("SELECT delivery_key, digest FROM delivered"))

    def resumed(self) -> Resumed:
        """Where a source that numbers its records continues."""
        return resumed(self._link)

    def remembered(self) -> Remembered:
        """What earlier messages told that later ones need."""
        return remembered.remembered(self._link)

    def healthy(self, sensor: str) -> Healthy | None:
        """What a sensor sounded like when its machine was well; None where none is kept."""
        return healthy_of(self._link, sensor)

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
        self,
        max_bytes: int,
        max_kept_bytes: int,
        outputs: Sequence[str],
        n_rows: int = 2000,
    ) -> Counter[str]:
        """Make room, a bounded step at a time: notes that all outputs have read, raw windows over
        their limit, then maps of windows that were not NG, then whole rows; oldest first.

        Labelled rows stay, and the newest quarter keeps its maps. What all of
        these outputs have goes before what one has not. Returns what was taken,
        by kind: kept_windows, healthy_signals, maps, delivered_rows,
        undelivered_rows.
        """
        taken: Counter[str] = Counter()
        with self._transaction() as link:
            prune_changes(link, outputs)
            over = (
                self._sum(link, "SELECT total(n_bytes) FROM kept_window") - max_kept_bytes
            )
            if over > 0:
                taken["kept_windows"] += _thin_kept_windows(link, over, n_rows)
            if n_signals := thin_healthy(link, max_bytes // HEALTHY_SHARE):
                taken["healthy_signals"] = n_signals
            if _used_bytes(link) > max_bytes:
                if n_maps := _thin_maps(link, n_rows, outputs):
                    taken["maps"] += n_maps
                else:
                    taken.update(_thin_rows(link, n_rows, outputs))
            _count(link, {f"thinned.{kind}": n for kind, n in taken.items() if n})
        return taken

    def thin_trends(
        self, kept_s: Mapping[int, int], now_ns: int, n_blocks: int = 500
    ) -> Counter[str]:
        """Delete rows of trends that are older than their tier is kept, a bounded step at a time.

        kept_s : seconds, by tier_s. Returns the rows taken, by the tier's name
        """
        with self._transaction() as link:
            taken = thin_trends(link, kept_s, now_ns, n_blocks)
            _count(link, {f"thinned.{kind}": n for kind, n in taken.items() if n})
        return taken

    def _insert_verdicts(
        self, link: sqlite3.Connection, verdicts: list[Verdict]
    ) -> list[StoredWindow]:
        """Returns those that the journal did not hold before."""
        new = []
        maps = _packed_maps(verdicts)
        for verdict, packed in zip(verdicts, maps, strict=True):
            sensor_id = self._ids.sensor_id(link, verdict.sensor)
            manner_id = self._ids.manner_id(link, Manner.of(verdict))
            end_ns = _free_end_ns(link, sensor_id, verdict)
            row = (sensor_id, manner_id, *_own_columns(verdict, end_ns))
            stored = link.execute(INSERT_VERDICT, row).fetchone()
            if stored:
                new.append(StoredWindow(stored[0], end_ns, verdict))
                self._insert_map(link, stored[0], verdict, packed)
                store_indicators(link, stored[0], verdict.indicators, self._names)
                if verdict.context:
                    row = (stored[0], _compact(verdict.context))
                    link.execute("INSERT OR IGNORE INTO window_context VALUES (?, ?)", row)
        return new

    def _insert_late_maps(self, link: sqlite3.Connection, verdicts: list[Verdict]) -> None:
        for verdict, packed in zip(verdicts, _packed_maps(verdicts), strict=True):
            row_id = self._row_of(link, verdict)
            if row_id is not None:
                self._insert_map(link, row_id, verdict, packed)

    def _insert_occlusions(
        self, link: sqlite3.Connection, found: list[tuple[Verdict, Occlusion]]
    ) -> None:
        for verdict, one in found:
            row_id = self._row_of(link, verdict)
            if row_id is not None:
                store_occlusion(link, row_id, self._ids.grid_id(link, one.grid), one)

    def _row_of(self, link: sqlite3.Connection, verdict: Verdict) -> int | None:
        """Of a window that may have been stored earlier; None where it is thinned."""
        sensor_id = self._ids.sensor_id(link, verdict.sensor)
        key = (sensor_id, verdict.segment, verdict.first_sample, verdict.n_samples)
        stored = link.execute(ROW_OF_WINDOW, key).fetchone()
        return None if stored is None else int(stored[0])

    def _insert_map(
        self, link: sqlite3.Connection, row_id: int, verdict: Verdict, packed: _PackedMaps
    ) -> None:
        if verdict.grid is not None and verdict.keeps_maps:
            row = (row_id, self._ids.grid_id(link, verdict.grid), *packed)
            link.execute("INSERT OR IGNORE INTO map VALUES (?, ?, ?, ?)", row)

    def _insert_kept(self, link: sqlite3.Connection, windows: list[KeptWindow]) -> None:
        for kept in windows:
            blob = pack_samples(kept.samples)
            key = (self._ids.sensor_id(link, kept.sensor), kept.segment, kept.first_sample)
            row = (len(kept.samples), kept.sample_rate_hz, kept.why, len(blob), blob)
            link.execute(INSERT_KEPT, (*row, *key))

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
                if self._generation is not None:
                    check_generation(link, self._generation)
                yield link
        except JournalError:
            self._ids.clear()
            self._names.clear()
            self._trends.forget()
            raise


class _PackedMaps(NamedTuple):
    """Of one window; empty where the journal does not keep them."""

    cells: bytes = b""
    spectrum: bytes | None = None


def _packed_maps(verdicts: Sequence[Verdict]) -> list[_PackedMaps]:
    """Of each verdict. All at once: one by one takes several times as long."""
    is_kept = [verdict.grid is not None and verdict.keeps_maps for verdict in verdicts]
    kept = list(compress(verdicts, is_kept))
    cells = iter(pack_cells([found for verdict in kept for found in verdict.evidence]))
    spectra = iter(pack_spectra([v.spectrum_db for v in kept if v.spectrum_db is not None]))
    return [
        _PackedMaps(
            b"".join(islice(cells, len(verdict.evidence))),
            None if verdict.spectrum_db is None else next(spectra),
        )
        if with_maps
        else _PackedMaps()
        for verdict, with_maps in zip(verdicts, is_kept, strict=True)
    ]


def _pack_scores(evidence: Sequence[Evidence]) -> bytes:
    """Everything but the cells and what is in the manner; reader.unpack_evidence reads it."""
    numbers = [(e.score, e.threshold, e.bias, e.residual) for e in evidence]
    return pack_numbers([number for four in numbers for number in four])


def _free_end_ns(link: sqlite3.Connection, sensor_id: int, v: Verdict) -> int:
    """The verdict's end, or a nanosecond behind it that no row of its sensor has: databases know a
    row by sensor and time, and would overwrite the one before.

    Where many have one time they lie close together, so the end of them is
    found in steps that double, then halve.
    """

    def is_taken(step: int) -> bool:
        place = sensor_id, v.end_ns + step, v.segment, v.first_sample
        return link.execute(END_IS_TAKEN, place).fetchone() is not None

    taken, free = -1, 0
    while is_taken(free):
        taken, free = free, 2 * free + 1
    while free - taken > 1:
        middle = (taken + free) // 2
        taken, free = (middle, free) if is_taken(middle) else (taken, middle)
    return v.end_ns + free


def _own_columns(v: Verdict, end_ns: int) -> tuple[object, ...]:
    """What ROW_COLUMNS names after sensor and manner."""
    low, high, share = (
        (v.band.low_hz, v.band.high_hz, v.band.share) if v.band else (None,) * 3
    )
    return (
        *(v.segment, v.first_sample, v.n_samples, v.start_ns, end_ns),
        *(v.status.value, v.reason, _pack_scores(v.evidence), low, high, share),
        *(v.alarm, v.running, pack_numbers(list(v.quality.values())), v.commissioning_id),
    )


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
    _count(link, {"bad_payloads.unknown_window": 1})


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


def _enter(link: sqlite3.Connection, books: Mapping[BookKey, int]) -> None:
    link.executemany(
        "INSERT INTO book VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n_samples = n_samples +"
        " excluded.n_samples",
        [(*key, n) for key, n in books.items()],
    )


def _count(link: sqlite3.Connection, counters: Mapping[str, int]) -> None:
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
            _compact(dict(zip(POSITION_FIELDS, _position_values(position), strict=True))),
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


def _thin_kept_windows(link: sqlite3.Connection, n_bytes: int, n_rows: int) -> int:
    oldest = link.execute(
        "SELECT row_id, n_bytes FROM kept_window WHERE row_id NOT IN (SELECT row_id FROM label)"
        " ORDER BY row_id LIMIT ?",
        (n_rows,),
    ).fetchall()
    chosen = list(_until(oldest, n_bytes))
    link.executemany("DELETE FROM kept_window WHERE row_id = ?", chosen)
    return len(chosen)


def _thin_maps(link: sqlite3.Connection, n_rows: int, outputs: Sequence[str]) -> int:
    """Fine maps are nine tenths of a journal: without the old ones that nobody asks for it holds
    verdicts several times as long.

    It looks at no more than the oldest LOOKED_AT: where these all say NG, rows
    are next.
    """
    oldest, newest = link.execute(
        "SELECT min(row_id), max(row_id) FROM verdict_row"
    ).fetchone()
    if oldest is None:
        return 0
    last = newest - int((newest - oldest) * WITH_MAPS)
    if outputs:
        last = min(last, furthest_behind(link, outputs) or 0)
    chosen = link.execute(
        "SELECT row_id FROM (SELECT row_id FROM map WHERE row_id <= ? ORDER BY row_id LIMIT ?)"
        " JOIN verdict_row USING (row_id) WHERE status <> 'NG'"
        " AND row_id NOT IN (SELECT row_id FROM label) ORDER BY row_id LIMIT ?",
        (last, LOOKED_AT, n_rows),
    ).fetchall()
    link.executemany("DELETE FROM map WHERE row_id = ?", chosen)
    return len(chosen)


def _until(rows: Iterable[tuple[int, int]], n_bytes: int) -> Iterator[tuple[int]]:
    for row_id, size in rows:
        if n_bytes <= 0:
            return
        n_bytes -= size
        yield (row_id,)


def _thin_rows(
    link: sqlite3.Connection, n_rows: int, outputs: Sequence[str]
) -> Counter[str]:
    """The oldest verdicts with maps and unlabelled evidence. Those not yet delivered only when no
    other is left.
    """
    cursor = furthest_behind(link, outputs)
    query = (
        "SELECT row_id FROM verdict_row WHERE row_id NOT IN (SELECT row_id FROM label) {} ORDER BY"
        " row_id LIMIT ?"
    )
    chosen = link.execute(query.format("AND row_id <= ?"), (cursor or 0, n_rows)).fetchall()
    fate = "delivered_rows" if chosen or cursor is None else "undelivered_rows"
    chosen = chosen or link.execute(query.format(""), (n_rows,)).fetchall()
    for table in (
        "kept_window",
        "map",
        "window_context",
        "window_indicators",
        "occlusion",
        "verdict_row",
    ):
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
