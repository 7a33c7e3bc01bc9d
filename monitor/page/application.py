"""The page's addresses. Everything under /api but the login needs a session; writes need its CSRF
word as well.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from monitor.config import Config, ConfigError
from monitor.evidence.model_folder import ModelError
from monitor.journal.labels import LabelStore
from monitor.journal.reader import Row
from monitor.journal.resend import ResendError, refused_rows
from monitor.journal.schema import JournalError
from monitor.journal.views import JournalViews
from monitor.page import commissioning, delivery
from monitor.page.address import HostNames
from monitor.page.feed import Feed, Source
from monitor.page.guard import CSRF_HEADER, MAX_BODY_BYTES, Guard, Sessions, refuse
from monitor.page.trend import TrendPage
from monitor.page.views import (
    database_view,
    event_view,
    refusal_view,
    row_view,
    summary_view,
    waveform_view,
)
from monitor.records.labels import WORDS, LabelError, LabelRequest, check_label, check_note, integer

STATIC = Path(__file__).parent / "static"
COOKIE = "camshaft_session"
MAX_ROWS = 2000
MAX_EVENTS = 500
REFUSED_NS = 86_400 * 10**9  # what was refused is shown for a day


class Page:
    """Answers to requests. Plain methods run in worker threads, where the journal may be read."""

    def __init__(self, config: Config, password: str | None, stopping: Callable[[], bool]) -> None:
        self._config = config
        self._secure = config.page.tls is not None or config.page.behind_https_proxy
        self._sessions = Sessions(password)
        self._source = Source(config.journal.path)
        self._feed = Feed(self._source, stopping)
        self._trends = TrendPage(config.journal.path, self._source, self._may_read)

    def application(self) -> Starlette:
        names = HostNames(self._config.page.host, self._config.page.host_names)
        routes = [
            Route("/", self.start),
            Route("/login", self.login_page),
            Route("/api/login", self.login, methods=["POST"]),
            Route("/api/logout", self.logout, methods=["POST"]),
            Route("/api/session", self.session),
            Route("/api/live", self.live),
            Route("/api/timeline", self.timeline),
            Route("/api/rows/{row_id:int}", self.row),
            Route("/api/rows/{row_id:int}/waveform", self.waveform),
            Route("/api/rows/{row_id:int}/last-ok", self.last_ok),
            Route("/api/events", self.events),
            Route("/api/events/{event_id:int}/row", self.event_row),
            Route("/api/refused", self.refused),
            Route("/api/delivery", self.delivery),
            Route("/api/resend", self.resend, methods=["POST"]),
            Route("/api/labels", self.add_label, methods=["POST"]),
            Route("/api/acknowledgements", self.acknowledge, methods=["POST"]),
            Route("/api/commissionings", self.commission, methods=["POST"]),
            Route("/api/commissionings/undo", self.undo_commissioning, methods=["POST"]),
            *self._trends.routes(),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        return Starlette(
            routes=routes,
            lifespan=self._life,
            middleware=[
                Middleware(Guard, names=names, secure=self._secure),
                Middleware(GZipMiddleware, compresslevel=5),
            ],
            exception_handlers=HANDLERS,
        )

    @asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncIterator[None]:
        await self._feed.begin()
        reading = asyncio.create_task(self._feed.run())
        yield
        reading.cancel()
        self._source.close()

    # -- sessions ---------------------------------------------------------------------------------

    def start(self, request: Request) -> Response:
        if self._token(request) is not None:
            return FileResponse(STATIC / "index.html", headers=NOT_STORED)
        if self._sessions.with_password:
            # Relative, as all addresses: a proxy may have the page below a path of its own.
            return RedirectResponse("login", 303)
        response = FileResponse(STATIC / "index.html", headers=NOT_STORED)
        self._set_cookie(response)
        return response

    def login_page(self, _request: Request) -> Response:
        return FileResponse(STATIC / "login.html", headers=NOT_STORED)

    async def login(self, request: Request) -> Response:
        client = request.client.host if request.client else ""
        if not self._sessions.may_try(client, time.monotonic()):
            return refuse(429, "Too many wrong passwords: try again in a minute.")
        word = (await _json(request)).get("password")
        if not isinstance(word, str) or not self._sessions.right(word):
            self._sessions.failed(client, time.monotonic())
            await asyncio.sleep(0.5)
            return refuse(403, "The password is wrong.")
        response = JSONResponse({})
        self._set_cookie(response)
        return response

    async def logout(self, request: Request) -> Response:
        self._sessions.close(self._may_write(request))
        response = JSONResponse({})
        response.delete_cookie(COOKIE)
        return response

    def session(self, request: Request) -> Response:
        """What the page needs to know once."""
        token = self._may_read(request)
        return _answer(
            {
                "csrf": self._sessions.csrf(token),
                "instance": self._config.instance,
                "words": WORDS,
                "failure_modes": self._config.page.failure_modes,
                "with_password": self._sessions.with_password,
            }
        )

    def _token(self, request: Request) -> str | None:
        token = request.cookies.get(COOKIE, "")
        return token if self._sessions.valid(token, time.monotonic()) else None

    def _may_read(self, request: Request) -> str:
        token = self._token(request)
        if token is None:
            raise HTTPException(401, "There is no session: open the page anew.")
        return token

    def _may_write(self, request: Request) -> str:
        token = self._may_read(request)
        if not self._sessions.csrf_right(token, request.headers.get(CSRF_HEADER, "")):
            raise HTTPException(
                403, "The CSRF word is missing or of another session: open the page anew."
            )
        return token

    def _set_cookie(self, response: Response) -> None:
        token = self._sessions.open(time.monotonic())
        response.set_cookie(
            COOKIE, token, httponly=True, samesite="strict", secure=self._secure, path="/"
        )

    # -- reading ----------------------------------------------------------------------------------

    async def live(self, request: Request) -> Response:
        self._may_read(request)
        if self._feed.full:
            return refuse(503, "Too many browsers watch already.")
        return StreamingResponse(
            self._feed.listen(), media_type="text/event-stream", headers=NOT_STORED
        )

    def timeline(self, request: Request) -> Response:
        """A sensor's windows back from a row (or from the newest), oldest first."""
        self._may_read(request)
        sensor = request.query_params.get("sensor", "")
        before, n = _number(request, "before_row"), min(_number(request, "n") or 300, MAX_ROWS)
        with self._source.reading() as views:
            last = None if before is None else views.row(before)
            rows = views.back_from(sensor, None if last is None else last.verdict.end_ns, n)
        return _answer([summary_view(row) for row in reversed(rows)])

    def row(self, request: Request) -> Response:
        self._may_read(request)
        row_id = request.path_params["row_id"]
        with self._source.reading() as views:
            found = _row(views, row_id)
            has_kept, labels = views.has_kept_window(row_id), views.labels([row_id])
            context = views.context([row_id]).get(row_id, {})
            return _answer(row_view(found, has_kept, labels, context))

    def waveform(self, request: Request) -> Response:
        self._may_read(request)
        with self._source.reading() as views:
            found = views.kept_window(request.path_params["row_id"])
        if found is None:
            raise HTTPException(404, "The raw samples of this window were not kept.")
        return _answer(waveform_view(*found))

    def last_ok(self, request: Request) -> Response:
        """The newest OK window before this one, to compare with; null where there is none."""
        self._may_read(request)
        with self._source.reading() as views:
            verdict = _row(views, request.path_params["row_id"]).verdict
            return _answer({"row": views.last_ok(verdict.sensor, verdict.end_ns, verdict.model_id)})

    def events(self, request: Request) -> Response:
        """Events, newest first."""
        self._may_read(request)
        before, n = _number(request, "before"), min(_number(request, "n") or 100, MAX_EVENTS)
        with self._source.reading() as views:
            unacknowledged = views.unacknowledged()
            found = views.events_back(before, n, request.query_params.get("sensor"))
        return _answer([event_view(event, unacknowledged) for event in found])

    def event_row(self, request: Request) -> Response:
        self._may_read(request)
        with self._source.reading() as views:
            event = views.event(request.path_params["event_id"])
            row_id = None if event is None else views.row_at(event.sensor, event.at_ns)
        if row_id is None:
            raise HTTPException(404, "The window of this event is not in the journal (any more).")
        return _answer({"row": row_id})

    def refused(self, request: Request) -> Response:
        """Messages that were refused within the last day, by topic and reason."""
        self._may_read(request)
        with self._source.reading() as views:
            found = views.refusals(time.time_ns() - REFUSED_NS)
        return _answer({"refused": [refusal_view(one) for one in found]})

    def delivery(self, request: Request) -> Response:
        """What each database has got, has refused, and is still to be sent again."""
        self._may_read(request)
        with self._source.reading() as views:
            books, again = views.books(), views.n_to_resend()
        refused = refused_rows(self._config.journal.path)
        names = [database.name for database in self._config.influx]
        return _answer(
            {"databases": [database_view(name, books, again, refused) for name in names]}
        )

    # -- writing ----------------------------------------------------------------------------------

    async def add_label(self, request: Request) -> Response:
        self._may_write(request)
        values = await _json(request)
        label = check_label(values, self._config.page.failure_modes)
        row_id = integer(values, "row_id")
        if row_id is None:
            raise LabelError("row_id is missing: a label needs its window.")
        wish = LabelRequest(label, time.time_ns(), row_id)
        await asyncio.to_thread(self._write, lambda store: store.add(wish))
        return _answer({"row": row_id})

    async def acknowledge(self, request: Request) -> Response:
        self._may_write(request)
        values = await _json(request)
        event_id, (author, comment) = integer(values, "event_id"), check_note(values)
        if event_id is None:
            raise LabelError("event_id is missing: an acknowledgement needs its alarm.")
        now_ns = time.time_ns()
        await asyncio.to_thread(
            self._write, lambda store: store.acknowledge(event_id, author, comment, now_ns)
        )
        return _answer({"event_id": event_id})

    async def commission(self, request: Request) -> Response:
        """409 where the guard, or the windows, refuse."""
        self._may_write(request)
        values, now_ns = await _json(request), time.time_ns()
        made = await asyncio.to_thread(commissioning.commission, self._config, values, now_ns)
        if made.commissioned is None:
            tree = {"error": made.text, "needs_reason": made.needs_reason}
            return JSONResponse(tree, 409, headers=NOT_STORED)
        return _answer({"text": made.text})

    async def undo_commissioning(self, request: Request) -> Response:
        self._may_write(request)
        values, now_ns = await _json(request), time.time_ns()
        text = await asyncio.to_thread(commissioning.undo, self._config, values, now_ns)
        return _answer({"text": text})

    async def resend(self, request: Request) -> Response:
        """Say what would be sent again, or order it: the same request with preview false."""
        self._may_write(request)
        values, now_ns = await _json(request), time.time_ns()
        plan = await asyncio.to_thread(delivery.resend, self._config, values, now_ns)
        return _answer({"text": plan.text, "n_rows": plan.n_all})

    def _write(self, work: Callable[[LabelStore], object]) -> None:
        store = LabelStore(self._config.journal.path)
        try:
            work(store)
        finally:
            store.close()


