"""Who asks: by a session of their own, by a proxy that has logged them in, or by a machine's token.

Where neither a password nor users nor a proxy is configured nobody logs in, and
whoever reaches the page may do everything: the page then listens on loopback
alone.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import time
from contextlib import suppress
from typing import Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.config_page import PageSettings, ProxySettings, TokenSettings
from monitor.page.guard import CSRF_HEADER, Sessions
from monitor.page.people import ANYBODY, Person, Role
from monitor.page.users import Users, check_name
from monitor.settings import ConfigError

COOKIE = "camshaft_session"
MIN_TOKEN = 20


class Access:
    """Raises HTTPException: 401 where nobody is known, 403 where they may not."""

    def __init__(self, page: PageSettings, password: str | None) -> None:
        """Raises ConfigError."""
        self._secure = page.tls is not None or page.behind_https_proxy
        self._sessions = Sessions(password)
        self._users = None if page.users is None else Users(page.users)
        self._proxy = page.proxy
        self._tokens = page.tokens
        for token in page.tokens:
            _read_token(token)

    @property
    def with_users(self) -> bool:
        return self._users is not None

    @property
    def with_login(self) -> bool:
        """Somebody can log in on the page itself."""
        return self._sessions.with_password or self.with_users

    @property
    def is_open(self) -> bool:
        return not self.with_login and self._proxy is None

    # -- sessions ---------------------------------------------------------------------------------

    def at_the_door(self, request: Request) -> Person | None:
        """Who opens the page, where no login is needed (any more)."""
        known = self._session(request) or self._proxied(request)
        return ANYBODY if known is None and self.is_open else known

    def open(self, response: Response, person: Person) -> None:
        token = self._sessions.open(time.monotonic(), person)
        response.set_cookie(
            COOKIE, token, httponly=True, samesite="strict", secure=self._secure, path="/"
        )

    def close(self, request: Request, response: Response) -> None:
        self._sessions.close(request.cookies.get(COOKIE, ""))
        response.delete_cookie(COOKIE)

    def has_session(self, request: Request) -> bool:
        return self._session(request) is not None

    def csrf(self, request: Request) -> str:
        return self._sessions.csrf(request.cookies.get(COOKIE, ""))

    def may_try(self, request: Request) -> bool:
        """False where a client got the password wrong too often within the last minute."""
        return self._sessions.may_try(_client(request), time.monotonic())

    def failed(self, request: Request) -> None:
        self._sessions.failed(_client(request), time.monotonic())

    def log_in(self, user: str, password: str) -> Person | None:
        """user : "" for the password that is everybody's. Takes a fifth of a second for others."""
        if user:
            return None if self._users is None else self._users.log_in(user, password)
        is_right = self._sessions.right(password)
        return Person("", Role.ADMIN, "password") if is_right else None

    # -- what they may ----------------------------------------------------------------------------

    def may_read(self, request: Request) -> Person:
        """Of the page's own addresses: a session, or another page that shows our points."""
        return (
            self._session(request)
            or self._by_token(request, "page")
            or self.in_session(request)
        )

    def in_session(self, request: Request) -> Person:
        """A person: what a program has no business with."""
        person = self._session(request)
        if person is None:
            raise HTTPException(401, "There is no session: open the page anew.")
        return person

    def may_read_api(self, request: Request) -> Person:
        """Of the addresses for other programs: these have no session."""
        person = self._by_token(request, "api") or self.at_the_door(request)
        if person is None:
            raise HTTPException(
                401,
                "Nobody is known by this request: send a token of page.tokens in the header"
                " Authorization: Bearer TOKEN, or open the page in this browser.",
                {"WWW-Authenticate": "Bearer"},
            )
        return person

    def may_write(self, request: Request, needed: Role) -> Person:
        person = self.in_session(request)
        token = request.cookies.get(COOKIE, "")
        if not self._sessions.csrf_right(token, request.headers.get(CSRF_HEADER, "")):
            raise HTTPException(
                403, "The CSRF word is missing or of another session: open the page anew."
            )
        if not person.role.covers(needed):
            who = person.name or "This session"
            raise HTTPException(
                403, f"{who} has the role {person.role}: this needs the role {needed}."
            )
        return person

    def _session(self, request: Request) -> Person | None:
        """Of a session, as long as what it rests on still holds."""
        person = self._sessions.person(request.cookies.get(COOKIE, ""), time.monotonic())
        if person is None or person.known_by not in ("users", "proxy"):
            return person
        if person.known_by == "proxy":
            return person if self._proxied(request) == person else None
        assert self._users is not None
        return person if self._users.person(person.name) == person else None

    def _proxied(self, request: Request) -> Person | None:
        proxy = self._proxy
        if proxy is None or not _is_from(request, proxy.address):
            return None
        name = _text(request, proxy.user_header)
        if not name:
            return None
        try:
            check_name(name)
        except ConfigError as error:
            raise HTTPException(403, f"{proxy.user_header}: {error}") from error
        return Person(name, _proxied_role(request, proxy), "proxy")

    def _by_token(self, request: Request, what: Literal["api", "page"]) -> Person | None:
        """what : is asked for. A token that reads the page reads the API, too."""
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        for token in self._tokens:
            # A file that cannot be read now lets nobody in.
            with suppress(ConfigError):
                if hmac.compare_digest(_read_token(token).encode(), sent.strip().encode()):
                    _check_reach(token, what)
                    return Person(token.name, Role.VIEWER, "token")
        raise HTTPException(
            401, "This is no token of page.tokens.", {"WWW-Authenticate": "Bearer"}
        )


def _check_reach(token: TokenSettings, what: str) -> None:
    if token.reads not in (what, "page"):
        raise HTTPException(
            403,
            f"The token {token.name} reads /api/v1 alone: page.tokens[{token.name}].reads ="
            " page lets another page show the points of this one.",
        )


def _read_token(token: TokenSettings) -> str:
    """Raises ConfigError."""
    text = token.token.read().strip()
    if len(text) < MIN_TOKEN or not (text.isascii() and text.isprintable()):
        raise ConfigError(
            f"page.tokens[{token.name}].token must be printable ASCII text of {MIN_TOKEN}"
            " characters or more, such as `openssl rand -hex 32` makes."
        )
    return text


def _proxied_role(request: Request, proxy: ProxySettings) -> Role:
    """The highest role among the words of the proxy's header; else the one that all have."""
    text = "" if proxy.role_header is None else _text(request, proxy.role_header)
    named = set(re.split(r"[\s,;|]+", text))
    found = [role for role in Role if role in named]
    return found[-1] if found else Role(proxy.role)


def _text(request: Request, header: str) -> str:
    """Of a header that stands there once: HTTP has Latin-1, proxies write UTF-8."""
    values = request.headers.getlist(header)
    if len(values) != 1:
        return ""
    raw = values[0].encode("latin-1")
    return raw.decode("utf-8", "replace").strip()


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_from(request: Request, address: str) -> bool:
    """Whether the connection itself comes from there, whatever any header says."""
    try:
        found = ipaddress.ip_address(_client(request))
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)  # of a socket that takes both kinds
    return (mapped or found) == ipaddress.ip_address(address)
