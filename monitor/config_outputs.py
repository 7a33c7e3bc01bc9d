"""Where verdicts, alarms and figures go: databases, people, servers, as configured."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from monitor.config_connections import (
    KafkaConnection,
    KafkaTopic,
    Secret,
    TlsSettings,
    http_url,
)
from monitor.settings import Positive, Settings


class InfluxSettings(Settings):
    """name : of its place in the journal: a changed address goes on where the old one was."""

    name: str = Field(default="influx", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    url: str
    org: str = Field(default="-", min_length=1)
    bucket: str = Field(min_length=1)
    token: Secret | None = None
    tls: TlsSettings | None = None
    timeout_s: Positive = 10.0
    batch_rows: int = Field(default=500, ge=1, le=10_000)
    maps: Literal["all", "ng"] = "all"

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        return http_url(value)


# Nothing that a header of a mail could be made of.
MailAddress = Annotated[str, Field(pattern=r"^[^\s@<>,;:\"\\]{1,64}@[A-Za-z0-9.-]{1,255}$")]
NTFY_TOPIC = re.compile("/[A-Za-z0-9_-]{1,64}")


class WebhookSettings(Settings):
    """An HTTP address that gets alarms as JSON. name: its own, so that a changed address goes on
    where the old one was.

    template: the body, as the receiver's documentation has it. routing_key:
    PagerDuty's own, which stands in the body. fields: constants to send along,
    where a receiver asks for them (a chat's number, for example).
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    url: str
    template: Literal["plain", "ntfy", "slack", "teams", "pagerduty"] = "plain"
    routing_key: Secret | None = None
    authorization: Secret | None = None  # the whole Authorization header, "Bearer ..." say
    tls: TlsSettings | None = None
    fields: dict[str, str] = Field(default_factory=dict, max_length=20)
    timeout_s: Positive = 10.0

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        return http_url(value)

    @model_validator(mode="after")
    def _fits_its_template(self) -> Self:
        if (self.template == "pagerduty") != (self.routing_key is not None):
            raise ValueError("routing_key and template = pagerduty belong together")
        if self.template == "ntfy" and not NTFY_TOPIC.fullmatch(urlsplit(self.url).path):
            raise ValueError(
                "url must end in the topic alone for ntfy: https://ntfy.example/alarms"
            )
        return self


class MailSettings(Settings):
    """A mail server that takes alarms for some people.

    security : starttls and tls verify the server's name and chain; none is for
        a server on this machine
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: Secret | None = None
    sender: MailAddress
    to: tuple[MailAddress, ...] = Field(min_length=1, max_length=50)
    tls: TlsSettings | None = None
    timeout_s: Positive = 10.0

    @model_validator(mode="after")
    def _login(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.security == "none" and (self.password is not None or self.tls is not None):
            raise ValueError(
                "security = none would send the password as it is; use starttls"
            )
        return self


Facility = Literal[
    "user",
    "daemon",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
]
SYSLOG_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}


class SyslogSettings(Settings):
    """A syslog server that gets every event. address: udp://HOST, tcp://HOST or tls://HOST, with a
    port where it is not 514, 601 or 6514; unix:///PATH for a socket on this
    machine.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    address: str
    facility: Facility = "local0"
    tls: TlsSettings | None = None
    timeout_s: Positive = 10.0

    @field_validator("address")
    @classmethod
    def _known(cls, value: str) -> str:
        parts = urlsplit(value)
        is_there = (
            parts.hostname if parts.scheme in SYSLOG_PORTS else parts.path.startswith("/")
        )
        if parts.scheme not in (*SYSLOG_PORTS, "unix") or not is_there:
            raise ValueError("must be udp://HOST, tcp://HOST, tls://HOST or unix:///PATH")
        _ = parts.port  # refuses what is no port
        return value

    @model_validator(mode="after")
    def _tls(self) -> Self:
        if self.tls is not None and urlsplit(self.address).scheme != "tls":
            raise ValueError(f"tls does nothing with address = {self.address}")
        return self


class NotificationSettings(Settings):
    """cool_down_s: after a receiver was told of an alarm, the point is quiet for this long; news is
    kept for later.

    remind_s : until somebody acknowledges an alarm that stands it is told again
        so often
    page_url : of the page, for links to it
    """

    cool_down_s: float = Field(default=300.0, ge=0, le=7 * 86400)
    remind_s: float | None = Field(default=None, ge=60, le=7 * 86400)
    page_url: str | None = None
    webhooks: tuple[WebhookSettings, ...] = Field(default=(), max_length=20)
    mails: tuple[MailSettings, ...] = Field(default=(), max_length=20)
    syslog: tuple[SyslogSettings, ...] = Field(default=(), max_length=8)

    @field_validator("page_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        return None if value is None else http_url(value)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for key in ("webhooks", "mails", "syslog"):
            names = [one.name for one in getattr(self, key)]
            if len(set(names)) != len(names):
                raise ValueError(f"{key}: each name may stand once only, found {names}")
        return self


class PrometheusSettings(Settings):
    """Where Prometheus may scrape the service. Whoever reaches it may read it."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=9477, ge=1, le=65535)


class KafkaOutputSettings(KafkaConnection):
    """Verdicts and events as JSON, keyed by their sensor's name.

    name : of its place in the journal: changed brokers go on where the old ones
        were
    """

    name: str = Field(default="kafka", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    topic: KafkaTopic = "camshaft-verdicts"
    timeout_s: Positive = 10.0
    batch_rows: int = Field(default=500, ge=1, le=10_000)

    @property
    def cursor_name(self) -> str:
        """No database's: those have no such prefix of their own."""
        return f"kafka.{self.name}"
