"""From windows to alarms: what thresholds promise and what is seen, and when before a failure the
alarm stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.false_alarms import StatedRate
from training.dataset import NG, OK
from training.judged_runs import Judged
from training.metrics import Interval, bootstrap, rounded
from training.plain import fields_of
from training.thresholds import Commissioning

CONFIRM_N, CONFIRM_M = 3, 5  # windows: an alarm stands once n of the last m are NG
MONTH_S = 30 * 86_400.0


@dataclass(frozen=True)
class FalseAlarmRate:
    """What one kind of evidence was commissioned for, and what healthy windows show of it.

    effective_sample_size : of the commissioning windows or runs
    stated, seen : false alarms per healthy window
    kept : no more is seen than the stated interval allows; for all sensors "3
        of 4"
    per_month_extrapolated : confirmed alarms, were healthy windows independent
        of each other
    """

    effective_sample_size: float | None
    stated: Interval
    seen: Interval
    kept: bool | str
    per_month_extrapolated: float | None

    def as_tree(self) -> dict[str, Any]:
        tree = fields_of(self)
        return {"worth_windows": tree.pop("effective_sample_size"), **tree}


@dataclass(frozen=True)
class SensorFalseAlarms:
    """Counts of windows and runs of one sensor or all, and a rate for each kind of evidence."""

    sensor: str
    commissioned_windows: int
    commissioned_runs: int
    healthy_windows: int
    evidence: dict[str, FalseAlarmRate]

    def as_tree(self) -> dict[str, Any]:
        tree = fields_of(self)
        rates = tree.pop("evidence")
        return {**tree, **rates}


def false_alarms(judged: list[Judged]) -> list[SensorFalseAlarms]:
    """What commissioned thresholds state and what other healthy windows show: all sensors together,
    then each.
    """
    found = [
        _healthy(one, commissioned)
        for one in judged
        for commissioned in one.commissioned.values()
    ]
    found = [one for one in found if len(one.run)]
    rows = [one.row() for one in found]
    return [_together(found, rows), *rows] if len(found) > 1 else rows


@dataclass(frozen=True)
class Evidence:
    """One kind of evidence on one sensor.

    alarm : shape (n,), of each healthy window outside commissioning
    limited : its threshold was raised to the one learned on other machines
    """

    stated: StatedRate
    alarm: NDArray[np.bool_]
    limited: bool = False

    def rate(self, run: NDArray[Any], window_s: float) -> FalseAlarmRate:
        seen = float(self.alarm.mean())
        stated = interval_of(self.stated)
        return FalseAlarmRate(
            effective_sample_size=rounded(self.stated.n_independent),
            stated=replace(stated, low=0.0) if self.limited else stated,
            seen=share_by_run(self.alarm, run),
            kept=seen <= self.stated.high,
            per_month_extrapolated=rounded(false_alarms_per_month(seen, window_s)),
        )


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

    def row(self) -> SensorFalseAlarms:
        rates = {
            name: one.rate(self.run, self.window_s) for name, one in self.evidence.items()
        }
        return SensorFalseAlarms(
            self.sensor, self.n_windows, self.n_runs, len(self.run), rates
        )


def _healthy(one: Judged, commissioned: Commissioning) -> Healthy:
    index = np.flatnonzero(
        (one.data.sensor == commissioned.sensor) & (one.data.label == OK) & ~one.excluded
    )
    evidence = {}
    if commissioned.logit_threshold is not None and commissioned.network_stated is not None:
        evidence["network"] = Evidence(
            commissioned.network_stated, one.logit[index] > commissioned.logit_threshold
        )
    limit = one.novelty_limit(commissioned)
    limited = limit > commissioned.baseline.threshold
    evidence["novelty"] = Evidence(
        commissioned.novelty_stated, one.novelty[index] > limit, limited
    )
    return Healthy(
        commissioned.sensor,
        len(commissioned.used),
        commissioned.n_runs,
        one.data.run[index],
        evidence,
        one.data.settings.n_window / one.data.settings.sample_rate_hz,
    )


def _together(found: list[Healthy], rows: list[SensorFalseAlarms]) -> SensorFalseAlarms:
    """All sensors: rates are means over windows; `kept` counts the sensors with no more than their
    interval allows.
    """
    return SensorFalseAlarms(
        sensor="all sensors",
        commissioned_windows=sum(one.n_windows for one in found),
        commissioned_runs=sum(one.n_runs for one in found),
        healthy_windows=sum(len(one.run) for one in found),
        evidence={name: _rate_of_all(name, found, rows) for name in found[0].evidence},
    )


def _rate_of_all(
    name: str, found: list[Healthy], rows: list[SensorFalseAlarms]
) -> FalseAlarmRate:
    run = np.concatenate([one.run for one in found])
    alarm = np.concatenate([one.evidence[name].alarm for one in found])
    stated = np.concatenate(
        [np.full(len(one.run), one.evidence[name].stated.rate) for one in found]
    )
    n_kept = sum(one.evidence[name].kept is True for one in rows)
    return FalseAlarmRate(
        effective_sample_size=rounded(
            sum(one.evidence[name].stated.n_independent for one in found)
        ),
        stated=Interval(float(stated.mean()), float("nan"), float("nan")),
        seen=share_by_run(alarm, run),
        kept=f"{n_kept} of {len(rows)}",
        per_month_extrapolated=rounded(
            false_alarms_per_month(float(alarm.mean()), found[0].window_s)
        ),
    )


def interval_of(stated: StatedRate) -> Interval:
    return Interval(stated.rate, stated.low, stated.high)


def share_by_run(alarm: NDArray[np.bool_], run: NDArray[Any]) -> Interval:
    return bootstrap(run, lambda index: float(alarm[index].mean()))


def false_alarms_per_month(rate: float, window_s: float) -> float:
    """Confirmed alarms in a month of windows, if healthy windows were independent of each other: an
    extrapolation.

    The chance that a window raises the alarm: it is NG, n - 1 of the m - 1
    before it were too, and fewer one earlier.
    """
    n, m = CONFIRM_N, CONFIRM_M
    raised = 0.0
    for before in range(2**m):
        bits = [(before >> i) & 1 for i in range(m)]  # bits[0] is the window that leaves
        if sum(bits) == n - 1 and bits[0] == 0:
            raised += rate ** sum(bits) * (1 - rate) ** (m - sum(bits)) * rate
    return raised * MONTH_S / window_s


@dataclass(frozen=True)
class DetectionDelay:
    """When in a run to failure the alarm began to stand until the end; None where it did not."""

    run: str
    life_h: float | None
    hours_before_the_end: float | None
    alarm_before_5_to_25_percent_of_life_ends: bool


def detection_delays(one: Judged) -> list[DetectionDelay]:
    """For runs to failure (unlabelled life between ok and ng): how long before the end the alarm
    stands, to the end.
    """
    rows = []
    for run in np.unique(one.data.run):
        inside = np.flatnonzero(one.data.run == run)
        if not {OK, NG, -1} <= set(one.data.label[inside]):
            continue
        alarm = confirmed(one.status_score[inside] > 0)
        rows.append(_delay(str(run), one.data.start_s[inside], alarm))
    return rows


def _delay(run: str, start_s: NDArray[Any], alarm: NDArray[np.bool_]) -> DetectionDelay:
    """start_s, alarm : shape (n,), of each window of the run"""
    standing = 0 if alarm.all() else len(alarm) - int(np.argmin(alarm[::-1]))
    end_s = start_s[-1]
    stands = standing < len(alarm)
    return DetectionDelay(
        run=run,
        life_h=rounded((end_s - start_s[0]) / 3600),
        hours_before_the_end=rounded((end_s - start_s[standing]) / 3600)
        if stands
        else None,
        alarm_before_5_to_25_percent_of_life_ends=bool(
            alarm[: int(0.25 * len(alarm))].any()
        ),
    )


def confirmed(
    ng: NDArray[np.bool_], n: int = CONFIRM_N, m: int = CONFIRM_M
) -> NDArray[np.bool_]:
    """Whether at least n of the last m windows are NG, at each window."""
    count = np.convolve(ng.astype(int), np.ones(m, int))[: len(ng)]
    return np.asarray(count >= n)
