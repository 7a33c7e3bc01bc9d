"""The service's configuration: YAML in, checked settings out. Touches no network.

Each part of the daemon gets its own settings object, never the whole.
Everything wrong is refused before anything starts, in a sentence that names
key, value, rule and unit.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import os
import re
import zlib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from monitor.config_machines import MachineSettings, machine_at
from monitor.records.machine import Machine
from monitor.records.renamed import contradictions
from monitor.records.topic import TopicPattern
from monitor.settings import CheckedSettings, Factor, Finite, Positive, Settings
from monitor.signal.payload.formats import AnyPayload
from monitor.signal.payload.scalars import ScalarFormat, check_installed
from monitor.signal.payload.sparkplug import SparkplugPayload
from monitor.signal.payload.sparkplug_topic import whole_patterns
from monitor.signal.payload.units import (
    DISPLACEMENTS,
    NO_DISPLACEMENT,
    SI_PER_UNIT,
    quantity,
    spelled,
)

Acceleration = Literal["m/s2", "mm/s2", "g", "mg", "ug", "in/s2", "ft/s2", "gal"]
Velocity = Literal["m/s", "mm/s", "um/s", "in/s"]
Unit = Literal[Acceleration, Velocity, "counts"]


LOOPBACK = ("127.0.0.1", "::1", "localhost")
SECONDS_PER = {
    "hour": 3600.0,
    "day": 86_400.0,
    "week": 7 * 86_400.0,
    "month": 30 * 86_400.0,
    "year": 365 * 86_400.0,
}
BUDGET = re.compile(rf"([1-9]\d{{0,2}}) per ({'|'.join(SECONDS_PER)})")


class ConfigError(Exception):
    """The configuration cannot be used; str() is one sentence a line, each naming key, value and
    rule.
    """


class Secret(Settings):
    """A secret by reference: at most one of a file, an environment variable or a systemd
    credential.
    """

    file: Path | None = None
    env: str | None = None
    credential: str | None = None

    @field_validator("env")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", value):
            raise ValueError(
                "must be the name of an environment variable, not the secret itself"
            )
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (
            sum(source is not None for source in (self.file, self.env, self.credential))
            != 1
        ):
            raise ValueError("must name exactly one of file, env, credential")
        return self

    def read(self) -> str:
        """The secret's text without its line end. Raises ConfigError naming the source that is
        missing.
        """
        if self.env is not None:
            if self.env not in os.environ:
                # Whoever wrote the secret itself here did not write it like a variable's name.
                shown = repr(self.env) if self.env.isupper() else "(not shown)"
                raise ConfigError(
                    f"secret env = {shown}: this environment variable is not set."
                )
            return os.environ[self.env]
        path = self.file or Path(
            os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"), self.credential or ""
        )
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            shown = (
                repr(str(path)) if path.is_absolute() else "(not shown: no absolute path)"
            )
            raise ConfigError(
                f"secret file {shown} cannot be read: {error.strerror}."
            ) from None
        except UnicodeDecodeError:
            raise ConfigError(f"secret file {str(path)!r} must be UTF-8 text.") from None


class TlsSettings(Settings):
    """Verification is always on. Without ca_file the system's authorities are trusted."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        return self


class PublishSettings(Settings):
    """What the broker gets of us beside status and alarms.

    verdicts_every_s : each point's newest verdict, at most so often by the
        point's own time, a change at once; 0: every one
    home_assistant : Home Assistant's discovery prefix; None: it is told nothing
    """

    verdicts_every_s: float = Field(default=10.0, ge=0, le=86400)
    home_assistant: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_/-]{1,100}$")


