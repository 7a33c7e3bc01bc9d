"""The slope of a point's days: what it finds, and that its interval keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.page.slope import MIN_DAYS, slope_view, slope_with_interval
from monitor.records.sketch import bucket_of
from monitor.records.trend import DAY_S, Float64, TrendRow

TIMES = np.arange(28) / 7.0  # weeks


def days(means: Float64, name: str = "novelty") -> list[TrendRow]:
    rows = []
    for index, mean in enumerate(means.tolist()):
        row = TrendRow(DAY_S, index * DAY_S * 10**9)
        row._add_value(name, mean, None)
        rows.append(row)
    assert bucket_of(1.0) > 0
    return rows


def noise(rng: np.random.Generator, alike: float) -> Float64:
    """Days that resemble their neighbours."""
    values = rng.normal(size=60)
    for index in range(1, 60):
        values[index] += alike * values[index - 1]
    return values[-28:]


@pytest.mark.parametrize(("alike", "least"), [(0.0, 0.90), (0.5, 0.86)])
def test_the_interval_holds_about_as_often_as_it_says(alike: float, least: float) -> None:
    """It is of 95 %; strongly alike days leave it a little short (docs/history.md)."""
    rng = np.random.default_rng(1)
    n_held = n_told = 0
    for _ in range(300):
        found = slope_with_interval(TIMES, 0.3 * TIMES + noise(rng, alike))
        if found is not None:
            n_told += 1
            n_held += found.low <= 0.3 <= found.high
    assert n_told > 250
    assert n_held / n_told >= least


def test_a_rise_of_three_percent_a_week_is_told_so() -> None:
    rng = np.random.default_rng(2)
    found = slope_view(days(np.exp(np.log(1.03) * TIMES + rng.normal(0, 0.005, 28))))
    assert found is not None
    assert found["percent_a_week"] == pytest.approx(3, abs=0.5)
    assert 0 < found["low"] < found["percent_a_week"] < found["high"]


def test_one_mad_day_does_not_bend_the_slope() -> None:
    values = 0.1 * TIMES
    values[20] += 50
    found = slope_with_interval(TIMES, values)
    assert found is not None
    assert found.value == pytest.approx(0.1, abs=0.01)


def test_there_is_no_slope_without_an_interval() -> None:
    assert slope_view(days(np.ones(MIN_DAYS - 1))) is None
    assert slope_view(days(np.ones(28), "network")) is None  # a logit has no percent
    assert slope_view([]) is None
    assert slope_with_interval(TIMES, np.cumsum(np.cumsum(np.ones(28))) ** 3) is None


def test_a_figure_that_never_changes_is_steady() -> None:
    found = slope_view(days(np.full(28, 2.0)))
    assert found is not None
    assert (found["low"], found["percent_a_week"], found["high"]) == (0, 0, 0)
