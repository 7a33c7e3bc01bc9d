"""From windows to alarms: what thresholds promise and what is seen, and when before a failure the alarm stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.dataset import NG, OK
from training.judge import Judged
from training.metrics import Interval, bootstrap, rounded
from training.thresholds import MIN_RUNS, Commissioning

CONFIRM_N, CONFIRM_M = 3, 5  # windows: an alarm stands once n of the last m are NG
MONTH_S = 30 * 86_400.0


def false_alarms(judged: list[Judged]) -> list[dict[str, Any]]:
    """What commissioned thresholds promise and what other healthy windows show: all sensors together, then each."""
    found = [_healthy(one, commissioned) for one in judged for commissioned in one.commissioned.values()]
    found = [one for one in found if len(one.run)]
    if not found:
        return []
    everything = Healthy(
        "all sensors",
        sum(one.n_windows for one in found),
        sum(one.n_runs for one in found),
        np.concatenate([one.promised for one in found]),
        np.concatenate([one.run for one in found]),
        np.concatenate([one.network for one in found]),
        np.concatenate([one.novelty for one in found]),
        found[0].window_s,
        "runs" if all(one.exchangeable == "runs" for one in found) else "windows",
    )
    return [one.as_tree() for one in ([everything] if len(found) > 1 else []) + found]


@dataclass(frozen=True)
class Healthy:
    """Healthy windows outside commissioning. promised, network, novelty : rate and alarms of each; run : its run"""

    sensor: str
    n_windows: int  # that commissioned it
    n_runs: int
    promised: NDArray[np.float64]
    run: NDArray[Any]
    network: NDArray[np.bool_]
    novelty: NDArray[np.bool_]
    window_s: float
    exchangeable: str  # what the promise takes to be so: runs, or windows where there is one run only

    def as_tree(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "sensor": self.sensor,
            "commissioned_windows": self.n_windows,
            "commissioned_runs": self.n_runs,
            "exchangeable": self.exchangeable,
            "promised_per_window": round(float(self.promised.mean()), 4),
            "healthy_windows": len(self.run),
        }
        for name, alarm in (("network", self.network), ("novelty", self.novelty)):
            row[name] = share_by_run(alarm, self.run).as_tree()
            row[f"{name}_per_month_extrapolated"] = rounded(false_alarms_per_month(float(alarm.mean()), self.window_s))
        return row


def _healthy(one: Judged, commissioned: Commissioning) -> Healthy:
    index = np.flatnonzero((one.data.sensor == commissioned.sensor) & (one.data.label == OK) & ~one.spoilt)
    limit = np.nan if commissioned.logit_threshold is None else commissioned.logit_threshold
    return Healthy(
        commissioned.sensor,
        len(commissioned.used),
        commissioned.n_runs,
        np.full(len(index), commissioned.rate),
        one.data.run[index],
        one.logit[index] > limit,
        one.novelty[index] > one.novelty_limit(commissioned),
        one.data.settings.n_window / one.data.settings.sample_rate_hz,
        "runs" if commissioned.n_runs >= MIN_RUNS else "windows",
    )


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
