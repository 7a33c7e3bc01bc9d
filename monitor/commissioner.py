"""Commissioning, for the command line, the page and the running service alike: one guard, one rule.

A baseline that learned a fault calls it OK for years. So windows that hold NG,
and a sensor whose alarm stands, are refused unless somebody says why even so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from monitor.config import Config
from monitor.config_sensors import SensorSettings
from monitor.evidence import promise
from monitor.evidence.commissioning import commission_sensor, describe_rates
from monitor.evidence.geometry import geometry_of, spectrum_settings
from monitor.evidence.limits import describe
from monitor.evidence.model_folder import ModelManifest, find_model, load_model_manifest
from monitor.evidence.novelty import CommissionError
from monitor.evidence.promise import reference_for
from monitor.evidence.reference import reference_of
from monitor.journal.commissioning import CommissioningStore, Request, TooFew, undo_text
from monitor.records.commissioned import Commissioned, WindowsFound
from monitor.records.geometry import Geometry
from monitor.records.promise import Reference
from monitor.text import printable, utc

FEW_WINDOWS = 50
# A pause of at least so many window distances, and so many seconds, separates two runs.
BREAK_DISTANCES, BREAK_S = 10, 60.0
N_FULFILLED_AT_ONCE = 5  # requests: the pipeline's thread computes them

log = logging.getLogger(__name__)

GeometryOf = Callable[[str], Geometry | None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a request.

    commissioned : None where it was refused
    text : who, from which windows, what holds and what to expect; or why it was
        refused
    needs_reason : it was refused, but a reason to do it even so would carry it
    """

    commissioned: Commissioned | None
    text: str
    warnings: tuple[str, ...] = ()
    needs_reason: bool = False

    @property
    def outcome(self) -> Commissioned | str:
        """As the journal keeps it."""
        return self.text if self.commissioned is None else self.commissioned


@dataclass(frozen=True, slots=True)
class Target:
    """A sensor's rule and model, and the geometry that they make."""

    rule: SensorSettings
    manifest: ModelManifest | None
    geometry: Geometry


class Targets:
    """Of a configuration's sensors; each rule's model is read once."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._known: dict[str, Target] = {}

    def of(self, sensor: str) -> Target | None:
        """None where no rule matches. Raises ConfigError or ModelError where rule and model do not
        fit.
        """
        rule = self._config.sensor(sensor)
        if rule is None:
            return None
        if rule.match not in self._known:
            self._known[rule.match] = self._target(rule)
        return self._known[rule.match]

    def _target(self, rule: SensorSettings) -> Target:
        manifest = None
        if rule.model is not None:
            manifest = load_model_manifest(
                find_model(rule.model, self._config.models_folder)
            )
        return Target(rule, manifest, geometry_of(rule, *spectrum_settings(rule, manifest)))


def commission_now(
    store: CommissioningStore, request: Request, target: Target, now_ns: int
) -> Attempt:
    """Fulfil a request from windows that are there already, and record what came of it."""
    made = attempt(store.windows(request), request, target.geometry, now_ns)
    if made.commissioned is None:
        store.record(request, made.text, None, now_ns)
        return made
    holds = describe(target.rule, made.commissioned, target.manifest)
    promised = promise_text(target, made.commissioned)
    made = replace(made, text=" ".join(filter(None, (made.text, holds, promised))))
    store.record(request, made.outcome, made.text, now_ns)
    return made


def promise_text(target: Target, own: Commissioned | None) -> str:
    """What can be promised of a sensor's alarm; "" where its rule has no budget."""
    budget_s = target.rule.alarm.budget_s
    if budget_s is None:
        return ""
    is_held = own is not None and own.holds_for(target.geometry)
    held = reference_for(own, target.manifest) if own is not None and is_held else None
    return promise.describe(budget_s, held)


def undo_now(
    store: CommissioningStore, sensor: str, target: Target | None, author: str, now_ns: int
) -> str | None:
    """Take the sensor's newest commissioning back. Returns what holds now; None where there is
    nothing to undo.
    """
    undone = store.undo(sensor, author, now_ns)
    if undone is None:
        return None
    return f"{undo_text(undone, author)}.{_judged_by(undone.holds, target)}"


