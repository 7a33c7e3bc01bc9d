"""What every connection of the configuration is made of: secrets by reference, TLS, addresses."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from monitor.settings import ConfigError, Settings

LOOPBACK = ("127.0.0.1", "::1", "localhost")


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


def http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "must be a URL that begins with http:// or https:// and names a host"
        )
    if "@" in parts.netloc:
        raise ValueError("must hold no user and password: nothing would use them")
    return value
