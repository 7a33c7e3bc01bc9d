"""The figures of names: what they count."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.diagnosis.levels import envelope_levels
from monitor.diagnosis.shaft import Shaft
from tests.diagnosis.signals import MACHINE, RATE_HZ, RATIOS, SHAFT_HZ, struck
from training.diagnosed import share
from training.name_figures import of_healthy, of_part
from training.wrong_geometries import bearings, wrong_names


def test_alarms_of_one_part_and_healthy_windows_are_counted() -> None:
    assert of_part("outer race", 2, seed=1).total() == 2
    assert of_healthy(2, seed=1, windows_per_machine=2).total() == 2


def test_foreign_bearings_can_be_built() -> None:
    for bearing in bearings(50, seed=3):
        ratios = bearing.ratios
        assert ratios.bpfo + ratios.bpfi == pytest.approx(ratios.n_elements)
        assert 2 * (0.5 - ratios.ftf) < math.sin(math.pi / ratios.n_elements)


def test_a_foreign_bearing_is_named_only_by_coincidence() -> None:
    levels = envelope_levels([struck(RATIOS.bpfo)], RATE_HZ, SHAFT_HZ)
    assert levels is not None
    met = list(
        wrong_names(levels, MACHINE, Shaft(SHAFT_HZ, 0.002, False), bearings(40, seed=3))
    )
    assert len(met) == 40
    assert [named for named, coincident in met if named and not coincident] == []
    (own,) = wrong_names(
        levels, MACHINE, Shaft(SHAFT_HZ, 0.002, False), [MACHINE.bearings[0]]
    )
    assert own == (True, True)


def test_shares_have_their_interval() -> None:
    assert share(1, 50) == "1 of 50, 2.00 % (95 %: 0.35 to 10.50 %)"
    assert share(0, 0) == "0 of 0"
    assert np.isfinite(float(share(0, 10).split()[3]))
