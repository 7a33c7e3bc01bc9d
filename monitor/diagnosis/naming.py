"""The name of what is broken, or why there is none.

A name is a claim: it is given only where a comb that belongs to nothing would
score as much with a chance below the stated rate, whatever the number of
families tried, and where the family is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.diagnosis.comb import Fit, Part, fit
from monitor.diagnosis.families import (
    LINE_TOLERANCE,
    Family,
    Measure,
    Turning,
    families,
    turning,
)
from monitor.diagnosis.levels import (
    BINS_PER_TURN,
    FINE_BINS_PER_TURN,
    FROM_DB,
    SMEARED,
    Levels,
    envelope_levels,
    grown_envelope,
    growth_levels,
)
from monitor.diagnosis.repetition import Repetition, repetition
from monitor.diagnosis.shaft import STEADY, Shaft, by_told, find_shaft, in_turns
from monitor.records.machine import Machine
from monitor.records.signal import Float32
from monitor.signal.orders import SpeedProfile

RATE = 0.001  # of wrong names, of spectra in which nothing is broken
# What could be another part's doing is not named where that part's own chance is below this: it
# need not be proven itself.
PLAUSIBLE = 0.1
FIRST = 3  # harmonics: two of them must stand out, or another family's lines were met
STANDS_OUT = 0.2  # of the strongest harmonic
LIGHTER = 0.05  # of the harmonics' mean level: a turning part's sidebands have it
GROWN_DB = 8.0  # what every healthy machine has is a fault from 2.5 times its amplitude on
SAME_RATE = 0.01  # nearer than this, two parts are not told apart
SWING = 0.03  # of the speed, within a recording and between two
HIGHEST_ORDER = 10  # of what comes round: a healthy machine has few lines beyond
FEWEST_BESIDE = 2  # lines show a shaft that is heard, or a machine that is louder
NEEDS_HEALTHY = "needs a healthy recording"
NEAR_SHAFT = "it lies too close to the shaft's own lines for so short a signal"
NEIGHBOURS = (1 / 2, 1 / 3, 2 / 3, 3 / 2, 2, 3)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One part's case. chance : corrected for the number of families tried

    against : why it cannot be named however unlikely chance is, or ""
    """

    fit: Fit
    chance: float
    against: str

    @property
    def name(self) -> str:
        return self.fit.family.name


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one stretch of signal says of a machine.

    candidates : the likeliest first. unknown : families that cannot be told,
        each with the reason
    named : the first of the candidates, where it may be named; else `why_not`
        says why
    repetition : the rate that stands out whatever it belongs to, or None
    shaft : its speed as it was used; None where it is not known
    levels : of the envelope; None where the signal is too short
    """

    named: Candidate | None
    why_not: str
    candidates: tuple[Candidate, ...]
    unknown: tuple[tuple[Family, str], ...]
    repetition: Repetition | None
    shaft: Shaft | None
    levels: Levels | None
    rate: float


def diagnose(
    stretches: Sequence[Float32],
    sample_rate_hz: float,
    machine: Machine | None,
    *,
    healthy: Sequence[Float32] = (),
    told: Sequence[SpeedProfile] = (),
    bands_hz: Sequence[tuple[float, float]] | None = None,
    rate: float = RATE,
) -> Diagnosis:
    """Name the part of a machine that one channel speaks of.

    stretches : unbroken signals, float32, shape (n,), m/s²
    healthy : the same sensor when the machine was well; without it nothing can
        be said of what every machine has: shaft, mesh and blade lines
    told : the speed's course over each stretch, where it was told; its mean is
        the machine's speed
    bands_hz : whose envelopes to look at; eight equal ones unless told
    """
    speed = None if machine is None else machine.speed
    if speed is not None:
        stretches = by_told(stretches, sample_rate_hz, speed, told) or stretches
    shaft = None if speed is None else find_shaft(stretches, sample_rate_hz, speed)
    if machine is None or speed is None or shaft is None:
        levels = envelope_levels(stretches, sample_rate_hz, None, bands_hz)
        why = "the shaft's speed is not known"
        return Diagnosis(None, why, (), (), _repetition(levels, rate), None, levels, rate)
    steady = in_turns(stretches, sample_rate_hz, shaft)
    if steady is not None:
        stretches, shaft = steady[0], Shaft(steady[1], STEADY, True)
    well = in_turns(healthy, sample_rate_hz, shaft, shaft.hz)
    healthy = healthy if well is None else well[0]
    swing = SMEARED if steady is None else STEADY

    def envelope(bins_per_turn: int) -> Levels | None:
        return envelope_levels(
            stretches, sample_rate_hz, shaft.hz, bands_hz, bins_per_turn, swing
        )

    levels = envelope(BINS_PER_TURN)
    measured: dict[Measure, Levels | None] = {"envelope": levels}
    families = families_of(machine, shaft)
    others = _heard(machine, shaft, levels)
    if levels and any(_may_be_close(one, levels, shaft, others) for one in families):
        measured["fine envelope"] = envelope(FINE_BINS_PER_TURN)
    if healthy:
        then = envelope_levels(healthy, sample_rate_hz, shaft.hz, bands_hz)
        measured["grown envelope"] = levels and then and grown_envelope(levels, then)
        measured["grown spectrum"] = growth_levels(
            stretches, healthy, sample_rate_hz, shaft.hz, speed.tolerance + SWING
        )
    return judge(machine, shaft, measured, rate)


def judge(
    machine: Machine,
    shaft: Shaft,
    measured: Mapping[Measure, Levels | None],
    rate: float = RATE,
) -> Diagnosis:
    """As `diagnose`, of levels already measured; None in them is a signal too short, absence one
    that was not there.
    """
    others = _heard(machine, shaft, measured["envelope"])
    fits, unknown = _fits(families_of(machine, shaft), measured, shaft, others)
    candidates = _candidates(fits, shaft, others, machine.line_hz)
    candidates = _told_apart(candidates, rate)
    grown = measured.get("grown spectrum")
    if grown is not None:
        candidates = _grown_apart(candidates, grown, rate)
    named = _named(candidates, rate)
    why = "" if named else _why_not(candidates, unknown, rate)
    levels = measured["envelope"]
    return Diagnosis(
        named, why, candidates, unknown, _repetition(levels, rate), shaft, levels, rate
    )


def families_of(machine: Machine, shaft: Shaft) -> tuple[Family, ...]:
    return families(machine, shaft.hz, shaft.tolerance)


def _heard(machine: Machine, shaft: Shaft, levels: Levels | None) -> tuple[Turning, ...]:
    """What comes round beside the shaft and stands out in the envelope: once a turn, or with two of
    its multiples, for one alone may be the skirt of something else.
    """
    if levels is None:
        return ()
    least_db = STANDS_OUT * float(levels.total[levels.usable].max(initial=0.0))
    found = []
    for other in turning(machine, shaft.hz):
        lines = [levels.highest_near(hz) for hz in _multiples(other, levels, shaft)]
        n_lines = sum(level > least_db for level in lines)
        if levels.highest_near(other.hz) > least_db or n_lines >= FEWEST_BESIDE:
            found.append(other)
    return tuple(found)


def _multiples(other: Turning, levels: Levels, shaft: Shaft) -> list[float]:
    """Its first multiples, Hz, that are clear of the shaft's own lines."""
    every = [order * other.hz for order in range(1, HIGHEST_ORDER + 1)]
    return [
        hz for hz in every if not levels.is_near_multiple(hz, shaft.hz, shaft.tolerance)
    ]


