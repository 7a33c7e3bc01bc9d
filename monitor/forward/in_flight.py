"""Messages that Kafka has not confirmed yet: how many, how large, since when."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from monitor.records.signal import Message

LOOK_S = 0.5  # between two looks whether we leave


@dataclass(slots=True)
class Pending:
    """One message on its way. n_left : records of it without a report"""

    number: int
    message: Message
    n_bytes: int
    n_left: int
    since_s: float
    is_refused: bool = False  # for good


class InFlight:
    """Bounded, thread-safe. The MQTT broker bounds what it wants acknowledged by Receive Maximum;
    the bytes, and messages that nothing is owed for, are bounded here.

    clock : seconds, never jumps
    """

    def __init__(
        self,
        max_messages: int,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._clock = clock
        self._condition = threading.Condition()
        self._pending: OrderedDict[int, Pending] = OrderedDict()
        # Those that MQTT may deliver again, by its number for them.
        self._by_key: dict[int, Pending] = {}
        self._n_bytes = self._number = 0
        self._is_closed = False

    def begin(self, message: Message, n_records: int) -> Pending | None:
        """Waits for room where the message is delivered again if we do not take it. None where it
        is not taken.
        """
        n_bytes = len(message.payload) * n_records
        with self._condition:
            while not self._is_closed and not self._has_room(message, n_bytes):
                if message.delivery is None:
                    return None
                self._condition.wait(LOOK_S)
            if self._is_closed:
                return None
            self._number += 1
            self._n_bytes += n_bytes
            pending = Pending(self._number, message, n_bytes, n_records, self._clock())
            self._pending[pending.number] = pending
            if (key := _key(message)) is not None:
                self._by_key[key] = pending
            return pending

    def renew(self, message: Message) -> bool:
        """True where this is one that is on its way, delivered again over a new connection: its
        acknowledgement is now owed there.
        """
        key = _key(message)
        if key is None or message.delivery is None or not message.delivery.redelivered:
            return False
        with self._condition:
            pending = self._by_key.get(key)
            if pending is None or not _is_same(pending.message, message):
                return False
            pending.message = message
            return True

    def confirm(self, pending: Pending) -> bool:
        """One of its records has its report. True where that was the last."""
        with self._condition:
            pending.n_left -= 1
            if pending.n_left > 0:
                return False
            del self._pending[pending.number]
            key = _key(pending.message)
            if key is not None and self._by_key.get(key) is pending:
                del self._by_key[key]
            self._n_bytes -= pending.n_bytes
            self._condition.notify_all()
            return True

    def close(self) -> None:
        """Take nothing any more; whoever waits for room goes on without."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def oldest_s(self) -> float:
        """For how long the oldest message has waited, 0 where none does."""
        with self._condition:
            first = next(iter(self._pending.values()), None)
            return 0.0 if first is None else self._clock() - first.since_s

    @property
    def n_bytes(self) -> int:
        return self._n_bytes

    def __len__(self) -> int:
        return len(self._pending)

    def _has_room(self, message: Message, n_bytes: int) -> bool:
        if not self._pending:
            return True  # however large: else it would never go
        is_many = message.delivery is None and len(self._pending) >= self._max_messages
        return not is_many and self._n_bytes + n_bytes <= self._max_bytes


def _key(message: Message) -> int | None:
    return None if message.delivery is None else message.delivery.key


def _is_same(one: Message, other: Message) -> bool:
    """A broker that lost its session gives old numbers to new messages."""
    return (one.topic, one.payload, one.properties) == (
        other.topic,
        other.payload,
        other.properties,
    )
