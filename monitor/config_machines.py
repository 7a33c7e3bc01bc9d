"""What the machines are: the section `machines` of the configuration, checked, as records.

Every key but `match` may be left out: what is not known is not named.
"""

from __future__ import annotations

import fnmatch
import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from monitor.bearing_table import BEARINGS
from monitor.records.machine import (
    Bearing,
    BearingRatios,
    Belt,
    Blades,
    Gear,
    Machine,
    ShaftSpeed,
    Surroundings,
    ratios_of,
)
from monitor.records.zones import ISO_LIMITS_MM_S
from monitor.settings import Positive, Settings

RATIOS_AGREE = 0.01  # BPFO + BPFI is the number of elements to within this
MAX_TEETH = 10_000

Name = Annotated[str, Field(min_length=1, max_length=60)]
Elements = Annotated[int, Field(ge=3, le=500)]


class ShaftSettings(Settings):
    """The speed of the shaft that every ratio refers to: fixed or told (the name of a value under
    context, 1/min), each with a relative tolerance, or a range.
    """

    rpm: Positive | None = None
    context: str | None = None
    tolerance: float = Field(default=0.01, ge=0, le=0.1)
    low_rpm: Positive | None = None
    high_rpm: Positive | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        is_range = self.low_rpm is not None and self.high_rpm is not None
        ways = (self.rpm is not None, self.context is not None, is_range)
        if (self.low_rpm is None) != (self.high_rpm is None) or sum(ways) != 1:
            raise ValueError(
                "must have exactly one of rpm, context, or low_rpm and high_rpm"
            )
        if (
            self.low_rpm is not None
            and self.high_rpm is not None
            and self.low_rpm > self.high_rpm
        ):
            raise ValueError(
                f"low_rpm = {self.low_rpm:g} must be at most high_rpm = {self.high_rpm:g}"
            )
        if is_range and "tolerance" in self.model_fields_set:
            raise ValueError(
                "tolerance belongs to rpm or context: low_rpm and high_rpm have their own span"
            )
        return self

    @property
    def speed(self) -> ShaftSpeed | None:
        """None where it is told."""
        if self.context is not None:
            return None
        if self.rpm is not None:
            hz = self.rpm / 60
            return ShaftSpeed(hz * (1 - self.tolerance), hz * (1 + self.tolerance))
        return ShaftSpeed((self.low_rpm or 0) / 60, (self.high_rpm or 0) / 60)


class ComponentSettings(Settings):
    """at : which measuring points hear it (shell pattern). shaft_ratio : its shaft's speed relative
    to the machine's.
    """

    name: Name
    at: str = "*"
    shaft_ratio: Positive = 1.0

    def is_heard_at(self, point: str) -> bool:
        return fnmatch.fnmatchcase(point, self.at)


