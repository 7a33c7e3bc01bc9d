"""The configuration of the live page: who may reach it, and what it shows."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from monitor.config_connections import LOOPBACK, Secret, TlsSettings, http_url
from monitor.records.renamed import contradictions
from monitor.settings import Settings


class PageTlsSettings(Settings):
    certificate_file: Path
    key_file: Path


RoleName = Literal["viewer", "operator", "admin"]


class TokenSettings(Settings):
    """A program's key. name: who it is, for people.

    reads : /api/v1 alone, or all that a viewer sees, for the page of another
        machine that shows this one's points
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    token: Secret
    reads: Literal["api", "page"] = "api"


class InstanceSettings(Settings):
    """Another instance that the page shows: a journal of this machine, or another machine's page.

    token : of that page's tokens, one that reads the page
    tls : of its address
    """

    # part of an address, where a name of dots alone would mean something else
    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")
    journal: Path | None = None
    url: str | None = None
    token: Secret | None = None
    tls: TlsSettings | None = None

    @field_validator("url")
    @classmethod
    def _safe(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(http_url(value))
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("must begin with https://, unless it is on this machine")
        if parts.query or parts.fragment:
            raise ValueError("must end with the page's path")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.journal is None) == (self.url is None):
            raise ValueError("must name either a journal or the url of a page")
        if (self.url is None) != (self.token is None):
            raise ValueError("url and token belong together")
        if self.url is None and self.tls is not None:
            raise ValueError("tls is for a url")
        return self


class ProxySettings(Settings):
    """A proxy that logs people in, and says in a header who they are.

    address : of the proxy; the headers of any other are not looked at
    role_header : may hold other words, groups say; the highest role named there
        holds
    role : of those for whom role_header names none
    """

    address: str
    user_header: str = Field(default="X-Remote-User", pattern=r"^[A-Za-z0-9-]{1,60}$")
    role_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{1,60}$")
    role: RoleName = "viewer"

    @field_validator("address")
    @classmethod
    def _number(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError as error:
            raise ValueError(
                "must be an IP address, not a name: names can be forged"
            ) from error


PointName = Annotated[str, Field(pattern=r"^.+/[^/]+$", max_length=400)]  # machine/point


class PageSettings(Settings):
    """The live page. host_names: further names under which a browser may ask for it.

    password : one for all, who are then admins
    users : the file that camshaft page-user writes
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8477, ge=1, le=65535)
    password: Secret | None = None
    users: Secret | None = None
    proxy: ProxySettings | None = None
    tokens: tuple[TokenSettings, ...] = Field(default=(), max_length=50)
    host_names: tuple[str, ...] = Field(default=(), max_length=50)
    tls: PageTlsSettings | None = None
    # the cookie is then marked Secure though we speak plain HTTP
    behind_https_proxy: bool = False
    failure_modes: tuple[str, ...] = Field(
        default=(
            "bearing",
            "gear",
            "imbalance",
            "misalignment",
            "looseness",
            "tool",
            "sensor",
            "other",
        ),
        max_length=50,
    )
    # Shown beside the configuration's own.
    instances: tuple[InstanceSettings, ...] = Field(default=(), max_length=50)
    # Names that a point had before, oldest first; page and camshaft export show their windows as
    # its own.
    formerly: dict[PointName, tuple[PointName, ...]] = Field(default={}, max_length=1000)

    @field_validator("formerly")
    @classmethod
    def _claimed_once(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for sentence in contradictions(value):
            raise ValueError(sentence)
        return value

    @field_validator("failure_modes")
    @classmethod
    def _short_words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            if not (0 < len(word) <= 60 and word.isprintable()):
                raise ValueError(f"{word!r} must be printable text of 1 to 60 characters")
        return value

    @field_validator("tokens", "instances")
    @classmethod
    def _names_differ(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [one.name for one in value]
        if len(set(names)) != len(names):
            raise ValueError(f"each name may stand once only, found {names}")
        return value

    @property
    def has_login(self) -> bool:
        """Others than this machine's people may be let in."""
        return any(one is not None for one in (self.password, self.users, self.proxy))
