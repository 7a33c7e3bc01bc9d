"""What a family of lines scores in a spectrum, and how likely any comb would score as much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.diagnosis.families import Family, Line
from monitor.diagnosis.levels import Levels
from monitor.records.signal import Float64

ENOUGH = 0.5  # of a family's weight must be usable
OTHER_BASES = 2.0  # the comb is laid at bases from half the family's own to twice
FEWEST_OTHERS = 20
CLAIMED_HARMONICS = 8
EULER = 0.5772156649


@dataclass(frozen=True, slots=True)
class Part:
    """What one line adds to a score.

    level_db : the line's, of all bands together. points : level_db by its
        weight
    points_by_band : they add up to points
    """

    label: str
    f_hz: float
    level_db: float
    points: float
    points_by_band: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """A family where it fits best.

    score : the sum of its parts' points
    chance : that a comb which belongs to nothing scores as much somewhere
        within the tolerance
    n_others : places at which such combs were tried
    """

    family: Family
    base_hz: float
    score: float
    parts: tuple[Part, ...]
    chance: float
    n_others: int


def fit(levels: Levels, family: Family) -> Fit | None:
    """None where too little of the family lies in the spectrum to tell."""
    bases = _bases(levels, family, 1 + family.tolerance)
    scores = comb(levels, bases, family.lines, levels.usable)
    if not np.isfinite(scores).any():
        return None
    best = int(np.nanargmax(scores))
    base_hz, score = float(bases[best]), float(scores[best])
    others = other_scores(levels, family, base_hz)
    if len(others) < FEWEST_OTHERS:
        return None
    chance = gumbel_chance(score, others, levels.least_spread_db)
    return Fit(
        family, base_hz, score, parts_of(levels, family, base_hz), chance, len(others)
    )


def comb(
    levels: Levels, bases_hz: Float64, lines: Sequence[Line], usable: NDArray[np.bool_]
) -> Float64:
    """The score at each base, shape (n_bases,); NaN where too little of it is usable.

    Lines that cannot be used are taken to be as the others are on average.
    """
    total, n_f = levels.total, len(usable)
    weight = np.array([line.weight for line in lines])
    multiple = np.array([line.multiple for line in lines])
    offset_hz = np.array([line.offset_hz for line in lines])
    f_hz = bases_hz[:, None] * multiple + offset_hz
    index = np.rint(f_hz / levels.resolution_hz).astype(np.intp)
    inside = (index >= 0) & (index < n_f)
    index = np.where(inside, index, 0)
    counts = weight * (inside & usable[index])
    n = counts.sum(axis=1)
    whole = weight.sum()
    mean = (counts * total[index]).sum(axis=1) / np.maximum(n, 1e-9)
    return np.where(n >= ENOUGH * whole, mean * whole, np.nan)


def parts_of(levels: Levels, family: Family, base_hz: float) -> tuple[Part, ...]:
    """Each usable line's share of the score: they add up to it."""
    used = []
    for line in family.lines:
        f_hz = line.multiple * base_hz + line.offset_hz
        index = round(f_hz / levels.resolution_hz)
        if 0 <= index < len(levels.usable) and levels.usable[index]:
            used.append((line, f_hz, levels.counted[:, index]))
    scale = sum(line.weight for line in family.lines) / sum(
        line.weight for line, _, _ in used
    )
    return tuple(
        Part(
            line.label,
            f_hz,
            float(counted.sum()),
            float(counted.sum()) * line.weight * scale,
            tuple(float(one) * line.weight * scale for one in counted),
        )
        for line, f_hz, counted in used
    )


def other_scores(levels: Levels, family: Family, base_hz: float) -> Float64:
    """The best scores of the same comb in stretches as wide as the family's tolerance, elsewhere.

    The family's own lines are taken out before, for a comb that meets them says
    nothing of chance.
    """
    free = levels.usable & ~_claimed(levels, family, base_hz)
    bases = _bases(levels, family, OTHER_BASES)
    scores = comb(levels, bases, family.lines, free)
    n_bases = len(bases)
    width = max(round(n_bases * family.tolerance / math.log(OTHER_BASES)), 1)
    starts = np.arange(0, n_bases - width + 1, max(width // 2, 1))
    windows = scores[starts[:, None] + np.arange(width)]
    seen = np.isfinite(windows)
    windows = windows[seen.mean(axis=1) > 0.5]
    return np.asarray(np.nanmax(windows, axis=1)) if len(windows) else np.zeros(0)


def gumbel_chance(score: float, others: Float64, least_spread: float) -> float:
    """That the largest of one stretch reaches the score: extreme values of the others, by their
    mean and spread.
    """
    scale = max(float(others.std()), least_spread) * math.sqrt(6) / math.pi
    place = float(others.mean()) - EULER * scale
    return -math.expm1(-math.exp(min(-(score - place) / scale, 700.0)))


def _bases(levels: Levels, family: Family, reach: float) -> Float64:
    """Bases from base / reach to base * reach, half a bin apart at the highest line."""
    step = 0.5 * levels.resolution_hz / max(family.top_hz, levels.resolution_hz)
    n = max(math.ceil(math.log(reach) / step), 1)
    return np.asarray(family.base_hz * np.exp(math.log(reach) / n * np.arange(-n, n + 1)))


def _claimed(levels: Levels, family: Family, base_hz: float) -> NDArray[np.bool_]:
    """Where the family's defect has lines, scored or not."""
    f_hz = np.arange(len(levels.usable)) * levels.resolution_hz
    n = CLAIMED_HARMONICS if len(family.claims_hz) > 1 else 3 * CLAIMED_HARMONICS
    centres = [
        (k * base_hz, offset) for k in range(1, n + 1) for offset in family.claims_hz
    ]
    centres += [(line.multiple * base_hz, line.offset_hz) for line in family.lines]
    claimed = np.zeros(len(f_hz), bool)
    for harmonic_hz, offset_hz in centres:
        reach_hz = levels.skirt_hz + levels.smeared * harmonic_hz
        claimed |= np.abs(f_hz - harmonic_hz - offset_hz) <= reach_hz
    return claimed
