"""What is promised of false alarms against what a simulation sees, and when an alarm stands."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.alarm import Alarm
from monitor.records.verdict import Status
from training.alarms import MONTH_S, confirmed, false_alarms_per_month, share_by_run


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.1])
def test_the_monthly_figure_is_what_independent_windows_give(rate: float) -> None:
    n_windows = 400_000
    alarm = Alarm(3, 5, 0)
    raised = 0
    for ng in np.random.default_rng(3).random(n_windows) < rate:
        raised += alarm.update(Status.NG if ng else Status.OK) == "raised"
    seen_per_month = raised / n_windows * MONTH_S / 10.0
    promised = false_alarms_per_month(rate, 10.0)
    noise = 3 / np.sqrt(raised)
    # One long alarm may cross the limit more than once.
    assert seen_per_month <= promised * (1 + noise)
    assert seen_per_month >= promised * (0.7 - noise)


def test_confirmation_needs_three_of_the_last_five() -> None:
    ng = np.array([1, 0, 1, 0, 1, 0, 0, 0, 1], bool)
    assert list(confirmed(ng)) == [
        False,
        False,
        False,
        False,
        True,
        False,
        False,
        False,
        False,
    ]


def test_the_share_seen_has_an_interval_over_runs() -> None:
    run = np.repeat(np.arange(10), 20)
    alarm = np.isin(run, [0, 1])
    interval = share_by_run(alarm, run)
    assert interval.value == 0.2
    assert interval.low <= 0.05
    assert interval.high >= 0.4
