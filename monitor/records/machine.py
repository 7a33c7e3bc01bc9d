"""The parts of a machine that its frequencies depend on: shaft, bearings, gears, blades, motor,
belts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ShaftSpeed:
    """Revolutions per second, in Hz: somewhere between low and high."""

    low_hz: float
    high_hz: float

    @property
    def middle_hz(self) -> float:
        return (self.low_hz + self.high_hz) / 2

    @property
    def tolerance(self) -> float:
        """Half the span, relative to the middle."""
        return (self.high_hz - self.low_hz) / (self.high_hz + self.low_hz)


@dataclass(frozen=True, slots=True)
class BearingRatios:
    """Frequencies of a rolling bearing with a fixed outer ring, relative to its shaft's speed.

    bpfo, bpfi : elements that pass a defect of the outer or inner race
    bsf : turns of an element, whose defect strikes twice a turn. ftf : turns of
        the cage
    """

    n_elements: int
    bpfo: float
    bpfi: float
    bsf: float
    ftf: float


@dataclass(frozen=True, slots=True)
class Bearing:
    """shaft_ratio : its shaft's speed relative to the machine's"""

    name: str
    ratios: BearingRatios
    shaft_ratio: float


@dataclass(frozen=True, slots=True)
class Gear:
    """A wheel. shaft_ratio : its shaft's speed relative to the machine's"""

    name: str
    n_teeth: int
    shaft_ratio: float


@dataclass(frozen=True, slots=True)
class Blades:
    """Blades, vanes or lobes on one shaft. shaft_ratio : as of a gear"""

    name: str
    count: int
    shaft_ratio: float


@dataclass(frozen=True, slots=True)
class Belt:
    """ratio : turns of the belt relative to the machine's shaft"""

    name: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Machine:
    """What of a machine is near one measuring point.

    speed : of the shaft that all ratios refer to; None where it is not known
    slip : how far, relatively, a bearing's frequencies may lie from their
        geometry's
    line_hz : of the mains that feed its motor; None without one
    """

    speed: ShaftSpeed | None = None
    slip: float = 0.02
    bearings: tuple[Bearing, ...] = ()
    gears: tuple[Gear, ...] = ()
    blades: tuple[Blades, ...] = ()
    belts: tuple[Belt, ...] = ()
    line_hz: float | None = None

    def at(self, speed: ShaftSpeed) -> Machine:
        """The same machine at another speed."""
        return replace(self, speed=speed)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a configuration says of the machine near one measuring point.

    speed_context : name of the context that tells the shaft's speed in 1/min;
        '' where none does
    speed_tolerance : relative, of a speed that was told
    limits_mm_s : RMS velocity from zone A to B, B to C, C to D; None where none
        are known
    """

    machine: Machine
    speed_context: str = ""
    speed_tolerance: float = 0.01
    limits_mm_s: tuple[float, float, float] | None = None


def ratios_of(
    n_elements: int, element_mm: float, pitch_mm: float, contact_deg: float
) -> BearingRatios:
    """From the geometry, rolling without slip (Harris 2001, Rolling Bearing Analysis, chapter 8).

    pitch_mm : diameter of the circle through the elements' centres
    """
    share = element_mm / pitch_mm * math.cos(math.radians(contact_deg))
    return BearingRatios(
        n_elements=n_elements,
        bpfo=n_elements / 2 * (1 - share),
        bpfi=n_elements / 2 * (1 + share),
        bsf=pitch_mm / element_mm / 2 * (1 - share**2),
        ftf=(1 - share) / 2,
    )
