"""The simulation behind the promise's figures: it draws what it was fitted to, and decides as the
service does.
"""

from __future__ import annotations

import numpy as np
import pytest

from monitor.commissioner import reference
from monitor.records.commissioned import HealthyWindows, WindowsFound
from monitor.records.signal import Float64
from monitor.signal.spectrogram import default_settings
from training.level_process import LevelProcess, fit_process
from training.promise_figures import Recorded, bearing_table, per, short_table
from training.simulated_months import KINDS, MONTH_S, Heard, Months, fault_db
from training.watched import commissioned, promise_of, watch

PROCESS = LevelProcess(
    period_s=10.0,
    mean_db=np.array([-40.0, -50.0, -60.0, -70.0]),
    axes=np.eye(4),
    white=np.array([0.5, 1.0, 1.0, 0.2]),
    slow=np.array([3.0, 2.0, 0.0, 0.0]),
    persistence=np.array([0.95, 0.8, 0.0, 0.0]),
)


def correlation(series: Float64, lag: int) -> float:
    centred = series - series.mean()
    return float(centred[:-lag] @ centred[lag:] / (centred @ centred))


@pytest.mark.parametrize(("period_s", "kept"), [(10.0, 0.95), (30.0, 0.95**3)])
def test_levels_are_as_slow_as_the_process_says_at_any_period(
    period_s: float, kept: float
) -> None:
    drawn = PROCESS.draw(200_000, period_s, np.random.default_rng(1))
    assert drawn.mean(axis=0) == pytest.approx(PROCESS.mean_db, abs=0.15)
    assert drawn.std(axis=0) == pytest.approx(
        np.hypot(PROCESS.white, PROCESS.slow), rel=0.03
    )
    share = 9 / 9.25  # of the variance, the slow part
    assert correlation(drawn[:, 0], 1) == pytest.approx(share * kept, abs=0.02)
    assert correlation(drawn[:, 3], 1) == pytest.approx(0, abs=0.01)


def test_a_process_is_found_again_in_what_it_drew() -> None:
    drawn = PROCESS.draw(20_000, 10.0, np.random.default_rng(2))
    again = fit_process(drawn, 10.0).draw(20_000, 10.0, np.random.default_rng(3))
    assert again.std(axis=0) == pytest.approx(drawn.std(axis=0), rel=0.06)
    for lag in (1, 5, 20):
        found = [correlation(again[:, i], lag) for i in range(4)]
        wanted = [correlation(drawn[:, i], lag) for i in range(4)]
        assert found == pytest.approx(wanted, abs=0.1)


def like(n_channels: int = 2) -> Heard:
    return Heard(PROCESS, np.full(4, 5.0), n_channels)


def test_run_in_fades_and_drift_grows() -> None:
    for kind, first, last in (("and run-in", 5.0, 0.0), ("and drift", 0.0, 1.5)):
        changes = next(one for one in KINDS if one.name == kind)
        away = []
        for seed in range(30):
            machine = Months([like()], changes, 3600.0, np.random.default_rng(seed))
            steady = Months([like()], KINDS[0], 3600.0, np.random.default_rng(seed))
            moved = machine.levels(MONTH_S) - steady.levels(MONTH_S)
            away.append(np.abs(moved[[0, -1]]).mean(axis=(1, 2)))
        found = np.mean(away, axis=0)
        assert found[0] == pytest.approx(first, abs=0.1)
        assert found[1] == pytest.approx(last, abs=0.4)


def test_levels_go_on_from_call_to_call() -> None:
    machine = Months([like()], KINDS[-1], 60.0, np.random.default_rng(1))
    assert machine.levels(6000.0).shape == (100, 2, 2)
    assert machine.levels(1200.0).shape == (20, 2, 2)


def test_an_early_fault_lifts_the_bands_of_its_resonance_alone() -> None:
    settings = default_settings(25_600.0, 2560)
    early, plain = fault_db(settings, 0.5, 5), fault_db(settings, 1.0, 5)
    assert early.max() > 2
    assert plain.max() > early.max()
    assert np.median(np.abs(early)) < 0.5
    assert np.abs(fault_db(settings, 0.0, 5)).max() == 0


def levels(n: int, seed: int = 0) -> Float64:
    return np.random.default_rng(seed).normal(-50, 1, (n, 1, 8))


@pytest.mark.parametrize("n", [150, 2500])
def test_it_commissions_as_the_service_does(n: int) -> None:
    """Of 2,500 windows both take 1,000, evenly."""
    level_db = levels(n)
    own = commissioned(level_db, 1, 2.0)
    n_chosen = min(n, 1000)
    at = np.linspace(0, n - 1, n_chosen).round().astype(int)
    healthy = HealthyWindows(
        "m/p",
        tuple(map(float, range(9))),
        level_db[at][..., None].astype(np.float32),
        None,
        np.sqrt((10 ** (level_db[at] / 10)).sum(axis=(1, 2))),
        "",
    )
    second_ns = 10**9
    spans = tuple((int(2 * i * second_ns), int((2 * i + 2) * second_ns)) for i in at)
    found = reference(WindowsFound(healthy, spans, n, 0, 0, 1, (0.0,), "", None))
    assert own.reference is not None
    assert found is not None
    assert own.reference.alarm == found.alarm
    assert own.reference.n_blocks == found.n_blocks
    assert own.reference.healthy_s == pytest.approx(found.healthy_s, rel=0.2)


def test_a_healthy_machine_is_quiet_and_a_fault_is_found_by_both() -> None:
    own = commissioned(levels(400), 1, 2.0)
    promised_s = promise_of(own, MONTH_S)
    assert promised_s == 2 * 400 * 2.0
    healthy = watch(own, levels(400, seed=1), promised_s)
    assert (healthy.n_promised, healthy.n_broken, healthy.drift) == (400, 0, None)
    failing = watch(own, np.concatenate([levels(50, 1), levels(50, 2) + 9]), promised_s)
    assert 50 <= failing.confirmed[0] <= 53
    assert failing.confirmed[0] <= failing.budget[0] <= 80


def test_the_promise_ends_where_drift_is_told() -> None:
    own = commissioned(levels(400), 1, 2.0)
    drifting = levels(2000, 1) + np.linspace(0, 3, 2000)[:, None, None]
    found = watch(own, drifting, promise_of(own, MONTH_S))
    assert found.drift is not None
    assert found.n_promised == found.drift
    assert found.n_broken == sum(one < found.drift for one in found.budget)


def test_rates_have_the_upper_end_of_a_poisson_bound() -> None:
    assert per(0, MONTH_S, MONTH_S) == "0 (at most 3)"  # -ln .05
    assert per(3, 10 * MONTH_S, MONTH_S) == "0.3 (at most 0.775)"
    assert per(0, 0.0, MONTH_S) == "–"


def test_each_kind_of_machine_has_a_row_and_each_bearing() -> None:
    table = list(short_table([like()], 1))
    assert [row.split(" | ")[0] for row in table[3:]] == [f"| {one.name}" for one in KINDS]
    steady = Recorded(levels(1000), None)  # type: ignore[arg-type]
    rows = list(bearing_table({"B": steady}))[3:]
    assert [row.split(" | ")[1] for row in rows] == ["50", "100", "200"]
    assert all("| kept |" in row for row in rows[1:])
