"""Signals of the operating system, on their way from a handler to the loop that answers them."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue


class Signals:
    """What came, in order.

    A handler runs in the main thread, between any two of its steps. An Event's or a Condition's
    lock may be held by that very thread then: the handler would wait for it for ever. Of a
    SimpleQueue, put() may interrupt get().
    """

    def __init__(self) -> None:
        self._numbers: SimpleQueue[int | None] = SimpleQueue()

    def note(self, number: int, _frame: object = None) -> None:
        """A handler, for signal.signal(); any thread may call it, too."""
        self._numbers.put(number)

    def wake(self) -> None:
        """Whoever waits has something else to look at."""
        self._numbers.put(None)

    def next(self, within_s: float) -> int | None:
        """The next one's number; None once it is woken, or where none comes within so long."""
        with suppress(Empty):
            return self._numbers.get(timeout=within_s)
        return None
