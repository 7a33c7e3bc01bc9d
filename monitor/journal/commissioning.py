"""Commissioning as the journal keeps it: requests, the windows they need, what came out, and
undoing it. Whatever changes what holds also writes an event, in the same
transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any, NamedTuple

import numpy as np

from monitor.journal.events import store_events
from monitor.journal.maps import unpack_spectrum
from monitor.journal.promises import promise_states, references, store_reference
from monitor.journal.reader import SELECT_VERDICT, read_row, unpack_quality, unpack_scores
from monitor.journal.schema import (
    END_NS,
    NEWEST_FIRST,
    connect_existing,
    connect_read_only,
    reading,
    transaction,
)
from monitor.journal.views import SENSORS
from monitor.records.batch import Event
from monitor.records.commissioned import (
    Baseline,
    Commissioned,
    HealthyWindows,
    WindowsFound,
)
from monitor.records.evidence import Grid
from monitor.records.geometry import Geometry
from monitor.records.verdict import Verdict
from monitor.text import utc

COMMISSIONED, REFUSED, UNDONE = (
    "commissioned",
    "commissioning_refused",
    "commissioning_undone",
)
KINDS = (COMMISSIONED, REFUSED, UNDONE)

# Windows that can commission, newest grid only. Older ones have no geometry: there the grid tells.
USABLE = (
    " FROM verdict v JOIN map m USING (row_id) WHERE v.sensor = ? AND v.status IN ('OK', 'NG',"
    " 'LEARNING') AND m.spectrum IS NOT NULL"
)
LIKE = " AND m.grid_id = ? AND v.n_samples = ? AND v.geometry_id IN (?, '')"

# What commissioning takes of a window.
CHOSEN = (
    "SELECT start_ns, end_ns, model_id, kinds, scores, quality_names, quality, spectrum FROM"
    " verdict JOIN map USING (row_id) WHERE row_id IN (SELECT value FROM json_each(?)) ORDER BY"
    " end_ns"
)

# The last word on a window goes before its verdict.
N_NG = (
    "SELECT count(*) FROM verdict v WHERE row_id IN (SELECT value FROM json_each(?)) AND CASE"
    " (SELECT word FROM label l WHERE"
    " l.row_id = v.row_id ORDER BY label_id DESC LIMIT 1) WHEN 'NG confirmed' THEN 1 WHEN 'false"
    " alarm' THEN 0 ELSE status = 'NG' END"
)
# even_so is null where an older program, which did not look, commissioned.
N_DOUBTFUL = (
    "SELECT count(*) FROM verdict JOIN commissioning USING (commissioning_id) WHERE row_id IN"
    " (SELECT value FROM json_each(?)) AND undone_ns IS NOT NULL AND coalesce(even_so, '?') != ''"
)


@dataclass(frozen=True, slots=True)
class Request:
    """A wish to commission a sensor from its running windows.

    n_windows : the last ones; the next ones after a row; or spread evenly over
        a span of time
    after_row : None for windows that are there already
    from_ns, to_ns : the span that windows lie in
    author : who wishes it
    even_so : why NG windows or a standing alarm do not matter; "" where they do
    commissioning_id : None where the journal does not hold it
    """

    sensor: str
    n_windows: int
    after_row: int | None = None
    false_alarm_rate: float | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    author: str = ""
    even_so: str = ""
    commissioning_id: int | None = None

    @property
    def has_span(self) -> bool:
        return self.from_ns is not None or self.to_ns is not None


@dataclass(frozen=True, slots=True)
class TooFew:
    """There are not enough windows. n_found : that could be used now."""

    n_found: int


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back: a commissioning, or a request that was still open (at_ns None)."""

    sensor: str
    at_ns: int | None
    holds: Commissioned | None


