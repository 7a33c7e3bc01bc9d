"""Simulated machines whose geometry is known, with one part broken: what a name can be checked by.

Bearing parts after McFadden and Smith 1984 (an inner race passes the load zone
once a turn, an element once a turn of the cage); a broken tooth strikes once a
turn; a loose machine has halves and many harmonics.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from monitor.records.machine import Bearing, Blades, Gear, Machine, ShaftSpeed, ratios_of
from monitor.records.signal import Float64
from monitor.simulator.machine import Kind, SimulatedMachine

Part = Literal[
    "healthy",
    "outer race",
    "inner race",
    "rolling element",
    "cage",
    "gear tooth",
    "imbalance",
    "misalignment",
    "looseness",
    "blades",
]
PARTS: tuple[Part, ...] = get_args(Part)
KIND_OF_PART: dict[Part, Kind] = {
    "outer race": "bearing",
    "inner race": "bearing",
    "rolling element": "bearing",
    "cage": "bearing",
    "gear tooth": "bearing",  # it strikes, too, but once a turn without slip
    "imbalance": "unbalance",
}
SPEED_TOLERANCE = 0.01  # relative, to which the speed is told
SLIP = 0.015  # and a bearing's frequencies lie so far from its geometry's at most
LOAD_ZONE = 0.9  # how far a strike fades outside of it
HALVES = (0.5, 1.5, 2.5, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0)


class KnownMachine(SimulatedMachine):
    """A simulated machine and what is known of it.

    part : what is broken, as the diagnosis would name it; the fault's times and
        severity are the simulated machine's
    """

    def __init__(
        self, part: Part, seed: int, *, onset_s: float = 0.0, severity: float = 1.0
    ) -> None:
        # What the base class has no word for sounds like a healthy machine with more to it.
        super().__init__(
            KIND_OF_PART.get(part, "healthy"), seed, onset_s=onset_s, severity=severity
        )
        self.part: Part = part
        draw = np.random.default_rng([seed, 3])
        self.machine = self._geometry(draw)
        self._slip = 1 + draw.uniform(-SLIP, SLIP)
        self._growth = draw.uniform(6.0, 12.0)
        self._blade_amplitude = 0.1 * math.exp(0.4 * draw.standard_normal())
        self._phases = draw.uniform(0, 2 * math.pi, len(HALVES) + 3)
        if self.kind == "bearing":
            self.parameters = replace(
                self.parameters, fault_order=self._strikes_per_turn, duty=1.0
            )
            self._impulses = self._impulse_stream()
            self._next_impulse = next(self._impulses)

    def severity(self, time_s: float) -> float:
        if self.part == "healthy" or time_s < self.onset_s:
            return 0.0
        return self.full_severity

    def _geometry(self, draw: np.random.Generator) -> Machine:
        n_elements = int(draw.integers(7, 15))
        share = draw.uniform(0.12, min(0.28, 0.9 * math.sin(math.pi / n_elements)))
        ratios = ratios_of(n_elements, share, 1.0, 0.0)
        told_hz = self.parameters.shaft_hz / (
            1 + draw.uniform(-SPEED_TOLERANCE, SPEED_TOLERANCE)
        )
        return Machine(
            speed=ShaftSpeed(
                told_hz * (1 - SPEED_TOLERANCE), told_hz * (1 + SPEED_TOLERANCE)
            ),
            slip=0.02,
            bearings=(Bearing("bearing", ratios, 1.0),),
            gears=(Gear("gear", self.parameters.n_teeth, 1.0),),
            blades=(Blades("fan", int(draw.choice([7, 9, 11, 13])), 1.0),),
        )

    @property
    def _strikes_per_turn(self) -> float:
        ratios = self.machine.bearings[0].ratios
        by_part = {
            "outer race": ratios.bpfo,
            "inner race": ratios.bpfi,
            "rolling element": 2 * ratios.bsf,
            "cage": ratios.ftf,
        }
        return by_part[self.part] * self._slip if self.part in by_part else 1.0

    def _strike(self, time_s: float) -> float:
        """Hardest in the load zone, which the part passes once every few turns."""
        ratios = self.machine.bearings[0].ratios
        turns = {"inner race": 1.0, "rolling element": ratios.ftf}.get(self.part)
        if turns is None:
            return self.severity(time_s)
        angle = 2 * math.pi * turns * self.parameters.shaft_hz * time_s
        return self.severity(time_s) * (
            1 - LOAD_ZONE + LOAD_ZONE * (1 + math.cos(angle)) / 2
        )

    def _shaft(self, time_s: Float64, severity: float) -> Float64:
        turns = self._turns(time_s)
        total = super()._shaft(time_s, severity) + self._blades(turns, severity)
        more = self._growth * severity
        amplitude = float(self.parameters.shaft_amplitudes[0])
        if self.part == "misalignment":
            for harmonic, share in ((2, 0.6), (3, 0.3)):
                total += share * more * amplitude * self._sine(harmonic * turns, harmonic)
        if self.part == "looseness":
            for k, order in enumerate(HALVES):
                total += 0.15 * more * amplitude * self._sine(order * turns, k)
        return total

    def _blades(self, turns: Float64, severity: float) -> Float64:
        count = self.machine.blades[0].count
        grown = 1 + (self._growth * severity if self.part == "blades" else 0.0)
        tones = [self._sine(k * count * turns, k) / k for k in (1, 2)]
        return np.asarray(self._blade_amplitude * grown * np.sum(tones, axis=0))

    def _sine(self, turns: Float64, phase: int) -> Float64:
        return np.asarray(np.sin(2 * math.pi * turns + self._phases[phase]))
