"""The name of what is broken, or why there is none.

A name is a claim: it is given only where a comb that belongs to nothing would
score as much with a chance below the stated rate, whatever the number of
families tried, and where the family is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.diagnosis.comb import Fit, fit
from monitor.diagnosis.doubts import doubt, heard, is_close
from monitor.diagnosis.families import Family, Measure, Turning, families
from monitor.diagnosis.levels import (
    BINS_PER_TURN,
    FINE_BINS_PER_TURN,
    SMEARED,
    Levels,
    envelope_levels,
    grown_envelope,
    growth_levels,
)
from monitor.diagnosis.repetition import Repetition, repetition
from monitor.diagnosis.rivals import Candidate, grown_apart, told_apart, yields_to
from monitor.diagnosis.shaft import STEADY, Shaft, by_told, find_shaft, in_turns
from monitor.records.machine import Machine
from monitor.records.signal import Float32
from monitor.signal.orders import SpeedProfile

RATE = 0.001  # of wrong names, of spectra in which nothing is broken
SWING = 0.03  # of the speed, within a recording and between two
NEEDS_HEALTHY = "needs a healthy recording"


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
    others = heard(machine, shaft, levels)
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
    others = heard(machine, shaft, measured["envelope"])
    fits, unknown = _fits(families_of(machine, shaft), measured, shaft, others)
    candidates = _candidates(fits, shaft, others, machine.line_hz)
    candidates = told_apart(candidates, rate)
    grown = measured.get("grown spectrum")
    if grown is not None:
        candidates = grown_apart(candidates, grown, rate)
    named = _named(candidates, rate)
    why = "" if named else _why_not(candidates, unknown, rate)
    levels = measured["envelope"]
    return Diagnosis(
        named, why, candidates, unknown, _repetition(levels, rate), shaft, levels, rate
    )


def families_of(machine: Machine, shaft: Shaft) -> tuple[Family, ...]:
    return families(machine, shaft.hz, shaft.tolerance)


def _may_be_close(
    family: Family, levels: Levels, shaft: Shaft, others: Sequence[Turning]
) -> bool:
    """Whether some base within its tolerance needs the fine envelope."""
    reach = family.tolerance * np.linspace(-1, 1, 9)
    return family.source == "envelope" and any(
        is_close(float(base_hz), levels, shaft, others)
        for base_hz in family.base_hz * (1 + reach)
    )


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
    is_near = found is None or is_close(found.base_hz, levels, shaft, others)
    if family.source == "envelope" and is_near and finer is not None:
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
            doubt(one, where, shaft, others, line_hz),
        )
        for one, where in fits
    ]
    return tuple(
        sorted(found, key=lambda one: (bool(one.against), one.chance, -one.fit.score))
    )


def _named(candidates: Sequence[Candidate], rate: float) -> Candidate | None:
    """The likeliest that no other part explains."""
    return next(
        (
            one
            for one in candidates
            if one.chance <= rate and not one.against and not yields_to(one, candidates)
        ),
        None,
    )


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
        other = None if first.against else yields_to(first, candidates)
        return f"nearest is {first.name}, but " + (
            f"{other.name} would sound so, too" if other else first.against
        )
    nearest = min(candidates, key=lambda one: one.chance)
    return (
        f"nearest is {nearest.name}, but a comb that belongs to nothing scores as much with a"
        f" chance of {nearest.chance:.2g}, above {rate:g}"
    )
