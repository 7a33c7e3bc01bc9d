"""Up to where all records of a partition are settled. Pure.

Records are settled in any order, and offsets have holes where Kafka compacted
a topic or marked a transaction. What can be stored is a prefix: the lowest
offset that was delivered and is not settled, or the one after all delivered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Progress:
    """offset : of the first record that is wanted. epoch : of the one before, None if unknown"""

    def __init__(self, offset: int, epoch: int | None = None) -> None:
        self.offset, self.epoch = offset, epoch
        self.next_offset = offset  # to be delivered
        # Delivered and beyond the prefix, by offset, with their epochs.
        self._delivered: deque[tuple[int, int | None]] = deque()
        self._settled: set[int] = set()

    @property
    def n_unsettled(self) -> int:
        return len(self._delivered) - len(self._settled)

    def deliver(self, offset: int, epoch: int | None) -> None:
        """The next record is handed on; offsets only grow."""
        self._delivered.append((offset, epoch))
        self.next_offset = offset + 1

    def settle(self, offsets: Iterable[int]) -> None:
        """These records are settled, each once, in any order."""
        self._settled.update(offsets)
        while self._delivered and self._delivered[0][0] in self._settled:
            offset, epoch = self._delivered.popleft()
            self._settled.discard(offset)
            self.offset = offset + 1
            self.epoch = epoch if epoch is not None else self.epoch
