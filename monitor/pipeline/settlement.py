"""Which messages are settled by which stored samples, and which were delivered before. Pure.

A message is settled once every sensor that it brought samples of is stored up
to those samples; messages are settled in order of receipt as far as that is so
for each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from monitor.records.signal import Delivery

Marks = Mapping[str, int]  # sensor: samples received of it by the end of a message


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message on its way to being settled."""

    delivery: Delivery
    marks: Marks
    digest: int
    at_s: float  # when it came


@dataclass(frozen=True, slots=True)
class _Seen:
    """The message last delivered under a key."""

    digest: int
    marks: Marks


class Settlement:
    """digests : of messages settled by an earlier process, by their delivery's key."""

    def __init__(self, digests: Mapping[int, int]) -> None:
        self._seen = {key: _Seen(digest, {}) for key, digest in digests.items()}
        self._receipts: deque[Receipt] = deque()
        self._stored: dict[str, int] = {}  # sensor: samples received that are in a batch

    @property
    def n_pending(self) -> int:
        """Messages that no batch has settled yet."""
        return len(self._receipts)

    def waited_s(self, now_s: float) -> float:
        """How long the oldest message has waited; 0 where none does."""
        return now_s - self._receipts[0].at_s if self._receipts else 0.0

    def forget(self) -> None:
        """The source starts its keys over: the old ones no longer mean anything."""
        self._seen.clear()

    def forget_before(self, key: int) -> None:
        """Deliveries of smaller keys, from 0 on, cannot come again."""
        for old in [known for known in self._seen if 0 <= known < key]:
            del self._seen[old]

    def seen_before(self, delivery: Delivery | None, digest: int) -> Marks | None:
        """The marks of a message that was taken already; None for one that was not.

        Only what its source calls redelivered can be one: a new message may
        look the same.
        """
        if delivery is None or not delivery.redelivered:
            return None
        keys = (delivery.key, delivery.sender_key if delivery.sent_again else None)
        for key in keys:
            seen = None if key is None else self._seen.get(key)
            if seen is not None and seen.digest == digest:
                return seen.marks
        return None

    def note(self, delivery: Delivery, marks: Marks, digest: int, now_s: float) -> None:
        """A message has been taken. marks is empty where it brought no samples."""
        for key in delivery.keys:
            self._seen[key] = _Seen(digest, marks)
        self._receipts.append(Receipt(delivery, marks, digest, now_s))

    def stored(self, sensor: str, n_received: int) -> None:
        """The current batch holds the sensor's stream up to n_received samples."""
        self._stored[sensor] = n_received

    def settle(self) -> list[Receipt]:
        """The messages that the current batch settles, in order of receipt."""
        due: list[Receipt] = []
        waiting: deque[Receipt] = deque()
        for receipt in self._receipts:
            (due if self.is_stored(receipt.marks) else waiting).append(receipt)
        self._receipts = waiting
        return due

    def is_stored(self, marks: Marks) -> bool:
        """Whether this batch, or one before, holds all these samples."""
        stored = self._stored
        return all(n <= stored.get(sensor, 0) for sensor, n in marks.items())
