"""What a healthy machine does as often as a broken part would strike names no part of a bearing,
whatever the geometry.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.diagnosis.naming import Diagnosis, diagnose
from monitor.diagnosis.shaft import find_shaft
from monitor.records.machine import (
    Bearing,
    Belt,
    Blades,
    Gear,
    Machine,
    ShaftSpeed,
    ratios_of,
)
from monitor.records.signal import Float32, Float64
from tests.diagnosis.signals import MACHINE, RATE_HZ, RATIOS, SHAFT_HZ, noise, struck

SECONDS = 8.0
T = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ


def tones(base_hz: float, n: int, draw: np.random.Generator) -> Float64:
    """The first n multiples of a speed, each of a random level and phase."""
    sizes, phases = draw.exponential(1.0, n), draw.uniform(0, 2 * np.pi, n)
    each = [
        size * np.cos(2 * np.pi * k * base_hz * T + phase)
        for k, size, phase in zip(range(1, n + 1), sizes, phases, strict=True)
    ]
    return np.asarray(np.sum(each, axis=0))


def swelling(base_hz: float, n: int, draw: np.random.Generator) -> Float64:
    """Noise of all frequencies, louder and softer with n multiples of a rate."""
    course = tones(base_hz, n, draw)
    loudness = 1 + 0.9 * course / np.abs(course).max()
    course = loudness * draw.standard_normal(len(T))
    return np.asarray(course + 0.2 * draw.standard_normal(len(T)))


def bearing_with(rate: float, n_elements: int = 9) -> Bearing:
    """Its inner or outer race is passed so often in a turn of its shaft."""
    share = abs(2 * rate / n_elements - 1)
    return Bearing("drive end", ratios_of(n_elements, 40 * share, 40.0, 0.0), 1.0)


def found(samples: Float32 | Float64, machine: Machine) -> Diagnosis:
    return diagnose([samples.astype(np.float32)], RATE_HZ, machine)


@pytest.mark.parametrize("seed", range(12))
def test_loud_multiples_of_the_shaft_name_no_part(seed: int) -> None:
    draw = np.random.default_rng([1, seed])
    shaft_hz = float(draw.uniform(8, 30))
    order = int(draw.integers(5, 8))
    bearing = bearing_with(order + float(draw.uniform(-0.08, 0.08)))
    speed = ShaftSpeed(0.85 * shaft_hz, 1.1 * shaft_hz)
    samples = tones(shaft_hz, 80, draw) + 0.3 * draw.standard_normal(len(T))
    one = found(samples, Machine(speed=speed, bearings=(bearing,)))
    assert one.shaft is not None
    assert one.named is None, one.named


@pytest.mark.parametrize("loudness", [0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_speed_lies_within_its_tolerance_however_loud_its_lines(
    seed: int, loudness: float
) -> None:
    draw = np.random.default_rng([2, seed])
    shaft_hz = float(draw.uniform(8, 30))
    samples = loudness * tones(shaft_hz, 8, draw) + draw.standard_normal(len(T))
    speed = ShaftSpeed(0.9 * shaft_hz, 1.15 * shaft_hz)
    shaft = find_shaft([samples.astype(np.float32)], RATE_HZ, speed)
    assert shaft is not None
    assert shaft.is_read
    assert abs(shaft.hz / shaft_hz - 1) <= shaft.tolerance


@pytest.mark.parametrize("order", [3, 4, 5])
@pytest.mark.parametrize("away", [-0.01, 0.004])
def test_another_shaft_names_no_part_of_a_bearing_on_it(order: int, away: float) -> None:
    """Multiples of a wheel's speed, of which none is one of the machine's."""
    ratio = 0.617
    bearing = replace(bearing_with(order + away, 7), shaft_ratio=ratio)
    machine = Machine(MACHINE.speed, gears=(Gear("wheel", 60, ratio),), bearings=(bearing,))
    draw = np.random.default_rng([3, order])
    one = found(swelling(ratio * SHAFT_HZ, 9, draw), machine)
    assert one.named is None, one.named


def test_a_race_at_three_turns_of_a_shaft_that_is_not_heard_has_its_name() -> None:
    """None of the shaft's other multiples stands out."""
    rate, ratio = 3.0, 0.617
    bearing = replace(bearing_with(rate, 7), shaft_ratio=ratio)
    machine = Machine(MACHINE.speed, gears=(Gear("wheel", 60, ratio),), bearings=(bearing,))
    one = found(struck(ratio * rate, seconds=SECONDS), machine)
    assert one.named is not None, one.why_not
    assert one.named.name == "outer race, drive end"


@pytest.mark.parametrize(
    "described",
    [
        replace(MACHINE, gears=(Gear("wheel", 58, RATIOS.ftf * 1.005),)),
        replace(MACHINE, belts=(Belt("main drive", RATIOS.ftf * 0.995),)),
    ],
    ids=["wheel", "belt"],
)
def test_what_turns_as_slowly_as_a_cage_is_not_the_cage(described: Machine) -> None:
    draw = np.random.default_rng(4)
    samples = swelling(RATIOS.ftf * SHAFT_HZ, 5, draw)
    undescribed = found(samples, MACHINE)
    assert undescribed.named is not None
    assert undescribed.named.name == "cage, drive end"
    one = found(samples, described)
    assert one.named is None
    assert "too close to" in one.why_not


