"""A name is a claim: right where a part is broken, absent where none is or none can be told."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from monitor.diagnosis import naming
from monitor.diagnosis.comb import gumbel_chance
from monitor.diagnosis.levels import equal_bands
from monitor.diagnosis.naming import RATE, Diagnosis, diagnose
from monitor.records.machine import Bearing, Blades, Gear, Machine, ShaftSpeed, ratios_of
from monitor.records.signal import Float32
from tests.diagnosis.signals import MACHINE, RATE_HZ, RATIOS, SHAFT_HZ, noise, struck

BROKEN = {
    "outer race": struck(RATIOS.bpfo),
    "inner race": struck(RATIOS.bpfi, load_turns=1.0),
    "rolling element": struck(2 * RATIOS.bsf, load_turns=RATIOS.ftf),
    "cage": struck(RATIOS.ftf, size=14.0),
}


def found(samples: Float32, machine: Machine | None = MACHINE) -> Diagnosis:
    return diagnose([samples], RATE_HZ, machine)


@pytest.mark.parametrize("part", BROKEN)
def test_the_broken_part_is_named(part: str) -> None:
    one = found(BROKEN[part])
    assert one.named is not None, one.why_not
    assert one.named.name == f"{part}, drive end"
    assert one.named.chance <= RATE
    assert one.why_not == ""


@pytest.mark.parametrize("part", BROKEN)
def test_the_score_is_the_sum_of_its_lines_and_of_their_bands(part: str) -> None:
    for candidate in found(BROKEN[part]).candidates:
        parts = candidate.fit.parts
        assert math.fsum(one.points for one in parts) == pytest.approx(candidate.fit.score)
        for one in parts:
            assert math.fsum(one.points_by_band) == pytest.approx(one.points)


def test_gain_and_offset_change_nothing() -> None:
    samples = BROKEN["outer race"]
    changed = (samples * 1e-3 + 9.81e-3).astype(np.float32)
    one, other = found(samples).named, found(changed).named
    assert one is not None
    assert other is not None
    assert other.fit.score == pytest.approx(one.fit.score, rel=1e-3)


def test_the_rate_that_stands_out_is_told_without_any_geometry() -> None:
    one = found(BROKEN["outer race"], None)
    assert one.named is None
    assert one.why_not == "the shaft's speed is not known"
    assert one.repetition is not None
    assert one.repetition.hz == pytest.approx(RATIOS.bpfo * SHAFT_HZ, rel=0.01)


def test_noise_has_no_name_and_no_rate() -> None:
    """Chances in noise are no smaller than they say: few in a hundred are below 5 %."""
    some = [found(noise(2.0, seed).astype(np.float32)) for seed in range(60)]
    assert [one.named for one in some if one.named] == []
    assert [one.repetition for one in some if one.repetition] == []
    unlikely = sum(min(one.chance for one in each.candidates) <= 0.05 for each in some)
    assert binomtest(unlikely, len(some)).proportion_ci().low < 0.05


def test_a_foreign_comb_is_not_named() -> None:
    """Strikes at rates that belong to nothing of this bearing."""
    for strikes_per_turn in (2.83, 4.28, 4.45, 6.37):
        one = found(struck(strikes_per_turn))
        assert one.named is None, (strikes_per_turn, one.named)
        assert re.fullmatch("nearest is [a-z ]+, drive end, but .{20,}", one.why_not)


def test_half_and_double_of_a_family_are_not_it() -> None:
    for strikes_per_turn in (RATIOS.bpfo / 2, 2 * RATIOS.bpfo, RATIOS.bpfi / 3):
        assert found(struck(strikes_per_turn)).named is None, strikes_per_turn


def test_what_is_too_short_is_unknown() -> None:
    one = found(BROKEN["outer race"][:1200])  # 0.1 s
    assert one.levels is None
    assert one.named is None
    assert {why for _, why in one.unknown} == {
        "the signal is too short",
        "needs a healthy recording",
    }
    assert "the signal is too short" in one.why_not


def test_short_stretches_are_averaged_and_named() -> None:
    samples = BROKEN["outer race"]
    seconds = [samples[start : start + 12_000] for start in range(0, len(samples), 12_000)]
    one = diagnose(seconds, RATE_HZ, MACHINE)
    assert one.levels is not None
    assert (one.levels.n_averaged, one.levels.resolution_hz) == (6, 1.0)
    assert one.named is not None
    assert one.named.name == "outer race, drive end"


def test_a_low_rate_makes_families_unknown() -> None:
    one = diagnose([BROKEN["outer race"][::6].copy()], RATE_HZ / 6, MACHINE)
    whys = {family.part: why for family, why in one.unknown}
    assert whys["inner race"] == "the sample rate is too low"
    assert one.named is None


def test_a_range_of_speeds_is_read_from_the_shaft_s_lines() -> None:
    t = np.arange(len(BROKEN["outer race"])) / RATE_HZ
    lines = sum(0.5 * np.sin(2 * np.pi * k * SHAFT_HZ * t) for k in range(1, 6))
    wide = replace(MACHINE, speed=ShaftSpeed(22.0, 36.0))
    one = found((BROKEN["outer race"] + lines).astype(np.float32), wide)
    assert one.shaft is not None
    assert one.shaft.is_read
    assert one.shaft.hz == pytest.approx(SHAFT_HZ, rel=0.005)
    assert one.named is not None


def test_a_range_without_lines_is_not_guessed() -> None:
    one = found(
        noise(4.0, 3).astype(np.float32), replace(MACHINE, speed=ShaftSpeed(22.0, 36.0))
    )
    assert one.shaft is None
    assert one.why_not == "the shaft's speed is not known"


T = np.arange(round(6 * RATE_HZ)) / RATE_HZ


def turning(**orders: float) -> Float32:
    """A machine with a shaft, a mesh of 23 teeth and six blades; the amplitudes of its orders."""
    amplitude = {"1": 0.5, "2": 0.2, "3": 0.1, "6": 0.2, "12": 0.1, "23": 0.3} | orders
    tones = [
        a * np.sin(2 * np.pi * float(order) * SHAFT_HZ * T + float(order))
        for order, a in amplitude.items()
    ]
    return np.asarray(np.sum(tones, axis=0) + 0.3 * noise(6.0, len(orders)), np.float32)


TURNING = replace(
    MACHINE, gears=(Gear("pinion", 23, 1.0),), blades=(Blades("impeller", 6, 1.0),)
)


@pytest.mark.parametrize(
    ("orders", "part"),
    [
        ({"1": 4.0}, "imbalance"),
        ({"2": 2.0, "3": 1.0}, "misalignment"),
        (
            {str(order): 1.0 for order in (0.5, 1, 1.5, 2, 2.5, 3, 4, 5)} | {"6": 1.2},
            "looseness",
        ),
        ({"6": 2.0, "12": 1.0}, "blades, impeller"),
    ],
)
def test_what_turns_with_the_shaft_is_named_by_its_growth(
    orders: dict[str, float], part: str
) -> None:
    one = diagnose([turning(**orders)], RATE_HZ, TURNING, healthy=[turning()])
    assert one.named is not None, one.why_not
    assert one.named.name == part


def test_a_machine_as_it_always_was_has_no_name() -> None:
    one = diagnose([turning()], RATE_HZ, TURNING, healthy=[turning(**{"1": 0.5})])
    assert one.named is None


def test_without_a_healthy_recording_what_every_machine_has_is_unknown() -> None:
    one = diagnose([turning(**{"1": 4.0})], RATE_HZ, TURNING)
    unknown = {
        family.part for family, why in one.unknown if why == "needs a healthy recording"
    }
    assert unknown == {"imbalance", "misalignment", "looseness", "gear tooth", "blades"}
    assert one.named is None


def test_chance_falls_with_the_score_and_is_one_where_all_score_as_much() -> None:
    others = np.random.default_rng(0).gumbel(10, 3, 200)
    chances = [gumbel_chance(score, others, 1.0) for score in (0.0, 10.0, 20.0, 40.0)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == pytest.approx(1.0, abs=1e-6)
    assert chances[2] == pytest.approx(-math.expm1(-math.exp(-10 / 3)), rel=0.25)


def test_a_sensor_that_stands_still_has_no_name() -> None:
    still = np.full(72_000, 9.81, np.float32)
    one = diagnose([still], RATE_HZ, TURNING, healthy=[still])
    assert one.named is None
    assert one.repetition is None


# twice the mains lies on BPFO
HUMMING = replace(TURNING, line_hz=RATIOS.bpfo * SHAFT_HZ / 2)


def at_100_hz() -> Machine:
    """Its outer race is passed a hundred times a second, and the mains have 50 Hz."""
    bpfo = 100 / SHAFT_HZ
    ratios = replace(RATIOS, bpfo=bpfo, bpfi=RATIOS.n_elements - bpfo)
    return replace(MACHINE, bearings=(Bearing("drive end", ratios, 1.0),), line_hz=50.0)


BURSTS = noise(6.0, 3) * np.abs(np.sin(2 * np.pi * 50 * T)) ** 8 + 0.2 * noise(6.0, 4)


@pytest.mark.parametrize(
    "samples", [BURSTS.astype(np.float32), struck(100 / SHAFT_HZ)], ids=["mains", "race"]
)
def test_strikes_and_bursts_of_the_mains_at_100_hz_have_no_name(samples: Float32) -> None:
    """Both are a comb of 100 Hz: which it is, no envelope tells."""
    machine = at_100_hz()
    unlit = found(samples, replace(machine, line_hz=None))
    assert unlit.named is not None
    assert unlit.named.name == "outer race, drive end"
    one = found(samples, machine)
    assert one.named is None
    assert one.why_not == (
        "nearest is outer race, drive end, but twice the mains' frequency is 100 Hz, too: switch"
        " the motor off and listen"
    )
    assert one.repetition is not None


def test_sidebands_do_not_tell_a_race_from_the_mains() -> None:
    """A rotor off its middle has them one turn to either side of twice the mains' frequency."""
    bpfi = 100 / SHAFT_HZ
    ratios = replace(RATIOS, bpfi=bpfi, bpfo=0.7 * bpfi)
    machine = replace(MACHINE, bearings=(Bearing("drive end", ratios, 1.0),), line_hz=50.0)
    hum = np.abs(np.sin(2 * np.pi * 50 * T)) ** 8
    off_its_middle = noise(6.0, 3) * hum * (1 + 0.5 * np.cos(2 * np.pi * SHAFT_HZ * T))
    for samples in (struck(bpfi, load_turns=1.0), off_its_middle + 0.2 * noise(6.0, 4)):
        unlit = found(samples.astype(np.float32), replace(machine, line_hz=None))
        assert unlit.named is not None
        assert unlit.named.name == "inner race, drive end"
        assert found(samples.astype(np.float32), machine).named is None


