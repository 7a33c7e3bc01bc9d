"""The contract of every output: where verdicts, alarms and figures go."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.journal.cursors import JournalRow, Notified, RowKey
from monitor.journal.places import RowKind


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one step. A row that is in no list is kept, and given again.

    accepted : rows that arrived
    passed : rows that the output has no use for, or keeps back for later:
        settled, not counted
    rejected : rows that were refused for what they hold, and why: printable and
        short
    notified : what the output has now told of each sensor; kept with the cursor
    go_on : there is more to do at once, though no row is settled yet
    trouble : why rows cannot be delivered now, one sentence; '' while they flow
    level : how grave the trouble is, as logging has it
    retry_after_s : when the receiver wants to be asked again, if it said so
    n_left_out : fields of accepted rows that the receiver refuses for good, and
        was not sent
    left_out : what it refuses for good, one sentence; '' where nothing
    """

    accepted: Sequence[RowKey] = ()
    passed: Sequence[RowKey] = ()
    rejected: Mapping[RowKey, str] = field(default_factory=dict)
    notified: Mapping[str, Notified] = field(default_factory=dict)
    go_on: bool = False
    trouble: str = ""
    level: int = logging.WARNING
    retry_after_s: float | None = None
    n_left_out: int = 0
    left_out: str = ""

    @property
    def settles(self) -> bool:
        return bool(self.accepted or self.passed or self.rejected or self.notified)


class OutputEndedError(Exception):
    """An output can do nothing more in this process, which ends; str() is one sentence."""


class Output(Protocol):
    """One receiver. All its methods are called from one thread of its own, rows in order.

    name : of its cursor in the journal: a changed address goes on where the old
        one was
    title : its name in log lines
    kinds : the rows it takes, in the order in which it wants them
    from_start : whether a new one gets all that the journal holds, or what
        comes from now on
    batch_rows : rows it is given at most at a time
    rejection : the log line for a rejected row; {row_id} and {reason} are
        filled in
    log_period_s : the same trouble is logged at most so often
    """

    name: str
    title: str
    kinds: Sequence[RowKind]
    from_start: bool
    batch_rows: int
    rejection: str
    log_period_s: float

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Send one request at most, and wait for its answer within a bounded time.

        rows : the oldest that wait; until they are settled, the same ones come
            again. None where none waits: then is the time for what is due by
            the clock.
        """
        ...

    def close(self) -> None:
        """Comes once, after the last step returned."""
        ...
