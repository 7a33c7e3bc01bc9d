"""The rate that stands out in an envelope, whatever it belongs to: "impulses every 9.3 ms"."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitor.diagnosis.comb import comb, fit
from monitor.diagnosis.families import Family, harmonics
from monitor.diagnosis.levels import Levels

SLOWEST_BINS = 8  # between two lines of a comb, so that they are apart
STRETCH = 0.02  # of a rate: so wide are the places at which combs are compared


@dataclass(frozen=True, slots=True)
class Repetition:
    """chance : that a comb somewhere in the spectrum scores as much and belongs to nothing"""

    hz: float
    score: float
    chance: float


def repetition(levels: Levels, rate: float) -> Repetition | None:
    """The best comb of the spectrum; None where none stands out at this rate of wrong ones."""
    lines = harmonics("")
    low, high = SLOWEST_BINS * levels.resolution_hz, levels.top_hz / len(lines)
    if high <= low * (1 + STRETCH):
        return None
    step = 0.5 * levels.resolution_hz / levels.top_hz
    bases = low * np.exp(step * np.arange(int(math.log(high / low) / step)))
    scores = comb(levels, bases, lines, levels.usable)
    if not np.isfinite(scores).any():
        return None
    best = float(bases[int(np.nanargmax(scores))])
    found = fit(levels, Family("", "", "", "envelope", best, lines, STRETCH))
    if found is None:
        return None
    n_places = math.log(high / low) / (2 * STRETCH)
    chance = -math.expm1(n_places * math.log1p(-min(found.chance, 1 - 1e-12)))
    return Repetition(found.base_hz, found.score, chance) if chance <= rate else None
