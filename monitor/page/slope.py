"""How fast a point's figure rises or falls: a slope that outliers do not bend, with an interval."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from monitor.journal.trend_reader import TrendReader
from monitor.page.views import Tree
from monitor.records.renamed import Formerly
from monitor.records.trend import DAY_S, PROBABILITY, Float64, TrendRow

N_DAYS = 28
MIN_DAYS = 14  # of fewer, the interval would promise too much
MIN_EFFECTIVE = 3.0  # independent days; a line takes two of them
KEPT_NS = 600 * 10**9  # a slope over weeks is not another one within ten minutes
MAX_KEPT = 2000
LOGIT_KIND = "network"


def leading_quantity(names: Iterable[str]) -> str:
    """What a view shows first: P(NG), else a score, else the first indicator."""
    known = list(names)
    for name in (PROBABILITY, "novelty", LOGIT_KIND):
        if name in known:
            return name
    return known[0] if known else PROBABILITY


class SlopeCache:
    """Slopes by sensor, reckoned again after a while. Safe for many threads."""

    def __init__(self, path: Path, formerly: Formerly) -> None:
        self._path, self._formerly = path, formerly
        self._kept: OrderedDict[str, tuple[int, Tree | None]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, sensor: str, now_ns: int) -> Tree | None:
        with self._lock:
            kept = self._kept.get(sensor)
        if kept is not None and 0 <= now_ns - kept[0] < KEPT_NS:
            return kept[1]
        from_ns = now_ns - (N_DAYS + 1) * DAY_S * 10**9
        with closing(TrendReader(self._path, self._formerly)) as reader:
            found = slope_view(reader.rows(sensor, DAY_S, from_ns, now_ns))
        with self._lock:
            self._kept[sensor] = (now_ns, found)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found


def slope_view(days: Sequence[TrendRow]) -> Tree | None:
    """The slope of the days' means, of a score that has no sign: in percent a week with its 95 %
    interval. None where the days are too few for one.
    """
    quantity = _rising_quantity(days)
    if quantity is None:
        return None
    known = [
        row for row in days if quantity in row.spreads and row.spreads[quantity].mean > 0
    ]
    if len(known) < MIN_DAYS:
        return None
    weeks = np.array([row.start_ns / (7 * DAY_S * 1e9) for row in known])
    logs = np.log([row.spreads[quantity].mean for row in known])
    found = slope_with_interval(weeks - weeks[0], logs)
    if found is None:
        return None
    return {
        "quantity": quantity,
        "n_days": len(known),
        "percent_a_week": round(float(np.expm1(found.value)) * 100, 1),
        "low": round(float(np.expm1(found.low)) * 100, 1),
        "high": round(float(np.expm1(found.high)) * 100, 1),
    }


class Slope(NamedTuple):
    """Per unit of time, with its 95 % interval."""

    value: float
    low: float
    high: float


def slope_with_interval(times: Float64, values: Float64) -> Slope | None:
    """Theil and Sen's slope (Sen, JASA 63, 1968), which outliers do not bend; its 95 % interval.
    None where the values resemble their neighbours so much that they say
    nothing of a slope.

    The interval counts as many independent values as the residuals'
    autocorrelation leaves (Santer et al., Journal of Geophysical Research 105,
    2000), corrected for its bias in short series (Kendall, Biometrika 41,
    1954).

    times, values : shape (n,), times rising, evenly spaced but for gaps
    """
    slope = _theil_sen(times, values)
    residuals = values - slope * times
    residuals -= residuals.mean()
    n, square = len(values), float(np.sum(residuals**2))
    if square <= 1e-18:
        return Slope(slope, slope, slope)
    alike = float(np.sum(residuals[1:] * residuals[:-1])) / square
    alike = min(0.95, max(0.0, alike + (1 + 4 * alike) / n))
    n_effective = n * (1 - alike) / (1 + alike)
    if n_effective <= MIN_EFFECTIVE:
        return None
    error = np.sqrt(square / (n_effective - 2) / np.sum((times - times.mean()) ** 2))
    half = float(stdtrit(n_effective - 2, 0.975) * error)
    return Slope(slope, slope - half, slope + half)


def _theil_sen(times: Float64, values: Float64) -> float:
    """The median of the slopes of all pairs."""
    first, second = np.triu_indices(len(times), 1)
    slopes = (values[second] - values[first]) / (times[second] - times[first])
    return float(np.median(slopes))


def _rising_quantity(days: Sequence[TrendRow]) -> str | None:
    """A score or indicator that is told as a multiple: novelty, else an indicator."""
    names = sorted(
        {name for row in days for name in row.spreads} - {PROBABILITY, LOGIT_KIND}
    )
    if "novelty" in names:
        return "novelty"
    return names[0] if names else None
