"""Which windows are occluded, and when: those that raised an alarm, one after another,
a step a turn. Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from monitor.evidence.occlusion import Occluding
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.judging import Judgement
from monitor.records.commissioned import Baseline
from monitor.records.occlusion import Occlusion
from monitor.records.signal import Window
from monitor.records.verdict import Status, Verdict

MAX_BYTES = 64 << 20  # of the windows that wait


@dataclass(frozen=True, slots=True)
class _Waiting:
    """With what held when it was judged."""

    verdict: Verdict
    logit: float
    window: Window
    analyser: Analyser
    baseline: Baseline

    @property
    def n_bytes(self) -> int:
        return self.window.samples.nbytes

    def begun(self) -> Occluding:
        analyser = self.analyser
        picture = analyser.picture(self.window, self.baseline)
        return Occluding(picture, self.logit, analyser.grid, analyser.column_frames)


class Occluder:
    """The first alarm's window first: of a whole plant that trips, what began it."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._begun: Occluding | None = None  # of the first that waits
        self._n_bytes = 0

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting)

    def take(self, judgement: Judgement) -> None:
        """A window that was judged. Only one that raised an alarm is kept, where its sensor has a
        network, and levels to fill parts with.
        """
        cut, verdict = judgement.cut, judgement.verdict
        is_raised = any(event.kind == "alarm_raised" for event in judgement.events)
        if not is_raised or verdict.status is not Status.NG or cut is None:
            return
        found, baseline = (
            verdict.of_kind("network"),
            cut.sensor.verdicts.baseline(cut.analyser),
        )
        if found is None or baseline is None or not isinstance(cut.piece, Window):
            return
        one = _Waiting(verdict, found.score, cut.piece, cut.analyser, baseline)
        if self._n_bytes + one.n_bytes <= MAX_BYTES:
            self._waiting.append(one)
            self._n_bytes += one.n_bytes

    def step(self) -> tuple[Verdict, Occlusion] | None:
        """Of the first window that waits, once it is whole."""
        if not self._waiting:
            return None
        one = self._waiting[0]
        self._begun = self._begun or one.begun()
        found = self._begun.step()
        if found is None:
            return None
        self._waiting.popleft()
        self._begun = None
        self._n_bytes -= one.n_bytes
        return one.verdict, found