NOT_STORED = {"Cache-Control": "no-store"}


def _answer(tree: Any) -> JSONResponse:
    return JSONResponse(tree, headers=NOT_STORED)


def _row(views: JournalViews, row_id: int) -> Row:
    found = views.row(row_id)
    if found is None:
        raise HTTPException(404, f"There is no row {row_id} in the journal (any more).")
    return found


async def _json(request: Request) -> Mapping[str, Any]:
    """The request's JSON object; Guard has bounded its length."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"A request has at most {MAX_BODY_BYTES} bytes.")
    try:
        tree = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The request is not JSON.") from error
    if not isinstance(tree, dict):
        raise HTTPException(400, "The request must be a JSON object.")
    return tree


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise HTTPException(400, f"{name} = {text[:40]!r}: must be a whole number from 0 on.")
    return int(text)


async def _refused(_request: Request, error: HTTPException) -> Response:
    return refuse(error.status_code, error.detail)


async def _no_journal(_request: Request, error: JournalError) -> Response:
    return refuse(503, str(error))


async def _bad_resend(_request: Request, error: ResendError) -> Response:
    return refuse(400, str(error))


async def _bad_label(_request: Request, error: LabelError) -> Response:
    return refuse(400, str(error))


async def _bad_settings(_request: Request, error: ConfigError | ModelError) -> Response:
    return refuse(409, str(error))


# Starlette asks for handlers of any Exception; each of these is called with its own alone.
HANDLERS: dict[Any, Any] = {
    HTTPException: _refused,
    JournalError: _no_journal,
    LabelError: _bad_label,
    ConfigError: _bad_settings,
    ModelError: _bad_settings,
    ResendError: _bad_resend,
}
