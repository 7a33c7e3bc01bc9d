"""The books: the fate of every sample received, and of every row to deliver."""

from __future__ import annotations

from dataclasses import dataclass

FATES = ("received", "analysed", "judged_bad", "dropped")  # of a sample; what remains waits


@dataclass(frozen=True, slots=True)
class Books:
    """Both ledgers. samples: {sensor: {(fate, reason): n}}; waiting: {sensor: n}, as the streams
    hold them.
    """

    samples: dict[str, dict[tuple[str, str], int]]
    waiting: dict[str, int]
    counters: dict[str, int]
    delivery: dict[str, tuple[int, int, int]]  # kind: accepted, rejected, waiting

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
            n for book in self.samples.values() for (found, _), n in book.items() if found == fate
        )