class MqttSettings(Settings):
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: str = Field(default="camshaft", min_length=1, max_length=128)
    keep_alive_s: int = Field(default=30, ge=5, le=65535)
    session_expiry_s: int = Field(default=7 * 86400, ge=60, le=0xFFFFFFFE)
    receive_maximum: int = Field(default=1000, ge=2, le=65535)
    max_payload_bytes: int = Field(default=4 << 20, ge=1024, le=256 << 20)
    username: str | None = None
    password: Secret | None = None
    tls: TlsSettings | None = None
    publish: PublishSettings | None = None
    watch_dropped: bool = True  # Mosquitto's count of messages it dropped, under $SYS

    @field_validator("host")
    @classmethod
    def _bare_address(cls, value: str) -> str:
        """An IPv6 address may stand in brackets, as in a URL."""
        is_bracketed = value.startswith("[") and value.endswith("]")
        return value[1:-1] if is_bracketed else value

    @field_validator("protocol", mode="before")
    @classmethod
    def _protocol_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _password_needs_user(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("password is given without a username")
        return self


class Subscription(Settings):
    """topic: levels in braces name the sensor: vibration/{machine}/{point}/waveform. It need name
    no machine where the payload does.
    """

    topic: str
    payload: AnyPayload

    @property
    def pattern(self) -> TopicPattern:
        return TopicPattern.parse(self.topic, not self.payload.names_machine)

    @property
    def whole_patterns(self) -> tuple[TopicPattern, ...]:
        """Of Sparkplug: all messages of the edge nodes, births and deaths with them."""
        if not isinstance(self.payload, SparkplugPayload):
            return ()
        return whole_patterns(self.pattern)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            _ = self.pattern, self.whole_patterns
        except ValueError as error:
            raise ValueError(f"topic = {self.topic!r} {error}") from error
        return self


class ContextSettings(CheckedSettings):
    """A speed, load, temperature, product or tool, kept with each window.

    topic : may be one that brings samples, too. Levels in braces name the
        machine and point that it is of; without them it is of all
    value : a path (json, cbor, msgpack), a metric (sparkplug) or a user
        property; of text it is "."
    scale : of a number: 60 makes rpm of Hz
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    topic: str
    format: ScalarFormat = "text"
    value: str = "."
    scale: Factor = 1.0
    valid_s: Positive = 60.0  # the newest value counts for so long

    @property
    def pattern(self) -> TopicPattern:
        return TopicPattern.parse(self.topic, needs_machine=False)

    @property
    def whole_patterns(self) -> tuple[TopicPattern, ...]:
        """As of a subscription."""
        return whole_patterns(self.pattern) if self.format == "sparkplug" else ()

    def check(self) -> None:
        try:
            _ = self.pattern, self.whole_patterns
        except ValueError as error:
            raise ValueError(f"topic = {self.topic!r} {error}") from error
        check_installed(self.format)
        if self.format == "text" and self.value != ".":
            raise ValueError(
                f"value = {self.value!r} needs a format that has parts, json say"
            )
        if self.format in ("sparkplug", "property") and self.value == ".":
            raise ValueError(
                f"value must name a metric or property for format = {self.format}"
            )


class RunningSettings(Settings):
    """How to tell that the machine stands still: a level, a topic that says so (1/0, true/false,
    on/off), or a value of context that is below at_least.
    """

    limit_rms_ms2: Positive | None = None
    topic: str | None = None
    context: str | None = None
    at_least: Finite | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = (self.limit_rms_ms2, self.topic, self.context)
        if sum(one is not None for one in given) != 1:
            raise ValueError("must have exactly one of limit_rms_ms2, topic, context")
        if (self.context is None) != (self.at_least is None):
            raise ValueError("context and at_least belong together")
        if self.topic is not None:
            TopicPattern.parse(self.topic)
        return self


def seconds_per_alarm(budget: str) -> float:
    """Raises ValueError for what is no budget."""
    found = BUDGET.fullmatch(budget)
    if found is None:
        raise ValueError(
            f"budget = {budget!r} must be false alarms per time of running, such as '1 per month'"
            f" (a whole number from 1 to 999, per {', '.join(SECONDS_PER)})"
        )
    return SECONDS_PER[found[2]] / int(found[1])


class AlarmSettings(Settings):
    """Raised when n of the last m judged windows are NG, cleared when at most `clear` of them are.

    budget : of false alarms of one point, as "1 per month" of running; in place
        of n, where the point's commissioning can carry it
    """

    budget: str | None = Field(default=None, max_length=40)
    n: int = Field(default=3, ge=1, le=1000)
    m: int = Field(default=5, ge=1, le=1000)
    clear: int = Field(default=0, ge=0, le=1000)

    @field_validator("budget")
    @classmethod
    def _is_budget(cls, value: str | None) -> str | None:
        if value is not None:
            seconds_per_alarm(value)
        return value

    @property
    def budget_s(self) -> float | None:
        """Seconds of running that may hold one false alarm."""
        return None if self.budget is None else seconds_per_alarm(self.budget)

    @model_validator(mode="after")
    def _order(self) -> Self:
        if not self.clear < self.n <= self.m:
            raise ValueError(
                f"clear < n <= m must hold, found clear = {self.clear}, n = {self.n}, m = {self.m}"
            )
        return self


class SensorSettings(Settings):
    """One rule; the first whose `match` fits "machine/point" holds for a sensor (shell pattern, *
    also spans /).
    """

    match: str = "*"
    acquisition: Literal["continuous", "snapshot"] = "continuous"
    expected_period_s: Positive = 1.0
    sample_rate_hz: Positive
    channels: tuple[str, ...] = Field(default=("a",), min_length=1, max_length=16)
    unit: Unit = "m/s2"
    # Units per stored number, of all channels or of each; below 0 where an axis is turned round.
    # With unit "counts": m/s² per count.
    scale: Factor | tuple[Factor, ...] | None = None
    # Width of the messages' counter, which comes back to zero. None: 8, 16 or 32, as it shows.
    sequence_bits: int | None = Field(default=None, ge=8, le=63)
    full_scale_ms2: Positive | None = None  # |sample| at or above it is clipped
    running: RunningSettings | None = None
    # A name in models_folder, a bundled name, or a path; None: judged by novelty alone.
    model: str | None = None
    # Logit units; None: the model's own.
    threshold: float | None = Field(default=None, allow_inf_nan=False)
    window_s: Positive = 1.0  # of a sensor without a model; a model brings its own
    # share of a window that the next one repeats
    overlap: float = Field(default=0.0, ge=0, le=0.9)
    alarm: AlarmSettings = AlarmSettings()

    @field_validator("unit", mode="before")
    @classmethod
    def _unit_spelling(cls, value: object) -> object:
        unit = spelled(value) if isinstance(value, str) else value
        if unit in DISPLACEMENTS:
            raise ValueError(NO_DISPLACEMENT)
        return unit

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.unit == "counts" and self.scale is None:
            raise ValueError("unit = counts needs a scale in m/s² per count")
        if self.full_scale_ms2 is not None and self.quantity == "velocity":
            raise ValueError(
                f"full_scale_ms2 says nothing of a velocity, unit = {self.unit}"
            )
        if isinstance(self.scale, tuple) and len(self.scale) != len(self.channels):
            raise ValueError(
                f"scale has {len(self.scale)} numbers for {len(self.channels)} channels"
            )
        if self.model is not None and "window_s" in self.model_fields_set:
            raise ValueError(
                f"window_s = {self.window_s} s cannot be set beside a model: the window comes"
                " from it"
            )
        if self.model is None and self.threshold is not None:
            raise ValueError(f"threshold = {self.threshold} (logit units) needs a model")
        return self

    def fits(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.match)

    @property
    def quantity(self) -> str:
        """What the sensor sends: acceleration or velocity."""
        return quantity(self.unit)

    @property
    def ms2_per_number(self) -> float | tuple[float, ...]:
        """What one stored number stands for in m/s², of a velocity in m/s; of all channels or of
        each.
        """
        scale, ms2 = self.scale or 1.0, SI_PER_UNIT.get(self.unit, 1.0)
        return (
            tuple(one * ms2 for one in scale) if isinstance(scale, tuple) else scale * ms2
        )

    @cached_property
    def mark(self) -> str:
        """The same wherever a number means the same: by channels, quantity and scale."""
        said = repr((self.channels, self.quantity, self.ms2_per_number))
        return f"{zlib.crc32(said.encode()):08x}"


class KeptWindowSettings(Settings):
    """Which raw windows to keep. All NG, those around a change of status, and one OK in every
    ok_every.
    """

    max_bytes: int = Field(default=2 << 30, ge=1 << 20)
    ok_every: int = Field(default=1000, ge=1)
    around_change: int = Field(default=2, ge=0, le=100)


MapsKept = Literal["all", "changes", "ng"]


class TrendSettings(Settings):
    """How long rows of ten minutes and of hours are kept. Those of days are kept for ever."""

    ten_minutes_days: int = Field(default=60, ge=2, le=36_500)
    hours_days: int = Field(default=1096, ge=32, le=36_500)


class JournalSettings(Settings):
    """maps : whose maps and spectra to keep. All; of NG windows; or changes: NG, around a change
    and one in so many, as kept_windows says.
    """

    path: Path = Path("camshaft.journal")
    max_bytes: int = Field(default=8 << 30, ge=16 << 20)
    maps: MapsKept = "all"
    kept_windows: KeptWindowSettings = KeptWindowSettings()
    trends: TrendSettings = TrendSettings()


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
        return _http_url(value)


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
        return _http_url(value)

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
        return None if value is None else _http_url(value)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for key in ("webhooks", "mails", "syslog"):
            names = [one.name for one in getattr(self, key)]
            if len(set(names)) != len(names):
                raise ValueError(f"{key}: each name may stand once only, found {names}")
        return self


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
        parts = urlsplit(_http_url(value))
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


AdviceName = Annotated[str, Field(min_length=1, max_length=60)]
AdviceText = Annotated[str, Field(min_length=1, max_length=300)]


class AdviceSettings(Settings):
    """What to check and do for one failure mode or named part, in place of the shipped text."""

    check: tuple[AdviceText, ...] = Field(default=(), max_length=10)
    do: tuple[AdviceText, ...] = Field(min_length=1, max_length=10)
    source: str = Field(default="", max_length=300)


class PrometheusSettings(Settings):
    """Where Prometheus may scrape the service. Whoever reaches it may read it."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=9477, ge=1, le=65535)


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]
ModuleName = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)*$")]


