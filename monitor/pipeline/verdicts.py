"""One sensor's verdicts: what is found in a window, judged by the sensor's own limits, alarm and
running state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from monitor.config import JournalSettings
from monitor.config_sensors import AlarmSettings
from monitor.evidence import limits
from monitor.evidence.base import Facts
from monitor.evidence.decide import Finding, conclude
from monitor.evidence.kinds import KINDS
from monitor.evidence.promise import describe, reference_for
from monitor.pipeline.alarm import Alarm
from monitor.pipeline.analysis import Analyser, Analysis
from monitor.pipeline.condition import Condition, strongest_velocity
from monitor.pipeline.maps_kept import MapKeeper
from monitor.pipeline.promise import Promise
from monitor.pipeline.raw_windows import WindowKeeper
from monitor.records.batch import Event, KeptWindow
from monitor.records.commissioned import Baseline, Commissioned
from monitor.records.context import NO_CONTEXT, Context
from monitor.records.promise import PromiseState
from monitor.records.signal import Gap, Window
from monitor.records.stream import StoredStream
from monitor.records.verdict import Status, Verdict
from monitor.text import utc


@dataclass(frozen=True, slots=True)
class Judged:
    """A window's verdict, the raw windows worth keeping now, and news of alarm and model."""

    verdict: Verdict
    kept: Sequence[KeptWindow]
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class _Case:
    """A window, and all that it is judged by.

    own : the sensor's limits, where they hold for the window's geometry
    running : None where nothing tells
    """

    window: Window
    analysis: Analysis
    analyser: Analyser
    own: Commissioned | None
    running: bool | None
    context: Context

    @property
    def budget_s(self) -> float | None:
        return self.analyser.rule.alarm.budget_s


class Verdicts:
    """Of one sensor. Windows are judged in the order of its stream."""

    def __init__(self, sensor: str, alarm: AlarmSettings, journal: JournalSettings) -> None:
        self._sensor = sensor
        self.commissioned: Commissioned | None = None
        self.alarm = _alarm(alarm)
        self._promise = Promise(PromiseState())
        self._model_id: str | None = None  # of the last verdict, and its geometry
        self._geometry_id: str | None = None
        self._keeper = WindowKeeper(journal.kept_windows)
        self.maps = MapKeeper(journal)
        self.condition = Condition()

    @property
    def promise(self) -> PromiseState:
        """Of an alarm with a budget: all that a restart needs to continue."""
        return self._promise.state

    def restore(self, stored: StoredStream, alarm: AlarmSettings) -> None:
        """Go on where the journal left off."""
        self.alarm = _alarm(alarm, stored.alarm_recent, stored.alarm_raised)
        self._promise = Promise(stored.promise)
        self._model_id = stored.model_id
        self._geometry_id = stored.geometry_id

    def change_alarm(self, alarm: AlarmSettings) -> None:
        """Raise and clear by other numbers from the next window on."""
        self.alarm = _alarm(alarm, self.alarm.recent, self.alarm.raised)

    def baseline(self, analyser: Analyser) -> Baseline | None:
        """None where the sensor is not commissioned with this geometry."""
        own = self._own(analyser)
        return None if own is None else own.baseline

    def of_window(
        self,
        window: Window,
        analysis: Analysis,
        analyser: Analyser,
        said_running: bool | None,
        context: Context = NO_CONTEXT,
    ) -> Judged:
        """analyser, said_running, context : the rule, the running-state topic's last word, and what
        else was told, when the window was cut
        """
        own = self._own(analyser)
        running = _is_running(analysis, analyser, own, said_running)
        case = _Case(window, analysis, analyser, own, running, context)
        found = self._find(case)
        told_apart = self._promise.told_apart(context)
        heard = self._promise.hear(found, own, analyser.manifest, case.budget_s, context)
        change = self.alarm.update(found.status, heard.is_over)
        if change == "cleared":
            self._promise.begin_anew()
        verdict = self._verdict(case, found)
        events = self._model_change(verdict) + self._geometry_change(verdict, analyser)
        if change is not None:
            beside = _promised(case), told_apart if change == "raised" else ""
            events.append(_alarm_event(verdict, f"alarm_{change}", filter(None, beside)))
        if heard.drift:
            at_ns, model_id = verdict.end_ns, verdict.model_id
            events.append(Event(at_ns, self._sensor, "drift", heard.drift, model_id))
        return Judged(verdict, self._keeper.keep(verdict, window), events)

    def of_gap(self, gap: Gap, analyser: Analyser) -> Verdict:
        """A partial window before a break: it could not be judged, so it is BAD_DATA with the
        break's reason.
        """
        return Verdict(
            sensor=self._sensor,
            segment=gap.segment,
            first_sample=gap.first_sample,
            n_samples=gap.n_samples,
            start_ns=gap.start_ns,
            end_ns=gap.end_ns,
            status=Status.BAD_DATA,
            reason=gap.reason,
            alarm=self.alarm.state,
            model_id=analyser.model_id,
            geometry_id=analyser.geometry.id,
        )

    def without_samples(
        self,
        status: Status,
        reason: str,
        place: tuple[int, int],
        now_ns: int,
        analyser: Analyser,
    ) -> Verdict:
        """A row that says what became of the stream. place : its segment and first sample"""
        segment, first_sample = place
        return Verdict(
            sensor=self._sensor,
            segment=segment,
            first_sample=first_sample,
            n_samples=0,
            start_ns=now_ns,
            end_ns=now_ns,
            status=status,
            reason=reason,
            alarm=self.alarm.state,
            model_id=analyser.model_id,
            geometry_id=analyser.geometry.id,
        )

    def _own(self, analyser: Analyser) -> Commissioned | None:
        """The sensor's own limits, where they were found with this geometry: no others compare."""
        own = self.commissioned
        return own if own is not None and own.holds_for(analyser.geometry) else None

    def _find(self, case: _Case) -> Finding:
        """Status, reason and all evidence for them."""
        analysis, analyser = case.analysis, case.analyser
        if analysis.quality.reason or analysis.spectrum_db is None:
            return Finding(Status.BAD_DATA, analysis.quality.reason)
        if case.running is False:
            return Finding(Status.IDLE, "not_running")
        facts = Facts(
            samples=case.window.samples,
            spectrum_db=analysis.spectrum_db,
            grid=analyser.grid,
            network=analysis.network,
            rule=analyser.rule,
            manifest=analyser.manifest,
            own=case.own,
        )
        found = (kind.evidence(facts) for kind in KINDS.values())
        evidence = [one for one in found if one is not None]
        finding = conclude(evidence, limits.status_rule(analyser.manifest), analyser.grid)
        if finding.status is Status.LEARNING and case.own is not self.commissioned:
            return replace(finding, reason="geometry_changed")
        return finding

    def _verdict(self, case: _Case, found: Finding) -> Verdict:
        window, analyser, own = case.window, case.analyser, case.own
        n = window.samples.shape[1]
        indicators = self.condition.of(window, case.analysis, analyser, case.context)
        return Verdict(
            sensor=self._sensor,
            segment=window.segment,
            first_sample=window.first_sample,
            n_samples=n,
            start_ns=window.start_ns,
            end_ns=window.start_ns + round(n / window.sample_rate_hz * 1e9),
            status=found.status,
            reason=found.reason,
            evidence=found.evidence,
            band=found.band,
            alarm=self.alarm.state,
            running=case.running,
            model_id=analyser.model_id,
            geometry_id=analyser.geometry.id,
            commissioning_id=None if own is None else own.commissioning_id,
            continuity=window.continuity,
            quality=_figures(case, found) | strongest_velocity(indicators),
            context=case.context,
            indicators=indicators,
            grid=analyser.grid if found.was_judged else None,
            spectrum_db=case.analysis.spectrum_db if found.was_judged else None,
        )

    def _model_change(self, verdict: Verdict) -> list[Event]:
        """An event where another model judges than before, also over a restart."""
        before, self._model_id = self._model_id, verdict.model_id
        if before is None or before == verdict.model_id:
            return []
        text = f"from {before or 'no model'} to {verdict.model_id or 'no model'}"
        at_ns, model_id = verdict.start_ns, verdict.model_id
        return [Event(at_ns, self._sensor, "model_changed", text, model_id)]

    def _geometry_change(self, verdict: Verdict, analyser: Analyser) -> list[Event]:
        """An event where a commissioned sensor's geometry has changed, also over a restart."""
        before, self._geometry_id = self._geometry_id, verdict.geometry_id
        own = self.commissioned
        if own is None or before is None or before == verdict.geometry_id:
            return []
        when = utc(own.at_ns)
        if own.holds_for(analyser.geometry):
            if not before:
                return []
            text = f"as it was: the commissioning of {when} holds again"
        else:
            known = own.geometry
            what = "" if known is None else f"{known.difference(analyser.geometry)}: "
            text = f"{what}the commissioning of {when} is set aside; commission the sensor again"
        at_ns, model_id = verdict.start_ns, verdict.model_id
        return [Event(at_ns, self._sensor, "geometry_changed", text, model_id)]


