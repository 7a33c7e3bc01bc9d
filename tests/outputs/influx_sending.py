"""InfluxDB's output in its runner, over rows in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import random
from typing import cast

from monitor.config_outputs import InfluxSettings
from monitor.journal.cursors import Fates, JournalRow, RowKey
from monitor.journal.places import RowKind
from monitor.outputs.influx.line_protocol import health_line
from monitor.outputs.influx.sender import InfluxOutput
from monitor.outputs.runner import Runner
from monitor.records.verdict import Verdict


class MemoryOutbox:
    """Rows and their fates."""

    def __init__(self, rows: Sequence[JournalRow]) -> None:
        self.waiting = {row.key: row for row in rows}
        self.accepted: list[RowKey] = []
        self.rejected: dict[RowKey, str] = {}

    def pending(self, limit: int) -> Sequence[JournalRow]:
        return list(self.waiting.values())[:limit]

    def settle(self, fates: Fates, at_ns: int) -> None:
        for key in [*fates.accepted, *fates.passed, *fates.rejected]:
            del self.waiting[key]  # a KeyError is a row settled twice
        self.accepted += fates.accepted
        self.rejected |= fates.rejected


class InfluxSender:
    """The output in its runner, over whatever outbox a test brings."""

    def __init__(
        self, settings: InfluxSettings, jitter: Callable[[], float] = random
    ) -> None:
        self._output = InfluxOutput(settings, lines_of, "test")
        self._jitter = jitter
        self._runner: Runner | None = None
        self._outbox: MemoryOutbox | None = None

    def step(self, outbox: MemoryOutbox, now_s: float) -> float:
        if self._runner is None or outbox is not self._outbox:
            self._outbox = outbox
            self._runner = Runner(self._output, outbox, self._jitter)
        return self._runner.step(now_s, round(now_s * 1e9))

    @property
    def trouble(self) -> str:
        return "" if self._runner is None else self._runner.trouble

    @property
    def left_out(self) -> tuple[int, str]:
        """How many fields, and what is refused for good."""
        return (
            (0, "")
            if self._runner is None
            else (self._runner.n_left_out, self._runner.left_out)
        )

    def close(self) -> None:
        self._output.close()


def row_of(kind: RowKind, number: int, lines: Sequence[str]) -> JournalRow:
    """A row whose content is its lines already."""
    return JournalRow(kind, number, cast(Verdict, lines))


def lines_of(row: JournalRow) -> Sequence[str]:
    return cast(Sequence[str], row.content)


def good(number: int) -> JournalRow:
    return row_of("health", number, [health_line("test", {"number": number}, number)])


def malformed(number: int) -> JournalRow:
    return row_of("event", number, [f"no line protocol {number}"])


def conflicting(number: int) -> JournalRow:
    return row_of("verdict", number, [health_line("test", {"number": "text"}, number)])


def drain(
    sender: InfluxSender, outbox: MemoryOutbox, now_s: float = 0.0, max_steps: int = 500
) -> float:
    """Steps until nothing waits; a pause passes at once. Returns the time by then."""
    for _ in range(max_steps):
        if not outbox.waiting:
            return now_s
        now_s += sender.step(outbox, now_s)
    raise AssertionError(
        f"{len(outbox.waiting)} rows still wait after {max_steps} steps: {sender.trouble}"
    )
