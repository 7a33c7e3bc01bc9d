"""Simulated machines whose faults are known: for the demo, for tests, and for the bundled model
"simulator".

A machine is shaft harmonics, gear mesh with sidebands, structure-borne and
sensor noise, and slow changes of speed. A bearing fault adds impulses that ring
a resonance (McFadden and Smith 1984; slip after Randall and Antoni 2011).
Levels differ so much between machines that overall level tells little of a
fault; its resonance, though, stands out of the noise around it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from scipy.signal import lfilter

from monitor.records.signal import Float32, Float64
from monitor.simulator.parameters import Resonance, draw_parameters

Kind = Literal["healthy", "bearing", "unbalance", "quiet"]

# Samples made at a time, whatever blocks are asked for, so that cutting changes nothing.
N_STEP = 6400
SLIP = 0.015  # relative standard deviation of the time between two fault impulses
MIN_TRAINING_SEVERITY = 0.5


@dataclass(frozen=True)
class Truth:
    """What was planted in one window. Times count from the window's first sample."""

    kind: Kind
    severity: float
    fault_band_hz: tuple[float, float] | None
    impulse_times_s: Float64


class SimulatedMachine:
    """An endless, repeatable signal; its fault is known.

    kind : healthy; bearing (impulses ring a resonance); unbalance (the first
        shaft harmonic grows); quiet (level falls and the structure's modes
        sink: a failure that makes the machine quieter)
    onset_s, growth_s : the fault begins at onset_s and grows linearly in
        amplitude to `severity` within growth_s
    severity : 1 is plain to see, 0.5 is early
    """

    def __init__(
        self,
        kind: Kind,
        seed: int,
        *,
        sample_rate_hz: float = 25_600.0,
        n_channels: int = 1,
        onset_s: float = 0.0,
        growth_s: float = 0.0,
        severity: float = 1.0,
    ) -> None:
        self.kind: Kind = kind
        self.sample_rate_hz = sample_rate_hz
        self.n_channels = n_channels
        self.onset_s, self.growth_s, self.full_severity = onset_s, growth_s, severity
        self.parameters = draw_parameters(
            np.random.default_rng([seed, 0]), sample_rate_hz, n_channels
        )
        self._seed = seed
        self._noise = np.random.default_rng([seed, 2])
        self._impulses = self._impulse_stream()
        self._next_impulse = next(self._impulses)
        self._filter_states: dict[str, Float64] = {}
        self._n_made = 0
        self._rest = np.empty((n_channels, 0), np.float32)

    def block(self, n: int) -> Float32:
        """The next n samples: float32, shape (n_channels, n), m/s²."""
        parts = [self._rest]
        n_ready = self._rest.shape[1]
        while n_ready < n:
            parts.append(self._step())
            n_ready += N_STEP
        ready = np.concatenate(parts, axis=1)
        self._rest = ready[:, n:]
        return np.ascontiguousarray(ready[:, :n])

    def severity(self, time_s: float) -> float:
        """How far the fault has grown at a time: 0 before its onset and for a healthy machine."""
        if self.kind == "healthy" or time_s < self.onset_s:
            return 0.0
        grown = (
            1.0 if self.growth_s == 0 else min(1.0, (time_s - self.onset_s) / self.growth_s)
        )
        return self.full_severity * grown

    @property
    def fault_band_hz(self) -> tuple[float, float] | None:
        """Where the fault is to be seen; None for a healthy machine."""
        machine = self.parameters
        if self.kind == "bearing":
            return machine.fault_mode.band_hz
        if self.kind == "unbalance":
            return 0.9 * machine.shaft_hz, 1.1 * machine.shaft_hz
        if self.kind == "quiet":
            bands = [mode.band_hz for mode, _ in machine.structure]
            return (1 - machine.quiet_shift) * min(low for low, _ in bands), max(
                high for _, high in bands
            )
        return None

    def impulse_times_s(self, start_s: float, end_s: float) -> Float64:
        """When the bearing fault struck, start_s <= time < end_s,
        from the first sample ever made.
        """
        if self.kind != "bearing":
            return np.empty(0)
        upto_end = itertools.takewhile(
            lambda time_s: time_s < end_s, self._impulse_stream()
        )
        return np.array(
            [
                t
                for t in upto_end
                if t >= start_s and self.severity(t) > 0 and self._sounds(t)
            ]
        )

    def _step(self) -> Float32:
        first = self._n_made
        self._n_made += N_STEP
        time_s = (first + np.arange(N_STEP)) / self.sample_rate_hz
        severity = self.severity(float(time_s[0]))
        tonal = self._shaft(time_s, severity) + self._mesh(time_s, severity)
        if self.kind == "bearing":
            tonal = tonal + self._ringing(first)
        signal = self.parameters.gains[:, None] * tonal + self._background(severity)
        return np.asarray(signal, np.float32)

    def _turns(self, time_s: Float64) -> Float64:
        """Revolutions since time 0: the integral of shaft_hz * (1 + swing)."""
        turns = self.parameters.shaft_hz * time_s
        for size, frequency_hz, phase in self.parameters.swing:
            omega = 2 * math.pi * frequency_hz
            turns = (
                turns
                + self.parameters.shaft_hz
                * size
                * (math.cos(phase) - np.cos(omega * time_s + phase))
                / omega
            )
        return turns

    def _shaft(self, time_s: Float64, severity: float) -> Float64:
        machine = self.parameters
        amplitudes = machine.shaft_amplitudes.copy()
        if self.kind == "unbalance":
            amplitudes[0] *= 1 + machine.unbalance * severity
        return self._harmonics(self._turns(time_s), amplitudes, machine.shaft_phases)

    def _mesh(self, time_s: Float64, severity: float) -> Float64:
        machine = self.parameters
        turns = self._turns(time_s)
        mesh = self._harmonics(
            machine.n_teeth * turns,
            machine.mesh_amplitudes,
            machine.mesh_phases,
            machine.n_teeth,
        )
        loss = machine.quiet_shift * severity if self.kind == "quiet" else 0.0
        modulated: Float64 = (
            (1 - loss) * (1 + machine.mesh_modulation * np.cos(2 * math.pi * turns)) * mesh
        )
        return modulated

    def _harmonics(
        self, turns: Float64, amplitudes: Float64, phases: Float64, order: int = 1
    ) -> Float64:
        """Sum of sines at whole multiples of a turning rate, up to 0.45 of the sample rate."""
        total = np.zeros_like(turns)
        for k, (amplitude, phase) in enumerate(
            zip(amplitudes, phases, strict=True), start=1
        ):
            if k * order * self.parameters.shaft_hz < 0.45 * self.sample_rate_hz:
                total += amplitude * np.sin(2 * math.pi * k * turns + phase)
        return total

    def _background(self, severity: float) -> Float64:
        """White sensor noise and noise through the structure's modes: shape (n_channels,
        N_STEP).
        """
        machine = self.parameters
        noise = machine.noise_rms * self._white()
        sunk = machine.quiet_shift * severity if self.kind == "quiet" else 0.0
        for index, (mode, rms) in enumerate(machine.structure):
            now = Resonance(mode.frequency_hz * (1 - sunk), mode.damping)
            driven = self._filter(f"structure{index}", now, self._white())
            noise += (1 - sunk) * rms / math.sqrt(now.energy(self.sample_rate_hz)) * driven
        return noise

    @cached_property
    def _strike_size(self) -> float:
        """What one impulse at severity 1 is worth so that its ringing stands fault_snr_db above the
        noise beside it.
        """
        machine, rate = self.parameters, self.sample_rate_hz
        _, broad_rms = machine.structure[-1]
        noise_power = (
            (machine.noise_rms**2 + broad_rms**2)
            * machine.fault_mode.bandwidth_hz
            / (rate / 2)
        )
        strikes_per_sample = machine.fault_order * machine.shaft_hz / rate
        ringing_power = noise_power * 10 ** (machine.fault_snr_db / 10)
        return math.sqrt(
            ringing_power / strikes_per_sample / machine.fault_mode.energy(rate)
        )

    def _ringing(self, first: int) -> Float64:
        """The fault's impulses from sample `first` on, through its mode: shape (N_STEP,)."""
        machine, rate = self.parameters, self.sample_rate_hz
        strikes = np.zeros((1, N_STEP))
        while (position := self._next_impulse * rate - first) < N_STEP:
            if self._sounds(self._next_impulse):
                strikes[0, int(position)] += self._strike(self._next_impulse)
            self._next_impulse = next(self._impulses)
        ringing: Float64 = (
            self._strike_size * self._filter("fault", machine.fault_mode, strikes)[0]
        )
        return ringing

    def _strike(self, time_s: float) -> float:
        """How hard the defect strikes, relative to severity 1."""
        return self.severity(time_s)

    def _impulse_stream(self) -> Iterator[float]:
        """Times of all impulses from 0 on: one per ball pass, with slip, following the shaft."""
        slips = np.random.default_rng([self._seed, 1])
        time_s = float(slips.uniform()) / (
            self.parameters.fault_order * self.parameters.shaft_hz
        )
        while True:
            yield time_s
            swing = sum(
                a * math.sin(2 * math.pi * f * time_s + phase)
                for a, f, phase in self.parameters.swing
            )
            pass_hz = self.parameters.fault_order * self.parameters.shaft_hz * (1 + swing)
            time_s += max(0.2, 1 + SLIP * slips.standard_normal()) / pass_hz

    def _sounds(self, time_s: float) -> bool:
        """Whether an intermittent fault is in the sounding part of its cycle."""
        return time_s / self.parameters.cycle_s % 1.0 < self.parameters.duty

    def _white(self) -> Float64:
        return self._noise.standard_normal((self.n_channels, N_STEP))

    def _filter(self, name: str, mode: Resonance, drive: Float64) -> Float64:
        """Drive a mode, going on where the last step ended."""
        state = self._filter_states.get(name, np.zeros((len(drive), 2)))
        response, self._filter_states[name] = lfilter(
            [1.0], mode.denominator(self.sample_rate_hz), drive, zi=state
        )
        return np.asarray(response)


