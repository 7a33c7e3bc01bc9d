"""Telling systemd how we are (sd_notify). Does nothing where no systemd listens."""

from __future__ import annotations

import logging
import os
import socket
import time

log = logging.getLogger(__name__)


def notify(*states: str) -> None:
    """Send states such as READY=1. Source: sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    # A manager that is busy must not stop us.
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    try:
        with socket.socket(socket.AF_UNIX, kind) as link:
            link.connect(address)
            link.sendall("\n".join(states).encode())
    except OSError as error:
        log.warning("systemd was not told %s: %s.", " ".join(states), error)


def starting_slowly() -> None:
    """A start that takes long, but goes on: one more minute before systemd gives it up."""
    notify("EXTEND_TIMEOUT_USEC=60000000", "STATUS=Bringing the journal up to date.")


def reloading() -> None:
    """Type=notify-reload wants the moment on the monotonic clock."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