class LoggingSettings(Settings):
    """levels: of parts, by the names of their modules: monitor.sources, monitor.outputs.webhook."""

    level: LogLevel = "INFO"
    levels: dict[ModuleName, LogLevel] = Field(default={}, max_length=50)
    format: Literal["text", "json"] = "text"


def _host_and_port(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = urlsplit(f"//{value}")
    if not parts.hostname or parts.port is None or value != parts.netloc or "@" in value:
        raise ValueError("must be HOST:PORT, of IPv6 [ADDRESS]:PORT")
    return value


HostAndPort = Annotated[str, BeforeValidator(_host_and_port)]


class KafkaConnection(Settings):
    """brokers : HOST:PORT of some, from which the others are learnt
    mechanism : of username and password (SASL)
    """

    brokers: tuple[HostAndPort, ...] = Field(min_length=1, max_length=32)
    username: str | None = None
    password: Secret | None = None
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    tls: TlsSettings | None = None

    @model_validator(mode="after")
    def _user_and_password(self) -> Self:
        if (self.password is None) != (self.username is None):
            raise ValueError("username and password belong together")
        return self


KafkaTopic = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,249}$")]


class KafkaSettings(KafkaConnection):
    """What `camshaft forward` writes to, and the service reads with `source: kafka`.

    topic : must exist; its number of partitions must stay
    group : of the service's processes, which share the partitions out
    partition : the only one to read, without joining the group
    session_timeout_s : after which a member that is not heard loses its
        partitions to the others
    state_topic : compacted; where a partition's next owner finds what it needs
        if it has not the old one's journal
    """

    topic: KafkaTopic = "camshaft"
    group: KafkaTopic = "camshaft"
    partition: int | None = Field(default=None, ge=0, le=99_999)
    session_timeout_s: float = Field(default=45.0, ge=6.0, le=1800.0)
    state_topic: KafkaTopic | None = None

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        if self.state_topic == self.topic:
            raise ValueError(f"state_topic = {self.topic}: is the topic of the data")
        return self


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


