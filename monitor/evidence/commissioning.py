"""Commissioning: from windows that the machine's owner declares healthy to a sensor's own baseline
and thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.evidence.false_alarms import StatedRate, independent_count, stated_rate
from monitor.evidence.novelty import commission, conformal_threshold, leave_one_out_scores
from monitor.records.commissioned import Commissioned, HealthyWindows

# of the quietest commissioned level (-20 dB): below it the machine stands; a quiet fault stays
# above
IDLE_SHARE = 0.1


def commission_sensor(
    windows: HealthyWindows, false_alarm_rate: float | None, at_ns: int
) -> Commissioned:
    """Baseline, novelty threshold, logit threshold and running limit from healthy windows.

    false_alarm_rate : per healthy window, of each kind of evidence; None takes the lowest that so
        many windows can show Raises novelty.CommissionError where the windows cannot carry it.
    """
    baseline = commission(windows.spectra_db, false_alarm_rate)
    logits = windows.logits
    return Commissioned(
        sensor=windows.sensor,
        f_edges_hz=windows.f_edges_hz,
        baseline=baseline,
        logit_threshold=None if logits is None else conformal_threshold(logits, false_alarm_rate),
        model_id=windows.model_id,
        running_limit_ms2=float(np.min(windows.rms_ms2)) * IDLE_SHARE,
        n_windows=len(windows.spectra_db),
        at_ns=at_ns,
    )


def stated_rates(windows: HealthyWindows, false_alarm_rate: float | None) -> dict[str, StatedRate]:
    """What each kind of evidence, novelty and logit, will call NG of healthy windows like these.

    false_alarm_rate : as for commission_sensor. Windows of one stretch of time resemble each other,
        and are worth less.
    """
    rate = 1 / (len(windows.spectra_db) + 1) if false_alarm_rate is None else false_alarm_rate
    scores = {"novelty": leave_one_out_scores(windows.spectra_db)}
    if windows.logits is not None:
        scores["logit"] = windows.logits
    return {name: stated_rate(rate, independent_count(one)) for name, one in scores.items()}


def describe_rates(rates: Mapping[str, StatedRate]) -> str:
    """A sentence for people: what to expect of each threshold, and on what it rests."""
    each = "; ".join(
        f"the {name} threshold {rate}, as these windows are worth {rate.n_independent:.3g}"
        " independent ones"
        for name, rate in rates.items()
    )
    return f"If the machine goes on as it did, expect above {each}."
