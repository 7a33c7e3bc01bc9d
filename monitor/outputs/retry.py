"""Rows on their way to a database, as far as no network is needed: what waits, what was refused,
how long to pause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
LONGEST_RETRY_AFTER_S = (
    300.0  # a server's wish for longer is cut: nobody would look at it again before
)

RowKey = tuple[str, int]  # kind and row_id


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row of the journal that InfluxDB is to have, as line protocol."""

    kind: Literal["verdict", "health", "event"]
    row_id: int
    lines: Sequence[str]

    @property
    def key(self) -> RowKey:
        return self.kind, self.row_id


class Outbox(Protocol):
    """What waits for delivery, and lasts. Calls come from one thread; every row got from pending()
    is settled once.
    """

    def pending(self, limit: int) -> Sequence[OutboxRow]:
        """The oldest waiting rows, at most `limit`, without those already settled."""
        ...

    def settle(self, accepted: Sequence[RowKey], rejected: Mapping[RowKey, str]) -> None:
        """These rows wait no longer. rejected: the reason, printable and short. One transaction."""
        ...


class Shipment:
    """Some rows on their way: slices of lines still to send, and what was refused. Pure.

    A refused slice is halved until the refused line stands alone, so that no good line is lost to a
    bad neighbour.
    """

    def __init__(self, rows: Sequence[OutboxRow], max_lines: int) -> None:
        self._keys = [row.key for row in rows]
        lines = [(row.key, line) for row in rows for line in row.lines]
        self._slices = deque(
            lines[start : start + max_lines] for start in range(0, len(lines), max_lines)
        )
        self.rejected: dict[RowKey, str] = {}

    @property
    def done(self) -> bool:
        return not self._slices

    @property
    def n_lines(self) -> int:
        """Lines in the next request."""
        return len(self._slices[0])

    @property
    def accepted(self) -> list[RowKey]:
        return [key for key in self._keys if key not in self.rejected]

    def body(self) -> bytes:
        return "\n".join(line for _, line in self._slices[0]).encode()

    def advance(self) -> None:
        """The next slice is stored."""
        self._slices.popleft()

    def refuse(self, reason: str) -> None:
        """The next slice was refused as a whole: halve it, or give up its only line and with it its
        row.
        """
        if self.n_lines > 1:
            return self.halve()
        ((key, _),) = self._slices.popleft()
        self.rejected.setdefault(key, reason)

    def halve(self) -> None:
        """Send the next slice in two requests. It must have two lines at least."""
        whole = self._slices.popleft()
        middle = len(whole) // 2
        self._slices.extendleft((whole[middle:], whole[:middle]))


class Backoff:
    """Doubling delays with jitter, between half and the whole of each. Pure: the caller brings
    chance and waits.
    """

    def __init__(self) -> None:
        self._n_failures = 0

    def after_failure(self, retry_after_s: float | None, jitter: float) -> float:
        """Seconds to wait. jitter: from 0 to 1. A server's Retry-After counts where it is longer,
        within a limit.
        """
        delay_s = min(FIRST_DELAY_S * 2.0 ** min(self._n_failures, 32), LONGEST_DELAY_S) * (
            0.5 + 0.5 * jitter
        )
        self._n_failures += 1
        return max(delay_s, min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))

    def after_success(self) -> None:
        self._n_failures = 0
