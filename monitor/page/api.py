"""/api/v1: the journal for other programs. Reading alone; every answer is bounded; the document of
it all is static/openapi.json.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from monitor.journal.reader import Row
from monitor.journal.trend_reader import TrendReader
from monitor.journal.views import JournalViews, summary_of
from monitor.page.access import Access
from monitor.page.answers import answer
from monitor.page.api_views import (
    event_tree,
    map_tree,
    point_tree,
    trend_tree,
    whole_verdict_tree,
)
from monitor.page.feed import Source
from monitor.plain_values import verdict_tree
from monitor.records.notes import MAX_INTEGER, MAX_SENSOR
from monitor.records.trend import DAY_S, HOUR_S, TEN_MINUTES_S
from monitor.times import TimeError, iso, moment

DOCUMENT = Path(__file__).parent / "static" / "openapi.json"
MAX_N, USUAL_N = 1000, 100
STEPS_S = {"10min": TEN_MINUTES_S, "1h": HOUR_S, "1d": DAY_S}
USUAL_STEP = "1h"
PLACE = re.compile(r"(\d{1,19})-(\d{1,19})")

Answering = Callable[[Request], Response]


class Api:
    """Plain methods run in worker threads, where the journal may be read."""

    def __init__(self, access: Access, source: Source, path: Path) -> None:
        """path : the journal's"""
        self._access, self._source, self._path = access, source, path

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/openapi.json", self.document),
            Route("/api/v1/points", self._for_readers(self.points)),
            Route("/api/v1/verdicts", self._for_readers(self.verdicts)),
            Route("/api/v1/verdicts/new", self._for_readers(self.new_verdicts)),
            Route("/api/v1/verdicts/{row}", self._for_readers(self.verdict)),
            Route("/api/v1/verdicts/{row}/map", self._for_readers(self.map)),
            Route("/api/v1/trend", self._for_readers(self.trend)),
            Route("/api/v1/events", self._for_readers(self.events)),
        ]

    def _for_readers(self, work: Answering) -> Answering:
        def guarded(request: Request) -> Response:
            self._access.may_read_api(request)
            return work(request)

        return guarded

    def document(self, _request: Request) -> Response:
        return FileResponse(DOCUMENT, media_type="application/json")

    def points(self, request: Request) -> Response:
        """By name."""
        query = _Query(request, "after", "n")
        after, n = query.text("after"), query.count()
        with self._source.reading() as views:
            names = [name for name in views.sensors() if name > after][: n + 1]
            newest = [found for name in names if (found := views.newest(name)) is not None]
            alarms = views.unacknowledged()
        trees = [point_tree(one, one.sensor not in alarms) for one in newest[:n]]
        return _page("points", trees, names[n - 1] if len(names) > n else None)

    def verdicts(self, request: Request) -> Response:
        """Of one point, oldest first, by the time at which they ended."""
        query = _Query(request, "sensor", "from", "to", "after", "n")
        sensor, n = query.needed_sensor(), query.count()
        from_ns, to_ns = query.time("from", 0), query.time("to", MAX_INTEGER)
        place = query.place("after") or (from_ns, -1)
        with self._source.reading() as views:
            found = views.after(sensor, max(place, (from_ns, -1)), to_ns, n + 1)
        more = found[n - 1] if len(found) > n else None
        after = None if more is None else f"{more.end_ns}-{more.row_id}"
        return _page("verdicts", [verdict_tree(one) for one in found[:n]], after)

    def new_verdicts(self, request: Request) -> Response:
        """Of all points, in the order in which they were stored."""
        query = _Query(request, "after", "n")
        after, n = query.whole("after", 0), query.count()
        with self._source.reading() as views:
            found = views.stored_after(after, n)
        last = found[-1].row_id if found else after
        return _page("verdicts", [verdict_tree(one) for one in found], last)

    def verdict(self, request: Request) -> Response:
        row_id = _row_id(request)
        with self._source.reading() as views:
            row = _row(views, row_id)
            labels = views.labels([row_id])
            context = views.context([row_id]).get(row_id, {})
        return answer(whole_verdict_tree(summary_of(row), row, labels, context))

    def map(self, request: Request) -> Response:
        row_id = _row_id(request)
        with self._source.reading() as views:
            tree = map_tree(_row(views, row_id), views.occlusion(row_id))
        if tree is None:
            raise HTTPException(
                404, "The map of this window was not kept, or there was none."
            )
        return answer(tree)

    def trend(self, request: Request) -> Response:
        """Of one point, oldest first: rows that begin in a span of time, one for each step."""
        query = _Query(request, "sensor", "step", "from", "to", "after", "n")
        sensor, tier_s, n = query.needed_sensor(), query.step("step"), query.count()
        from_ns, to_ns = query.time("from", 0), query.time("to", MAX_INTEGER)
        from_ns = max(from_ns, query.time("after", -1) + 1)
        with closing(TrendReader(self._path)) as reader:
            found = reader.rows(sensor, tier_s, from_ns, to_ns, n + 1)
        after = iso(found[n - 1].start_ns) if len(found) > n else None
        return _page("rows", [trend_tree(row) for row in found[:n]], after)

    def events(self, request: Request) -> Response:
        """Newest first."""
        query = _Query(request, "sensor", "before", "n")
        before, n = query.whole("before", MAX_INTEGER), query.count()
        sensor = query.sensor()
        with self._source.reading() as views:
            found = views.events_back(before, n + 1, sensor)
            unacknowledged = views.unacknowledged()
        trees = [event_tree(event, unacknowledged) for event in found[:n]]
        return _page("events", trees, found[n - 1].event_id if len(found) > n else None)