def _may_be_close(
    family: Family, levels: Levels, shaft: Shaft, others: Sequence[Turning]
) -> bool:
    """Whether some base within its tolerance needs the fine envelope."""
    reach = family.tolerance * np.linspace(-1, 1, 9)
    return family.source == "envelope" and any(
        _is_close(float(base_hz), levels, shaft, others)
        for base_hz in family.base_hz * (1 + reach)
    )


def _is_close(
    base_hz: float, levels: Levels, shaft: Shaft, others: Sequence[Turning]
) -> bool:
    """Whether it lies beside a multiple of something that comes round on a healthy machine."""
    if levels.is_near_multiple(base_hz, shaft.hz, shaft.tolerance):
        return True
    return bool(_close_to(base_hz, levels, others))


def _close_to(
    base_hz: float, levels: Levels, others: Sequence[Turning]
) -> list[tuple[int, Turning]]:
    """What beside the shaft has a multiple there, and which."""
    orders = [(round(base_hz / other.hz), other) for other in others]
    return [
        (order, other)
        for order, other in orders
        if 1 <= order <= HIGHEST_ORDER and levels.is_near_multiple(base_hz, other.hz, 0.0)
    ]


def _repetition(levels: Levels | None, rate: float) -> Repetition | None:
    return None if levels is None else repetition(levels, rate)