class TrainingWindow(NamedTuple):
    """label : 0 ok, 1 ng. samples : float32, shape (1, n_window), m/s²"""

    machine_id: int
    label: int
    samples: Float32
    truth: Truth


def training_windows(
    seed: int,
    n_machines: int,
    windows_per_machine: int,
    n_window: int,
    *,
    sample_rate_hz: float = 25_600.0,
    fault_kinds: Sequence[Kind] = ("bearing",),
) -> Iterator[TrainingWindow]:
    """Windows of many machines, no two alike. Split them by machine_id.

    Every other machine is faulty, of severity 0.5 to 1, after a first quarter
    of healthy windows, so that a network cannot learn which machine is which.
    """
    window_s = n_window / sample_rate_hz
    for machine_id in range(n_machines):
        random = np.random.default_rng([seed, machine_id])
        kind: Kind = (
            fault_kinds[machine_id // 2 % len(fault_kinds)] if machine_id % 2 else "healthy"
        )
        machine = SimulatedMachine(
            kind,
            int(random.integers(1 << 62)),
            sample_rate_hz=sample_rate_hz,
            onset_s=windows_per_machine // 4 * window_s,
            severity=random.uniform(MIN_TRAINING_SEVERITY, 1.0),
        )
        for index in range(windows_per_machine):
            start_s = index * window_s
            samples, severity = machine.block(n_window), machine.severity(start_s)
            times_s = machine.impulse_times_s(start_s, start_s + window_s) - start_s
            band_hz = machine.fault_band_hz if severity > 0 else None
            yield TrainingWindow(
                machine_id,
                int(severity > 0),
                samples,
                Truth(kind, severity, band_hz, times_s),
            )
