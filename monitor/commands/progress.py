"""Progress of long work where no terminal shows a bar: a line on standard error now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PERIOD_S = 30.0


@contextmanager
def spoken(state: Callable[[], str], period_s: float | None = None) -> Iterator[None]:
    """Say what state() says each period, however long a step of the work takes."""
    period_s = PERIOD_S if period_s is None else period_s
    done = threading.Event()

    def speak() -> None:
        while not done.wait(period_s):
            print(state(), file=sys.stderr, flush=True)

    thread = threading.Thread(target=speak, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Count:
    """Steps done of a known number, and how long they took."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self._started_s = time.monotonic()

    def step(self, n: int = 1) -> None:
        self.done += n

    def reach(self, done: int, total: int) -> None:
        """So far, of a number that shows only now."""
        self.done, self.total = done, total

    def __str__(self) -> str:
        spent_s = time.monotonic() - self._started_s
        share = self.done / self.total if self.total else 1.0
        left = (
            f", about {duration(spent_s / share - spent_s)} to go" if 0 < share < 1 else ""
        )
        return f"{self.what}: {self.done} of {self.total} after {duration(spent_s)}{left}"


def duration(seconds: float) -> str:
    """Two figures at most: 40 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
