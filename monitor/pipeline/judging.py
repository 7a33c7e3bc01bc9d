"""A turn's windows: analysed rule by rule, batched over sensors; verdicts in order of arrival."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from monitor.pipeline.analysis import Analyser, Analysis
from monitor.pipeline.sensor import Sensor
from monitor.records.batch import Event, KeptWindow
from monitor.records.commissioned import Baseline
from monitor.records.context import Context
from monitor.records.signal import Gap, Window
from monitor.records.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of a stream with what held when it was cut."""

    sensor: Sensor
    analyser: Analyser
    piece: Window | Gap
    running: bool | None = None  # what had been said last
    context: Context = field(default_factory=dict)
    is_implausible: bool = False  # of bytes that are not what the settings say
    received_ns: int = 0  # when it was whole, by the host's clock


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of one piece. n_new: samples that no earlier window held."""

    verdict: Verdict
    n_new: int
    kept: Sequence[KeptWindow] = ()
    events: Sequence[Event] = ()
    cut: Cut | None = None  # of a window


# One judgement for each piece, in order.
Judge = Callable[[Sequence[Cut]], Iterable[Judgement]]


def judge(work: Sequence[Cut]) -> Iterator[Judgement]:
    """One judgement for each piece, in order."""
    analyses = _analyse(work)
    for index, cut in enumerate(work):
        piece = cut.piece
        if isinstance(piece, Gap):
            yield Judgement(cut.sensor.judge_gap(piece), piece.n_new)
            continue
        analysis = analyses[index]
        if cut.is_implausible:
            quality = replace(analysis.quality, reason="implausible_format")
            analysis = Analysis(quality)
        found = cut.sensor.judge(piece, analysis, cut.analyser, cut.running, cut.context)
        verdict, kept, events = found
        yield Judgement(verdict, piece.n_new, kept, events, cut)


def _analyse(work: Sequence[Cut]) -> dict[int, Analysis]:
    """By place in the work: windows of one rule share one call of its analyser."""
    places: dict[int, list[int]] = {}
    windows: dict[int, list[Window]] = {}
    baselines: dict[int, list[Baseline | None]] = {}
    for index, cut in enumerate(work):
        if isinstance(cut.piece, Window):
            rule = id(cut.analyser)
            places.setdefault(rule, []).append(index)
            windows.setdefault(rule, []).append(cut.piece)
            own = cut.sensor.baseline(cut.analyser) if cut.analyser.needs_baseline else None
            baselines.setdefault(rule, []).append(own)
    analyses: dict[int, Analysis] = {}
    for rule, indices in places.items():
        analyser = work[indices[0]].analyser
        analyses.update(
            zip(indices, analyser.analyse(windows[rule], baselines[rule]), strict=True)
        )
    return analyses
