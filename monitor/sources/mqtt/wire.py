"""What paho takes for its socket: messages are read past it, and acknowledgements leave together.

Paho reads each packet with five calls of the system or more, copies what is left of a message for
each of its fields, and sends an acknowledgement at a time: with messages of 50 KB that took longer
than all that is done about them by then. So a PUBLISH is read here, as many as have come at once.
All else, every PUBLISH that is out of the ordinary, and one now and then, paho reads as if nothing
was between.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable

from monitor.sources.mqtt.packets import PUBACK, Published, packet_at, read_publish

BUFFER_BYTES = 1 << 18
MIN_ROOM = BUFFER_BYTES // 4  # to read into
GATHER_S = 0.004  # each look whether something came costs more than a message


class Wire:
    """A connection. Used by paho's network thread, except for acknowledge().

    is_five : of MQTT 5
    take : called for each message while paho reads, in order
    show_s : paho gets a packet as often, where one comes: it believes a connection
        dead on which it reads nothing for long
    gather_s : where messages follow each other more closely, so much is waited
        before more are read
    """

    def __init__(
        self,
        connection: socket.socket,
        is_five: bool,
        take: Callable[[Published], None],
        show_s: float,
        gather_s: float = GATHER_S,
    ) -> None:
        self._socket, self._is_five, self._take = connection, is_five, take
        self._show_s, self._gather_s = show_s, gather_s
        self._shown_s = self._took_s = time.monotonic()
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._begin = self._end = 0  # of what has come and was not taken yet
        self._for_paho = memoryview(b"")  # of a packet that is its own, not read yet
        self._may_hold_more = False  # whole packets behind that one
        self._acknowledged: deque[int] = deque()  # packet ids
        # What paho gave us last may have left in part, and these bytes leave before it.
        self._is_tried, self._before = False, b""

    # -- as paho uses a socket --------------------------------------------------------------------

    def fileno(self) -> int:
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        self._socket.setblocking(flag)

    def close(self) -> None:
        self._socket.close()

    def pending(self) -> int:
        """Whether there is something to read that select() does not know of."""
        if self._for_paho or self._may_hold_more:
            return 1
        return self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0

    def recv(self, buffer_size: int) -> bytes:
        """Of a packet that paho is to read; b"" at the end of the connection. Raises what a
        socket does, BlockingIOError also where only messages have come.
        """
        while not self._for_paho:
            if self._take_whole():
                if not self._for_paho:
                    self._let_gather()
                    raise BlockingIOError
            elif not self._read():
                return b""
        found = bytes(self._for_paho[:buffer_size])
        self._for_paho = self._for_paho[buffer_size:]
        return found

    def send(self, buffer: bytes | bytearray) -> int:
        """Paho gives a packet, or the rest of one. Acknowledgements go before it, never within.
        Raises what a socket does; BlockingIOError where nothing of the packet was taken.
        """
        if not self._is_tried:
            self._before = self._acknowledgements()
        self._is_tried = True
        n_before = len(self._before)
        n_sent = self._socket.send(self._before + buffer)
        self._before = self._before[n_sent:]
        if n_sent <= n_before:
            raise BlockingIOError
        self._is_tried = n_sent < n_before + len(buffer)
        return n_sent - n_before

    # -- beside paho ------------------------------------------------------------------------------

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """These PUBACKs leave before what paho is given to send next. From any thread."""
        self._acknowledged.extend(packet_ids)

    def _acknowledgements(self) -> bytes:
        n = len(self._acknowledged)
        due = (self._acknowledged.popleft() for _ in range(n))
        return b"".join(struct.pack(">BBH", PUBACK, 2, packet_id) for packet_id in due)

    def _take_whole(self) -> bool:
        """Take packets up to one that is paho's, or to the last that is whole. False where none
        is.
        """
        begin = self._begin
        self._may_hold_more = False
        while found := packet_at(self._buffer[self._begin : self._end]):
            first, body_begin, body_end = self._begin, *(self._begin + at for at in found)
            self._begin = body_end
            body = self._buffer[body_begin:body_end]
            message = self._message(self._buffer[first], body)
            if message is None:
                self._for_paho = memoryview(bytes(self._buffer[first:body_end]))
                self._may_hold_more = True
                self._shown_s = time.monotonic()
                break
            self._take(message)
        return self._begin > begin

    def _message(self, first_byte: int, body: memoryview) -> Published | None:
        """None for a packet that paho is to read."""
        if time.monotonic() - self._shown_s >= self._show_s:
            return None
        return read_publish(first_byte, body, self._is_five)

    def _let_gather(self) -> None:
        """After messages; not where more have come already than one look could read."""
        before_s, self._took_s = self._took_s, time.monotonic()
        is_full = self._end == len(self._buffer)
        if self._took_s - before_s < self._gather_s and not is_full:
            time.sleep(self._gather_s)
            self._took_s = time.monotonic()

    def _read(self) -> int:
        """Bytes that have come; 0 at the end of the connection."""
        self._make_room()
        n_bytes = self._socket.recv_into(self._buffer[self._end :])
        self._end += n_bytes
        return n_bytes

    def _make_room(self) -> None:
        """A large packet gets a larger buffer, for as long as it is not taken."""
        waiting = self._buffer[self._begin : self._end]
        n_waiting = len(waiting)
        if len(self._buffer) - self._end < MIN_ROOM or not n_waiting:
            n_bytes = max(BUFFER_BYTES, 2 * n_waiting)
            if n_bytes != len(self._buffer):
                self._buffer = memoryview(bytearray(n_bytes))
            self._buffer[:n_waiting] = waiting
            self._begin, self._end = 0, n_waiting