@pytest.mark.parametrize("line_hz", [48.0, 52.0, 60.0])
def test_mains_beside_a_bearing_s_rate_leave_it_its_name(line_hz: float) -> None:
    one = found(struck(100 / SHAFT_HZ), replace(at_100_hz(), line_hz=line_hz))
    assert one.named is not None, one.why_not
    assert one.named.name == "outer race, drive end"


def test_the_hum_itself_is_the_mains() -> None:
    """BPFO and twice the mains' frequency are both 104 Hz."""
    healthy = noise(6.0, 4).astype(np.float32)
    t = np.arange(len(healthy)) / RATE_HZ
    hum = healthy + np.sin(2 * np.pi * RATIOS.bpfo * SHAFT_HZ * t)
    hummed = diagnose([hum.astype(np.float32)], RATE_HZ, HUMMING, healthy=[healthy])
    assert hummed.named is not None, hummed.why_not
    assert hummed.named.name == "electrical, motor"


def test_two_bearings_of_other_geometry_are_told_apart() -> None:
    free = ratios_of(8, 6.746, 28.5, 0.0)
    both = replace(MACHINE, bearings=(*MACHINE.bearings, Bearing("free end", free, 1.0)))
    one = found(struck(free.bpfo), both)
    assert one.named is not None
    assert one.named.name == "outer race, free end"


