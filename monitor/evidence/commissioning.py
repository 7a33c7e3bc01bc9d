"""Commissioning: from windows that the machine's owner declares healthy to a sensor's own baseline
and thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from monitor.evidence.false_alarms import StatedRate, independent_count, stated_rate
from monitor.evidence.novelty import (
    commission_with_scores,
    conformal_threshold,
    lowest_rate,
    n_odd_windows,
)
from monitor.records.commissioned import Commissioned, HealthyWindows

# Of the quietest commissioned level (-20 dB), the one window in fifty that may be a dropout left
# out: below it the machine stands. A quiet fault stays above.
IDLE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """A commissioned sensor, and how often each kind of evidence will call it NG while healthy."""

    commissioned: Commissioned
    rates: Mapping[str, StatedRate]


def commission_sensor(
    windows: HealthyWindows, false_alarm_rate: float | None, at_ns: int
) -> Outcome:
    """Baseline, novelty threshold, logit threshold and running limit from healthy windows.

    false_alarm_rate : per healthy window, of each kind of evidence; None takes
        the lowest that so many windows can show
    Raises novelty.CommissionError where the windows cannot carry it.
    """
    baseline, novelty = commission_with_scores(windows.spectra_db, false_alarm_rate)
    n_windows, logits = len(windows.spectra_db), windows.logits
    scores, logit_threshold = {"novelty": novelty}, None
    if logits is not None:
        scores["logit"] = logits
        logit_threshold = conformal_threshold(logits, false_alarm_rate)
    commissioned = Commissioned(
        sensor=windows.sensor,
        f_edges_hz=windows.f_edges_hz,
        baseline=baseline,
        logit_threshold=logit_threshold,
        model_id=windows.model_id,
        running_limit_ms2=float(np.sort(windows.rms_ms2)[n_odd_windows(n_windows)])
        * IDLE_SHARE,
        n_windows=n_windows,
        at_ns=at_ns,
    )
    rate = lowest_rate(n_windows) if false_alarm_rate is None else false_alarm_rate
    # Windows of one stretch of time resemble each other: they count for fewer.
    rates = {
        name: stated_rate(rate, independent_count(one)) for name, one in scores.items()
    }
    return Outcome(commissioned, rates)


def describe_rates(rates: Mapping[str, StatedRate]) -> str:
    """A sentence for people: what to expect of each threshold, and on what it rests."""
    each = "; ".join(
        f"the {name} threshold {rate}, as these windows count for {rate.n_independent:.3g}"
        " independent ones"
        for name, rate in rates.items()
    )
    return f"If the machine goes on as it did, expect above {each}."
