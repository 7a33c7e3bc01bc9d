"""Two parts whose lines meet: which of them is meant, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.diagnosis.comb import Fit, Part
from monitor.diagnosis.doubts import GROWN_DB, NEAR_SHAFT, lacks_sidebands, mean_db
from monitor.diagnosis.levels import Levels

# What could be another part's doing is not named where that part's own chance is below this: it
# need not be proven itself.
PLAUSIBLE = 0.1
SAME_RATE = 0.01  # nearer than this, two parts are not told apart


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


def told_apart(candidates: Sequence[Candidate], rate: float) -> tuple[Candidate, ...]:
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
    if lacks_sidebands(one.fit):
        return f"{twins[0].name} has the same rate, and it has no sidebands"
    rivals = [other for other in twins if not lacks_sidebands(other.fit)]
    return f"{rivals[0].name} has the same rate" if rivals else one.against


def _same_rate(one: Candidate, other: Candidate) -> bool:
    return abs(one.fit.base_hz / other.fit.base_hz - 1) < SAME_RATE


def grown_apart(
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
        if rival is not None and not one.against:
            one = replace(one, against=f"{rival.name} would sound so, too")
        told.append(one)
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
    if not shared or mean_db(own) >= GROWN_DB:
        return False
    theirs, alone = _met(other, one, levels)
    leads = any(part is other.fit.parts[0] for part in theirs)
    return leads or mean_db(alone) >= GROWN_DB


def _met(one: Candidate, other: Candidate, levels: Levels) -> tuple[list[Part], list[Part]]:
    """The lines of one that lie on lines of the other, and those that do not."""
    theirs_hz = [part.f_hz for part in other.fit.parts if part.level_db > 0]
    met: list[Part] = []
    own: list[Part] = []
    for part in one.fit.parts:
        is_met = any(abs(part.f_hz - hz) <= levels.reach_hz for hz in theirs_hz)
        (met if is_met else own).append(part)
    return met, own


def yields_to(one: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
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