def _fits(
    every: Sequence[Family],
    measured: Mapping[Measure, Levels | None],
    shaft: Shaft,
    others: Sequence[Turning],
) -> tuple[list[tuple[Fit, Levels]], tuple[tuple[Family, str], ...]]:
    fits: list[tuple[Fit, Levels]] = []
    unknown: list[tuple[Family, str]] = []
    for family in every:
        best = _fit_in(family, measured, shaft, others)
        if best is None:
            unknown.append((family, _why_unknown(family, measured)))
        else:
            fits.append(best)
    return fits, tuple(unknown)


def _fit_in(
    family: Family,
    measured: Mapping[Measure, Levels | None],
    shaft: Shaft,
    others: Sequence[Turning],
) -> tuple[Fit, Levels] | None:
    """In the measure that the family asks for; in the fine envelope where it lies close to lines
    that a healthy machine has.
    """
    levels = measured.get(family.source)
    if levels is None:
        return None
    found = fit(levels, family)
    finer = measured.get("fine envelope")
    is_close = found is None or _is_close(found.base_hz, levels, shaft, others)
    if family.source == "envelope" and is_close and finer is not None:
        levels, found = finer, fit(finer, family)
    return None if found is None else (found, levels)


def _why_unknown(family: Family, measured: Mapping[Measure, Levels | None]) -> str:
    if family.source not in measured:
        return NEEDS_HEALTHY
    levels = measured[family.source]
    if levels is None:
        return "the signal is too short"
    if family.lines[0].multiple * family.base_hz > levels.top_hz / 2:
        return "the sample rate is too low"
    return "too few of its lines are clear of the shaft's"


def _candidates(
    fits: Sequence[tuple[Fit, Levels]],
    shaft: Shaft,
    others: Sequence[Turning],
    line_hz: float | None,
) -> tuple[Candidate, ...]:
    found = [
        Candidate(
            one,
            min(1.0, one.chance * len(fits)),
            _against(one, where, shaft)
            or _against_turning(one, where, shaft, others)
            or _against_mains(one, where, line_hz),
        )
        for one, where in fits
    ]
    return tuple(
        sorted(found, key=lambda one: (bool(one.against), one.chance, -one.fit.score))
    )


def _told_apart(candidates: Sequence[Candidate], rate: float) -> tuple[Candidate, ...]:
    """Of two parts that strike at one rate neither is named, unless one of them turns and has none
    of the sidebands that would tell it.
    """
    strikes = [
        one
        for one in candidates
        if one.chance <= PLAUSIBLE
        and not one.against
        and one.fit.family.source == "envelope"
    ]
    told = []
    for one in candidates:
        is_likely = one in strikes and one.chance <= rate
        others = [other for other in strikes if is_likely and other is not one]
        twins = [other for other in others if _same_rate(one, other)]
        told.append(replace(one, against=_against_twins(one, twins)))
    return tuple(told)


def _against_twins(one: Candidate, twins: Sequence[Candidate]) -> str:
    if not twins:
        return one.against
    if _lacks_sidebands(one):
        return f"{twins[0].name} has the same rate, and it has no sidebands"
    rivals = [other for other in twins if not _lacks_sidebands(other)]
    return f"{rivals[0].name} has the same rate" if rivals else one.against


def _grown_apart(
    candidates: Sequence[Candidate], levels: Levels, rate: float
) -> tuple[Candidate, ...]:
    """Of two parts whose grown lines meet, only one that other lines of its own prove is named. A
    strike's own rate may be among the lines that have grown, too.
    """
    told = []
    for one in candidates:
        others = [other for other in candidates if other is not one]
        rival = next(
            (other for other in others if _explains_growth(one, other, levels, rate)), None
        )
        is_told = rival is not None and not one.against
        against = f"{rival.name} would sound so, too" if rival and is_told else one.against
        told.append(replace(one, against=against))
    return tuple(told)


def _explains_growth(one: Candidate, other: Candidate, levels: Levels, rate: float) -> bool:
    """Whether the other part explains what has grown of this one."""
    if one.fit.family.source != "grown spectrum":
        return False
    if other.fit.family.source == "envelope":
        away_hz = abs(other.fit.base_hz - one.fit.parts[0].f_hz)
        may_strike = other.chance <= rate and other.against in ("", NEAR_SHAFT)
        return may_strike and away_hz <= levels.reach_hz
    if other.fit.family.source != "grown spectrum":
        return False
    shared, own = _met(one, other, levels)
    if not shared or _mean_db(own) >= GROWN_DB:
        return False
    theirs, alone = _met(other, one, levels)
    leads = any(part is other.fit.parts[0] for part in theirs)
    return leads or _mean_db(alone) >= GROWN_DB


