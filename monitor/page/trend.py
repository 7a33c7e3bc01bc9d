"""Years of a point for the page: rows of trends, or single windows where the span is short."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from monitor.journal.commissioning import CommissioningStore
from monitor.journal.trend_reader import TrendReader, together
from monitor.journal.views import JournalViews, StoredEvent, WindowSummary
from monitor.page.answers import answer
from monitor.page.feed import Source
from monitor.page.slope import SlopeCache, leading_quantity
from monitor.page.views import NS_PER_MS, Tree, rounded
from monitor.records.renamed import Formerly, names_of
from monitor.records.trend import (
    DAY_S,
    HOUR_S,
    PROBABILITY,
    TEN_MINUTES_S,
    TIERS_S,
    BandSums,
    FEdges,
    Float64,
    TrendRow,
)
from monitor.records.zones import Limits
from monitor.signal.indicators import SLOW_VELOCITY, VELOCITY

MAX_WINDOWS = 2000  # single windows in a view
MAX_ROWS = {TEN_MINUTES_S: 720, HOUR_S: 1080, DAY_S: 4000}  # 5 days, 45 days, 11 years
MAX_COLUMNS = 400  # of a waterfall
MAX_EVENTS = 300
# a row of a day may hold the last of one name and the first of the next
OVERLAP_NS = DAY_S * 10**9
MAX_POINTS = 25  # of one question about many
WINDOWS_MS = 2 * HOUR_S * 1000  # no longer span is shown in single windows
# Of a row's worst window: not in the journal; there without, and with raw samples.
KEPT_WORDS = {None: "", False: "window", True: "samples"}
MARKS = (
    "alarm_raised",
    "alarm_cleared",
    "label",
    "model_changed",
    "geometry_changed",
    "commissioned",
    "commissioning_undone",
    "repair_noted",
    "repair_checked",
)


class TrendPage:
    """Answers to what the page's trend view and fleet ask. Plain methods run in worker threads.

    formerly : names that points had before
    zones : of a point, its limits in mm/s; None where none are known
    may_read : raises HTTPException where the request has no session
    """

    def __init__(
        self,
        path: Path,
        source: Source,
        zones: Callable[[str], Limits | None],
        formerly: Formerly,
        may_read: Callable[[Request], object],
    ) -> None:
        self._path, self._source, self._may_read = path, source, may_read
        self._zones, self._formerly = zones, formerly
        self._slopes = SlopeCache(path, formerly)

    def routes(self) -> list[Route]:
        return [Route("/api/trend", self.trend), Route("/api/trend/points", self.points)]

    def trend(self, request: Request) -> JSONResponse:
        """sensor, from_ms, to_ms, quantity; bands=1 for the waterfalls.

        Without a span: all there is.
        """
        self._may_read(request)
        sensor = request.query_params.get("sensor", "")
        with closing(TrendReader(self._path, self._formerly)) as reader:
            spans_ns = reader.spans_ns(sensor)
            if not spans_ns:
                raise HTTPException(404, "The journal holds no trends of this point.")
            known_ns = together(spans_ns)
            from_ns, to_ns = _span(request, known_ns)
            tier_s, rows = _rows(reader, sensor, from_ns, to_ns)
        quantities = sorted({name for row in rows for name in row.spreads})
        quantity = request.query_params.get("quantity") or leading_quantity(quantities)
        found: Tree = {
            "sensor": sensor,
            "from_ms": from_ns / NS_PER_MS,
            "to_ms": to_ns / NS_PER_MS,
            "first_ms": known_ns[0] / NS_PER_MS,
            "last_ms": known_ns[1] / NS_PER_MS,
            "quantities": quantities,
            "quantity": quantity,
            "tier_s": tier_s,
            "rows": [row_view(row, quantity) for row in rows],
            "formerly": former_words(sensor, spans_ns),
            "zones_mm_s": self._zones(sensor) if _is_velocity(quantity) else None,
        }
        with self._source.reading() as views:
            self._look_closer(views, found, from_ns, to_ns)
        if request.query_params.get("bands"):
            found["bands"] = self._bands(sensor, rows)
        return answer(found)

    def _look_closer(
        self, views: JournalViews, found: Tree, from_ns: int, to_ns: int
    ) -> None:
        """Single windows where the span is short; which worst windows are still there; events."""
        sensor, quantity = found["sensor"], found["quantity"]
        if to_ns - from_ns <= WINDOWS_MS * NS_PER_MS:
            windows = self._windows(views, sensor, from_ns, to_ns)
            if len(windows) <= MAX_WINDOWS and _is_score(quantity, windows):
                found["tier_s"] = 0
                found["rows"] = [window_view(one, quantity) for one in windows]
        worst = [row["worst"] for row in found["rows"] if row["worst"] is not None]
        kept = views.still_kept(worst)
        for row in found["rows"]:
            row["worst_kept"] = KEPT_WORDS[kept.get(row["worst"])]
        names = names_of(sensor, self._formerly)
        found |= _marks(
            event for name in names for event in views.events_between(name, from_ns, to_ns)
        )

    def _bands(self, sensor: str, rows: Sequence[TrendRow]) -> Tree | None:
        found = bands_view(rows)
        if found is None:
            return None
        return found | {"baseline_db": self._baseline(sensor, found)}

    def _windows(
        self, views: JournalViews, sensor: str, from_ns: int, to_ns: int
    ) -> list[WindowSummary]:
        """One more than may be shown tells that there are too many."""
        found = [
            window
            for name in names_of(sensor, self._formerly)
            for window in views.between(name, from_ns, to_ns, MAX_WINDOWS + 1)
        ]
        return sorted(found, key=lambda window: window.end_ns)

    def _baseline(self, sensor: str, bands: Tree) -> list[float] | None:
        """The middle of the levels that the sensor was commissioned with, by band; None where it
        was not, or with other bands.
        """
        with closing(CommissioningStore(self._path)) as store:
            own = store.active().get(sensor)
        if own is None or own.f_edges_hz != bands["f_edges_hz"]:
            return None
        power = 10 ** (own.baseline.centre_db.astype(np.float64) / 10)
        return _list(10 * np.log10(power.mean(axis=0)), 1)

    def points(self, request: Request) -> JSONResponse:
        """The last day of some points, hour by hour, and how fast they rise: sensor=A&sensor=B."""
        self._may_read(request)
        sensors = request.query_params.getlist("sensor")[:MAX_POINTS]
        now_ns = time.time_ns()
        return answer([self._point(sensor, now_ns) for sensor in sensors])

    def _point(self, sensor: str, now_ns: int) -> Tree:
        day_ns = DAY_S * 10**9
        with closing(TrendReader(self._path, self._formerly)) as reader:
            hours = reader.rows(sensor, HOUR_S, now_ns - day_ns, now_ns)
        return {
            "sensor": sensor,
            "from_ms": (now_ns - day_ns) / NS_PER_MS,
            "hours": [
                {"start_ms": row.start_ns / NS_PER_MS, "status": most_serious(row.span_ns)}
                for row in hours
            ],
            "slope": self._slopes.of(sensor, now_ns),
        }


def former_words(sensor: str, spans_ns: Mapping[str, tuple[int, int]]) -> str:
    """Which of its former names a point's rows hold, and which of these sent on beside it."""
    former = [name for name in spans_ns if name != sensor]
    if not former:
        return ""
    text = f"With what it was as {', '.join(former)}."
    began_ns, _ = spans_ns.get(sensor, (None, None))
    beside = [
        name
        for name in former
        if began_ns is not None and spans_ns[name][1] > began_ns + OVERLAP_NS
    ]
    if beside:
        text += (
            f" {', '.join(beside)} has sent since {sensor} began: windows of both are added"
            " together."
        )
    return text