def _judged_by(own: Commissioned | None, target: Target | None) -> str:
    if target is None:
        return ""
    if own is not None and own.holds_for(target.geometry):
        return f" {describe(target.rule, own, target.manifest)}"
    held = "" if own is None else " It is of another geometry, and so set aside."
    judged = "The model alone judges" if target.manifest else "The sensor is LEARNING"
    return f"{held} {judged} from now on."


def attempt(
    found: WindowsFound | TooFew, request: Request, geometry: Geometry | None, now_ns: int
) -> Attempt:
    """Commission a sensor from its windows. Touches no journal.

    geometry : by which the sensor is judged now
    """
    if isinstance(found, TooFew):
        return Attempt(None, too_few(request, found))
    if geometry is not None and not _is_of(found, geometry):
        return Attempt(
            None,
            f"{request.sensor}: its newest windows are not of the configuration's geometry (rate,"
            " window, channels, unit, bands): reload the service, or wait for windows.",
        )
    against = "; ".join(objections(found))
    if against and not request.even_so:
        return Attempt(None, refusal(request.sensor, against), needs_reason=True)
    try:
        made = commission_sensor(found.healthy, request.false_alarm_rate, now_ns)
    except CommissionError as error:
        return Attempt(None, f"{request.sensor}: {error}")
    commissioned = replace(made.commissioned, geometry=geometry, reference=reference(found))
    warnings = tuple(doubts(found))
    parts = [
        f"by {request.author or 'nobody named'}: {provenance(found)}.",
        f"Limits: {limits_text(commissioned)}.",
        f"Even so, as {request.even_so!r}: {against}." if against else "",
        *warnings,
        describe_rates(made.rates),
    ]
    return Attempt(commissioned, " ".join(filter(None, parts)), warnings)


def reference(found: WindowsFound) -> Reference | None:
    """What an alarm's promise can rest on."""
    n = len(found.spans_ns)
    if n < 2:
        return None
    starts = np.asarray(found.spans_ns, np.int64)[:, 0]
    stride = found.n_to_choose / n
    window_s = float(np.median(np.diff(starts))) / 1e9 / stride
    return reference_of(found.healthy, n_runs(found.spans_ns), stride, window_s)


def objections(found: WindowsFound) -> Iterator[str]:
    """What speaks against learning from these windows: the guard."""
    if found.alarm_since_ns is not None:
        yield f"an alarm stands since {utc(found.alarm_since_ns)}"
    if found.n_ng:
        yield f"{found.n_ng} of the windows {_are(found.n_ng)} NG"
    if found.n_doubtful:
        yield (
            f"{found.n_doubtful} of the windows {_were(found.n_doubtful)} judged by a"
            " commissioning that took in NG windows and was undone"
        )


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _were(n: int) -> str:
    return "was" if n == 1 else "were"


def refusal(sensor: str, against: str) -> str:
    return (
        f"{sensor}: {against}. Commissioning now would make the fault the new normal. Choose other"
        " windows, label false alarms as such, or, if the machine is healthy, say who you are and"
        " why even so."
    )


def doubts(found: WindowsFound) -> Iterator[str]:
    """What a person should know of windows that are few, or all of one kind."""
    n = len(found.spans_ns)
    if n < FEW_WINDOWS:
        yield f"Warning: {n} windows are few; from {FEW_WINDOWS} on, the limits become steady."
    if n_runs(found.spans_ns) == 1:
        yield (
            "Warning: all windows are of one run; what the machine does in others will look like a"
            " fault."
        )


def n_runs(spans_ns: tuple[tuple[int, int], ...]) -> int:
    """How many times the machine, or its sensor, was started. spans_ns : in order of time."""
    starts, ends = np.asarray(spans_ns, np.int64).T
    if len(starts) < 2:
        return 1
    distance_ns = float(np.median(np.diff(starts)))
    pause_ns = max(BREAK_DISTANCES * distance_ns, BREAK_S * 1e9)
    return 1 + int(np.count_nonzero(starts[1:] - ends[:-1] > pause_ns))


def provenance(found: WindowsFound) -> str:
    """Which windows: "from 100 windows, ... to ..., in 2 runs"."""
    runs = n_runs(found.spans_ns)
    begin_ns, end_ns = found.spans_ns[0][0], found.spans_ns[-1][1]
    in_runs = "one run" if runs == 1 else f"{runs} runs"
    return (
        f"from {len(found.spans_ns)} windows of {in_runs}, {utc(begin_ns)} to {utc(end_ns)}"
    )


