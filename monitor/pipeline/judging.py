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
            verdict = cut.sensor.verdicts.of_gap(piece, cut.sensor.analyser)
            yield Judgement(verdict, piece.n_new)
            continue
        analysis = analyses[index]
        if cut.is_implausible:
            quality = replace(analysis.quality, reason="implausible_format")
            analysis = Analysis(quality)
        found = cut.sensor.verdicts.of_window(
            piece, analysis, cut.analyser, cut.running, cut.context
        )
        yield Judgement(found.verdict, piece.n_new, found.kept, found.events, cut)


def _analyse(work: Sequence[Cut]) -> dict[int, Analysis]:
    """By place in the work: windows of one rule share one call of its analyser."""
    windows: dict[int, Window] = {}
    by_rule: dict[int, list[int]] = {}
    for place, cut in enumerate(work):
        if isinstance(cut.piece, Window):
            windows[place] = cut.piece
            by_rule.setdefault(id(cut.analyser), []).append(place)
    analyses: dict[int, Analysis] = {}
    for places in by_rule.values():
        analyser = work[places[0]].analyser
        baselines = [_baseline(work[place]) for place in places]
        found = analyser.analyse([windows[place] for place in places], baselines)
        analyses.update(zip(places, found, strict=True))
    return analyses


def _baseline(cut: Cut) -> Baseline | None:
    """None also where the network does not need it."""
    if not cut.analyser.needs_baseline:
        return None
    return cut.sensor.verdicts.baseline(cut.analyser)