class CommissioningStore:
    """A connection of its own, so that the command line, the page and a running service can all use
    it. Raises JournalError.
    """

    def __init__(self, path: Path) -> None:
        self._link = connect_existing(path)

    def close(self) -> None:
        self._link.close()

    def sensors(self) -> list[str]:
        """All that the journal has a verdict of."""
        return [name for (name,) in self._link.execute(SENSORS)]

    def last_row_id(self) -> int:
        found = self._link.execute(
            "SELECT coalesce(max(row_id), 0) FROM verdict_row"
        ).fetchone()
        return int(found[0])

    def request(self, request: Request, at_ns: int) -> Request:
        """Leave a request open, for a running service to fulfil."""
        with transaction(self._link):
            return self._open(request, at_ns)

    def record(
        self, request: Request, outcome: Commissioned | str, text: str | None, at_ns: int
    ) -> bool:
        """Store what came of a request, with an event that says so (none for text None).

        A request that the journal does not hold is stored settled: no running
        service sees it open and fulfils it too. False where it was no longer
        open.
        """
        with transaction(self._link) as link:
            known = request.commissioning_id is not None
            request = request if known else self._open(request, at_ns)
            is_first = _settle(link, request, outcome, at_ns)
            if is_first and isinstance(outcome, Commissioned):
                store_reference(link, request.commissioning_id, outcome.reference)
            if is_first and text is not None:
                kind, model_id = REFUSED, ""
                if isinstance(outcome, Commissioned):
                    kind, model_id = COMMISSIONED, outcome.model_id
                store_events(link, Event(at_ns, request.sensor, kind, text, model_id))
        return is_first

    def open_requests(self) -> list[Request]:
        rows = self._link.execute(
            "SELECT sensor, n_windows, after_row, false_alarm_rate, from_ns, to_ns, author,"
            " coalesce(even_so, ''), commissioning_id FROM commissioning WHERE settled_ns IS NULL"
            " AND undone_ns IS NULL ORDER BY commissioning_id"
        )
        return [Request(*row) for row in rows]

    def usable_since(self, row_id: int) -> dict[str, int]:
        """How many windows after a row could commission each sensor."""
        rows = self._link.execute(
            "SELECT name, n FROM (SELECT sensor_id, count(*) AS n FROM verdict_row NOT INDEXED"
            " WHERE row_id > ? AND status IN ('OK', 'NG', 'LEARNING') GROUP BY sensor_id)"
            " JOIN sensor USING (sensor_id)",
            (row_id,),
        )
        return dict(rows.fetchall())

    def windows(self, request: Request) -> WindowsFound | TooFew:
        """The request's windows: running, judged or learning, of the newest geometry."""
        newest = self._newest(request)
        if newest is None:
            return TooFew(0)
        row_ids = self._row_ids(request, newest)
        wanted = 1 if request.has_span else request.n_windows
        if len(row_ids) < wanted:
            return TooFew(len(row_ids))
        return self._found(request, row_ids, newest)

    def alarm_since(self, sensor: str) -> int | None:
        """Since when the sensor's alarm stands; None where none does."""
        newest = self._link.execute(
            f"SELECT alarm, end_ns FROM verdict WHERE sensor = ? {NEWEST_FIRST} LIMIT 1",
            (sensor,),
        ).fetchone()
        if newest is None or newest[0] != "raised":
            return None
        raised = self._link.execute(
            "SELECT max(at_ns) FROM event WHERE sensor = ? AND kind = 'alarm_raised'",
            (sensor,),
        ).fetchone()
        return int(newest[1] if raised[0] is None else raised[0])

    def active(self) -> dict[str, Commissioned]:
        """Each sensor's newest commissioning that was neither refused nor undone."""
        return _active(self._link)

    def pin(self, commissioning_id: int, geometry: Geometry) -> None:
        """Record the geometry of a commissioning that is older than recorded geometries."""
        with transaction(self._link) as link:
            link.execute(
                "UPDATE commissioning SET geometry = ? WHERE commissioning_id = ?",
                (geometry.as_json(), commissioning_id),
            )

    def newest_window(self, sensor: str) -> Verdict | None:
        """The sensor's newest window with a spectrum."""
        newest = self._newest(Request(sensor, 1))
        if newest is None:
            return None
        found = self._link.execute(SELECT_VERDICT + "WHERE row_id = ?", (newest.row_id,))
        return read_row(found.fetchone()).verdict

    def undo(self, sensor: str, author: str, at_ns: int) -> Undone | None:
        """Take back the sensor's newest commissioning or open request; the one before it holds
        again. None if there is none.
        """
        with transaction(self._link) as link:
            found = link.execute(
                "UPDATE commissioning SET undone_ns = ? WHERE commissioning_id = (SELECT"
                " commissioning_id FROM commissioning WHERE sensor = ? AND error IS NULL AND"
                " undone_ns IS NULL ORDER BY settled_ns IS NULL DESC, settled_ns DESC,"
                " commissioning_id DESC LIMIT 1) RETURNING settled_ns",
                (at_ns, sensor),
            ).fetchall()
            if not found:
                return None
            undone = Undone(sensor, found[0][0], _active(link).get(sensor))
            text = undo_text(undone, author)
            store_events(link, Event(at_ns, sensor, UNDONE, text))
        return undone

    def revision(self) -> tuple[int, float, float]:
        """Changes whenever active() or open_requests() may have."""
        query = (
            "SELECT count(*), total(settled_ns IS NOT NULL), total(undone_ns IS NOT NULL) FROM"
            " commissioning"
        )
        found = self._link.execute(query).fetchone()
        return int(found[0]), float(found[1]), float(found[2])

    def last_event_id(self) -> int:
        return int(
            self._link.execute("SELECT coalesce(max(event_id), 0) FROM event").fetchone()[0]
        )

    def events_after(self, event_id: int) -> list[tuple[int, Event]]:
        """What happened to commissionings since an event, whoever did it."""
        rows = self._link.execute(
            "SELECT event_id, at_ns, sensor, kind, text, model_id FROM event WHERE event_id > ? AND"
            " kind IN (?, ?, ?) ORDER BY event_id",
            (event_id, *KINDS),
        )
        return [(found[0], Event(*found[1:])) for found in rows]

    def _newest(self, request: Request) -> _Newest | None:
        """The newest window that the request may use."""
        where, values = _within(request)
        found = self._link.execute(
            f"SELECT v.row_id, m.grid_id, v.n_samples, v.geometry_id{USABLE}{where} ORDER BY"
            f" {_order(request)} DESC LIMIT 1",
            (request.sensor, *values),
        ).fetchone()
        return None if found is None else _Newest(*found)

    def _row_ids(self, request: Request, newest: _Newest) -> list[int]:
        """In order of time; all of a span."""
        where, values = _within(request)
        direction = "ASC" if request.after_row is not None else "DESC"
        found = self._link.execute(
            f"SELECT v.row_id{USABLE}{where}{LIKE} ORDER BY {_order(request)} {direction} LIMIT ?",
            (
                *(
                    request.sensor,
                    *values,
                    newest.grid_id,
                    newest.n_samples,
                    newest.geometry_id,
                ),
                -1 if request.has_span else request.n_windows,
            ),
        )
        row_ids = [row_id for (row_id,) in found]
        return row_ids if request.after_row is not None else row_ids[::-1]

    def _found(self, request: Request, row_ids: list[int], newest: _Newest) -> WindowsFound:
        """row_ids : of all windows that there are to choose from: a fault among them counts."""
        edges = self._link.execute(
            "SELECT f_edges_hz, t_edges_s FROM grid WHERE grid_id = ?", (newest.grid_id,)
        ).fetchone()
        grid = Grid(*(tuple(json.loads(text)) for text in edges))
        chosen = json.dumps(spread(row_ids, request.n_windows))
        rows = self._link.execute(CHOSEN, (chosen,)).fetchall()
        everything = json.dumps(row_ids)
        return WindowsFound(
            healthy=_healthy(request.sensor, rows, grid),
            spans_ns=tuple((row[0], row[1]) for row in rows),
            n_to_choose=len(row_ids),
            n_ng=int(self._link.execute(N_NG, (everything,)).fetchone()[0]),
            n_doubtful=int(self._link.execute(N_DOUBTFUL, (everything,)).fetchone()[0]),
            n_window=newest.n_samples,
            t_edges_s=grid.t_edges_s,
            geometry_id=newest.geometry_id,
            alarm_since_ns=self.alarm_since(request.sensor),
        )

    def _open(self, request: Request, at_ns: int) -> Request:
        found = self._link.execute(
            "INSERT INTO commissioning (sensor, at_ns, n_windows, after_row, false_alarm_rate,"
            " from_ns, to_ns, author, even_so) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING"
            " commissioning_id",
            (
                *(request.sensor, at_ns, request.n_windows, request.after_row),
                *(request.false_alarm_rate, request.from_ns, request.to_ns),
                *(request.author, request.even_so),
            ),
        ).fetchone()
        return replace(request, commissioning_id=found[0])


