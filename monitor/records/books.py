"""The books: the fate of every sample received, and of every row to deliver."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

FATES = ("received", "analysed", "judged_bad", "dropped")  # of a sample; what remains waits


class RowCounts(NamedTuple):
    """Rows of one kind on their way to an output."""

    accepted: int
    rejected: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Books:
    """Both ledgers. samples: {sensor: {(fate, reason): n}}; waiting: {sensor: n}, as the streams
    hold them.
    """

    samples: dict[str, dict[tuple[str, str], int]]
    waiting: dict[str, int]
    counters: dict[str, int]
    delivery: dict[str, dict[str, RowCounts]]  # by output and kind of row

    def imbalance(self) -> dict[str, int]:
        """Sensors whose samples do not add up: received - analysed - judged_bad - dropped -
        waiting. Empty is right.
        """
        off = {}
        for sensor, book in self.samples.items():
            received = book.get(("received", ""), 0)
            settled = sum(n for (fate, _), n in book.items() if fate != "received")
            if received != settled + self.waiting.get(sensor, 0):
                off[sensor] = received - settled - self.waiting.get(sensor, 0)
        return off

    def total(self, fate: str) -> int:
        return sum(
            n
            for book in self.samples.values()
            for (found, _), n in book.items()
            if found == fate
        )

    def rows(self, outputs: Iterable[str]) -> dict[str, RowCounts]:
        """Rows by kind, summed over these outputs."""
        sums: dict[str, RowCounts] = {}
        for output in outputs:
            for kind, counts in self.delivery.get(output, {}).items():
                so_far = sums.get(kind, RowCounts(0, 0, 0))
                sums[kind] = RowCounts(
                    *(a + b for a, b in zip(so_far, counts, strict=True))
                )
        return sums
