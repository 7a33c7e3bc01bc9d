from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter, welch

from monitor.records.signal import Float64
from monitor.simulator.machine import Kind, SimulatedMachine, training_windows
from monitor.simulator.parameters import Resonance

RATE_HZ = 25_600


@given(
    cuts=st.lists(st.integers(1, 9000), min_size=1, max_size=8), seed=st.integers(0, 2**40)
)
@settings(deadline=None, max_examples=25)
def test_the_signal_is_the_same_however_it_is_cut(cuts: list[int], seed: int) -> None:
    whole = SimulatedMachine("bearing", seed, n_channels=2).block(sum(cuts))
    machine = SimulatedMachine("bearing", seed, n_channels=2)
    np.testing.assert_array_equal(
        np.concatenate([machine.block(n) for n in cuts], axis=1), whole
    )


def test_blocks_are_float32_by_channel_and_seeds_differ() -> None:
    first, second = (
        SimulatedMachine("healthy", seed, n_channels=3).block(1000) for seed in (1, 2)
    )
    assert first.shape == (3, 1000)
    assert first.dtype == np.float32
    assert np.abs(np.corrcoef(first[0], second[0])[0, 1]) < 0.9


def level_db(
    kind: Kind, seed: int, severity: float = 1.0
) -> tuple[SimulatedMachine, Float64, Float64]:
    """A machine and its power density over four seconds in dB, with its frequencies."""
    machine = SimulatedMachine(kind, seed, severity=severity)
    frequency_hz, psd = welch(
        machine.block(4 * RATE_HZ)[0].astype(np.float64), RATE_HZ, nperseg=4096
    )
    return machine, frequency_hz, 10 * np.log10(psd)


@pytest.mark.parametrize("seed", range(5))
def test_a_bearing_fault_is_in_its_band_and_nowhere_else(seed: int) -> None:
    machine, frequency_hz, faulty_db = level_db("bearing", seed)
    _, _, healthy_db = level_db("healthy", seed)
    assert machine.fault_band_hz is not None
    low_hz, high_hz = machine.fault_band_hz
    inside = (frequency_hz > low_hz) & (frequency_hz < high_hz)
    far = (frequency_hz < low_hz / 2) | (frequency_hz > 1.5 * high_hz)
    assert (faulty_db - healthy_db)[inside].mean() > 6
    assert abs((faulty_db - healthy_db)[far].mean()) < 1


@pytest.mark.parametrize("seed", range(3))
def test_unbalance_raises_the_first_harmonic(seed: int) -> None:
    machine, frequency_hz, faulty_db = level_db("unbalance", seed)
    _, _, healthy_db = level_db("healthy", seed)
    shaft = np.abs(frequency_hz - machine.parameters.shaft_hz).argmin()
    assert (faulty_db - healthy_db)[shaft] > 12
    assert abs(np.median(faulty_db - healthy_db)) < 1


@pytest.mark.parametrize("seed", range(3))
def test_a_quiet_failure_lowers_the_level(seed: int) -> None:
    faulty = SimulatedMachine("quiet", seed).block(4 * RATE_HZ)
    healthy = SimulatedMachine("healthy", seed).block(4 * RATE_HZ)
    assert faulty.std() < healthy.std()


def test_a_fault_begins_at_its_onset_and_grows() -> None:
    machine = SimulatedMachine("bearing", 3, onset_s=2.0, growth_s=4.0)
    assert [machine.severity(t) for t in (0.0, 1.9, 4.0, 6.0, 60.0)] == [
        0.0,
        0.0,
        0.5,
        1.0,
        1.0,
    ]
    healthy = SimulatedMachine("healthy", 3)
    np.testing.assert_array_equal(machine.block(2 * RATE_HZ), healthy.block(2 * RATE_HZ))
    assert not np.array_equal(machine.block(4 * RATE_HZ), healthy.block(4 * RATE_HZ))


def test_impulse_times_are_where_the_ringing_starts() -> None:
    """The faulty signal less the healthy one of the same seed is the fault alone: silent until each
    impulse.
    """
    machine = SimulatedMachine("bearing", 11)
    fault = machine.block(RATE_HZ)[0] - SimulatedMachine("healthy", 11).block(RATE_HZ)[0]
    times_s = machine.impulse_times_s(0.0, 1.0)
    assert len(times_s) > 20
    first = int(times_s[0] * RATE_HZ)
    assert np.abs(fault[:first]).max(initial=0) < 1e-5
    assert np.abs(fault[first : first + 20]).max() > 1e-3
    later_s = machine.impulse_times_s(0.5, 1.0)
    np.testing.assert_array_equal(later_s, times_s[times_s >= 0.5])


@given(frequency_hz=st.floats(100, 12_000), damping=st.floats(0.02, 0.4))
def test_the_energy_of_a_mode_is_that_of_its_impulse_response(
    frequency_hz: float, damping: float
) -> None:
    mode = Resonance(frequency_hz, damping)
    response = lfilter([1.0], mode.denominator(RATE_HZ), np.eye(1, 20_000)[0])
    assert mode.energy(RATE_HZ) == pytest.approx(np.sum(response**2), rel=1e-3)


def test_training_windows_know_their_truth_and_repeat() -> None:
    drawn = list(training_windows(5, n_machines=4, windows_per_machine=4, n_window=6400))
    again = list(training_windows(5, n_machines=4, windows_per_machine=4, n_window=6400))
    assert [(machine_id, label) for machine_id, label, _, _ in drawn] == [
        (machine_id, int(machine_id % 2 == 1 and index > 0))
        for machine_id in range(4)
        for index in range(4)
    ]
    for (_, label, samples, truth), (_, _, same, _) in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(samples, same)
        assert samples.shape == (1, 6400)
        assert (truth.severity > 0) == bool(label)
        assert (truth.fault_band_hz is not None) == bool(label)
        assert ((truth.impulse_times_s >= 0) & (truth.impulse_times_s < 0.25)).all()


def test_overall_level_alone_tells_little_of_a_fault() -> None:
    drawn = [
        (label, float(samples.std()))
        for _, label, samples, _ in training_windows(7, 60, 4, 6400)
    ]
    levels = {
        label: np.array([level for found, level in drawn if found == label])
        for label in (0, 1)
    }
    auc = np.mean(levels[1][:, None] > levels[0][None, :])
    assert 0.3 < auc < 0.7