class Config(Settings):
    instance: str = Field(default="camshaft", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    mqtt: MqttSettings = MqttSettings()
    subscriptions: tuple[Subscription, ...] = Field(min_length=1)
    sensors: tuple[SensorSettings, ...] = Field(min_length=1)
    context: tuple[ContextSettings, ...] = Field(default=(), max_length=50)
    machines: tuple[MachineSettings, ...] = Field(default=(), max_length=1000)
    models_folder: Path | None = None
    journal: JournalSettings = JournalSettings()
    influx: tuple[InfluxSettings, ...] = Field(default=(), max_length=8)
    notifications: NotificationSettings = NotificationSettings()
    source: Literal["mqtt", "kafka"] = "mqtt"
    kafka: KafkaSettings | None = None
    kafka_output: KafkaOutputSettings | None = None
    page: PageSettings = PageSettings()
    advice: dict[AdviceName, AdviceSettings] = Field(default={}, max_length=100)
    prometheus: PrometheusSettings | None = None
    # None: the broker holds what we cannot take yet; nothing is shed.
    max_lag_s: Positive | None = None
    # Threads that judge. None: one for each processor, at most four.
    workers: int | None = Field(default=None, ge=1, le=64)
    logging: LoggingSettings = LoggingSettings()

    @field_validator("influx", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        """One database is written without a list, none as nothing."""
        if value is None:
            return ()
        return [value] if isinstance(value, dict) else value

    @field_validator("influx")
    @classmethod
    def _names_differ(cls, value: tuple[InfluxSettings, ...]) -> tuple[InfluxSettings, ...]:
        names = [database.name for database in value]
        if len(set(names)) != len(names):
            raise ValueError(f"each name may stand once only, found {names}")
        return value

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        topics = [subscription.topic for subscription in self.subscriptions]
        if len(set(topics)) != len(topics):
            raise ValueError("subscriptions: each topic may stand once only")
        return self

    @model_validator(mode="after")
    def _source_is_there(self) -> Self:
        if self.source == "kafka" and self.kafka is None:
            raise ValueError("source = kafka: needs the section kafka, with its brokers")
        if self.source == "kafka" and self.mqtt.publish is not None:
            raise ValueError(
                "mqtt.publish: needs source = mqtt; with source = kafka nothing is published"
            )
        return self

    def sensor(self, name: str) -> SensorSettings | None:
        """The first rule that fits "machine/point", or None."""
        return next((rule for rule in self.sensors if rule.fits(name)), None)

    def machine(self, name: str) -> Machine | None:
        """What is known of the machine at "machine/point", or None."""
        return machine_at(self.machines, name)


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "must be a URL that begins with http:// or https:// and names a host"
        )
    if "@" in parts.netloc:
        raise ValueError("must hold no user and password: nothing would use them")
    return value
