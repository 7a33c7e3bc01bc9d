"""What commissioning says at its end is what then holds, under every status rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config_sensors import SensorSettings
from monitor.evidence.limits import describe, logit_threshold, novelty_threshold
from monitor.evidence.model_folder import ModelManifest, load_model_manifest
from monitor.evidence.novelty import NOVELTY_FLOOR
from monitor.records.commissioned import Baseline, Commissioned
from tests.signals import configure

SIMULATOR = load_model_manifest(Path("monitor/models/simulator"))
MODEL = SIMULATOR.model_copy(update={"id": "m1", "threshold": 1.0, "novelty_floor": None})
ONE_BAND = Baseline(np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32), 0.5)
IDLE = "; idle below 0.1 m/s² RMS."


def rule(**sensor: Any) -> SensorSettings:
    return configure(sensor=sensor).sensors[0]


def own(model_id: str = "m1", logit_threshold: float | None = 3.0) -> Commissioned:
    return Commissioned("m/p", (0.0, 100.0), ONE_BAND, logit_threshold, model_id, 0.1, 9, 0)


def with_model(**changes: Any) -> ModelManifest:
    return MODEL.model_copy(update=changes)


@pytest.mark.parametrize(
    ("status_rule", "said"),
    [
        ("either", "novelty above 0.5 or logit above 3"),
        (
            "network",
            "logit above 3 (novelty is shown but makes no NG: the model's status_rule is network)",
        ),
        (
            "novelty",
            (
                "novelty above 0.5 (the logit is shown but makes no NG: the model's status_rule is"
                " novelty)"
            ),
        ),
    ],
)
def test_it_says_which_evidence_makes_ng(status_rule: str, said: str) -> None:
    manifest = with_model(status_rule=status_rule)
    assert describe(rule(model="m"), own(), manifest) == f"NG from now on: {said}{IDLE}"


def test_without_a_model_novelty_speaks() -> None:
    assert (
        describe(rule(), own("", None), None) == f"NG from now on: novelty above 0.5{IDLE}"
    )


def test_it_names_the_limits_that_hold() -> None:
    """The rule's threshold stands above the sensor's own; the model's lowest novelty threshold
    above a lower one.
    """
    manifest = with_model(status_rule="either", novelty_floor=0.6)
    set_by_hand = rule(model="m", threshold=4.0, running={"limit_rms_ms2": 0.5})
    said = (
        "NG from now on: novelty above 0.6 (other machines reach it while healthy) or logit above"
        " 4; idle below 0.5 m/s² RMS."
    )
    assert describe(set_by_hand, own(), manifest) == said
    by_topic = rule(model="m", running={"topic": "plc/{machine}/on"})
    assert describe(by_topic, own(), manifest).endswith("; idle as plc/{machine}/on says.")


@pytest.mark.parametrize("manifest", [None, with_model(status_rule="novelty")])
def test_without_what_training_showed_a_sensor_s_own_threshold_holds(
    manifest: ModelManifest | None,
) -> None:
    """Else a narrow fault of a steady machine would stay below it."""
    bands = np.zeros((2, 20), np.float32)
    edges = tuple(np.arange(21.0))
    calm = replace(own(), f_edges_hz=edges, baseline=Baseline(bands, bands, 0.04))
    assert novelty_threshold(calm, manifest) == 0.04
    calmer = replace(calm, baseline=Baseline(bands, bands, 0.01))
    assert novelty_threshold(calmer, manifest) == 0.025  # half a band of twenty
    untold = replace(own(), baseline=replace(ONE_BAND, threshold=0.0))
    assert novelty_threshold(untold, manifest) == NOVELTY_FLOOR == 0.3


def test_half_a_band_is_not_said_to_be_what_other_machines_reach() -> None:
    bands = np.zeros((2, 20), np.float32)
    edges = tuple(np.arange(21.0))
    calm = replace(own("", None), f_edges_hz=edges, baseline=Baseline(bands, bands, 0.01))
    said = "NG from now on: novelty above 0.025 (half a band, the least)"
    assert describe(rule(), calm, None) == said + IDLE
    untold = replace(calm, baseline=Baseline(bands, bands, 0.0))
    assert "above 0.3 (other machines reach it while healthy)" in describe(
        rule(), untold, None
    )


def test_a_sensor_s_own_threshold_is_not_below_what_the_model_s_machines_reach() -> None:
    manifest = with_model(status_rule="novelty", novelty_floor=0.3)
    calm = replace(own(), baseline=replace(ONE_BAND, threshold=0.01))
    assert novelty_threshold(calm, manifest) == 0.3
    assert "novelty above 0.3 (other machines reach it while healthy)" in describe(
        rule(), calm, manifest
    )
    assert novelty_threshold(own(), manifest) == 0.5


def test_a_rate_that_a_person_asked_for_holds() -> None:
    """For a machine known to be steady: what is narrow and early is found, too."""
    calm = replace(own(), baseline=replace(ONE_BAND, threshold=0.01, rate_was_asked=True))
    assert novelty_threshold(calm, None) == 0.01
    assert novelty_threshold(calm, with_model(novelty_floor=0.6)) == 0.01


def test_a_model_of_a_fleet_that_hardly_drifts_is_stricter() -> None:
    calm = replace(own(), baseline=replace(ONE_BAND, threshold=0.01))
    assert novelty_threshold(calm, with_model(novelty_floor=0.05)) == 0.05


def test_a_threshold_of_the_score_before_is_not_taken_for_one_of_this() -> None:
    manifest = with_model(novelty_threshold=1.245)
    assert novelty_threshold(own(), manifest) == 0.5


def test_windows_of_another_model_give_no_limits_to_name() -> None:
    assert "commission again" in describe(rule(model="m"), own("an earlier one"), MODEL)
    assert "commission again" in describe(rule(), own("m1"), None)


@pytest.mark.parametrize(
    ("found", "manifest", "by_rule", "threshold"),
    [
        (own(), MODEL, 7.0, 7.0),
        (own(), MODEL, None, 3.0),
        (None, MODEL, None, 1.0),
        (own(logit_threshold=None), MODEL, None, 1.0),
        (own("another"), MODEL, None, 1.0),
        (own(), None, None, None),
    ],
)
def test_a_logit_s_threshold_is_the_rule_s_then_the_sensor_s_then_the_model_s(
    found: Commissioned | None,
    manifest: ModelManifest | None,
    by_rule: float | None,
    threshold: float | None,
) -> None:
    """The sensor's own only with the model that it was found with."""
    by_hand = {} if by_rule is None else {"threshold": by_rule}
    assert logit_threshold(rule(model="m", **by_hand), found, manifest) == threshold


def test_a_logit_of_relative_levels_has_the_model_s_threshold() -> None:
    """It changes with the commissioning, so an own one holds no longer."""
    relative = with_model(levels="relative")
    assert relative.needs_baseline
    assert logit_threshold(rule(model="m"), own(), relative) == 1.0
