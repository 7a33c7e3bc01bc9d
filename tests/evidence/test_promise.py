"""Which reference holds, what a window's e-value is made of, and what is promised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evidence.model_folder import ModelManifest, load_model_manifest
from monitor.evidence.promise import (
    alarm_e_value,
    can_promise,
    describe,
    drift_e_value,
    in_words,
    limit_of,
    next_statistic,
    promised_s,
    reference_for,
)
from monitor.evidence.reference import KEPT
from monitor.records.commissioned import Commissioned
from monitor.records.evidence import LOGIT, NO_CELLS, Evidence
from monitor.records.promise import Reference, Step
from tests.evidence.test_limits import own, with_model

HOUR_S = 3600.0
STEPS = {
    "novelty": (Step(0.5, 3.0), Step(0.4, 1.0)),
    "network": (Step(2.0, 10.0),),
}
REFERENCE = Reference(
    n_windows=200,
    n_runs=1,
    n_blocks=24,
    block=3,
    window_s=10.0,
    healthy_s=2000.0,
    alarm=STEPS,
    drift={"novelty": (Step(0.1, 2.0),), "network": (Step(0.0, 4.0),)},
)


def commissioned(model_id: str, reference: Reference | None = REFERENCE) -> Commissioned:
    return replace(own(model_id), reference=reference)


@pytest.mark.parametrize(
    ("found", "manifest", "kinds"),
    [
        (commissioned("", None), None, None),
        (commissioned(""), None, {"novelty", "network"}),
        (commissioned("m1"), None, None),  # its windows were judged by a model
        (commissioned(""), with_model(), None),  # and here they were not
        (commissioned("m1"), with_model(status_rule="either"), {"novelty", "network"}),
        (commissioned("m1"), with_model(status_rule="novelty"), {"novelty", "network"}),
        (
            commissioned("m1"),
            with_model(status_rule="either", levels="relative"),
            {"novelty"},
        ),
        (commissioned("m1"), with_model(status_rule="network", levels="relative"), None),
        (commissioned("m1", replace(REFERENCE, alarm={}, drift={})), with_model(), None),
    ],
)
def test_a_reference_holds_for_the_model_that_judged_it_and_the_kinds_it_knows(
    found: Commissioned, manifest: ModelManifest | None, kinds: set[str] | None
) -> None:
    """Logits of relative levels changed with the commissioning itself."""
    held = reference_for(found, manifest)
    assert (None if held is None else set(held.alarm)) == kinds
    assert (None if held is None else set(held.drift)) == kinds


def novelty(score: float, threshold: float = 0.45, **changes: Any) -> Evidence:
    return Evidence("novelty", "novelty", score, threshold, NO_CELLS, **changes)


def network(score: float, threshold: float = 1.0, **changes: Any) -> Evidence:
    return Evidence("network", LOGIT, score, threshold, NO_CELLS, **changes)


@pytest.mark.parametrize(
    ("evidence", "gain"),
    [
        ([novelty(0.6)], 4.0),
        ([novelty(0.5)], 1.0),  # at a step is not above it
        ([novelty(0.44)], 0.0),  # above a step, but not NG
        ([novelty(0.6), network(3.0)], (4.0 + 10.0) / 2),
        ([novelty(0.6), network(0.0)], (4.0 + 0.0) / 2),
        ([novelty(0.6), network(3.0, decides=False)], 4.0),
        ([novelty(0.6), Evidence("toy", "toy", 9.0, 1.0, NO_CELLS)], 4.0),
    ],
)
def test_an_e_value_is_the_mean_of_what_each_deciding_kind_s_steps_add(
    evidence: list[Evidence], gain: float
) -> None:
    assert alarm_e_value(evidence, REFERENCE) == pytest.approx(KEPT + gain)


def test_without_a_kind_that_decides_and_is_known_there_is_none() -> None:
    assert alarm_e_value([], REFERENCE) is None
    assert alarm_e_value([novelty(0.6, decides=False)], REFERENCE) is None
    assert drift_e_value([], REFERENCE) == KEPT


def test_drift_is_of_windows_in_which_nothing_is_ng() -> None:
    assert drift_e_value([novelty(0.3), network(0.5)], REFERENCE) == pytest.approx(
        KEPT + (2.0 + 4.0) / 2
    )
    assert drift_e_value([novelty(0.3), network(1.5)], REFERENCE) == KEPT


@given(st.lists(st.floats(0, 3), min_size=1, max_size=12))
def test_the_statistic_sums_over_when_the_change_may_have_come(
    e_values: list[float],
) -> None:
    """Of each block that it may have begun with, the product of all e-values since then."""
    statistic = 0.0
    for e_value in e_values:
        statistic = next_statistic(statistic, e_value, 1e12)
    products = [np.prod(e_values[first:]) for first in range(len(e_values))]
    assert statistic == pytest.approx(sum(products), abs=1e-9)


def test_the_statistic_stops_at_its_limit_the_blocks_of_the_budget() -> None:
    assert limit_of(REFERENCE, HOUR_S) == HOUR_S / 30.0
    assert limit_of(REFERENCE, 10.0) == 1.0
    assert next_statistic(9.0, 3.0, 20.0) == 20.0


def test_24_blocks_are_enough_and_fewer_promise_nothing() -> None:
    few = replace(REFERENCE, n_blocks=23)
    assert can_promise(REFERENCE)
    assert promised_s(REFERENCE, HOUR_S) == HOUR_S
    assert not can_promise(few)
    assert promised_s(few, HOUR_S) == 0.0


def test_it_says_that_nothing_is_promised_and_what_it_takes() -> None:
    assert describe(HOUR_S, None) == (
        "No promise: the sensor has no commissioning that tells how healthy windows vary"
        " (commission it); n of m decides."
    )
    assert describe(24 * HOUR_S, replace(REFERENCE, n_blocks=23)) == (
        "No promise, n of m decides: that needs healthy windows over 12 hours of running, worth at"
        " least 24 independent blocks, and the commissioning has 200 of one run over 33 minutes,"
        " worth 23."
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (119.0, "119 seconds"),
        (120.0, "2 minutes"),
        (7199.0, "120 minutes"),
        (7200.0, "2 hours"),
        (172_799.0, "48 hours"),
        (172_800.0, "2 days"),
        (100 * 86_400.0, "100 days"),
    ],
)
def test_lengths_of_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_the_bundled_models_have_a_reference() -> None:
    """Of each, by its own rule: commissioned by it, its alarm can have a budget."""
    for name in ("simulator", "cnc-milling"):
        manifest = load_model_manifest(Path("monitor/models") / name)
        assert reference_for(commissioned(manifest.id), manifest) is not None
