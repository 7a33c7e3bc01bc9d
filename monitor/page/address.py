"""Where the page listens, and under which names it answers."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from monitor.settings import ConfigError


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"page.host = {host!r}, page.port = {port}: cannot listen there: {error.strerror}."
        ) from error


class HostNames:
    """Which Host headers are ours. A page elsewhere can point its own name at us (DNS rebinding),
    but not take ours.
    """

    def __init__(self, host: str, extra: Iterable[str]) -> None:
        self._names = {"localhost", host.lower(), *(name.lower() for name in extra)}
        self._loopback = is_loopback(host)
        if not self._loopback:
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def know(self, header: str) -> bool:
        name = _without_port(header).lower()
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)  # nobody can rebind a number
        except ValueError:
            return False
        return address.is_loopback or not self._loopback


def _without_port(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