def test_strikes_beside_a_multiple_of_the_shaft_need_a_longer_signal() -> None:
    """2.96 × the shaft: told from 3 × in half a minute, not in two seconds."""
    near = replace(MACHINE, bearings=(Bearing("near", replace(RATIOS, bpfo=2.96), 1.0),))
    t = np.arange(round(30 * RATE_HZ)) / RATE_HZ
    swinging = (1 + 0.5 * np.cos(2 * np.pi * SHAFT_HZ * t)) * noise(30.0, 8)
    samples = (struck(2.96, seconds=30.0) + swinging).astype(np.float32)
    short, long = found(samples[:24_000], near), found(samples, near)
    assert short.named is None
    assert long.named is not None, long.why_not
    assert long.named.name == "outer race, near"


def test_of_two_parts_that_strike_at_one_rate_neither_is_named() -> None:
    bearings = (Bearing("drive end", RATIOS, 1.0), Bearing("free end", RATIOS, 1.0))
    one = found(BROKEN["outer race"], replace(MACHINE, bearings=bearings))
    assert one.named is None
    assert one.why_not.endswith("has the same rate")


TWIN = replace(RATIOS, bpfo=3.62, bsf=RATIOS.bpfo / 2)
TWINS = replace(MACHINE, bearings=(Bearing("twin", TWIN, 1.0),))


