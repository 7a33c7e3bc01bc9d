"""The page: sessions, and the live state of all instances. Everything under /api but the login
needs a session; writes need its CSRF word and a role (page/people.py) as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
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

from monitor.advice import advice_book
from monitor.config import Config
from monitor.evidence.model_folder import ModelError
from monitor.journal.resend import ResendError
from monitor.journal.schema import JournalError
from monitor.page.access import Access
from monitor.page.address import HostNames
from monitor.page.answers import NOT_STORED, answer
from monitor.page.desk import body_of
from monitor.page.feed import Feed
from monitor.page.guard import Guard, refuse
from monitor.page.people import Role
from monitor.page.plant import Plant
from monitor.records.labels import WORDS
from monitor.records.notes import NoteError
from monitor.settings import ConfigError

STATIC = Path(__file__).parent / "static"


class Page:
    """Answers to requests. Plain methods run in worker threads, where the journal may be read."""

    def __init__(
        self,
        config: Config,
        read_again: Callable[[], Config],
        password: str | None,
        stopping: Callable[[], bool],
    ) -> None:
        """read_again : the configuration as its file has it now; raises ConfigError"""
        self._config = config
        self._secure = config.page.tls is not None or config.page.behind_https_proxy
        self._access = Access(config.page, password)
        self._hashing = asyncio.Lock()  # one password at a time: each takes 16 MB
        self._advice = advice_book(config.advice)
        self._plant = Plant(config, read_again, self._access, self._advice)
        self._feed = Feed(self._plant, stopping)

    def application(self) -> Starlette:
        names = HostNames(self._config.page.host, self._config.page.host_names)
        routes = [
            Route("/", self.start),
            Route("/login", self.login_page),
            Route("/api/login", self.ways_in),
            Route("/api/login", self.login, methods=["POST"]),
            Route("/api/logout", self.logout, methods=["POST"]),
            Route("/api/session", self.session),
            Route("/api/live", self.live),
            *self._plant.own_routes(),
            Mount("/at/{instance}", self._plant.elsewhere),
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
        self._plant.start()
        await self._feed.begin()
        reading = asyncio.create_task(self._feed.run())
        yield
        reading.cancel()
        self._plant.close()

    # -- sessions ---------------------------------------------------------------------------------

    def start(self, request: Request) -> Response:
        person = self._access.at_the_door(request)
        if person is None:
            return self._way_in()
        response = FileResponse(STATIC / "index.html", headers=NOT_STORED)
        if not self._access.has_session(request):
            self._access.open(response, person)
        return response

    def _way_in(self) -> Response:
        if self._access.with_login:
            # Relative, as all addresses: a proxy may have the page below a path of its own.
            return RedirectResponse("login", 303)
        return refuse(401, "The proxy that page.proxy names did not say who you are.")

    def login_page(self, _request: Request) -> Response:
        return FileResponse(STATIC / "login.html", headers=NOT_STORED)

    def ways_in(self, _request: Request) -> Response:
        return answer({"with_users": self._access.with_users})

    async def login(self, request: Request) -> Response:
        if not self._access.may_try(request):
            return refuse(429, "Too many wrong passwords: try again in a minute.")
        values = await body_of(request)
        user, word = values.get("user", ""), values.get("password")
        person = None
        if isinstance(user, str) and isinstance(word, str):
            async with self._hashing:
                person = await asyncio.to_thread(self._access.log_in, user, word)
        if person is None:
            self._access.failed(request)
            await asyncio.sleep(0.5)
            what = "name or the password" if self._access.with_users else "password"
            return refuse(403, f"The {what} is wrong.")
        response = JSONResponse({})
        self._access.open(response, person)
        return response

    async def logout(self, request: Request) -> Response:
        self._access.may_write(request, Role.VIEWER)
        response = JSONResponse({})
        self._access.close(request, response)
        return response

    def session(self, request: Request) -> Response:
        """What the page needs to know once."""
        person = self._access.in_session(request)
        return answer(
            {
                "csrf": self._access.csrf(request),
                "instance": self._config.instance,
                "words": WORDS,
                "failure_modes": self._config.page.failure_modes,
                "advice": {entry.name: entry.tree() for entry in self._advice},
                "with_login": self._access.with_login,
                "user": person.name,
                "role": person.role,
            }
        )

    async def live(self, request: Request) -> Response:
        """local=1: the points of this machine alone, for another page that shows them."""
        self._access.may_read(request)
        if self._feed.full:
            return refuse(503, "Too many browsers watch already.")
        return StreamingResponse(
            self._feed.listen("local" in request.query_params),
            media_type="text/event-stream",
            headers=NOT_STORED,
        )


async def _refused(_request: Request, error: HTTPException) -> Response:
    return refuse(error.status_code, error.detail, error.headers)


async def _no_journal(_request: Request, error: JournalError) -> Response:
    return refuse(503, str(error))


async def _bad_resend(_request: Request, error: ResendError) -> Response:
    return refuse(400, str(error))


async def _bad_label(_request: Request, error: NoteError) -> Response:
    return refuse(400, str(error))


async def _bad_settings(_request: Request, error: ConfigError | ModelError) -> Response:
    return refuse(409, str(error))


# Starlette asks for handlers of any Exception; each of these is called with its own alone.
HANDLERS: dict[Any, Any] = {
    HTTPException: _refused,
    JournalError: _no_journal,
    NoteError: _bad_label,
    ConfigError: _bad_settings,
    ModelError: _bad_settings,
    ResendError: _bad_resend,
}
