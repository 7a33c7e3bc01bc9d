"""What systemd would hear from a service of Type=notify."""

from __future__ import annotations

import socket
import time
from pathlib import Path


class NotifySocket:
    """Bound at `path`; say so to the service in its environment as NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._answered_s = time.monotonic()
        self._states: list[str] = []

    def heard(self) -> list[str]:
        """Every state so far, in order."""
        while True:
            try:
                said = self._socket.recv(4096).decode()
            except BlockingIOError:
                return self._states
            self._states += said.split("\n")
            if "WATCHDOG=1" in said:
                self._answered_s = time.monotonic()

    def silent_s(self) -> float:
        """Seconds since the watchdog was last answered."""
        self.heard()
        return time.monotonic() - self._answered_s

    def close(self) -> None:
        self._socket.close()
