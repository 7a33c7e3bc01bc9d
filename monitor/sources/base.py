"""The contract of every source of messages.

The pipeline knows no more of where messages come from than this: it is given
messages, and says of each that asks for it when its samples are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from monitor.records.position import Resumed, SourcePosition
from monitor.records.signal import Message
from monitor.records.topic import TopicFilter


class SourceEndedError(Exception):
    """Nothing will come any more in this process, which ends; str() is one sentence."""


@dataclass(frozen=True, slots=True)
class News:
    """An event and counter of this kind. n : how many it counts"""

    kind: str
    text: str
    n: int = 1


def _nobody(_news: News) -> None:
    """Most sources have no news."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a source calls, from a thread of its own.

    deliver : one message, in order. It may block, to hold the source back
    refuse : a message that cannot be handed on, its payload cut short, and the
        reason: a key of service.WHY_UNUSED. The source has settled it
    fail : an exception that nobody expected; the process ends
    tell : what is to be on record as an event
    """

    deliver: Callable[[Message], None]
    refuse: Callable[[Message, str], None]
    fail: Callable[[Exception], None]
    tell: Callable[[News], None] = _nobody


@dataclass(frozen=True, slots=True)
class Connection:
    """number : counts this process's connections, 0 before the first.
    is_resumed : the newest goes on where the one before stopped; else delivery
        keys begin anew.
    """

    number: int
    is_resumed: bool


class Source(Protocol):
    """Every method but start and stop may be called from any thread, and returns at once."""

    def start(self) -> None:
        """Begin to connect, for as long as it takes. Called once, before anything else."""
        ...

    def stop(self, timeout_s: float) -> None:
        """Leave. What is not settled is delivered again to the next process."""
        ...

    def listen(self, topics: Sequence[TopicFilter]) -> None:
        """Change to these topics without losing a message of those that stay."""
        ...

    def renew(self) -> None:
        """Read secrets and certificates again, and log what has changed. It holds from the next
        connection on.
        """
        ...

    def settle(self, tokens: Sequence[object]) -> None:
        """These deliveries' samples are stored. Tokens may come in any order; what is acknowledged
        keeps to the order of delivery. One of a connection that is gone settles nothing.
        """
        ...

    @property
    def is_connected(self) -> bool: ...

    @property
    def is_alive(self) -> bool:
        """False when nothing will come any more though nobody stopped it."""
        ...

    @property
    def connection(self) -> Connection: ...

    @property
    def remembered(self) -> frozenset[str]:
        """What the source must find again after a restart: it is stored, and given back to it."""
        ...

    def health(self) -> Mapping[str, int | bool]:
        """Named figures for monitor_health. A name keeps its type for ever."""
        ...


@runtime_checkable
class Numbered(Protocol):
    """A source that numbers its records, and goes on after a start at the number that the journal
    has. Its delivery keys are these numbers.
    """

    def resume(self, resumed: Resumed) -> None:
        """Called once, before start."""
        ...

    def position(self, tokens: Sequence[object]) -> SourcePosition | None:
        """Where it would go on if these deliveries, and those of earlier calls, were settled. It is
        asked before the batch that settles them is stored, to be stored
        with it, and told by settle() after.
        """
        ...


@runtime_checkable
class Publisher(Protocol):
    """A source that can also publish: alarms go to the broker that the messages come from."""

    def publish(
        self, topic: str, payload: str | bytes, retain: bool = False, qos: int = 1
    ) -> bool: ...

    @property
    def connection(self) -> Connection: ...
