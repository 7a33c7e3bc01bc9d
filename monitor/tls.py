"""TLS towards the servers that we call, and plain words for a connection that fails."""

from __future__ import annotations

import re
import socket
import ssl

from monitor.config_connections import TlsSettings
from monitor.settings import ConfigError
from monitor.text import printable

MAX_CAUSES = 10  # looked through
_PLAIN_HTTP = re.compile(
    "plain HTTP request was sent to HTTPS|speaking plain HTTP to an SSL|HTTP request to an HTTPS"
)
# OpenSSL's numbers for what is wrong with a certificate (x509_vfy.h), and what to do about it.
CERTIFICATE_HINTS = {
    9: "the server's certificate is not valid yet; check this machine's clock",
    10: "the server's certificate has expired (or this machine's clock is wrong)",
    18: "the server's certificate is self-signed; give it as tls.ca_file if you trust it",
    19: "the server's certificate comes from an authority that tls.ca_file does not hold",
    20: "the server's certificate comes from an authority that tls.ca_file does not hold",
    62: "the server's certificate is for another host name",
    64: "the server's certificate is for another address",
}


def client_context(settings: TlsSettings, section: str = "mqtt.tls") -> ssl.SSLContext:
    """A context that verifies the server's chain and host name.

    section : of the settings, for errors. Raises ConfigError naming the file
        that is wrong.
    """
    key, path = "ca_file", settings.ca_file
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            key, path = "certificate_file", settings.certificate_file
            context.load_cert_chain(
                settings.certificate_file, settings.key_file, password=_no_password
            )
    except ssl.SSLError as error:
        rule = (
            "must be PEM"
            if key == "ca_file"
            else "and key_file must be PEM, belong together and need no password"
        )
        raise ConfigError(
            f"{section}.{key} = {str(path)!r} {rule} ({error.reason or error})."
        ) from error
    except (OSError, ValueError) as error:
        where = error.filename if isinstance(error, OSError) and error.filename else path
        raise ConfigError(
            f"{section}.{key} = {str(where)!r} cannot be read: {error}."
        ) from error
    return context


def _no_password() -> str:
    """Without this, OpenSSL would ask for the key's password on the terminal."""
    raise ValueError("the private key has a password; a service needs one without")


def check_host(host: str) -> None:
    """Refuse a host name that no resolver could take. Raises ConfigError."""
    try:
        if not host.encode("idna"):
            raise ConfigError("mqtt.host = '': must name a host.")
    except UnicodeError as error:
        raise ConfigError(
            f"mqtt.host = {host!r} cannot be a host name: {error}."
        ) from error


def explain(error: BaseException | None) -> str:
    """One clause for a person: why a connection could not be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = CERTIFICATE_HINTS.get(
            error.verify_code, "the server's certificate is refused"
        )
        return f"{hint} ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return (
            f"TLS failed: {error.reason or error}; is this a TLS port, and a client certificate"
            " needed?"
        )
    if isinstance(error, socket.gaierror):
        return f"the host name is not known ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__


def is_from_tls_port(text: str) -> bool:
    """The 400 of nginx, Apache or Go to plain HTTP on a port that speaks TLS."""
    return _PLAIN_HTTP.search(text) is not None


def why_no_answer(error: BaseException) -> str:
    """Why an HTTP request had no answer, in one clause. Trouble with TLS lies deep below."""
    deepest: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if deepest is None or isinstance(deepest, ssl.SSLError):
            break
        deepest = deepest.__cause__ or deepest.__context__
    if isinstance(deepest, ssl.SSLError):
        return printable(explain(deepest))
    return printable(f"{type(error).__name__}: {error}")
