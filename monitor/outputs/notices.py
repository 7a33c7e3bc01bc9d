"""Notices of alarms, as an output: what is due for one receiver, and when. How a receiver gets one
is its own affair: webhook.py, mail.py.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import quote

from monitor.advice import Advice, AdviceBook
from monitor.journal.cursors import JournalRow, Notified, RowKey
from monitor.journal.places import RowKind
from monitor.journal.views import StoredEvent
from monitor.outputs.base import Step
from monitor.outputs.notify import (
    STATE_OF_KIND,
    hold,
    is_quiet,
    notice,
    release,
    reminder,
    take,
)

LOOK_NS = 60 * 10**9  # between two looks for alarms to remind of
LOG_PERIOD_S = 3600.0  # a receiver that is away for a night is a line an hour


class Known(Protocol):
    """What a receiver was told so far: its journal.cursors.Cursor."""

    def notified(self, sensor: str) -> Notified: ...

    def held(self) -> list[tuple[Notified, StoredEvent]]: ...

    def muted(self, now_ns: int) -> Container[str]: ...

    def named_since(self, event: StoredEvent) -> tuple[str, str]: ...

    def unanswered(
        self, before_ns: int, now_ns: int
    ) -> list[tuple[Notified, StoredEvent]]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one notice.

    is_accepted, is_refused : the receiver has it; it refuses it for what it
        holds. Neither: it is tried again
    said : what the receiver answered, or why it did not; printable
    left_out : who did not get it although it was accepted, one sentence
    """

    is_accepted: bool
    said: str
    is_refused: bool = False
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class NoticeRules:
    """What holds for every receiver of notices.

    instance : the name of this Camshaft
    cool_down_s : after an alarm was told, the next one of its point waits so long
    remind_s : of an alarm that nobody has acknowledged; None: never
    page_url : for a link to the point; None: no link
    advice : sent with an alarm that is raised, and where its cause gets a name
    """

    instance: str
    cool_down_s: float
    remind_s: float | None = None
    page_url: str | None = None
    advice: AdviceBook | None = None


class Notices:
    """One receiver of notices, as an output (outputs.base.Output). _tell() sends one."""

    kinds: Sequence[RowKind] = ("event",)
    from_start = False  # a new one hears nothing of the past
    batch_rows = 1000
    log_period_s = LOG_PERIOD_S

    def __init__(self, name: str, title: str, known: Known, rules: NoticeRules) -> None:
        self.name, self.title = name, title
        self.rejection = self.title + " rejected the notice of event {row_id}: {reason}"
        self._known, self._rules = known, rules
        self._cool_down_ns = round(rules.cool_down_s * 1e9)
        self._look_ns = 0  # for alarms to remind of

    def close(self) -> None:
        """Nothing is open, unless a receiver says so."""

    def _tell(self, tree: dict[str, Any]) -> Answer:
        """Send one notice, and wait for the answer within a bounded time."""
        raise NotImplementedError

    def step(self, rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Held news whose time has come goes first, then the next event. Of a muted point all news
        is held.
        """
        muted = self._known.muted(now_ns)
        released = self._release(now_ns, muted)
        if released is not None:
            return released
        return self._take(rows, now_ns, muted) if rows else self._remind(now_ns, muted)

    def _release(self, now_ns: int, muted: Container[str]) -> Step | None:
        """The first held news whose time has come; None where there is none."""
        for known, event in self._known.held():
            if event.sensor in muted or is_quiet(known, now_ns, self._cool_down_ns):
                continue
            decision, after = release(known, event, now_ns)
            if decision == "hold":
                return Step(notified={event.sensor: after})
            return self._send(event, after, known.n_held - 1)
        return None

    def _take(self, rows: Sequence[JournalRow], now_ns: int, muted: Container[str]) -> Step:
        passed: list[RowKey] = []
        notified: dict[str, Notified] = {}
        for row in rows:
            news = row.content
            if not isinstance(news, StoredEvent) or news.kind not in STATE_OF_KIND:
                passed.append(row.key)
                continue
            known = notified.get(news.sensor) or self._known.notified(news.sensor)
            if news.sensor in muted:
                decision, after = "hold", hold(known, news)
            else:
                decision, after = take(known, news, now_ns, self._cool_down_ns)
            if decision == "hold":
                passed.append(row.key)
                notified[news.sensor] = after
            elif passed:
                break  # what is held back is settled first; this event comes again
            else:
                return self._send(news, after, known.n_held)
        return Step(passed=passed, notified=notified)

    def _remind(self, now_ns: int, muted: Container[str]) -> Step:
        """Tell again of an alarm that stands, where nobody has acknowledged it for long."""
        remind_s = self._rules.remind_s
        if remind_s is None or 0 <= self._look_ns - now_ns <= LOOK_NS:
            return Step()
        before_ns = now_ns - round(remind_s * 1e9)
        for known, event in self._known.unanswered(before_ns, now_ns):
            if event.sensor not in muted:
                after = replace(known, raised_ns=now_ns)
                return self._send(event, after, 0, is_reminder=True)
        self._look_ns = now_ns + LOOK_NS
        return Step()

    def _send(
        self, event: StoredEvent, after: Notified, n_held: int, is_reminder: bool = False
    ) -> Step:
        tree = notice(self._rules.instance, event, n_held, self._advice_on(event))
        tree |= {"link": self._link(event.sensor)}
        answer = self._tell(reminder(tree) if is_reminder else tree)
        key: RowKey = ("event", event.event_id)
        told = {event.sensor: after}
        if answer.is_accepted:
            return Step(accepted=[key], notified=told, left_out=answer.left_out)
        if answer.is_refused:
            return Step(rejected={key: answer.said}, notified=told)
        return Step(trouble=f"{self.title} {answer.said}. Its notices wait in the journal.")

    def _advice_on(self, event: StoredEvent) -> Advice | None:
        if self._rules.advice is None:
            return None
        return self._rules.advice.of_text(*self._known.named_since(event), event.text)

    def _link(self, sensor: str) -> str | None:
        """To the point on the page, where its address is known."""
        page_url = self._rules.page_url
        if page_url is None:
            return None
        return f"{page_url.rstrip('/')}/#/point/{quote(sensor, safe='')}"