def row_view(row: TrendRow, quantity: str) -> Tree:
    """A row of trends; its figures are null where no window had the quantity."""
    shown: Tree = {
        "start_ms": row.start_ns / NS_PER_MS,
        "end_ms": row.end_ns / NS_PER_MS,
        "windows": row.windows,
        "span_s": {status: rounded(ns / 1e9, 3) for status, ns in row.span_ns.items()},
        "status": most_serious(row.span_ns),
        "worst": row.worst_row,
    }
    spread = row.spreads.get(quantity)
    if spread is not None:
        shown |= {
            "n": spread.n,
            "mean": spread.mean,
            "low": spread.low,
            "high": spread.high,
            "median": spread.quantile(0.5),
            "p95": spread.quantile(0.95),
            "threshold": spread.threshold,
        }
    return shown


def window_view(window: WindowSummary, quantity: str) -> Tree:
    """A single window in the place of a row."""
    value, threshold = _value(window, quantity)
    shown: Tree = {
        "start_ms": window.start_ns / NS_PER_MS,
        "end_ms": window.end_ns / NS_PER_MS,
        "windows": {window.status: 1},
        "span_s": {window.status: (window.end_ns - window.start_ns) / 1e9},
        "status": window.status,
        "worst": window.row_id,
    }
    if value is not None:
        same = dict.fromkeys(("mean", "low", "high", "median", "p95"), value)
        shown |= {"n": 1, **same, "threshold": threshold}
    return shown


def most_serious(span_ns: dict[str, int]) -> str:
    """The status that a short mark shows: NG where there was any, else what took longest."""
    if "NG" in span_ns:
        return "NG"
    return max(span_ns, key=lambda status: span_ns[status], default="NO_DATA")


