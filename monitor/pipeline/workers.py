"""A turn's windows judged by several threads. Transforms, network and NumPy's loops leave the
interpreter to others meanwhile, so threads fill the processors without any state to send.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from monitor.pipeline.judging import Cut, Judgement, judge
from monitor.thread_name import name_thread

MIN_WINDOWS = 4  # of a part: fewer are judged sooner than they are handed over
MAX_UNTOLD = 4  # threads, where the configuration names no number


def workers_here(told: int | None) -> int:
    """How many threads judge: as told, else one for each processor that we may use."""
    if told is not None:
        return told
    usable = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    n = len(usable(0)) if usable is not None else os.cpu_count() or 1
    return min(n, MAX_UNTOLD)


class Workers:
    """Judges as one thread would: the same judgements, in the same order.

    are_needed : set it to False where the caller's thread has time enough
    """

    def __init__(self, n: int) -> None:
        """n : threads, the caller's among them"""
        self.n = n
        self.are_needed = True
        numbers = count(1)
        # With one worker the pool starts no thread.
        self._pool = ThreadPoolExecutor(
            max(1, n - 1), initializer=lambda: name_thread(f"judge {next(numbers)}")
        )

    def judge(self, work: Sequence[Cut]) -> list[Judgement]:
        """One judgement for each piece, in order."""
        parts = _parts(work, self.n if self.are_needed else 1)
        if len(parts) < 2:
            return list(judge(work))
        own, *others = ([work[place] for place in part] for part in parts)
        waiting = [self._pool.submit(lambda some: list(judge(some)), one) for one in others]
        found = [list(judge(own)), *(one.result() for one in waiting)]
        judgements = {
            place: judgement
            for part, some in zip(parts, found, strict=True)
            for place, judgement in zip(part, some, strict=True)
        }
        return [judgements[place] for place in range(len(work))]

    def close(self) -> None:
        self._pool.shutdown()


def _parts(work: Sequence[Cut], n: int) -> list[list[int]]:
    """Places in the work. All of a sensor are in one part, in order: its state has one hand at a
    time.
    """
    n_parts = min(n, len(work) // MIN_WINDOWS)
    if n_parts < 2:
        return [list(range(len(work)))]
    parts: list[list[int]] = [[] for _ in range(n_parts)]
    for place, cut in enumerate(work):
        parts[zlib.crc32(cut.sensor.name.encode()) % n_parts].append(place)
    return [part for part in parts if part]
