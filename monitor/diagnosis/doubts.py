"""What speaks against a comb that stands out: lines of its own that are missing, or something that
a healthy machine does as often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.diagnosis.comb import Fit, Part
from monitor.diagnosis.families import LINE_TOLERANCE, Turning, turning
from monitor.diagnosis.levels import FROM_DB, Levels
from monitor.diagnosis.shaft import Shaft
from monitor.records.machine import Machine

FIRST = 3  # harmonics: two of them must stand out, or another family's lines were met
STANDS_OUT = 0.2  # of the strongest harmonic
LIGHTER = 0.05  # of the harmonics' mean level: a turning part's sidebands have it
GROWN_DB = 8.0  # what every healthy machine has is a fault from 2.5 times its amplitude on
HIGHEST_ORDER = 10  # of what comes round: a healthy machine has few lines beyond
FEWEST_BESIDE = 2  # lines show a shaft that is heard, or a machine that is louder
NEAR_SHAFT = "it lies too close to the shaft's own lines for so short a signal"
NEIGHBOURS = (1 / 2, 1 / 3, 2 / 3, 3 / 2, 2, 3)


def doubt(
    found: Fit,
    levels: Levels,
    shaft: Shaft,
    others: Sequence[Turning],
    line_hz: float | None,
) -> str:
    """Why the comb is not the family's however unlikely chance is, or "" where nothing speaks
    against it.

    others : what is heard to come round beside the shaft. line_hz : of the mains, if known
    """
    return (
        _against(found, levels, shaft)
        or _against_turning(found, levels, shaft, others)
        or _against_mains(found, levels, line_hz)
    )


def heard(machine: Machine, shaft: Shaft, levels: Levels | None) -> tuple[Turning, ...]:
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


def is_close(
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


def _multiples(other: Turning, levels: Levels, shaft: Shaft) -> list[float]:
    """Its first multiples, Hz, that are clear of the shaft's own lines."""
    every = [order * other.hz for order in range(1, HIGHEST_ORDER + 1)]
    return [
        hz for hz in every if not levels.is_near_multiple(hz, shaft.hz, shaft.tolerance)
    ]


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
    if family.is_modulated and lacks_sidebands(found):
        return "it has no sidebands, as a part that turns must have"
    if family.source != "envelope":
        return ""
    if levels.is_near_multiple(found.base_hz, shaft.hz, shaft.tolerance):
        return NEAR_SHAFT
    return _neighbour(found, levels, shaft.hz)


def _against_growth(found: Fit, levels: Levels, shaft_hz: float) -> str:
    """Why lines that have grown are no fault of the family's, or "" where they may be."""
    family, parts = found.family, found.parts
    grown_db = mean_db(parts)
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


def lacks_sidebands(found: Fit) -> bool:
    """Of a family that has some: its sidebands and odd harmonics are next to nothing beside its
    harmonics.
    """
    main = [line.label for line in found.family.lines if line.weight == 1.0]
    centre = [part.level_db for part in found.parts if part.label in main]
    side = [part.level_db for part in found.parts if part.label not in main]
    return bool(side) and float(np.mean(side)) / max(float(np.mean(centre)), 1e-9) < LIGHTER


def mean_db(parts: Sequence[Part]) -> float:
    return float(np.mean([part.level_db for part in parts])) if parts else 0.0
