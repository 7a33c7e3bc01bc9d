"""From windows to alarms: what thresholds promise and what is seen, and when before a failure the
alarm stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.false_alarms import StatedRate
from training.dataset import NG, OK
from training.judged_runs import Judged
from training.metrics import Interval, bootstrap, rounded
from training.thresholds import Commissioning

CONFIRM_N, CONFIRM_M = 3, 5  # windows: an alarm stands once n of the last m are NG
MONTH_S = 30 * 86_400.0


def false_alarms(judged: list[Judged]) -> list[dict[str, Any]]:
    """What commissioned thresholds state and what other healthy windows show: all sensors together,
    then each.
    """
    found = [
        _healthy(one, commissioned) for one in judged for commissioned in one.commissioned.values()
    ]
    found = [one for one in found if len(one.run)]
    rows = [one.as_tree() for one in found]
    return [_together(found, rows), *rows] if len(found) > 1 else rows


@dataclass(frozen=True)
class Evidence:
    """One kind of evidence on one sensor. limited : its threshold was raised to the one learned on
    other machines
    """

    stated: StatedRate
    alarm: NDArray[np.bool_]  # of each healthy window outside commissioning
    limited: bool = False

    def as_tree(self, run: NDArray[Any], window_s: float) -> dict[str, Any]:
        seen = float(self.alarm.mean())
        low = 0.0 if self.limited else self.stated.low
        return {
            "worth_windows": rounded(self.stated.n_independent),
            "stated": self.stated.as_tree() | {"low": rounded(low)},
            "seen": share_by_run(self.alarm, run).as_tree(),
            "kept": seen <= self.stated.high,
            "per_month_extrapolated": rounded(false_alarms_per_month(seen, window_s)),
        }


@dataclass(frozen=True)
class Healthy:
    """Healthy windows of one sensor outside commissioning, and what each kind of evidence said of
    them.
    """

    sensor: str
    n_windows: int  # that commissioned it
    n_runs: int
    run: NDArray[Any]
    evidence: dict[str, Evidence]
    window_s: float

    def as_tree(self) -> dict[str, Any]:
        row = {
            "sensor": self.sensor,
            "commissioned_windows": self.n_windows,
            "commissioned_runs": self.n_runs,
            "healthy_windows": len(self.run),
        }
        return row | {
            name: one.as_tree(self.run, self.window_s) for name, one in self.evidence.items()
        }


def _healthy(one: Judged, commissioned: Commissioning) -> Healthy:
    index = np.flatnonzero(
        (one.data.sensor == commissioned.sensor) & (one.data.label == OK) & ~one.spoilt
    )
    evidence = {}
    if commissioned.logit_threshold is not None and commissioned.network_stated is not None:
        evidence["network"] = Evidence(
            commissioned.network_stated, one.logit[index] > commissioned.logit_threshold
        )
    limit = one.novelty_limit(commissioned)
    limited = limit > commissioned.baseline.threshold
    evidence["novelty"] = Evidence(commissioned.novelty_stated, one.novelty[index] > limit, limited)
    return Healthy(
        commissioned.sensor,
        len(commissioned.used),
        commissioned.n_runs,
        one.data.run[index],
        evidence,
        one.data.settings.n_window / one.data.settings.sample_rate_hz,
    )


def _together(found: list[Healthy], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All sensors: rates are means over windows; `kept` counts the sensors with no more than their
    interval allows.
    """
    run = np.concatenate([one.run for one in found])
    row: dict[str, Any] = {
        "sensor": "all sensors",
        "commissioned_windows": sum(one.n_windows for one in found),
        "commissioned_runs": sum(one.n_runs for one in found),
        "healthy_windows": len(run),
    }
    for name in found[0].evidence:
        alarm = np.concatenate([one.evidence[name].alarm for one in found])
        stated = np.concatenate(
            [np.full(len(one.run), one.evidence[name].stated.rate) for one in found]
        )
        row[name] = {
            "worth_windows": rounded(sum(one.evidence[name].stated.n_independent for one in found)),
            "stated": {"value": rounded(float(stated.mean())), "low": None, "high": None},
            "seen": share_by_run(alarm, run).as_tree(),
            "kept": f"{sum(one[name]['kept'] for one in rows)} of {len(rows)}",
            "per_month_extrapolated": rounded(
                false_alarms_per_month(float(alarm.mean()), found[0].window_s)
            ),
        }
    return row


def share_by_run(alarm: NDArray[np.bool_], run: NDArray[Any]) -> Interval:
    return bootstrap(run, lambda index: float(alarm[index].mean()))


def false_alarms_per_month(
    rate: float, window_s: float, n: int = CONFIRM_N, m: int = CONFIRM_M
) -> float:
    """Confirmed alarms in a month of windows, if healthy windows were independent of each other: an
    extrapolation.

    The chance that a window raises the alarm: it is NG, n - 1 of the m - 1 before it were too, and
    fewer one earlier.
    """
    raised = 0.0
    for before in range(2**m):
        bits = [(before >> i) & 1 for i in range(m)]  # bits[0] is the window that leaves
        if sum(bits) == n - 1 and bits[0] == 0:
            raised += rate ** sum(bits) * (1 - rate) ** (m - sum(bits)) * rate
    return raised * MONTH_S / window_s


def detection_delays(one: Judged) -> list[dict[str, Any]]:
    """For runs to failure (unlabelled life between ok and ng): how long before the end the alarm
    stands, to the end.
    """
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
                "hours_before_the_end": (
                    rounded((start_s[-1] - start_s[standing]) / 3600)
                    if standing < len(alarm)
                    else None
                ),
                "alarm_before_5_to_25_percent_of_life_ends": bool(
                    alarm[: int(0.25 * len(alarm))].any()
                ),
            }
        )
    return rows


def confirmed(ng: NDArray[np.bool_], n: int = CONFIRM_N, m: int = CONFIRM_M) -> NDArray[np.bool_]:
    """Whether at least n of the last m windows are NG, at each window."""
    count = np.convolve(ng.astype(int), np.ones(m, int))[: len(ng)]
    return np.asarray(count >= n)
