"""One sensor's verdicts: which evidence speaks, whose threshold holds, what is not a verdict."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from monitor.config import JournalSettings
from monitor.evidence.base import NetworkOutput
from monitor.evidence.geometry import geometry_of
from monitor.evidence.novelty import SCALE_DB
from monitor.pipeline.analysis import Analyser, Analysis
from monitor.pipeline.sensor import Sensor
from monitor.records.commissioned import Baseline, Commissioned
from monitor.records.evidence import Grid
from monitor.records.signal import Window
from monitor.records.verdict import Status, Verdict
from monitor.signal.quality import Quality
from monitor.signal.spectrogram import default_settings
from monitor.signal.windows import WindowSettings
from tests.signals import configure
from tests.verdicts import map_of, score_of, threshold_of

GRID = Grid((0.0, 100.0, 200.0), (0.0, 0.25, 0.5))
GOOD = Quality("", 1.0, 3.0, 0.0)
CELLS = np.array([[0.5, -0.5], [1.0, 1.0]], np.float32)
SPECTRUM = np.full((1, 2, 2), -40.0, np.float32)
BIAS = -1.5


def analyser(status_rule: str = "either", **sensor: Any) -> Analyser:
    """A rule with a network whose threshold is 0."""
    rule = configure(sensor={"model": "m", **sensor}).sensors[0]
    manifest = SimpleNamespace(
        head=SimpleNamespace(bias=BIAS),
        threshold=0.0,
        status_rule=status_rule,
        id="m1",
        novelty_floor=None,
        needs_baseline=False,
    )
    made = SimpleNamespace(
        rule=rule,
        classifier=SimpleNamespace(manifest=manifest),
        manifest=manifest,
        grid=GRID,
        geometry=geometry_of(rule, default_settings(2000.0, 1000), GRID),
        model_id="m1",
        window_settings=WindowSettings("continuous", 1000, 1000),
    )
    return cast(Analyser, made)


def commissioned(novelty_of_spectrum: float, **changes: Any) -> Commissioned:
    """A baseline by which SPECTRUM has such a novelty; its own threshold is 0.4."""
    outside_db = SCALE_DB * (novelty_of_spectrum / (1 - novelty_of_spectrum)) ** 0.5
    level = np.full((1, 2), -40.0 - outside_db, np.float32)
    values = {
        "logit_threshold": None,
        "model_id": "m1",
        "running_limit_ms2": 0.1,
        "n_windows": 9,
        "at_ns": 0,
        **changes,
    }
    return Commissioned(
        "m/p", GRID.f_edges_hz, Baseline(level, level.copy(), 0.4), **values
    )


def judge(
    analyser: Analyser, logit: float = 0.5, own: Commissioned | None = None, **changes: Any
) -> Verdict:
    sensor = Sensor("m/p", analyser, JournalSettings(), 0.0)
    sensor.verdicts.commissioned = own
    residual = changes.pop("residual", 1e-7)
    fields = {
        "network": NetworkOutput(logit, CELLS, residual),
        "spectrum_db": SPECTRUM,
        **changes,
    }
    window = Window("m/p", 0, 0, 0, 2000.0, np.zeros((1, 1000), np.float32), 1000)
    quality = fields.pop("quality", GOOD)
    analysis = Analysis(quality, **fields)
    return sensor.verdicts.of_window(window, analysis, analyser, None).verdict


@pytest.mark.parametrize(
    ("status_rule", "logit", "novelty", "expected"),
    [
        ("either", 0.5, 0.25, (Status.NG, "network")),
        ("either", -0.5, 0.75, (Status.NG, "novelty")),
        ("either", 0.5, 0.75, (Status.NG, "network+novelty")),
        ("either", -0.5, 0.25, (Status.OK, "")),
        ("network", -0.5, 0.75, (Status.OK, "")),
        ("novelty", 0.5, 0.25, (Status.OK, "")),
        ("novelty", 0.5, None, (Status.NG, "network")),
    ],
)
def test_what_may_speak(
    status_rule: str, logit: float, novelty: float | None, expected: tuple[Status, str]
) -> None:
    verdict = judge(
        analyser(status_rule), logit, None if novelty is None else commissioned(novelty)
    )
    assert (verdict.status, verdict.reason) == expected
    assert score_of(verdict) == logit  # reported whatever the rule
    assert score_of(verdict, "novelty") == (
        None if novelty is None else pytest.approx(novelty)
    )


def test_the_band_belongs_to_the_evidence_that_spoke() -> None:
    by_network = judge(analyser(), 0.5)
    assert by_network.band is not None
    # 0.2 and 0.8 of it
    assert (by_network.band.low_hz, by_network.band.high_hz) == (0.0, 200.0)
    assert by_network.band.share == pytest.approx(1.0)
    baseline = commissioned(0.7)
    baseline.baseline.high_db[0, 1] = -40.0  # only the lower band is unlike itself
    by_novelty = judge(analyser(), -0.5, baseline)
    assert by_novelty.reason == ""  # 0.35
    baseline.baseline.low_db[0, 0] = baseline.baseline.high_db[0, 0] = -80.0
    by_novelty = judge(analyser(), -0.5, baseline)
    assert by_novelty.band is not None
    assert (by_novelty.reason, by_novelty.band.low_hz, by_novelty.band.share) == (
        "novelty",
        0.0,
        1.0,
    )


def test_thresholds_the_rule_s_then_the_sensor_s_then_the_model_s() -> None:
    own = commissioned(0.0, logit_threshold=1.0)
    assert threshold_of(judge(analyser())) == 0.0
    assert threshold_of(judge(analyser(), own=own)) == 1.0
    assert (
        threshold_of(
            judge(
                analyser(), own=commissioned(0.0, logit_threshold=1.0, model_id="another")
            )
        )
        == 0.0
    )
    assert threshold_of(judge(analyser(threshold=2.0), own=own)) == 2.0


@pytest.mark.parametrize("residual", [2e-3, float("nan")])
def test_a_map_that_does_not_add_up_is_no_verdict(residual: float) -> None:
    verdict = judge(analyser(), 5.0, residual=residual)
    assert (verdict.status, verdict.reason) == (Status.BAD_DATA, "map_mismatch")
    assert score_of(verdict) is None
    assert map_of(verdict) is None


def test_bad_data_is_never_ok_and_idle_comes_before_any_evidence() -> None:
    bad = judge(analyser(), -5.0, quality=Quality("flat_line", 0.0, 0.0, 0.0))
    assert (bad.status, bad.reason, score_of(bad)) == (Status.BAD_DATA, "flat_line", None)
    idle = judge(analyser(), 5.0, commissioned(0.9, running_limit_ms2=2.0))
    assert (idle.status, idle.running, score_of(idle)) == (Status.IDLE, False, None)


def test_a_baseline_of_other_bands_says_nothing() -> None:
    own = commissioned(0.9)
    other = Commissioned(own.sensor, (0.0, 50.0, 200.0), own.baseline, None, "", 0.1, 9, 0)
    assert score_of(judge(analyser(), -0.5, other), "novelty") is None


def test_a_baseline_s_threshold_is_not_below_what_the_model_learned() -> None:
    learned = analyser()
    assert learned.classifier is not None
    learned.classifier.manifest.novelty_floor = 0.9  # type: ignore[misc]
    verdict = judge(learned, -0.5, commissioned(0.75))
    assert (verdict.status, threshold_of(verdict, "novelty")) == (Status.OK, 0.9)


def test_another_rule_brings_its_own_limits_of_the_alarm() -> None:
    """One NG of one raises it, where three of five were asked for before."""
    sensor = Sensor(
        "m/p", analyser(alarm={"n": 3, "m": 5, "clear": 1}), JournalSettings(), 0.0
    )
    sensor.adopt(analyser(alarm={"n": 1, "m": 1, "clear": 0}))
    window = Window("m/p", 0, 0, 0, 2000.0, np.zeros((1, 1000), np.float32), 1000)
    analysis = Analysis(GOOD, SPECTRUM, network=NetworkOutput(0.5, CELLS, 1e-7))
    verdict = sensor.verdicts.of_window(window, analysis, sensor.analyser, None).verdict
    assert (verdict.status, verdict.alarm) == (Status.NG, "raised")