class BearingSettings(ComponentSettings):
    """A rolling bearing with a fixed outer ring, told in one of three ways: its geometry, its four
    ratios to the shaft, or its designation.
    """

    designation: str | None = None
    elements: Elements | None = None
    element_mm: Positive | None = None
    pitch_mm: Positive | None = None
    contact_deg: float = Field(default=0.0, ge=0, lt=90)
    bpfo: Positive | None = None
    bpfi: Positive | None = None
    bsf: Positive | None = None
    ftf: Positive | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        ways: dict[str, list[object]] = {
            "designation": [self.designation],
            "element_mm and pitch_mm": [self.element_mm, self.pitch_mm],
            "bpfo, bpfi, bsf and ftf": [self.bpfo, self.bpfi, self.bsf, self.ftf],
        }
        told = [
            way for way, values in ways.items() if any(one is not None for one in values)
        ]
        if len(told) != 1 or any(one is None for one in ways[told[0]]):
            raise ValueError(f"must have exactly one of {'; '.join(ways)}, each in full")
        if (self.designation is None) == (self.elements is None):
            raise ValueError(
                "elements, the number of balls or rollers, belongs to a geometry or to ratios, not"
                " to a designation"
            )
        self._check_designation()
        self._check_geometry()
        self._check_ratios()
        return self

    def _check_designation(self) -> None:
        if self.designation is not None and self.designation not in BEARINGS:
            raise ValueError(
                f"designation = {self.designation!r} is not in the table ({', '.join(BEARINGS)}):"
                " take elements, element_mm and pitch_mm, or the ratios, from its data sheet"
            )

    def _check_geometry(self) -> None:
        if self.element_mm is None or self.pitch_mm is None or self.elements is None:
            if "contact_deg" in self.model_fields_set:
                raise ValueError("contact_deg belongs to element_mm and pitch_mm")
            return
        if self.element_mm >= self.pitch_mm:
            raise ValueError(
                f"element_mm = {self.element_mm:g} must be smaller than the pitch circle,"
                f" pitch_mm = {self.pitch_mm:g}"
            )
        # Centres lie on the circle: neighbours are a chord apart.
        if self.element_mm > self.pitch_mm * math.sin(math.pi / self.elements) * 1.001:
            raise ValueError(
                f"elements = {self.elements} of element_mm = {self.element_mm:g} do not fit on a"
                f" pitch circle of pitch_mm = {self.pitch_mm:g}"
            )

    def _check_ratios(self) -> None:
        if self.bpfo is None or self.bpfi is None or self.elements is None:
            return
        together = self.bpfo + self.bpfi
        if abs(together - self.elements) > RATIOS_AGREE * self.elements:
            raise ValueError(
                f"bpfo + bpfi = {together:g} must be the number of elements, {self.elements}, to"
                " within 1 %"
            )
        if self.bpfo >= self.bpfi:
            raise ValueError(
                f"bpfo = {self.bpfo:g} must be below bpfi = {self.bpfi:g}: the inner race is passed"
                " more often"
            )

    @property
    def ratios(self) -> BearingRatios:
        if self.designation is not None:
            return ratios_of(*BEARINGS[self.designation][:4])
        if self.element_mm and self.pitch_mm and self.elements:
            return ratios_of(
                self.elements, self.element_mm, self.pitch_mm, self.contact_deg
            )
        own = {key: getattr(self, key) for key in ("bpfo", "bpfi", "bsf", "ftf")}
        return BearingRatios(n_elements=self.elements or 0, **own)

    @property
    def record(self) -> Bearing:
        return Bearing(self.name, self.ratios, self.shaft_ratio)


class GearSettings(ComponentSettings):
    teeth: int = Field(ge=3, le=MAX_TEETH)

    @property
    def record(self) -> Gear:
        return Gear(self.name, self.teeth, self.shaft_ratio)


class BladeSettings(ComponentSettings):
    """Blades of a fan, vanes of a pump, lobes of a blower."""

    count: int = Field(ge=2, le=MAX_TEETH)

    @property
    def record(self) -> Blades:
        return Blades(self.name, self.count, self.shaft_ratio)


class BeltSettings(ComponentSettings):
    """length_mm : of the belt; pulley_mm : pitch diameter of the pulley on the named shaft"""

    length_mm: Positive
    pulley_mm: Positive

    @model_validator(mode="after")
    def _reaches_round(self) -> Self:
        if self.length_mm <= math.pi * self.pulley_mm:
            raise ValueError(
                f"length_mm = {self.length_mm:g} must be more than the girth of its pulley,"
                f" {math.pi * self.pulley_mm:.0f} mm"
            )
        return self

    @property
    def record(self) -> Belt:
        return Belt(self.name, math.pi * self.pulley_mm / self.length_mm * self.shaft_ratio)


class MotorSettings(Settings):
    """line_hz : of the mains, or what the inverter feeds it with"""

    line_hz: Positive


