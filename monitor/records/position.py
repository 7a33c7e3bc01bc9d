"""Where delivery continues after a start, for sources that number their records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """All records of one partition before `offset` are settled.

    n_partitions : of the topic: keys go to other partitions once it changes
    leader_epoch : of the newest settled record before, as its broker told it;
        None where it did not
    """

    topic: str
    partition: int
    n_partitions: int
    offset: int
    leader_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """What the journal knows of a source. position is None where it knows none.

    known_before : records from the position up to this offset, without it, may
        be settled already: they come again
    """

    position: SourcePosition | None
    known_before: int

    @property
    def first(self) -> int:
        """The record to continue with."""
        return 0 if self.position is None else self.position.offset
