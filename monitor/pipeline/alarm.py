"""From statuses to an alarm: n of the last m judged windows, or a detector with a budget."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from monitor.records.verdict import Status


class Alarm:
    """Raised when n of the last m judged windows are NG, or where a detector says so; cleared when
    at most `clear` of m are.

    IDLE, LEARNING, BAD_DATA and NO_DATA leave it as it is: a machine that
    stands still has not been repaired.
    """

    def __init__(
        self, n: int, m: int, clear: int, recent: Iterable[bool] = (), raised: bool = False
    ) -> None:
        self._n, self._clear = n, clear
        self._m = m
        self.recent: deque[bool] = deque(recent, maxlen=m)
        self.raised = raised

    @property
    def state(self) -> str:
        return "raised" if self.raised else "clear"

    def update(self, status: Status, is_over: bool | None = None) -> str | None:
        """Take one status in. Returns 'raised' or 'cleared' where the alarm changes, else None.

        is_over : what the detector of an alarm with a budget says; None where n
            of m decides
        """
        if status not in (Status.OK, Status.NG):
            return None
        self.recent.append(status is Status.NG)
        n_ng = sum(self.recent)
        rises = n_ng >= self._n if is_over is None else is_over
        if not self.raised and rises:
            self.raised = True
            if is_over:  # a detector's block may end in OK windows: m more must follow
                self.recent.clear()
            return "raised"
        if self.raised and n_ng <= self._clear and len(self.recent) == self._m:
            self.raised = False
            return "cleared"
        return None
