"""A broker that closes the connection on what a client may not do, as HiveMQ, EMQX
(`deny_action = disconnect`) and AWS IoT do. Mosquitto, which stands behind it,
only refuses.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

PUBLISH, SUBSCRIBE = 3, 8
NOT_AUTHORIZED = b"\xe0\x02\x87\x00"  # DISCONNECT of MQTT 5


class StrictBroker:
    """Forwards to 127.0.0.1:target_port. Use it as a context manager.

    port : where clients connect
    forbidden : a packet of this type with this text ends the connection
    says_why : with DISCONNECT and a reason code (MQTT 5)
    """

    def __init__(
        self, target_port: int, forbidden: tuple[int, bytes], says_why: bool = False
    ) -> None:
        self._target_port, self._forbidden, self._says_why = (
            target_port,
            forbidden,
            says_why,
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.n_closed = 0

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                broker = socket.create_connection(("127.0.0.1", self._target_port))
                for work in (self._judge, self._answer):
                    threading.Thread(
                        target=work, args=(client, broker), daemon=True
                    ).start()

    def _judge(self, client: socket.socket, broker: socket.socket) -> None:
        """Client to broker, packet by packet."""
        kind, text = self._forbidden
        with client, broker, contextlib.suppress(OSError), client.makefile("rb") as stream:
            while head := stream.read(1):
                length, size = b"", 0
                while not length or length[-1] & 0x80:
                    length += stream.read(1)
                    size |= (length[-1] & 0x7F) << 7 * (len(length) - 1)
                body = stream.read(size)
                if head[0] >> 4 == kind and text in body:
                    self.n_closed += 1
                    if self._says_why:
                        client.sendall(NOT_AUTHORIZED)
                    client.shutdown(socket.SHUT_RDWR)
                    broker.shutdown(socket.SHUT_RDWR)
                    return
                broker.sendall(head + length + body)

    @staticmethod
    def _answer(client: socket.socket, broker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := broker.recv(65_536):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