def _alarm(
    settings: AlarmSettings, recent: Iterable[bool] = (), raised: bool = False
) -> Alarm:
    return Alarm(settings.n, settings.m, settings.clear, recent, raised)


def _is_running(
    analysis: Analysis, analyser: Analyser, own: Commissioned | None, said: bool | None
) -> bool | None:
    """False, True, or None where nothing tells. What was said stands above any level."""
    running = analyser.rule.running
    if running is not None and running.limit_rms_ms2 is None:
        return said
    limit = limits.running_limit_ms2(analyser.rule, own)
    if limit is None or analysis.quality.reason:
        return None
    return analysis.quality.rms_ms2 >= limit


def _promised(case: _Case) -> str:
    """What is promised of the alarm, where the rule asks for it."""
    if case.budget_s is None:
        return ""
    own, manifest = case.own, case.analyser.manifest
    reference = None if own is None else reference_for(own, manifest)
    return describe(case.budget_s, reference).rstrip(".")


def _figures(case: _Case, found: Finding) -> dict[str, float]:
    """What the verdict says of the data's quality."""
    window, figures = case.window, case.analysis.quality.figures()
    if window.measured_rate_hz is not None:
        figures["rate_deviation"] = window.measured_rate_hz / window.sample_rate_hz - 1
    if found.residual is not None:
        figures["map_residual"] = found.residual
    return figures


def _alarm_event(verdict: Verdict, kind: str, beside: Iterable[str]) -> Event:
    band = verdict.band
    text = verdict.reason or verdict.status.value
    if band is not None:
        text += (
            f", {band.low_hz:.0f} to {band.high_hz:.0f} Hz hold {band.share:.0%} of the"
            " evidence for NG"
        )
    text = ". ".join((text, *beside))
    return Event(verdict.end_ns, verdict.sensor, kind, text, verdict.model_id)
