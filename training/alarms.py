"""From windows to alarms: what thresholds promise and what is seen, and when before a failure the alarm stands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.dataset import NG, OK
from training.judge import Judged
from training.metrics import Interval, bootstrap, rounded
from training.thresholds import Commissioning

CONFIRM_N, CONFIRM_M = 3, 5  # windows: an alarm stands once n of the last m are NG
MONTH_S = 30 * 86_400.0


def false_alarms(judged: list[Judged]) -> list[dict[str, Any]]:
    """For each sensor the rate its commissioned thresholds promise, and the rate seen on other healthy windows."""
    rows = []
    for one in judged:
        for sensor, commissioned in one.commissioned.items():
            healthy = np.flatnonzero((one.data.sensor == sensor) & (one.data.label == OK) & ~one.spoilt)
            if len(healthy) == 0:
                continue
            rows.append(_promised_and_seen(one, commissioned, healthy))
    return rows


def _promised_and_seen(one: Judged, commissioned: Commissioning, healthy: NDArray[np.intp]) -> dict[str, Any]:
    limit = np.nan if commissioned.logit_threshold is None else commissioned.logit_threshold
    window_s = one.data.settings.n_window / one.data.settings.sample_rate_hz
    row: dict[str, Any] = {
        "sensor": commissioned.sensor,
        "commissioned_windows": len(commissioned.used),
        "commissioned_runs": commissioned.n_runs,
        "promised_per_window": round(commissioned.rate, 4),
        "healthy_windows": len(healthy),
    }
    for name, alarm in (
        ("network", one.logit[healthy] > limit),
        ("novelty", one.novelty[healthy] > commissioned.baseline.threshold),
    ):
        row[name] = share_by_run(alarm, one.data.run[healthy]).as_tree()
        row[f"{name}_per_month_extrapolated"] = rounded(false_alarms_per_month(float(alarm.mean()), window_s))
    return row


def share_by_run(alarm: NDArray[np.bool_], run: NDArray[Any]) -> Interval:
    return bootstrap(run, lambda index: float(alarm[index].mean()))


def false_alarms_per_month(rate: float, window_s: float, n: int = CONFIRM_N, m: int = CONFIRM_M) -> float:
    """Confirmed alarms in a month of windows, if healthy windows were independent of each other: an extrapolation.

    The chance that a window raises the alarm: it is NG, n - 1 of the m - 1 before it were too, and fewer one earlier.
    """
    raised = 0.0
    for before in range(2**m):
        bits = [(before >> i) & 1 for i in range(m)]  # bits[0] is the window that leaves
        if sum(bits) == n - 1 and bits[0] == 0:
            raised += rate ** sum(bits) * (1 - rate) ** (m - sum(bits)) * rate
    return raised * MONTH_S / window_s


def detection_delays(one: Judged) -> list[dict[str, Any]]:
    """For runs to failure (unlabelled life between ok and ng): how long before the end the alarm stands, to the end."""
    rows = []
    for run in np.unique(one.data.run):
        inside = np.flatnonzero(one.data.run == run)
        if not {OK, NG, -1} <= set(one.data.label[inside]):
            continue
        start_s = one.data.start_s[inside]
        alarm = confirmed(one.status_score[inside] > 0)
        standing = len(alarm) - int(np.argmin(alarm[::-1])) if not alarm.all() else 0
        rows.append(
            {
                "run": str(run),
                "life_h": rounded((start_s[-1] - start_s[0]) / 3600),
                "hours_before_the_end": rounded((start_s[-1] - start_s[standing]) / 3600)
                if standing < len(alarm)
                else None,
                "alarm_before_5_to_25_percent_of_life_ends": bool(alarm[: int(0.25 * len(alarm))].any()),
            }
        )
    return rows


def confirmed(ng: NDArray[np.bool_], n: int = CONFIRM_N, m: int = CONFIRM_M) -> NDArray[np.bool_]:
    """Whether at least n of the last m windows are NG, at each window."""
    count = np.convolve(ng.astype(int), np.ones(m, int))[: len(ng)]
    return np.asarray(count >= n)