@dataclass(frozen=True, slots=True)
class _Newest:
    row_id: int
    grid_id: int
    n_samples: int
    geometry_id: str


class PromiseBasis(NamedTuple):
    """What alarms with a budget rest on.

    active : by sensor, the commissioning that holds
    drifted : commissionings whose sensors have drifted since
    """

    sensors: list[str]
    active: dict[str, Commissioned]
    drifted: set[int | None]


def promise_basis(path: Path) -> PromiseBasis:
    """As the journal has it now. Raises JournalError."""
    with closing(connect_read_only(path)) as link, reading():
        states = promise_states(link).values()
        drifted = {state.commissioning_id for state in states if state.drift_told}
        sensors = [name for (name,) in link.execute(SENSORS)]
        return PromiseBasis(sensors, _active(link), drifted)


def spread(row_ids: Sequence[int], n: int) -> list[int]:
    """n of them, evenly from first to last; all where there are no more."""
    if len(row_ids) <= n:
        return list(row_ids)
    return [row_ids[round(i * (len(row_ids) - 1) / max(1, n - 1))] for i in range(n)]


def undo_text(undone: Undone, author: str) -> str:
    """Who took back what, and what holds now."""
    what = "an open request is withdrawn"
    if undone.at_ns is not None:
        what = f"the commissioning of {utc(undone.at_ns)} is undone"
    now = "no commissioning holds now"
    if undone.holds is not None:
        now = f"the commissioning of {utc(undone.holds.at_ns)} holds"
    return f"by {author or 'nobody named'}: {what}; {now}"


