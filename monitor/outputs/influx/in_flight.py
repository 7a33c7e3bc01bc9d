"""Some rows on their way to InfluxDB: what is still to send, and what was refused. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from monitor.journal.cursors import RowKey

RowLines = tuple[RowKey, Sequence[str]]  # a row, and its lines of line protocol


class InFlight:
    """Slices of lines, one a request.

    A refused slice is halved until the refused line stands alone, so that no good line is lost to
    a bad neighbour.
    """

    def __init__(self, rows: Sequence[RowLines], max_lines: int) -> None:
        self._keys = [key for key, _ in rows]
        lines = [(key, line) for key, lines_of_row in rows for line in lines_of_row]
        starts = range(0, len(lines), max_lines)
        self._slices = deque(lines[start : start + max_lines] for start in starts)
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
        """The next slice was refused as a whole.

        It is halved; where it is a single line, that is given up, and with it its row.
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
