"""A sensor commissioned from band levels and watched by the product's own decisions: novelty, the
alarm with a budget, and 3 of 5 beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from monitor.evidence.commissioning import commission_sensor
from monitor.evidence.decide import Finding
from monitor.evidence.limits import novelty_threshold
from monitor.evidence.novelty import score_of_levels
from monitor.evidence.promise import can_promise, promised_s
from monitor.evidence.reference import reference_of
from monitor.pipeline.alarm import Alarm
from monitor.pipeline.promise import Promise
from monitor.records.commissioned import Commissioned, HealthyWindows
from monitor.records.evidence import NO_CELLS, Evidence
from monitor.records.promise import PromiseState
from monitor.records.signal import Float64
from monitor.records.verdict import Status

N, M, CLEAR = 3, 5, 0  # the alarm that is used without a budget
N_WINDOWS = 1000  # that `camshaft commission --from --to` takes of a span


@dataclass
class Watch:
    """What alarms did; all counts of windows. A promise ends where drift is told.

    n_windows : that were judged
    n_ng : NG of them
    n_promised : while the promise stood
    n_standing : windows in which the alarm with a budget stood
    budget, confirmed : when an alarm was raised, by the budget and by 3 of 5
    drift : when the event came that ends the promise; None where it did not
    """

    n_windows: int = 0
    n_ng: int = 0
    n_promised: int = 0
    n_standing: int = 0
    budget: list[int] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    drift: int | None = None

    @property
    def n_broken(self) -> int:
        """Alarms of healthy windows that the promise should have held off, or kept rare."""
        return sum(one < self.n_promised for one in self.budget)


def commissioned(level_db: Float64, n_runs: int, window_s: float) -> Commissioned:
    """As `camshaft commission` would from these windows of a span; of many it takes 1000, evenly.

    level_db : (n, n_channels, n_f), a window each window_s
    """
    n = min(len(level_db), N_WINDOWS)
    chosen = np.linspace(0, len(level_db) - 1, n).round().astype(int)
    of_bands = level_db[chosen]
    healthy = HealthyWindows(
        sensor="machine/point",
        f_edges_hz=tuple(float(edge) for edge in range(level_db.shape[2] + 1)),
        spectra_db=of_bands[..., None].astype(np.float32),
        logits=None,
        rms_ms2=np.sqrt((10 ** (of_bands / 10)).sum(axis=2).max(axis=1)),
        model_id="",
    )
    made = commission_sensor(healthy, None, 0).commissioned
    reference = reference_of(healthy, n_runs, len(level_db) / n, window_s)
    return Commissioned(
        made.sensor,
        made.f_edges_hz,
        made.baseline,
        None,
        "",
        made.running_limit_ms2,
        n,
        0,
        commissioning_id=1,
        reference=reference,
    )


def promise_of(own: Commissioned, budget_s: float) -> float:
    """Seconds in which at most one false alarm is promised; 0 where none is."""
    return 0.0 if own.reference is None else promised_s(own.reference, budget_s)


def novelty_of(own: Commissioned, level_db: Float64) -> Float64:
    low_db, high_db = own.baseline.low_db, own.baseline.high_db
    return score_of_levels(level_db, low_db.astype(np.float64), high_db.astype(np.float64))


def watch(own: Commissioned, level_db: Float64, budget_s: float) -> Watch:
    """Judge windows one after the other. level_db : (n, n_channels, n_f)"""
    threshold = novelty_threshold(own, None)
    promise, found = Promise(PromiseState()), Watch()
    with_budget, of_windows = Alarm(N, M, CLEAR), Alarm(N, M, CLEAR)
    may_promise = own.reference is not None and can_promise(own.reference)
    for i, score in enumerate(novelty_of(own, level_db).tolist()):
        status = Status.NG if score > threshold else Status.OK
        evidence = Evidence("novelty", "novelty", score, threshold, NO_CELLS)
        heard = promise.hear(Finding(status, "", (evidence,)), own, None, budget_s, {})
        change = with_budget.update(status, heard.is_over)
        if change == "cleared":
            promise.begin_anew()
        if change == "raised":
            found.budget.append(i)
        if of_windows.update(status) == "raised":
            found.confirmed.append(i)
        if heard.drift and found.drift is None:
            found.drift = i
        found.n_ng += status is Status.NG
        found.n_standing += with_budget.raised
        found.n_promised += may_promise and found.drift is None
    found.n_windows = len(level_db)
    return found