def _within(request: Request) -> tuple[str, tuple[int, ...]]:
    if request.after_row is not None:
        return " AND v.row_id > ?", (request.after_row,)
    if not request.has_span:
        return "", ()
    from_ns = 0 if request.from_ns is None else request.from_ns
    to_ns = END_NS if request.to_ns is None else request.to_ns
    return " AND v.start_ns >= ? AND v.end_ns BETWEEN ? AND ?", (from_ns, from_ns, to_ns)


def _order(request: Request) -> str:
    return "v.end_ns" if request.after_row is None else "v.row_id"


def _active(link: Connection) -> dict[str, Commissioned]:
    rows = link.execute(
        "SELECT sensor, f_edges_hz, low_db, high_db, novelty_threshold,"
        " false_alarm_rate IS NOT NULL, logit_threshold, model_id, running_limit_ms2, n_windows,"
        " settled_ns, geometry, commissioning_id FROM commissioning WHERE settled_ns IS NOT NULL"
        " AND error IS NULL AND undone_ns IS NULL ORDER BY settled_ns, commissioning_id"
    )
    known = references(link)
    active = {row[0]: _commissioned(*row) for row in rows}
    return {
        sensor: replace(own, reference=known.get(own.commissioning_id))
        for sensor, own in active.items()
    }


def _commissioned(
    sensor: str,
    f_edges: str,
    low: bytes,
    high: bytes,
    novelty_threshold: float,
    rate_was_asked: int,
    logit_threshold: float | None,
    model_id: str,
    running_limit_ms2: float,
    n_windows: int,
    at_ns: int,
    geometry: str | None,
    commissioning_id: int,
) -> Commissioned:
    edges = tuple(json.loads(f_edges))
    shape = (-1, len(edges) - 1)
    low_db, high_db = (np.frombuffer(blob, "<f4").reshape(shape) for blob in (low, high))
    return Commissioned(
        sensor=sensor,
        f_edges_hz=edges,
        baseline=Baseline(low_db, high_db, novelty_threshold, bool(rate_was_asked)),
        logit_threshold=logit_threshold,
        model_id=model_id,
        running_limit_ms2=running_limit_ms2,
        n_windows=n_windows,
        at_ns=at_ns,
        geometry=None if geometry is None else Geometry.from_json(geometry),
        commissioning_id=commissioning_id,
    )


def _settle(
    link: Connection, request: Request, outcome: Commissioned | str, at_ns: int
) -> bool:
    values = _refusal(outcome) if isinstance(outcome, str) else _columns(outcome)
    columns = ", ".join(f"{name} = ?" for name in values)
    found = link.execute(
        f"UPDATE commissioning SET settled_ns = ?, {columns} WHERE commissioning_id = ? AND"
        " settled_ns IS NULL AND undone_ns IS NULL RETURNING 1",
        (at_ns, *values.values(), request.commissioning_id),
    ).fetchall()
    return bool(found)


def _refusal(text: str) -> dict[str, object]:
    return {"error": text}


def _columns(commissioned: Commissioned) -> dict[str, object]:
    baseline, geometry = commissioned.baseline, commissioned.geometry
    return {
        "n_windows": commissioned.n_windows,
        "f_edges_hz": json.dumps(commissioned.f_edges_hz),
        "low_db": baseline.low_db.astype("<f4").tobytes(),
        "high_db": baseline.high_db.astype("<f4").tobytes(),
        "novelty_threshold": baseline.threshold,
        "logit_threshold": commissioned.logit_threshold,
        "model_id": commissioned.model_id,
        "running_limit_ms2": commissioned.running_limit_ms2,
        "geometry": None if geometry is None else geometry.as_json(),
    }


def _healthy(sensor: str, rows: Sequence[tuple[Any, ...]], grid: Grid) -> HealthyWindows:
    """rows : of CHOSEN."""
    spectra = [unpack_spectrum(row[7], grid) for row in rows]
    model_id = rows[-1][2]
    logits = [_logit(*row[3:5]) for row in rows if row[2] == model_id]
    qualities = [unpack_quality(*row[5:7]) for row in rows]
    return HealthyWindows(
        sensor=sensor,
        f_edges_hz=grid.f_edges_hz,
        spectra_db=np.stack([one for one in spectra if one is not None]),
        logits=None if None in logits else np.asarray(logits, np.float64),
        rms_ms2=np.asarray([quality.get("rms_ms2", 0.0) for quality in qualities]),
        model_id=model_id,
    )


def _logit(kinds: str, scores: bytes) -> float | None:
    found = unpack_scores(kinds, scores)
    return next((one.score for one in found if one.kind == "network"), None)