class ZoneSettings(Settings):
    """Zones A to D of RMS velocity: of ISO 20816-3 by the machine's group (1: above 300 kW; 2: from
    15 to 300 kW) and foundation, or by limits of one's own from A to B, B to C,
    C to D.
    """

    group: Literal[1, 2] | None = None
    foundation: Literal["rigid", "flexible"] | None = None
    limits_mm_s: tuple[Positive, Positive, Positive] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_group = self.group is not None and self.foundation is not None
        if (self.group is None) != (self.foundation is None) or by_group == bool(
            self.limits_mm_s
        ):
            raise ValueError("must have either group and foundation, or limits_mm_s")
        if self.limits_mm_s is not None and not is_rising(self.limits_mm_s):
            raise ValueError(
                f"limits_mm_s = {list(self.limits_mm_s)} must rise from A to D"
            )
        return self

    @property
    def limits(self) -> tuple[float, float, float]:
        """mm/s"""
        if self.group is not None and self.foundation is not None:
            return ISO_LIMITS_MM_S[self.group, self.foundation]
        assert self.limits_mm_s is not None
        return self.limits_mm_s


def is_rising(limits: tuple[float, float, float]) -> bool:
    return limits[0] < limits[1] < limits[2]


class MachineSettings(Settings):
    """One machine; the first whose `match` fits "machine/point" holds for a sensor, as under
    sensors.

    slip : how far, relatively, a bearing's frequencies may lie from those of
        its geometry
    """

    match: str
    shaft: ShaftSettings | None = None
    slip: float = Field(default=0.02, ge=0, le=0.03)
    bearings: tuple[BearingSettings, ...] = Field(default=(), max_length=20)
    gears: tuple[GearSettings, ...] = Field(default=(), max_length=20)
    blades: tuple[BladeSettings, ...] = Field(default=(), max_length=20)
    belts: tuple[BeltSettings, ...] = Field(default=(), max_length=20)
    motor: MotorSettings | None = None
    zones: ZoneSettings | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        parts = (*self.bearings, *self.gears, *self.blades, *self.belts)
        names = [part.name for part in parts]
        if len(set(names)) != len(names):
            raise ValueError(f"each component needs a name of its own, found {names}")
        return self

    def fits(self, name: str) -> bool:
        return fnmatch.fnmatchcase(name, self.match)

    def near(self, point: str) -> Machine:
        """What a sensor at this point hears of the machine."""
        return Machine(
            speed=None if self.shaft is None else self.shaft.speed,
            slip=self.slip,
            bearings=tuple(one.record for one in self.bearings if one.is_heard_at(point)),
            gears=tuple(one.record for one in self.gears if one.is_heard_at(point)),
            blades=tuple(one.record for one in self.blades if one.is_heard_at(point)),
            belts=tuple(one.record for one in self.belts if one.is_heard_at(point)),
            line_hz=None if self.motor is None else self.motor.line_hz,
        )

    def surroundings(self, point: str) -> Surroundings:
        """As `near`, with what the service needs beside."""
        told = ShaftSettings(context="") if self.shaft is None else self.shaft
        return Surroundings(
            machine=self.near(point),
            speed_context=told.context or "",
            speed_tolerance=told.tolerance,
            limits_mm_s=None if self.zones is None else self.zones.limits,
        )


class MachinesFile(Settings):
    """A file that describes machines and nothing else, for recordings without a service."""

    machines: tuple[MachineSettings, ...] = Field(min_length=1)


def machine_at(machines: tuple[MachineSettings, ...], name: str) -> Machine | None:
    """What is known of the machine at "machine/point": the first entry that fits, or None."""
    entry = next((one for one in machines if one.fits(name)), None)
    return None if entry is None else entry.near(name.rpartition("/")[2])


def surroundings_at(
    machines: tuple[MachineSettings, ...], name: str
) -> Surroundings | None:
    """As `machine_at`, with what the service needs beside."""
    entry = next((one for one in machines if one.fits(name)), None)
    return None if entry is None else entry.surroundings(name.rpartition("/")[2])
