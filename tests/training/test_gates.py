"""What a model must show, case by case."""

from __future__ import annotations

import pytest

from training.gates import leak_gate, map_gate, not_worse_gate


@pytest.mark.parametrize(
    ("value", "low", "high", "passed"),
    [
        (0.02, -0.01, 0.05, True),
        (-0.005, -0.03, 0.02, True),
        (-0.08, -0.24, 0.0, False),  # a small hold-out does not wave a loss through
        (-0.004, -0.006, -0.002, False),  # small, but beyond chance
        (0.0, None, None, False),
    ],
)
def test_not_worse(value: float, low: float | None, high: float | None, passed: bool) -> None:
    gate = not_worse_gate({"value": value, "low": low, "high": high})
    assert gate.passed is passed
    assert gate.found


def test_leaks() -> None:
    assert leak_gate({"runs_on_both_sides": []}).passed
    assert not leak_gate({"runs_on_both_sides": ["a"]}).passed
    assert not leak_gate({}).passed


@pytest.mark.parametrize(
    ("residual", "random", "equal_energy", "passed"),
    [
        (1e-6, 0.1, 0.1, True),
        (1e-2, 0.1, 0.1, False),
        (1e-6, -0.1, 0.1, False),
        (1e-6, 0.1, -0.1, False),
        (1e-6, None, None, True),  # one run: no interval
    ],
)
def test_truth_of_maps(
    residual: float, random: float | None, equal_energy: float | None, passed: bool
) -> None:
    def figures(low_random: float | None, low_energy: float | None) -> dict[str, object]:
        return {
            "additivity_residual": {"max": residual},
            "deletion": {
                "more_than_random": {"value": 0.2, "low": low_random, "high": 0.3},
                "more_than_equal_energy": {"value": 0.2, "low": low_energy, "high": 0.3},
            },
        }

    other = {"Grad-CAM": figures(-1.0, -1.0)}
    assert (
        map_gate(
            {"maps": {"figures": {"exact map": figures(random, equal_energy), **other}}}
        ).passed
        is passed
    )
    both = {"exact map": figures(0.1, 0.1), "exact map, M2": figures(random, equal_energy)}
    assert map_gate({"maps": {"figures": both}}).passed is passed  # the worst fold decides
    assert not map_gate({"maps": {}}).passed