class _Query:
    """The parameters of one request. Raises HTTPException 400: key, value and rule."""

    def __init__(self, request: Request, *known: str) -> None:
        self._values: dict[str, str] = {}
        for key, value in request.query_params.multi_items():
            if key not in known:
                raise HTTPException(
                    400,
                    f"{key[:40]!r}: there is no such parameter; known are {', '.join(known)}.",
                )
            if key in self._values:
                raise HTTPException(400, f"{key} stands there twice.")
            self._values[key] = value

    def text(self, key: str) -> str:
        value = self._values.get(key, "")
        if len(value) > MAX_SENSOR:
            raise HTTPException(
                400, f"{key} has {len(value)} characters: at most {MAX_SENSOR} make sense."
            )
        # A lone surrogate is no text to SQLite.
        return value.encode("utf-8", "replace").decode()

    def sensor(self) -> str | None:
        sensor = self.text("sensor")
        if "sensor" in self._values and not sensor:
            raise HTTPException(400, "sensor is empty: say machine/point.")
        return sensor or None

    def needed_sensor(self) -> str:
        sensor = self.sensor()
        if sensor is None:
            raise HTTPException(400, "sensor is missing: say machine/point.")
        return sensor

    def step(self, key: str) -> int:
        """In seconds."""
        text = self._values.get(key, USUAL_STEP)
        if text not in STEPS_S:
            raise HTTPException(
                400, f"{key} = {text[:40]!r}: must be one of {', '.join(STEPS_S)}."
            )
        return STEPS_S[text]

    def whole(self, key: str, usual: int) -> int:
        text = self._values.get(key)
        return usual if text is None else _whole(key, text, 0, MAX_INTEGER)

    def count(self) -> int:
        text = self._values.get("n")
        return USUAL_N if text is None else _whole("n", text, 1, MAX_N)

    def time(self, key: str, usual_ns: int) -> int:
        text = self._values.get(key)
        if text is None:
            return usual_ns
        try:
            at_ns = moment(text[:60], time.time_ns(), UTC, key)
        except TimeError as error:
            raise HTTPException(400, str(error)) from error
        return min(max(at_ns, 0), MAX_INTEGER)

    def place(self, key: str) -> tuple[int, int] | None:
        text = self._values.get(key)
        if text is None:
            return None
        found = PLACE.fullmatch(text) if text.isascii() else None
        if found is None:
            raise HTTPException(400, f"{key} = {text[:60]!r}: must be `next` of an answer.")
        end_ns, row_id = (min(int(part), MAX_INTEGER) for part in found.groups())
        return end_ns, row_id


def _whole(key: str, text: str, least: int, most: int) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 20
    if not is_number or not least <= int(text) <= most:
        raise HTTPException(
            400, f"{key} = {text[:40]!r}: must be a whole number from {least} to {most}."
        )
    return int(text)


def _row_id(request: Request) -> int:
    return _whole("row", request.path_params["row"], 0, MAX_INTEGER)


def _row(views: JournalViews, row_id: int) -> Row:
    row = views.row(row_id)
    if row is None:
        raise HTTPException(404, f"There is no row {row_id} in the journal (any more).")
    return row


def _page(name: str, trees: Sequence[Any], after: str | int | None) -> Response:
    """next : what to ask with for what follows; null where nothing does."""
    return answer({name: trees, "next": after})