def test_sidebands_tell_an_element_from_an_outer_race_at_one_rate() -> None:
    """An element comes through the load zone once a turn of the cage; an outer race does not."""
    still = found(BROKEN["outer race"], TWINS)
    assert still.named is not None, still.why_not
    assert still.named.name == "outer race, twin"
    element = next(one for one in still.candidates if "element" in one.name)
    assert "has the same rate, and it has no sidebands" in element.against
    turning = found(struck(2 * TWIN.bsf, load_turns=TWIN.ftf), TWINS)
    assert turning.named is None
    assert turning.why_not.endswith("has the same rate")


def test_an_alarm_s_sentence_can_be_made_of_it() -> None:
    """Rate, lines, level and bands: each figure is there."""
    named = found(BROKEN["outer race"]).named
    assert named is not None
    assert named.fit.base_hz == pytest.approx(RATIOS.bpfo * SHAFT_HZ, rel=0.01)
    standing = [part for part in named.fit.parts if part.level_db > 0]
    assert len(standing) >= 3
    by_band = np.sum([part.points_by_band for part in named.fit.parts], axis=0)
    low, high = equal_bands(RATE_HZ)[int(by_band.argmax())]
    assert low <= 0.27 * RATE_HZ <= high


@pytest.mark.parametrize("first", [1.0, 1.15, 1.3])
def test_a_tooth_is_not_named_where_imbalance_is_not_proven_either(first: float) -> None:
    """From 0.5 it has grown by 6 to 8 dB, which is no fault yet, and may be by chance."""
    turn = 2 * np.pi * SHAFT_HZ * T
    beating = turning(**{"1": first}) * (1 + 0.2 * np.cos(turn) + 0.2 * np.cos(2 * turn))
    one = diagnose([beating.astype(np.float32)], RATE_HZ, TURNING, healthy=[turning()])
    tooth = next(each for each in one.candidates if each.name == "gear tooth, pinion")
    assert tooth.chance < RATE
    assert not tooth.against
    assert one.named is None
    assert "would sound so, too" in one.why_not or "has grown by only" in one.why_not


def test_what_yields_does_so_to_what_is_plausible() -> None:
    """Strikes of an inner race come and go with the shaft's turn, those of an element with the
    cage's.
    """
    cage, race = (found(BROKEN[part]).candidates[0] for part in ("cage", "inner race"))
    assert (cage.name, race.name) == ("cage, drive end", "inner race, drive end")
    for chance, named in ((0.09, None), (0.11, cage)):
        beside = replace(race, chance=chance, against="it lies too close")
        assert naming._named([cage, beside], RATE) is named


def test_a_tooth_is_not_named_where_the_shaft_s_own_lines_have_grown() -> None:
    """Imbalance beats in the envelope once a turn, too."""
    healthy = turning()
    unbalanced = turning(**{"1": 3.0}) * (1 + 0.2 * np.cos(2 * np.pi * SHAFT_HZ * T))
    one = diagnose([unbalanced.astype(np.float32)], RATE_HZ, TURNING, healthy=[healthy])
    likely = [each.name for each in one.candidates if each.chance <= RATE]
    assert "gear tooth, pinion" in likely
    assert one.named is not None, one.why_not
    assert one.named.name == "imbalance"
