"""Some rows on their way to InfluxDB: what is still to send, and what was refused. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from monitor.journal.cursors import RowKey
from monitor.outputs.influx.refusals import Refusals, time_of

RowLines = tuple[RowKey, Sequence[str]]  # a row, and its lines of line protocol
# Of slices whose good lines are stored: few refused lines are found, many are not worth it.
MAX_PARTIAL_HALVINGS = 32


class Line(NamedTuple):
    """is_own : the row's first line, which stands for the row; its maps follow."""

    key: RowKey
    is_own: bool
    text: str


class InFlight:
    """Slices of lines, one a request.

    A row is rejected where its own line could not be stored, or any line for a
    fault of its own. What the database refuses for good is left out; of a row
    that was accepted it is counted.
    """

    def __init__(
        self, rows: Sequence[RowLines], max_lines: int, refusals: Refusals
    ) -> None:
        self._keys = [key for key, _ in rows]
        self._refusals = refusals
        self._left_out: Counter[RowKey] = Counter()  # fields
        self._n_partial_halvings = 0
        self.rejected: dict[RowKey, str] = {}
        self.blames_rows = False  # a row was rejected of which only the refusal speaks
        lines = self._trimmed(_own_first(rows))
        starts = range(0, len(lines), max_lines)
        self._slices = deque(lines[start : start + max_lines] for start in starts)

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

    @property
    def n_left_out(self) -> int:
        """Fields of accepted rows."""
        return sum(n for key, n in self._left_out.items() if key not in self.rejected)

    def body(self) -> bytes:
        return "\n".join(line.text for line in self._slices[0]).encode()

    def text(self, number: int) -> str:
        """A line of the next request, counted from 0; '' where it has none such."""
        lines = self._slices[0]
        return lines[number].text if 0 <= number < len(lines) else ""

    def advance(self) -> None:
        """The next slice is stored."""
        self._slices.popleft()

    def trim(self, rest_is_stored: bool = False) -> bool:
        """Leave out what the refusals have come to hold. Whether that changed the next slice.

        rest_is_stored : what stays of the next slice need not be sent again
        """
        first, *others = self._slices
        kept = self._trimmed(first)
        has_changed = kept != first
        if has_changed and rest_is_stored:
            kept = []
        slices = [kept, *map(self._trimmed, others)]
        self._slices = deque(lines for lines in slices if lines)
        return has_changed

    def oldest(self, n: int) -> int | None:
        """The newest time among the n oldest lines of the next slice."""
        times = sorted(
            time_ns
            for line in self._slices[0]
            if (time_ns := time_of(line.text)) is not None
        )
        return times[min(n, len(times)) - 1] if times and n > 0 else None

    def stored_but(self, refused: Mapping[int, str], again: Collection[int]) -> None:
        """The next slice is stored, except these lines, by number from 0: given up with a reason,
        or to be sent again.
        """
        lines = self._slices.popleft()
        for number, reason in refused.items():
            self._reject(lines[number], reason)
        if repeated := [lines[number] for number in sorted(again)]:
            self._slices.appendleft(repeated)

    def give_up(self, faults: Mapping[str, str]) -> bool:
        """Reject these lines of the next slice; the others stay in it. Whether it had any.

        faults : the reason, by the line's text
        """
        lines = self._slices.popleft()
        for line in lines:
            if line.text in faults:
                self._reject(line, faults[line.text])
        if kept := [line for line in lines if line.text not in faults]:
            self._slices.appendleft(kept)
        return len(kept) < len(lines)

    def refuse(self, reason: str) -> None:
        """The next slice was refused as a whole. It is halved until the refused line stands alone,
        so that no good line is lost to a bad neighbour.
        """
        if self.n_lines > 1:
            return self.halve()
        self.blames_rows = True
        self._reject(self._slices.popleft()[0], reason)

    def refuse_partly(self, reason: str) -> None:
        """Some line of the next slice was refused, and the others are stored.

        The answer did not say which: they are looked for within reason.
        """
        if self.n_lines > 1 and self._n_partial_halvings < MAX_PARTIAL_HALVINGS:
            self._n_partial_halvings += 1
            return self.halve()
        for line in self._slices.popleft():
            self._reject(line, reason)

    def halve(self) -> None:
        """Send the next slice in two requests. It must have two lines at least."""
        whole = self._slices.popleft()
        middle = len(whole) // 2
        self._slices.extendleft((whole[middle:], whole[:middle]))

    def _reject(self, line: Line, reason: str) -> None:
        self.rejected.setdefault(line.key, reason)

    def _trimmed(self, lines: list[Line]) -> list[Line]:
        if not self._refusals:
            return lines
        kept = []
        for line in lines:
            text, n_left_out, reason = self._refusals.trim(line.text)
            self._left_out[line.key] += n_left_out
            if text:
                kept.append(line._replace(text=text))
            elif line.is_own:
                self._reject(line, reason)
        return kept


def _own_first(rows: Iterable[RowLines]) -> list[Line]:
    """Rows' own lines before their maps: a slow network has the verdicts first."""
    own, maps = [], []
    for key, lines in rows:
        own += [Line(key, True, text) for text in lines[:1]]
        maps += [Line(key, False, text) for text in lines[1:]]
    return own + maps
