"""What makes one simulated machine unlike the next: its shaft, gears, noise, modes and fault, drawn
at random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitor.records.signal import Float64

N_SHAFT_HARMONICS = 5
N_MESH_HARMONICS = 3
FAULT_BAND_DB = 10.0  # the fault band is where its resonance is within this of its peak


@dataclass(frozen=True)
class Resonance:
    """A second-order mode: natural frequency and damping ratio."""

    frequency_hz: float
    damping: float

    def denominator(self, sample_rate_hz: float) -> Float64:
        """Of the all-pole filter with this mode's impulse response."""
        omega = 2 * math.pi * self.frequency_hz / sample_rate_hz
        radius = math.exp(-self.damping * omega)
        return np.array(
            [1.0, -2 * radius * math.cos(omega * math.sqrt(1 - self.damping**2)), radius**2]
        )

    def energy(self, sample_rate_hz: float) -> float:
        """Sum of squares of the impulse response: the gain in power for white noise."""
        _, a1, a2 = self.denominator(sample_rate_hz)
        return float((1 + a2) / ((1 - a2) * ((1 + a2) ** 2 - a1**2)))

    @property
    def bandwidth_hz(self) -> float:
        """Noise bandwidth."""
        return math.pi * self.damping * self.frequency_hz

    @property
    def band_hz(self) -> tuple[float, float]:
        half_hz = (
            self.damping * self.frequency_hz * math.sqrt(10 ** (FAULT_BAND_DB / 10) - 1)
        )
        return self.frequency_hz - half_hz, self.frequency_hz + half_hz


@dataclass(frozen=True)
class Parameters:
    """One machine, drawn at random. Amplitudes and RMS values in m/s²."""

    shaft_hz: float
    # Slow changes of speed: relative size, frequency in Hz, phase.
    swing: tuple[tuple[float, float, float], ...]
    shaft_amplitudes: Float64
    shaft_phases: Float64
    n_teeth: int
    mesh_amplitudes: Float64
    mesh_phases: Float64
    mesh_modulation: float
    # Mode and the RMS it gives the noise; the last mode is broad.
    structure: tuple[tuple[Resonance, float], ...]
    noise_rms: float
    gains: Float64  # of the harmonics and the fault in each channel
    fault_order: float  # impulses per revolution
    fault_mode: Resonance
    fault_snr_db: float  # ringing over noise in the fault mode's bandwidth, at severity 1
    cycle_s: float  # an intermittent fault sounds for a part of each cycle (of load, for example)
    duty: float
    unbalance: float  # growth of the first shaft harmonic at severity 1
    # relative fall of the structure's frequencies and levels at severity 1
    quiet_shift: float


class _Draw:
    """Figures at random about what is usual."""

    def __init__(self, random: np.random.Generator, sample_rate_hz: float) -> None:
        self._random, self._sample_rate_hz = random, sample_rate_hz

    def around(self, median: float, spread: float = 0.5) -> float:
        return float(median * np.exp(spread * self._random.standard_normal()))

    def mode(
        self, low: float, high: float, damping_low: float, damping_high: float
    ) -> Resonance:
        """low, high : of the sample rate"""
        frequency_hz = self._sample_rate_hz * self._random.uniform(low, high)
        return Resonance(frequency_hz, self._random.uniform(damping_low, damping_high))

    def decaying(self, first: float, n: int) -> Float64:
        return np.array([self.around(first * 0.5**k, 0.4) for k in range(n)])

    def swing(self) -> tuple[float, float, float]:
        """Relative size, frequency in Hz and phase of a slow change of the shaft's speed."""
        uniform = self._random.uniform
        return uniform(2e-3, 1e-2), 1 / uniform(5, 30), uniform(0, 6.28)


def draw_parameters(
    random: np.random.Generator, sample_rate_hz: float, n_channels: int
) -> Parameters:
    """A machine at random. Frequencies of modes scale with the sample rate, as one picks a rate for
    a machine.
    """

    # Each line draws from the one generator, so their order is part of what a seed means.
    draw = _Draw(random, sample_rate_hz)
    noise_rms = draw.around(0.15)
    structure = (
        (draw.mode(0.02, 0.06, 0.05, 0.2), draw.around(0.25)),
        (draw.mode(0.05, 0.14, 0.05, 0.2), draw.around(0.2)),
    )
    broad = (draw.mode(0.12, 0.42, 0.2, 0.4), noise_rms * random.uniform(0.0, 0.8))
    return Parameters(
        shaft_hz=random.uniform(18.0, 48.0),
        swing=(draw.swing(), draw.swing()),
        shaft_amplitudes=draw.decaying(draw.around(0.3), N_SHAFT_HARMONICS),
        shaft_phases=random.uniform(0, 2 * math.pi, N_SHAFT_HARMONICS),
        n_teeth=int(random.integers(17, 44)),
        mesh_amplitudes=draw.decaying(draw.around(0.4), N_MESH_HARMONICS),
        mesh_phases=random.uniform(0, 2 * math.pi, N_MESH_HARMONICS),
        mesh_modulation=random.uniform(0.1, 0.4),
        structure=(*structure, broad),
        noise_rms=noise_rms,
        gains=random.uniform(0.5, 1.0, n_channels),
        fault_order=random.uniform(2.6, 5.9),
        fault_mode=draw.mode(0.15, 0.4, 0.02, 0.05),
        fault_snr_db=random.uniform(15.0, 24.0),
        cycle_s=random.uniform(0.4, 0.8),
        duty=float(random.choice([1.0, 0.5])),
        unbalance=random.uniform(6.0, 12.0),
        quiet_shift=random.uniform(0.25, 0.5),
    )
