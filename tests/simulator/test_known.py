"""Machines whose broken part is known: they do what their truth says."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.simulator.known import PARTS, SLIP, KnownMachine, Part

RATES: dict[Part, str] = {"outer race": "bpfo", "inner race": "bpfi", "cage": "ftf"}


@pytest.mark.parametrize("part", RATES)
def test_a_bearing_strikes_at_its_geometry_s_rate(part: Part) -> None:
    machine = KnownMachine(part, 5)
    ratio = getattr(machine.machine.bearings[0].ratios, RATES[part])
    strikes = machine.impulse_times_s(0.0, 60.0)
    per_turn = len(strikes) / 60.0 / machine.parameters.shaft_hz
    assert per_turn == pytest.approx(ratio, rel=SLIP + 0.02)  # the speed swings, too


def test_a_tooth_strikes_once_a_turn() -> None:
    machine = KnownMachine("gear tooth", 5)
    strikes = machine.impulse_times_s(0.0, 60.0)
    assert len(strikes) / 60.0 == pytest.approx(machine.parameters.shaft_hz, rel=0.02)


@pytest.mark.parametrize("part", PARTS)
def test_before_its_onset_every_machine_is_the_healthy_one(part: Part) -> None:
    """What is planted begins at the onset, to the step."""
    broken, healthy = KnownMachine(part, 7, onset_s=0.5), KnownMachine("healthy", 7)
    n = round(0.5 * broken.sample_rate_hz)
    np.testing.assert_allclose(broken.block(n), healthy.block(n), atol=1e-6)
    differs = np.abs(broken.block(n) - healthy.block(n)).max()
    assert (differs > 0.01) == (part != "healthy")


def test_cutting_the_stream_changes_nothing() -> None:
    whole, cut = KnownMachine("inner race", 3), KnownMachine("inner race", 3)
    parts = [cut.block(n) for n in (1000, 7, 9000, 9993)]
    np.testing.assert_array_equal(whole.block(20_000), np.concatenate(parts, axis=1))


def test_what_is_told_of_the_speed_holds() -> None:
    for seed in range(20):
        machine = KnownMachine("healthy", seed)
        told = machine.machine.speed
        assert told is not None
        assert told.low_hz <= machine.parameters.shaft_hz <= told.high_hz
