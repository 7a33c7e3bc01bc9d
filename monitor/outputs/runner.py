"""Drives one output: reads its rows, asks it for steps, settles fates, backs off, logs."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from monitor.journal.cursors import Fates, JournalRow
from monitor.log_limiter import LogLimiter
from monitor.outputs.base import Output, Step
from monitor.outputs.retry import Backoff
from monitor.text import printable

MAX_TROUBLE_CHARS = 1000
IDLE_S = 1.0  # until the next look when nothing waits

log = logging.getLogger(__name__)


class Waiting(Protocol):
    """What waits for an output, and lasts: journal.cursors.Cursor."""

    def pending(self, limit: int) -> Sequence[JournalRow]: ...

    def settle(self, fates: Fates, at_ns: int) -> None: ...


class Runner:
    """Used by one thread; the figures may be read from others.

    trouble : one sentence why rows wait, '' while they flow
    left_out : one sentence on what the receiver refuses for good, '' where
        nothing
    n_left_out : fields of accepted rows that were left out for it
    """

    def __init__(
        self,
        output: Output,
        waiting: Waiting,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.trouble = self.left_out = ""
        self.n_left_out = 0
        self._output, self._waiting = output, waiting
        self._jitter = jitter
        self._rows: Sequence[JournalRow] = ()
        self._backoff = Backoff()
        self._not_before_s = float("-inf")
        self._log_limiter = LogLimiter(log, output.log_period_s)

    def step(self, now_s: float, now_ns: int) -> float:
        """One step of the output. Returns the seconds until the next one is due.

        now_s : a clock that never jumps. Raises JournalError.
        """
        if now_s < self._not_before_s:
            return self._not_before_s - now_s
        if not self._rows:
            self._rows = self._waiting.pending(self._output.batch_rows)
        step = self._output.step(self._rows, now_ns)
        if step.settles:
            self._settle(step, now_s, now_ns)
        if step.trouble:
            return self._wait(step, now_s)
        if step.settles or step.go_on:
            self._flows()
            return 0.0
        return IDLE_S

    def _settle(self, step: Step, now_s: float, now_ns: int) -> None:
        self._waiting.settle(step, now_ns)
        settled = {*step.accepted, *step.passed, *step.rejected}
        self._rows = [row for row in self._rows if row.key not in settled]
        for (_, row_id), reason in step.rejected.items():
            text = self._output.rejection.format(row_id=row_id, reason=reason)
            self._log_limiter.note(logging.ERROR, text, now_s, "rejected")
        self.n_left_out += step.n_left_out
        if step.left_out and step.left_out != self.left_out:
            log.error("%s", step.left_out)
        self.left_out = step.left_out

    def _flows(self) -> None:
        if self.trouble:
            log.info("%s takes rows again.", self._output.title)
        self.trouble = ""
        self._backoff.after_success()

    def _wait(self, step: Step, now_s: float) -> float:
        self.trouble = step.trouble
        self._log_limiter.note(step.level, step.trouble, now_s, "waiting")
        delay_s = self._backoff.after_failure(step.retry_after_s, self._jitter())
        self._not_before_s = now_s + delay_s
        return delay_s


def delivery_fields(runners: Iterable[Runner]) -> dict[str, int | str]:
    """Of monitor_health: what outputs are in trouble with, '' where all is well."""
    running = list(runners)
    sentences = [said for one in running for said in (one.trouble, one.left_out) if said]
    return {
        "left_out_fields": sum(one.n_left_out for one in running),
        "delivery_trouble": printable(" ".join(sentences), MAX_TROUBLE_CHARS),
    }
