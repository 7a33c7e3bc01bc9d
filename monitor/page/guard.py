"""Who may see and write: sessions, request sizes, and the headers that tie a browser's hands."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.page.address import HostNames
from monitor.page.people import ANYBODY, Person

MAX_BODY_BYTES = 16_384
SESSION_S = 12 * 3600.0
MAX_SESSIONS = 1000
FAILURES_PER_MINUTE = 10
MAX_CLIENTS = 1000
CSRF_HEADER = "x-csrf-token"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Sessions:
    """Open sessions, in memory: a restart of the page logs everybody out. now_s: a clock that never
    jumps.
    """

    def __init__(self, password: str | None) -> None:
        self._password = None if password is None else _digest(password)
        self._sessions: OrderedDict[str, tuple[float, Person]] = OrderedDict()
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._key = secrets.token_bytes(32)

    @property
    def with_password(self) -> bool:
        return self._password is not None

    def right(self, password: str) -> bool:
        return self._password is not None and hmac.compare_digest(
            self._password, _digest(password)
        )

    def may_try(self, client: str, now_s: float) -> bool:
        """False where a client got the password wrong too often within the last minute."""
        recent = [at_s for at_s in self._failures.get(client, []) if now_s - at_s < 60.0]
        self._failures[client] = recent
        self._failures.move_to_end(client)
        while len(self._failures) > MAX_CLIENTS:
            self._failures.popitem(last=False)
        return len(recent) < FAILURES_PER_MINUTE

    def failed(self, client: str, now_s: float) -> None:
        self._failures.setdefault(client, []).append(now_s)

    def open(self, now_s: float, person: Person = ANYBODY) -> str:
        token = secrets.token_urlsafe(32)
        self._sessions[token] = now_s + SESSION_S, person
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    def close(self, token: str) -> None:
        self._sessions.pop(token, None)

    def person(self, token: str, now_s: float) -> Person | None:
        """Whose session it is; None where there is none, or it has ended."""
        ends_s, person = self._sessions.get(token, (float("-inf"), ANYBODY))
        return person if ends_s > now_s else None

    def csrf(self, token: str) -> str:
        """A word that only a page of ours can read, to be sent along with every write of this
        session.
        """
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()

    def csrf_right(self, token: str, word: str) -> bool:
        return hmac.compare_digest(self.csrf(token).encode(), word.encode())


class Guard:
    """ASGI middleware around everything: our host names only, small requests only, same-origin
    writes only.
    """

    def __init__(self, app: ASGIApp, names: HostNames, secure: bool) -> None:
        self._app, self._names = app, names
        self._headers = HEADERS | (
            {"Strict-Transport-Security": "max-age=31536000"} if secure else {}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                # Ask each time: scripts of two versions never mix.
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        request = Request(scope)
        if refusal := self._refusal(request):
            return await refusal(scope, receive, send_guarded)
        await self._app(scope, receive, send_guarded)

    def _refusal(self, request: Request) -> JSONResponse | None:
        host = request.headers.get("host", "")
        if not self._names.know(host):
            return refuse(421, "This host name is not ours: add it to page.host_names.")
        if request.method in ("GET", "HEAD"):
            return None
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return refuse(403, "Writes come from our own pages only.")
        if (
            request.headers.get("content-type", "").partition(";")[0].strip()
            != "application/json"
        ):
            return refuse(415, "Content-Type must be application/json.")
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return refuse(
                413, f"A request has a Content-Length of at most {MAX_BODY_BYTES} bytes."
            )
        return None


def refuse(
    status: int, sentence: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, headers)


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()
