"""A broker of a few fixed answers, for what a real one does not say on demand. MQTT 5."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

SESSION_TAKEN_OVER = b"\xe0\x02\x8e\x00"  # DISCONNECT


class ScriptedBroker:
    """Answers each connection with this CONNACK, each SUBSCRIBE with this code and what follows it.
    MQTT 5.
    """

    def __init__(self, connack: bytes, suback_code: int = 1, then: bytes = b"") -> None:
        self._connack, self._suback_code, self._then = connack, suback_code, then
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.received: list[bytes] = []

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(ConnectionError):
                    self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        while packet := connection.recv(65_536):
            self.received.append(packet)
            if packet[0] >> 4 == 1:
                connection.sendall(self._connack)
            elif packet[0] >> 4 == 8:
                connection.sendall(
                    b"\x90\x04"
                    + packet[2:4]
                    + b"\x00"
                    + bytes([self._suback_code])
                    + self._then
                )

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def connack(properties: bytes = b"", session_present: bool = False) -> bytes:
    head = bytes([session_present, 0, len(properties)])
    return b"\x20" + bytes([len(head + properties)]) + head + properties