def limits_text(own: Commissioned) -> str:
    logit = "" if own.logit_threshold is None else f", logit {own.logit_threshold:.3g}"
    idle = f", idle below {own.running_limit_ms2:.3g} m/s² RMS"
    return f"novelty {own.baseline.threshold:.3g}{logit}{idle}"


def too_few(request: Request, found: TooFew) -> str:
    where = "in this span of time " if request.has_span else ""
    return (
        f"{request.sensor}: {request.n_windows} windows are wanted, and the journal has"
        f" {found.n_found} that can be used {where}(running, of one geometry, with a spectrum that"
        " was kept: see journal.maps)."
    )


def _is_of(found: WindowsFound, geometry: Geometry) -> bool:
    """Of windows older than recorded geometries only length and grid are known."""
    if found.geometry_id:
        return found.geometry_id == geometry.id
    same_grid = (found.healthy.f_edges_hz, found.t_edges_s) == (
        geometry.f_edges_hz,
        geometry.t_edges_s,
    )
    return same_grid and found.n_window == geometry.n_window


class Commissioner:
    """Fulfils open requests in the service, and notices what the command line or the page changed.

    Used by the pipeline's thread. Raises JournalError while the journal cannot
    be written.
    """

    def __init__(self, journal: Path, geometry_of_sensor: GeometryOf) -> None:
        """geometry_of_sensor : by which a sensor is judged now; None where no rule matches"""
        self._store = CommissioningStore(journal)
        self._geometry_of = geometry_of_sensor
        self._revision: tuple[float, ...] | None = None
        self._event_id = self._store.last_event_id()
        self._counts: dict[str, int] = {}  # windows since the oldest open request
        self._counted_to: int | None = None
        self.waiting: frozenset[str] = frozenset()  # sensors with an open request

    def step(self, now_ns: int) -> Mapping[str, Commissioned] | None:
        """Fulfil what can be fulfilled. Returns the commissionings that hold; None where nothing
        has changed.
        """
        requests = self._store.open_requests()
        if ready := self._ready(requests):
            for request in ready:
                self._fulfil(request, now_ns)
            requests = self._store.open_requests()
        self.waiting = frozenset(request.sensor for request in requests)
        revision = self._store.revision()
        if revision == self._revision:
            return None
        self._revision = revision
        self._log_events()
        active = self._store.active()
        return {sensor: self._pinned(own) for sensor, own in active.items()}

    def _ready(self, requests: list[Request]) -> list[Request]:
        """Those whose windows may be all there; looks at each new row of the journal once."""
        if not requests:
            self._counted_to = None
            return []
        last = self._store.last_row_id()
        if self._counted_to is None:
            self._counts = {}
            self._counted_to = min(request.after_row or 0 for request in requests)
        for sensor, n in self._store.usable_since(self._counted_to).items():
            self._counts[sensor] = self._counts.get(sensor, 0) + n
        self._counted_to = max(last, self._counted_to)
        ready = [
            one for one in requests if self._counts.get(one.sensor, 0) >= one.n_windows
        ]
        return ready[:N_FULFILLED_AT_ONCE]

    def _fulfil(self, request: Request, now_ns: int) -> None:
        found = self._store.windows(request)
        if isinstance(found, TooFew):
            self._counts[request.sensor] = found.n_found  # some counted ones cannot be used
            return
        made = attempt(found, request, self._geometry_of(request.sensor), now_ns)
        self._store.record(request, made.outcome, made.text, now_ns)

    def _pinned(self, own: Commissioned) -> Commissioned:
        """A commissioning older than recorded geometries belongs to the geometry of the sensor's
        newest window.
        """
        now = self._geometry_of(own.sensor)
        if own.geometry is not None or own.commissioning_id is None or now is None:
            return own
        newest = self._store.newest_window(own.sensor)
        if newest is None or newest.grid is None or not own.holds_for(now):
            return own
        geometry = replace(now, n_window=newest.n_samples, t_edges_s=newest.grid.t_edges_s)
        self._store.pin(own.commissioning_id, geometry)
        return replace(own, geometry=geometry)

    def _log_events(self) -> None:
        for event_id, event in self._store.events_after(self._event_id):
            log.info(
                "%s %s: %s",
                printable(event.sensor),
                event.kind,
                printable(event.text, 2000),
            )
            self._event_id = event_id