def _met(one: Candidate, other: Candidate, levels: Levels) -> tuple[list[Part], list[Part]]:
    """The lines of one that lie on lines of the other, and those that do not."""
    theirs_hz = [part.f_hz for part in other.fit.parts if part.level_db > 0]
    met: list[Part] = []
    own: list[Part] = []
    for part in one.fit.parts:
        is_met = any(abs(part.f_hz - hz) <= levels.reach_hz for hz in theirs_hz)
        (met if is_met else own).append(part)
    return met, own


def _lacks_sidebands(one: Candidate) -> bool:
    """Of a part whose family has some."""
    main = [line.label for line in one.fit.family.lines if line.weight == 1.0]
    return _lighter_share(one.fit, main) < LIGHTER


def _same_rate(one: Candidate, other: Candidate) -> bool:
    return abs(one.fit.base_hz / other.fit.base_hz - 1) < SAME_RATE


def _named(candidates: Sequence[Candidate], rate: float) -> Candidate | None:
    """The likeliest that no other part explains."""
    return next(
        (
            one
            for one in candidates
            if one.chance <= rate and not one.against and not _yields_to(one, candidates)
        ),
        None,
    )


def _yields_to(one: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """The part that explains it, too. A cage or a tooth yields to a race or element of a bearing,
    for their strikes are modulated by cage and shaft. A tooth, to the shaft's first lines where
    they have grown at all: they beat in the envelope once a turn, too, while strikes add no such
    line.
    """
    family = one.fit.family
    for other in candidates:
        strikes = other.fit.family.source == "envelope" and not other.fit.family.yields
        has_grown = other.fit.family.beats or not other.against
        grown = other.fit.family.source == "grown spectrum" and has_grown
        explains = (family.yields and strikes) or (
            family.source == "grown envelope" and grown
        )
        if explains and other.chance <= PLAUSIBLE:
            return other
    return None


def _why_not(
    candidates: Sequence[Candidate], unknown: Sequence[tuple[Family, str]], rate: float
) -> str:
    if not candidates:
        reasons = dict.fromkeys(why for _, why in unknown)
        return "; ".join(reasons) or "nothing is known of the machine's parts"
    likely = [one for one in candidates if one.chance <= rate]
    if likely:
        # Where only what yields is unopposed, what it yields to says why there is no name.
        first = min(likely, key=lambda one: (one.fit.family.yields, one.chance))
        other = None if first.against else _yields_to(first, candidates)
        return f"nearest is {first.name}, but " + (
            f"{other.name} would sound so, too" if other else first.against
        )
    nearest = min(candidates, key=lambda one: one.chance)
    return (
        f"nearest is {nearest.name}, but a comb that belongs to nothing scores as much with a"
        f" chance of {nearest.chance:.2g}, above {rate:g}"
    )


def _against(found: Fit, levels: Levels, shaft: Shaft) -> str:
    """Why a comb that stands out is not the family's, or "" where nothing speaks against it."""
    family = found.family
    if family.source == "grown spectrum":
        return _against_growth(found, levels, shaft.hz)
    main = [line.label for line in family.lines if line.weight == 1.0]
    strongest = max(
        (part.level_db for part in found.parts if part.label in main), default=0.0
    )
    first = [part.level_db for part in found.parts if part.label in main[:FIRST]]
    if sum(level > STANDS_OUT * strongest for level in first) < 2:
        return f"fewer than two of its first {FIRST} harmonics stand out"
    if family.is_modulated and _lighter_share(found, main) < LIGHTER:
        return "it has no sidebands, as a part that turns must have"
    if family.source != "envelope":
        return ""
    if levels.is_near_multiple(found.base_hz, shaft.hz, shaft.tolerance):
        return NEAR_SHAFT
    return _neighbour(found, levels, shaft.hz)


def _against_growth(found: Fit, levels: Levels, shaft_hz: float) -> str:
    """Why lines that have grown are no fault of the family's, or "" where they may be."""
    family, parts = found.family, found.parts
    grown_db = _mean_db(parts)
    if grown_db < GROWN_DB:
        return f"it has grown by only {grown_db:.0f} dB"
    halves = [part.level_db for part in parts if part.label in family.needs]
    if family.needs and max(halves, default=0.0) < GROWN_DB:
        return "none of the halves has grown, as they must where something is loose"
    rest_db = 0.0 if family.needs else _grown_beside(found, levels, shaft_hz)
    if grown_db - rest_db < GROWN_DB:
        return f"the shaft's other lines have grown by {rest_db:.0f} dB, too"
    return ""


def _grown_beside(found: Fit, levels: Levels, shaft_hz: float) -> float:
    """By how much the shaft's other lines have grown, dB: a load that makes every line louder
    breaks no part. Only lines that were there when the machine was well tell.
    """
    if levels.before_db is None:
        return 0.0
    own_hz = [part.f_hz for part in found.parts]
    others = []
    for order in range(1, HIGHEST_ORDER + 1):
        f_hz = order * shaft_hz
        index = round(f_hz / levels.resolution_hz)
        is_own = any(abs(f_hz - hz) <= 2 * levels.reach_hz for hz in own_hz)
        was_there = index < len(levels.before_db) and levels.before_db[index] >= FROM_DB
        if was_there and not is_own:
            others.append(levels.highest_near(f_hz))
    return float(np.median(others)) if len(others) >= FEWEST_BESIDE else 0.0


def _mean_db(parts: Sequence[Part]) -> float:
    return float(np.mean([part.level_db for part in parts])) if parts else 0.0


def _against_turning(
    found: Fit, levels: Levels, shaft: Shaft, others: Sequence[Turning]
) -> str:
    """What else comes round as often, where it is heard: its first turn or one of its other
    multiples stands out, too. What comes round at the part's very rate has no other lines.
    """
    if found.family.source != "envelope":
        return ""
    strongest = max((part.level_db for part in found.parts), default=0.0)
    for order, other in _close_to(found.base_hz, levels, others):
        own_hz = [part.f_hz for part in found.parts]
        free = [
            levels.highest_near(f_hz)
            for f_hz in _multiples(other, levels, shaft)
            if all(abs(f_hz - hz) > levels.reach_hz for hz in own_hz)
        ]
        if order == 1 or max(free, default=0.0) > STANDS_OUT * strongest:
            times = "" if order == 1 else f"{order} times "
            return f"it lies too close to {times}{other.name}"
    return ""


def _against_mains(found: Fit, levels: Levels, line_hz: float | None) -> str:
    """A motor's noise may come in bursts, twice a period of its mains or a multiple of that: such
    a comb is any part's that strikes as often. Sidebands do not tell: a rotor that is off its
    middle has them one turn to either side, too.
    """
    if line_hz is None or found.family.source != "envelope":
        return ""
    hum_hz = 2 * line_hz * max(round(found.base_hz / (2 * line_hz)), 1)
    reach_hz = LINE_TOLERANCE * hum_hz + levels.resolution_hz / 2
    if abs(found.base_hz - hum_hz) > reach_hz:
        return ""
    twice = "twice" if hum_hz == 2 * line_hz else f"{hum_hz / line_hz:g} times"
    return f"{twice} the mains' frequency is {hum_hz:g} Hz, too: switch the motor off and listen"


def _lighter_share(found: Fit, main: Sequence[str]) -> float:
    """Mean level of sidebands and odd harmonics relative to that of the harmonics."""
    centre = [part.level_db for part in found.parts if part.label in main]
    side = [part.level_db for part in found.parts if part.label not in main]
    return float(np.mean(side)) / max(float(np.mean(centre)), 1e-9) if side else 1.0


def _neighbour(found: Fit, levels: Levels, shaft_hz: float) -> str:
    """A comb nearby that explains the lines better, one that the family's own lines belong to."""
    lines = [line for line in found.family.lines if line.weight == 1.0]
    own = sum(
        part.level_db for part in found.parts if part.label in {one.label for one in lines}
    )
    near = [found.base_hz * ratio for ratio in NEIGHBOURS]
    near += [found.base_hz + sign * shaft_hz for sign in (-1, 1)]
    for base_hz in near:
        index = [round(line.multiple * base_hz / levels.resolution_hz) for line in lines]
        usable = [q for q in index if 0 < q < len(levels.usable) and levels.usable[q]]
        if float(levels.total[usable].sum()) > own:
            return f"its lines belong to a comb of {base_hz:.1f} Hz, not of {found.base_hz:.1f} Hz"
    return ""
