"""What a model must show, case by case."""

from __future__ import annotations

import pytest

from training.against_peers import Lead
from training.gates import leak_gate, map_gate, not_worse_gate, peer_gate
from training.metrics import Interval
from training.truth import Curves, MapFigures, Residual

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "low", "high", "passed"),
    [
        (0.02, -0.01, 0.05, True),
        (-0.005, -0.03, 0.02, True),
        (-0.08, -0.24, 0.0, False),  # a small hold-out does not wave a loss through
        (-0.004, -0.006, -0.002, False),  # small, but beyond chance
        (-0.01, -0.03, 0.0, True),  # at the limits themselves
        (0.0, NAN, NAN, False),
    ],
)
def test_not_worse(value: float, low: float, high: float, passed: bool) -> None:
    gate = not_worse_gate(Interval(value, low, high))
    assert gate.passed is passed
    assert gate.found


def test_leaks() -> None:
    assert leak_gate([]).passed
    assert not leak_gate(["a"]).passed
    assert not leak_gate(None).passed


EVEN = Interval(-0.01, -0.05, 0.04)
BEHIND = Interval(-0.04, -0.07, -0.01)


def test_a_simple_peer_that_wins_holds_a_model_back() -> None:
    gate = peer_gate({"raw RMS": Lead(EVEN, BEHIND), "kurtosis": Lead(EVEN, EVEN)})
    assert not gate.passed
    assert "raw RMS is better than the status" in gate.found
    assert peer_gate({"raw RMS": Lead(EVEN, EVEN)}).passed  # chance
    assert not peer_gate(None).passed


@pytest.mark.parametrize(
    ("residual", "random", "equal_energy", "passed"),
    [
        (1e-6, 0.1, 0.1, True),
        (0.9e-3, 0.1, 0.1, True),
        (1e-3, 0.1, 0.1, False),
        (1e-6, 0.0, 0.1, False),
        (1e-6, 0.1, 0.0, False),
        (1e-6, -0.1, 0.1, False),
        (1e-6, 0.1, -0.1, False),
        (1e-6, NAN, NAN, True),  # one run: no interval
    ],
)
def test_truth_of_maps(
    residual: float, random: float, equal_energy: float, passed: bool
) -> None:
    other = {"Grad-CAM": map_figures(residual, -1.0, -1.0)}
    found = map_figures(residual, random, equal_energy)
    assert map_gate({"exact map": found, **other}).passed is passed
    both = {"exact map": map_figures(1e-6, 0.1, 0.1), "exact map, M2": found}
    assert map_gate(both).passed is passed  # the worst fold decides
    assert not map_gate({}).passed


def map_figures(residual: float, low_random: float, low_energy: float) -> MapFigures:
    deletion = Curves(
        [], [], [], Interval(0.2, low_random, 0.3), Interval(0.2, low_energy, 0.3)
    )
    return MapFigures(Residual(residual, residual / 2), [], deletion, deletion, 0.0)


def test_a_gate_says_its_name_and_what_was_found() -> None:
    assert str(leak_gate(["a"])) == "no leak: 1 runs stand in training and test"
