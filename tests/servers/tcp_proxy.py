"""A TCP proxy that cuts, stalls and slows the connections through it, as bad networks do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Self

PIECE_BYTES = 16_384


class TcpProxy:
    """Forwards connections to 127.0.0.1:port through threads of its own. Use it as a context
    manager.

    port : where clients connect
    n_connections : that were forwarded so far
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.n_connections = 0
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._accepting = True
        self._bytes_per_s = float("inf")

    # -- faults -----------------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset every open connection. New ones are taken."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for end in sockets:
            with contextlib.suppress(OSError):
                # A close with pending linger of zero seconds sends RST, as a crashed peer's router
                # would.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def refuse(self) -> None:
        """Cut, and reset new connections as soon as they come."""
        self._accepting = False
        self.cut()

    def accept(self) -> None:
        self._accepting = True

    def stall(self) -> None:
        """Half-open: connections stand, nothing passes any more either way."""
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def slow(self, bytes_per_s: float) -> None:
        """At most this many bytes a second in each direction of each connection; float("inf") lifts
        it.
        """
        self._bytes_per_s = bytes_per_s

    # -- forwarding -------------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._accepting:
                client.close()
                continue
            try:
                server = socket.create_connection(
                    ("127.0.0.1", self._target_port), timeout=5
                )
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._sockets |= {client, server}
            self.n_connections += 1
            for source, sink in ((client, server), (server, client)):
                threading.Thread(
                    target=self._pump, args=(source, sink), daemon=True
                ).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(
                int(min(PIECE_BYTES, max(1.0, self._bytes_per_s / 20)))
            ):
                self._flowing.wait()
                sink.sendall(piece)
                if self._bytes_per_s < float("inf"):
                    time.sleep(len(piece) / self._bytes_per_s)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with self._lock:
                self._sockets.discard(end)
            end.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._accepting = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flowing.set()
        self.cut()
