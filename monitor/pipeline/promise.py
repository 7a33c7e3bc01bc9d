"""A sensor's alarm with a budget: its detector, and the slow one that asks for another
commissioning.

Windows are counted in blocks from the commissioning on, however messages and
batches cut the stream. Windows that are not judged neither feed nor reset it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from monitor.evidence import promise
from monitor.evidence.decide import Finding
from monitor.evidence.model_folder import ModelManifest
from monitor.records.commissioned import Commissioned
from monitor.records.context import Context, Value
from monitor.records.promise import PromiseState, Reference
from monitor.records.verdict import Status

SAME_SHARE = 0.05  # a speed or load that differs by no more is the same mode


@dataclass(frozen=True, slots=True)
class Heard:
    """What a window did.

    is_over : the alarm's limit is reached; None where nothing is promised, and
        n of m decides
    drift : the sentence that asks for another commissioning, once
    """

    is_over: bool | None = None
    drift: str = ""


class Promise:
    """Both detectors of one sensor."""

    def __init__(self, state: PromiseState) -> None:
        self.state = state

    def hear(
        self,
        finding: Finding,
        own: Commissioned | None,
        manifest: ModelManifest | None,
        budget_s: float | None,
        context: Context,
    ) -> Heard:
        """Take a window in. own : the commissioning that it was judged by"""
        if budget_s is None or own is None:
            return Heard()
        reference = promise.reference_for(own, manifest)
        if reference is None or not promise.can_promise(reference):
            return Heard()
        if self.state.commissioning_id != own.commissioning_id:
            self.state = PromiseState(own.commissioning_id)
        if finding.status is Status.IDLE:
            self.state = replace(self.state, stood_still=True)
        if finding.status not in (Status.OK, Status.NG):
            return Heard(is_over=False)
        return self._judged(finding, reference, budget_s, context)

    def _judged(
        self, finding: Finding, reference: Reference, budget_s: float, context: Context
    ) -> Heard:
        e_value = promise.alarm_e_value(finding.evidence, reference)
        if e_value is None:
            return Heard()
        if finding.status is Status.OK:
            self.state = replace(self.state, ok_context=dict(context), stood_still=False)
        state = replace(
            self.state,
            n_in_block=self.state.n_in_block + 1,
            alarm_sum=self.state.alarm_sum + e_value,
            drift_sum=self.state.drift_sum
            + promise.drift_e_value(finding.evidence, reference),
        )
        limit = promise.limit_of(reference, budget_s)
        self.state = (
            state if state.n_in_block < reference.block else _next_block(state, limit)
        )
        return Heard(self.state.alarm >= limit, self._drift(limit, reference))

    def _drift(self, limit: float, reference: Reference) -> str:
        if self.state.drift < limit or self.state.drift_told:
            return ""
        self.state = replace(self.state, drift_told=True)
        return (
            "windows that are still OK no longer sound as in the commissioning (over"
            f" {promise.in_words(reference.healthy_s)} of running), so the alarm's budget is"
            " promised no more: look at the machine, and if it is healthy commission it again"
        )

    def begin_anew(self) -> None:
        """The alarm was cleared: its detector has seen nothing yet."""
        self.state = replace(self.state, alarm=0.0)

    def told_apart(self, context: Context) -> str:
        """What else has changed since the last OK window: a mode may be why."""
        return "; ".join(self._changes(context))

    def _changes(self, context: Context) -> Iterator[str]:
        if self.state.stood_still:
            yield "the machine stood still since its last OK window"
        for name, value in context.items():
            before = self.state.ok_context.get(name)
            if before is not None and not _is_same(before, value):
                yield f"{name} has changed from {before} to {value} since the last OK window"


def _next_block(state: PromiseState, limit: float) -> PromiseState:
    n = state.n_in_block
    return replace(
        state,
        n_in_block=0,
        alarm_sum=0.0,
        drift_sum=0.0,
        alarm=promise.next_statistic(state.alarm, state.alarm_sum / n, limit),
        drift=promise.next_statistic(state.drift, state.drift_sum / n, limit),
    )


def _is_same(before: Value, now: Value) -> bool:
    if isinstance(before, str) or isinstance(now, str):
        return before == now
    return abs(before - now) <= SAME_SHARE * max(abs(before), abs(now))
