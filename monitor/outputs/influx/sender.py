"""Delivery of rows to InfluxDB.

A row has one of three fates. Accepted: the server has it, but for what it
refuses for good (refusals.py). Rejected: the server refused it for what it
holds; it becomes a dead letter, with the server's reason. Kept: everything
else, however long it takes. Writing a row twice is harmless (same series and
time overwrite), so a row whose answer was lost is simply sent again.

A refusal costs few requests, whatever is refused: a partial write says what was
dropped, and what it teaches holds for the rows to come. An answer that blames a
whole request may have nothing to do with its rows. So a row is rejected on such
words only between two probes, single rows that nobody could refuse, which the
database took.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from monitor.config_outputs import InfluxSettings
from monitor.journal.cursors import JournalRow
from monitor.journal.places import RowKind
from monitor.outputs.base import Step
from monitor.outputs.influx.answers import (
    NO_ANSWER,
    STORED,
    Answer,
    conflict_in,
    hint,
    n_too_old,
    retention_bound_ns,
    unparsable_lines,
)
from monitor.outputs.influx.client import Client
from monitor.outputs.influx.in_flight import InFlight
from monitor.outputs.influx.line_protocol import probe_line
from monitor.outputs.influx.refusals import Refusals, measurement_of
from monitor.outputs.influx.rows import LinesOf
from monitor.text import printable

FEW_LINES = 200  # no request is made smaller than that because no answer came
LOG_PERIOD_S = 60.0
TOO_LARGE = 413
DEFAULT_NAME = "influx"  # of the one database that most plants have


class InfluxOutput:
    """One database, as an output (outputs.base.Output)."""

    kinds: Sequence[RowKind] = ("event", "health", "verdict", "trend")
    from_start = True
    rejection = "InfluxDB rejected a row, it is set aside: {reason}"
    log_period_s = LOG_PERIOD_S

    def __init__(self, settings: InfluxSettings, lines_of: LinesOf, instance: str) -> None:
        """Reads the token, touches no network. Raises ConfigError where it cannot be used."""
        self.name = settings.name
        is_only_one = settings.name == DEFAULT_NAME
        self.title = "InfluxDB" if is_only_one else f"InfluxDB {settings.name}"
        self.batch_rows = settings.batch_rows
        self._lines_of, self._instance = lines_of, instance
        self._client = Client(settings)
        self._refusals = Refusals()
        self._in_flight: InFlight | None = None
        self._is_probing = False  # until a probe is stored
        self._is_proven = False  # a probe was stored since the rows were first refused
        # of a request; what the server takes at all
        self._max_lines = self._most_lines = 2**31

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Waits for the server at most the configured timeout, and as long for its answer's end."""
        if self._in_flight is None:
            if not rows:
                return Step()
            self._in_flight = self._take_off(rows, now_ns)
        if self._is_probing:
            return self._probe(self._in_flight, now_ns)
        if not self._in_flight.done:
            step = self._send(self._in_flight, now_ns)
            if step.trouble or not self._in_flight.done:
                return step
        if self._in_flight.blames_rows:
            self._is_probing = True
            return Step(go_on=True)
        return self._land(self._in_flight)

    def probe(self, now_ns: int) -> str:
        """Write one row of monitor_probe. '' where it is stored, else one clause that says why
        not.
        """
        answer = self._write_probe(now_ns)
        return "" if _is_taken(answer) else _explained(answer)

    def close(self) -> None:
        self._client.close()

    def _take_off(self, rows: Sequence[JournalRow], now_ns: int) -> InFlight:
        if self._refusals.is_stale(now_ns):
            self._refusals = Refusals()
        self._is_proven = False
        lines = [(row.key, self._lines_of(row)) for row in rows]
        return InFlight(lines, self._max_lines, self._refusals)

    def _land(self, done: InFlight) -> Step:
        self._in_flight = None
        refused = str(self._refusals)
        return Step(
            accepted=done.accepted,
            rejected=done.rejected,
            n_left_out=done.n_left_out,
            left_out=f"{self.title} refuses, and is no longer sent: {refused}."
            if refused
            else "",
        )

    # -- answers ----------------------------------------------------------------------------------

    def _send(self, in_flight: InFlight, now_ns: int) -> Step:
        answer = self._client.write(in_flight.body())
        if answer.status == STORED:
            in_flight.advance()
            self._max_lines = min(2 * self._max_lines, self._most_lines)
        elif answer.is_partial:
            self._learn(in_flight, answer, now_ns)
        elif answer.status == TOO_LARGE and in_flight.n_lines > 1:
            self._max_lines = self._most_lines = in_flight.n_lines // 2
            in_flight.halve()
        elif answer.is_refusal or answer.status == TOO_LARGE:
            self._suspect(in_flight, answer)
        else:
            self._slow_down(in_flight, answer)
            return self._kept(answer)
        return Step(go_on=True)

    def _learn(self, in_flight: InFlight, answer: Answer, now_ns: int) -> None:
        """The good lines are stored. What is refused for good is remembered, and left out of what
        is still to send.
        """
        if answer.refused and self._learn_by_line(in_flight, answer, now_ns):
            return
        reason = _reason(answer)
        bound_ns = _bound_ns(in_flight, answer)
        if bound_ns is not None:
            self._refusals.learn_oldest(bound_ns, reason, now_ns)
            if in_flight.trim(rest_is_stored=True):
                return
        elif conflict := conflict_in(answer.words):
            self._refusals.learn_conflict(conflict, reason, now_ns)
            if in_flight.trim():
                return
        elif in_flight.give_up(unparsable_lines(answer)):
            return
        in_flight.refuse_partly(reason)

    def _learn_by_line(self, in_flight: InFlight, answer: Answer, now_ns: int) -> bool:
        """InfluxDB 3 names the lines. Whether it did."""
        refused: dict[int, str] = {}
        again: set[int] = set()
        for number, words in answer.refused.items():
            text = in_flight.text(number)
            reason = f"{answer.status} {printable(words)}"
            conflict = conflict_in(words, measurement_of(text))
            if conflict is not None:
                self._refusals.learn_conflict(conflict, reason, now_ns)
            if conflict is not None and self._refusals.trim(text).text != text:
                again.add(number)
            elif text:
                refused[number] = reason
        if refused or again:
            in_flight.stored_but(refused, again)
        if again:
            in_flight.trim()
        return bool(refused or again)

    def _suspect(self, in_flight: InFlight, answer: Answer) -> None:
        """Nothing of the slice is stored, and its rows may be blameless: a probe tells."""
        if not self._is_proven:
            self._is_probing = True
            return
        faults = unparsable_lines(answer)
        for number, words in answer.refused.items():
            faults[in_flight.text(number)] = f"{answer.status} {printable(words)}"
        if in_flight.give_up(faults):
            in_flight.blames_rows = True
        else:
            in_flight.refuse(_reason(answer))

    def _slow_down(self, in_flight: InFlight, answer: Answer) -> None:
        """Where no answer came, it may have been too much for one timeout."""
        if answer.status == NO_ANSWER and in_flight.n_lines > FEW_LINES:
            in_flight.halve()
            self._max_lines = in_flight.n_lines

    def _write_probe(self, now_ns: int) -> Answer:
        return self._client.write(probe_line(self._instance, now_ns).encode())

    def _probe(self, in_flight: InFlight, now_ns: int) -> Step:
        answer = self._write_probe(now_ns)
        if not _is_taken(answer):
            if in_flight.done:
                self._in_flight = None  # what was held against its rows may be void
            return self._kept(answer, " to a plain probe row; the rows are not to blame")
        self._is_probing = False
        if in_flight.done:
            return self._land(in_flight)
        self._is_proven = True
        return Step(go_on=True)

    def _kept(self, answer: Answer, more: str = "") -> Step:
        self._is_proven = False
        if not answer.is_refusal:
            more = ""
        return Step(
            trouble=f"{self.title} {_explained(answer)}{more}. Rows wait in the journal.",
            level=logging.ERROR if hint(answer) or more else logging.WARNING,
            retry_after_s=answer.retry_after_s,
        )


def _is_taken(answer: Answer) -> bool:
    """The database took the request, and judged it line by line."""
    return answer.status == STORED or answer.is_partial


def _reason(answer: Answer) -> str:
    return f"{answer.status} {answer.message}"


def _explained(answer: Answer) -> str:
    look_at = hint(answer)
    return f"{answer.said} ({look_at})" if look_at else answer.said


def _bound_ns(in_flight: InFlight, answer: Answer) -> int | None:
    """Nothing before this time is stored; None where the answer is about something else."""
    newest_ns = in_flight.oldest(n_too_old(answer.words))
    if newest_ns is None:
        return None
    return max(newest_ns + 1, retention_bound_ns(answer.words) or newest_ns)
