"""The frequencies at which each part of a machine would be heard: its family of lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from monitor.records.machine import Bearing, Blades, Gear, Machine

Source = Literal["envelope", "grown envelope", "grown spectrum"]

N_HARMONICS = 4
SIDEBAND_WEIGHT = 0.5
# sidebands to either side of a harmonic that belong to the defect, scored or not
FAR_SIDEBANDS = 3
LEAST_TOLERANCE = 0.002
LINE_TOLERANCE = 0.005  # of the mains' frequency; it needs no shaft


# What may be measured: the envelope twice, for parts whose rates lie close to the shaft's own.
Measure = Literal["envelope", "fine envelope", "grown envelope", "grown spectrum"]


@dataclass(frozen=True, slots=True)
class Line:
    """At multiple * base + offset_hz. weight : what it counts beside the others"""

    label: str
    multiple: float
    offset_hz: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Family:
    """What one defect sounds like.

    part, component : "outer race" of the "drive end"
    symbol : the base's usual name, "BPFO"
    source : where its lines are looked for
    base_hz, tolerance : the base, and how far from it, relatively, it may lie
    claims_hz : offsets from each harmonic at which the same defect has lines
        that are not scored
    is_modulated : without its lighter lines it is something else
    yields : named only where no other part of its component is
    needs : labels of lines of which one must have grown
    beats : its lines beat in the envelope once a turn long before they are a
        fault
    """

    part: str
    component: str
    symbol: str
    source: Source
    base_hz: float
    lines: tuple[Line, ...]
    tolerance: float = 0.0
    claims_hz: tuple[float, ...] = (0.0,)
    is_modulated: bool = False
    yields: bool = False
    beats: bool = False
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.part}, {self.component}" if self.component else self.part

    @property
    def top_hz(self) -> float:
        """The highest frequency that is looked at."""
        return max(line.multiple * self.base_hz + line.offset_hz for line in self.lines)


@dataclass(frozen=True, slots=True)
class Turning:
    """What comes round on a healthy machine, too, hz times a second, beside the shaft itself."""

    name: str
    hz: float


def turning(machine: Machine, shaft_hz: float) -> tuple[Turning, ...]:
    """Other shafts, belts, blades on other shafts, and every second turn of the shaft itself: much
    that is driven, or loose, takes two turns.
    """
    found = [Turning("half the shaft's speed", shaft_hz / 2)]
    shafts: dict[float, str] = {}
    parts: list[Bearing | Gear | Blades] = [*machine.gears, *machine.blades]
    for part in [*parts, *machine.bearings]:
        shafts.setdefault(part.shaft_ratio, part.name)
    found += [
        Turning(f"the speed of the shaft of {name}", ratio * shaft_hz)
        for ratio, name in shafts.items()
        if ratio != 1.0
    ]
    found += [
        Turning(f"the blade pass of {one.name}", one.count * one.shaft_ratio * shaft_hz)
        for one in machine.blades
        if one.shaft_ratio != 1.0
    ]
    found += [
        Turning(f"the turns of {one.name}", one.ratio * shaft_hz) for one in machine.belts
    ]
    return tuple(found)


def families(machine: Machine, shaft_hz: float, tolerance: float) -> tuple[Family, ...]:
    """All that can be told of this machine.

    shaft_hz : of its shaft, known to within the relative tolerance
    """
    found = [
        *(one for bearing in machine.bearings for one in _of_bearing(bearing, shaft_hz)),
        *_of_shaft(shaft_hz),
        *_of_wheels(machine, shaft_hz),
    ]
    loose = [_with_tolerance(one, machine.slip, tolerance) for one in found]
    return (*loose, *_of_mains(machine))


def _with_tolerance(family: Family, slip: float, tolerance: float) -> Family:
    """Only bearings slip; all else is tied to the shaft."""
    whole = tolerance + (slip if family.source == "envelope" else 0.0)
    return replace(family, tolerance=max(whole, LEAST_TOLERANCE))


def _of_bearing(bearing: Bearing, shaft_hz: float) -> Iterator[Family]:
    turn_hz = shaft_hz * bearing.shaft_ratio
    ratios = bearing.ratios
    cage_hz = ratios.ftf * turn_hz
    turns = _offsets(turn_hz)
    ball_hz = 2 * ratios.bsf * turn_hz
    heard = partial(Family, component=bearing.name, source="envelope")
    yield heard(
        part="outer race",
        symbol="BPFO",
        base_hz=ratios.bpfo * turn_hz,
        lines=harmonics("BPFO"),
        claims_hz=turns,
    )
    yield heard(
        part="inner race",
        symbol="BPFI",
        base_hz=ratios.bpfi * turn_hz,
        lines=(*harmonics("BPFI"), *_sidebands("BPFI", turn_hz)),
        claims_hz=turns,
        is_modulated=True,
    )
    yield heard(
        part="rolling element",
        symbol="2×BSF",
        base_hz=ball_hz,
        lines=(*harmonics("2×BSF"), *_odd_turns(), *_sidebands("2×BSF", cage_hz)),
        claims_hz=(*_offsets(cage_hz), -ball_hz / 2),
    )
    yield heard(
        part="cage", symbol="FTF", base_hz=cage_hz, lines=harmonics("FTF"), yields=True
    )


def _of_shaft(shaft_hz: float) -> Iterator[Family]:
    for part, multiples in (
        ("imbalance", (1.0,)),
        ("misalignment", (2.0, 3.0)),
        ("looseness", (0.5, 1.5, 2.5, 4.0, 5.0, 6.0)),
    ):
        lines = tuple(Line(f"{multiple:g}×", multiple) for multiple in multiples)
        halves = tuple(f"{multiple:g}×" for multiple in multiples if multiple % 1)
        yield Family(
            part,
            "",
            "1×",
            "grown spectrum",
            shaft_hz,
            lines,
            beats=not halves,
            needs=halves,
        )


def _of_wheels(machine: Machine, shaft_hz: float) -> Iterator[Family]:
    for gear in machine.gears:
        turn_hz = shaft_hz * gear.shaft_ratio
        lines = harmonics("turn")
        yield Family(
            "gear tooth", gear.name, "turn", "grown envelope", turn_hz, lines, yields=True
        )
    for blades in machine.blades:
        base_hz = blades.count * blades.shaft_ratio * shaft_hz
        lines = harmonics("blade pass")[:2]
        yield Family("blades", blades.name, "blade pass", "grown spectrum", base_hz, lines)
    for belt in machine.belts:
        lines = harmonics("belt")
        yield Family(
            "belt", belt.name, "belt", "grown spectrum", belt.ratio * shaft_hz, lines
        )


def _of_mains(machine: Machine) -> Iterator[Family]:
    if machine.line_hz is not None:
        lines = (Line("2×line", 2.0),)
        yield Family(
            "electrical",
            "motor",
            "line",
            "grown spectrum",
            machine.line_hz,
            lines,
            LINE_TOLERANCE,
        )


def harmonics(symbol: str) -> tuple[Line, ...]:
    return tuple(Line(f"{k}×{symbol}", k) for k in range(1, N_HARMONICS + 1))


def _sidebands(symbol: str, offset_hz: float | None) -> tuple[Line, ...]:
    if offset_hz is None:
        return ()
    return tuple(
        Line(
            f"{k}×{symbol} {'−' if sign < 0 else '+'} 1",
            k,
            sign * offset_hz,
            SIDEBAND_WEIGHT,
        )
        for k in range(1, N_HARMONICS + 1)
        for sign in (-1, 1)
    )


def _odd_turns() -> tuple[Line, ...]:
    """Of an element whose defect strikes the two races unlike each other."""
    return tuple(Line(f"{k}×BSF", k / 2, weight=SIDEBAND_WEIGHT) for k in (1, 3))


def _offsets(step_hz: float) -> tuple[float, ...]:
    return tuple(j * step_hz for j in range(-FAR_SIDEBANDS, FAR_SIDEBANDS + 1))