def test_halves_of_the_shaft_s_speed_are_not_a_cage() -> None:
    """A thrust bearing's cage turns half as fast as its shaft, as what is loose bounces."""
    slow = Bearing("thrust", ratios_of(20, 7.1, 60.0, 80.0), 1.0)
    draw = np.random.default_rng(6)
    one = found(swelling(SHAFT_HZ / 2, 7, draw), replace(MACHINE, bearings=(slow,)))
    assert one.named is None, one.named


def test_an_element_whose_every_harmonic_is_the_shaft_s_has_no_name() -> None:
    """Only its odd multiples and sidebands are clear of the shaft's lines."""
    bearing = Bearing("drive end", replace(RATIOS, bsf=2.0), 1.0)
    one = found(struck(4.0, load_turns=RATIOS.ftf), replace(MACHINE, bearings=(bearing,)))
    assert one.named is None, one.named


def test_blades_on_another_shaft_name_no_part() -> None:
    ratio, count = 0.617, 7
    rate = ratio * count
    machine = replace(
        MACHINE,
        bearings=(bearing_with(rate * 1.002, 8),),
        blades=(Blades("impeller", count, ratio),),
    )
    draw = np.random.default_rng(7)
    one = found(swelling(rate * SHAFT_HZ, 4, draw), machine)
    assert one.named is None, one.named


WELL = {1: 0.5, 2: 0.2, 3: 0.1, 4: 0.1, 5: 0.2, 6: 0.2, 7: 0.1}
"""Levels of the shaft's lines on a healthy machine."""


def lines(levels: dict[int, float], seed: int) -> Float64:
    each = [
        size * np.cos(2 * np.pi * order * SHAFT_HZ * T + order)
        for order, size in levels.items()
    ]
    return np.asarray(np.sum(each, axis=0) + 0.3 * noise(SECONDS, seed))


def grown(levels: dict[int, float], machine: Machine = MACHINE) -> Diagnosis:
    now, well = lines(levels, 1).astype(np.float32), lines(WELL, 2).astype(np.float32)
    return diagnose([now], RATE_HZ, machine, healthy=[well])


@pytest.mark.parametrize("gain", [3.0, 4.0, 6.0])
def test_a_load_that_makes_every_line_louder_breaks_nothing(gain: float) -> None:
    one = grown({order: gain * size for order, size in WELL.items()})
    assert one.named is None, one.named


def test_louder_multiples_without_halves_are_not_looseness() -> None:
    one = grown(WELL | {4: 2.0, 5: 2.0, 6: 2.0})
    assert one.named is None, one.named


THREE_BLADES = replace(MACHINE, blades=(Blades("rotor", 3, 1.0),))


@pytest.mark.parametrize(
    ("levels", "part"),
    [({3: 1.5, 6: 2.0}, "blades, rotor"), ({2: 2.0, 3: 1.0}, "misalignment")],
    ids=["blades", "misalignment"],
)
def test_lines_of_its_own_tell_blades_from_misalignment(
    levels: dict[int, float], part: str
) -> None:
    """Three times the shaft's speed belongs to both."""
    one = grown(WELL | levels, THREE_BLADES)
    assert one.named is not None, one.why_not
    assert one.named.name == part


def test_twice_the_mains_and_twice_the_shaft_at_one_rate_have_no_name() -> None:
    """The motor has two poles: what pulls it twice a turn may be either."""
    motor = replace(MACHINE, line_hz=SHAFT_HZ * 1.005)
    one = grown(WELL | {2: 3.0}, motor)
    assert one.named is None
    assert one.why_not.endswith("would sound so, too")


def test_strikes_as_often_as_blades_pass_are_not_the_blades() -> None:
    """Every line of a race near six times the shaft's speed is near one of six blades."""
    machine = replace(
        MACHINE, blades=(Blades("rotor", 6, 1.0),), bearings=(bearing_with(5.954, 10),)
    )
    strikes = struck(5.954, load_turns=1.0, seconds=SECONDS, size=40.0)
    now = (lines(WELL, 1) + strikes).astype(np.float32)
    well = lines(WELL, 2).astype(np.float32)
    one = diagnose([now], RATE_HZ, machine, healthy=[well])
    assert one.named is None or one.named.name == "inner race, drive end"


@pytest.mark.parametrize("speed", [0.98, 1.02])
def test_mains_stay_where_they_are_while_the_shaft_is_followed(speed: float) -> None:
    """The shaft turns slower or faster than stated, and wanders: twice the mains is no race."""
    hz = speed * SHAFT_HZ * (1 + 0.006 * np.sin(2 * np.pi * 0.3 * T))
    turns = np.cumsum(hz) / RATE_HZ
    shaft = np.sum([np.cos(2 * np.pi * k * turns) for k in range(1, 6)], axis=0)
    hum = noise(SECONDS, 3) * np.abs(np.sin(2 * np.pi * 50 * T)) ** 8
    ratios = replace(RATIOS, bpfo=100 / SHAFT_HZ / speed, bpfi=RATIOS.bpfi)
    machine = Machine(
        ShaftSpeed(0.97 * SHAFT_HZ, 1.03 * SHAFT_HZ),
        bearings=(Bearing("drive end", ratios, 1.0),),
        line_hz=50.0,
    )
    samples = shaft + hum + 0.2 * noise(SECONDS, 4)
    unlit = found(samples, replace(machine, line_hz=None))
    assert unlit.named is not None, unlit.why_not
    assert found(samples, machine).named is None