def bands_view(rows: Sequence[TrendRow]) -> Tree | None:
    """Mean spectrum and maps by band for the waterfalls, of the bands that most rows have; where
    there are very many rows, neighbours are added up.
    """
    edges = _common_edges(rows)
    if edges is None:
        return None
    step = -(-len(rows) // MAX_COLUMNS)
    parts = [rows[first : first + step] for first in range(0, len(rows), step)]
    columns = [_joined(part) for part in parts]
    bands = [column.bands.get(edges) for column in columns]
    kinds = sorted({kind for one in bands if one is not None for kind in one.cells})
    return {
        "f_edges_hz": edges,
        "start_ms": [column.start_ns / NS_PER_MS for column in columns],
        "end_ms": [part[-1].end_ns / NS_PER_MS for part in parts],
        "spectrum_db": [
            None if one is None else _list(one.spectrum_db, 1) for one in bands
        ],
        "maps": {kind: [_mean_map(one, kind) for one in bands] for kind in kinds},
    }


def _mean_map(bands: BandSums | None, kind: str) -> list[float] | None:
    """None where there is none of this kind."""
    if bands is None or kind not in bands.cells:
        return None
    return _list(bands.mean_map(kind), 4)


def _common_edges(rows: Sequence[TrendRow]) -> FEdges | None:
    counts: dict[FEdges, int] = {}
    for row in rows:
        for edges in row.bands:
            counts[edges] = counts.get(edges, 0) + 1
    return max(counts, key=lambda edges: counts[edges], default=None)


def _joined(rows: Sequence[TrendRow]) -> TrendRow:
    whole = TrendRow(rows[0].tier_s, rows[0].start_ns)
    for row in rows:
        whole.merge(row)
    return whole


def _list(values: Float64, n_digits: int) -> list[float]:
    rounded_values: list[float] = np.round(values, n_digits).tolist()
    return rounded_values


def _rows(
    reader: TrendReader, sensor: str, from_ns: int, to_ns: int
) -> tuple[int, list[TrendRow]]:
    """Rows of the finest tier that shows this span in few enough; of the next where these are no
    longer kept. The row before the span's start reaches into it.
    """
    tiers = [s for s in TIERS_S if (to_ns - from_ns) / (s * 10**9) <= MAX_ROWS[s]] or [
        DAY_S
    ]
    rows: list[TrendRow] = []
    for tier_s in tiers:
        rows = reader.rows(sensor, tier_s, from_ns - tier_s * 10**9 + 1, to_ns)
        if rows:
            break
    return tier_s, rows


def _span(request: Request, known_ns: tuple[int, int]) -> tuple[int, int]:
    from_ms, to_ms = milliseconds(request, "from_ms"), milliseconds(request, "to_ms")
    if from_ms is None or to_ms is None:
        return known_ns
    if to_ms <= from_ms:
        raise HTTPException(
            400, f"to_ms = {to_ms}: must be later than from_ms = {from_ms}."
        )
    return from_ms * NS_PER_MS, to_ms * NS_PER_MS


def milliseconds(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16 and int(text) < 2**43):
        raise HTTPException(
            400, f"{name} = {text[:40]!r}: must be milliseconds since 1970."
        )
    return int(text)


def _is_velocity(quantity: str) -> bool:
    """Of one channel or of all; the zone is that of the strongest."""
    return quantity.partition(".")[0] in (VELOCITY, SLOW_VELOCITY)


def _is_score(quantity: str, windows: Sequence[WindowSummary]) -> bool:
    """Whether single windows have it; indicators are in the rows alone."""
    if quantity == PROBABILITY or not windows:
        return True
    return any(score.kind == quantity for one in windows for score in one.scores)


def _value(window: WindowSummary, quantity: str) -> tuple[float | None, float | None]:
    """The quantity of a window, and its threshold."""
    if quantity == PROBABILITY:
        return window.probability, window.probability_threshold
    found = next((score for score in window.scores if score.kind == quantity), None)
    return (None, None) if found is None else (found.score, found.threshold)


def _marks(events: Iterable[StoredEvent]) -> Tree:
    """What stands on the time axis; the newest where there are too many."""
    marks = sorted(
        (event for event in events if event.kind in MARKS),
        key=lambda event: event.event_id,
    )
    shown = marks[-MAX_EVENTS:]
    return {
        "n_events_left_out": len(marks) - len(shown),
        "events": [
            {
                "event": event.event_id,
                "at_ms": event.at_ns / NS_PER_MS,
                "kind": event.kind,
                "text": event.text,
            }
            for event in shown
        ],
    }
