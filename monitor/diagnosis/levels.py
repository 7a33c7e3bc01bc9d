"""How far each frequency stands out: of envelopes above their floor, of a spectrum above the
healthy machine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, median_filter

from monitor.records.signal import Float32, Float64
from monitor.signal.envelope import envelope_spectra
from monitor.signal.welch import mean_density

N_BANDS = 8  # equal parts of half the sample rate
FROM_DB = 8.0  # what stands out by less does not count: noise does so, too
FULL_DB = 12.0  # nor does more than this beyond it: one loud line is no family
BINS_PER_TURN = 30  # of a shaft's speed: tells 3 % of it apart
FINE_BINS_PER_TURN = 100  # for parts whose rates lie close to the shaft's own
FEWEST_BINS_PER_TURN = 15
USUAL_SHAFT_HZ = 25.0
SMALLEST_DENSITY = 1e-30
ALIKE = 0.02  # of the resolution: speeds that differ more put lines elsewhere
MOST_GROWTH_DB = 30.0
# However silent a spectrum is, so far apart at least are other combs' scores taken to be.
LEAST_SPREAD_DB = 2.5
LEAST_GROWTH_SPREAD_DB = 1.5
REACH_BINS = 2.5  # of a line under a Hann taper
SMEARED = 0.003  # of a line's frequency: speeds swing, bearings slip


@dataclass(frozen=True, slots=True)
class Levels:
    """Decibels that count: of envelopes those beyond FROM_DB above their floor, at most FULL_DB; of
    a spectrum all that it has grown by.

    counted : float64, shape (n_bands, n_f), bin q at q * resolution_hz
    usable : shape (n_f,), False where the shaft itself has a line, which tells
        nothing of a part
    n_averaged : segments in the mean
    least_spread_db : of the scores of combs that belong to nothing
    skirt_hz : so far from a strong line its own power may reach
    smeared : of a line's frequency, so far the speed swings
    before_db : of a spectrum that has grown, how far each frequency stood out
        when the machine was well, shape (n_f,)
    """

    counted: Float64
    usable: NDArray[np.bool_]
    bands_hz: tuple[tuple[float, float], ...]
    resolution_hz: float
    n_averaged: int
    least_spread_db: float
    skirt_hz: float
    smeared: float = SMEARED
    before_db: Float64 | None = None

    @property
    def total(self) -> Float64:
        return np.asarray(self.counted.sum(axis=0))

    def is_near_multiple(self, f_hz: float, turn_hz: float, tolerance: float) -> bool:
        """Whether a line is too close to a multiple of what comes round turn_hz times a second to
        be told from it. tolerance : of turn_hz, relative
        """
        away_hz = abs(f_hz - round(f_hz / turn_hz) * turn_hz)
        return away_hz <= self.reach_hz + max(self.smeared, tolerance) * f_hz

    @property
    def reach_hz(self) -> float:
        """So far from its frequency a line may be seen."""
        return REACH_BINS * self.resolution_hz

    def highest_near(self, f_hz: float) -> float:
        """The level of a line at this frequency, dB; 0 where none can be seen."""
        first = max(round((f_hz - self.resolution_hz) / self.resolution_hz), 0)
        near = slice(first, first + 3)
        levels_db = self.counted[:, near].sum(axis=0) * self.usable[near]
        return float(levels_db.max(initial=0.0))

    @property
    def top_hz(self) -> float:
        return (len(self.usable) - 1) * self.resolution_hz


def resolution_hz(
    shaft_hz: float, longest_s: float, bins_per_turn: int = BINS_PER_TURN
) -> float | None:
    """What the longest stretch gives and the shaft needs; None where it is too short."""
    best = max(shaft_hz / bins_per_turn, 1 / longest_s)
    return best if best <= shaft_hz / FEWEST_BINS_PER_TURN else None


def envelope_levels(
    stretches: Sequence[Float32],
    sample_rate_hz: float,
    shaft_hz: float | None,
    bands_hz: Sequence[tuple[float, float]] | None = None,
    bins_per_turn: int = BINS_PER_TURN,
    smeared: float = SMEARED,
) -> Levels | None:
    """Of the squared envelopes of several bands, N_BANDS equal ones unless told.

    stretches : unbroken signals of one channel, float32, shape (n,), m/s²
    shaft_hz : None where the speed is not known, and USUAL_SHAFT_HZ sets the
        scale

    None where the longest of them is too short.
    """
    longest_s = max(len(one) for one in stretches) / sample_rate_hz
    scale_hz = shaft_hz or USUAL_SHAFT_HZ
    delta_hz = resolution_hz(scale_hz, longest_s, bins_per_turn)
    if delta_hz is None:
        return None
    bands = tuple(bands_hz or equal_bands(sample_rate_hz))
    found = envelope_spectra(stretches, sample_rate_hz, bands, delta_hz)
    spectra = [one for one in found if one is not None]
    n_f = min(round((high - low) / delta_hz) for low, high in bands)
    floor_bins = 2 * round(scale_hz / delta_hz) + 1
    counted = np.stack([_above_floor(one.density[:n_f], floor_bins) for one in spectra])
    skirt_hz = REACH_BINS * max(delta_hz, scale_hz / BINS_PER_TURN)
    usable = (
        np.arange(n_f) > 2 if shaft_hz is None else ~_shaft_lines(n_f, delta_hz, shaft_hz)
    )
    n_averaged = spectra[0].n_averaged
    return Levels(
        counted, usable, bands, delta_hz, n_averaged, LEAST_SPREAD_DB, skirt_hz, smeared
    )


def grown_envelope(now: Levels, then: Levels) -> Levels | None:
    """By how much more the envelopes' lines stand out than when the machine was healthy; the
    shaft's own lines count here. None where the two were not measured alike.
    """
    if (
        now.bands_hz != then.bands_hz
        or abs(now.resolution_hz / then.resolution_hz - 1) > ALIKE
    ):
        return None
    n_f = min(len(now.usable), len(then.usable))
    before = maximum_filter1d(then.counted[:, :n_f], 3, axis=1)
    counted = np.maximum(now.counted[:, :n_f] - before, 0)
    return replace(now, counted=counted, usable=np.arange(n_f) > 2)


def growth_levels(
    stretches: Sequence[Float32],
    healthy: Sequence[Float32],
    sample_rate_hz: float,
    shaft_hz: float,
    tolerance: float,
) -> Levels | None:
    """Of the spectrum above that of the same machine when it was healthy, as one band.

    tolerance : how far, relatively, the speed may differ between the two: a
        line has grown only beyond all that was near it. What grew everywhere
        around a line is no line.
    """
    longest_s = min(max(len(one) for one in some) for some in (stretches, healthy))
    delta_hz = resolution_hz(shaft_hz, longest_s / sample_rate_hz)
    if delta_hz is None:
        return None
    (now, n), (then, _) = (
        mean_density(some, sample_rate_hz, delta_hz) for some in (stretches, healthy)
    )
    level_db, before_db = _decibels(_gathered(now, 0.0)), _decibels(_gathered(then, 0.0))
    floor_bins = 4 * round(shaft_hz / delta_hz) + 1
    around_db = median_filter(level_db - before_db, floor_bins, mode="nearest")
    grown = level_db - _decibels(_gathered(then, tolerance)) - around_db
    counted = np.clip(np.minimum(grown, _above(now, floor_bins)), 0, MOST_GROWTH_DB)[None]
    band = (0.0, sample_rate_hz / 2)
    usable = np.arange(len(grown)) > 2
    return Levels(
        counted,
        usable,
        (band,),
        delta_hz,
        n,
        LEAST_GROWTH_SPREAD_DB,
        2 * REACH_BINS * delta_hz,
        before_db=_above(then, floor_bins),
    )


def equal_bands(sample_rate_hz: float) -> list[tuple[float, float]]:
    edges = np.linspace(0, sample_rate_hz / 2, N_BANDS + 1)
    return [(float(low), float(high)) for low, high in pairwise(edges)]


def _above_floor(density: Float64, floor_bins: int) -> Float64:
    return _clipped(_above(density, floor_bins))


def _above(density: Float64, floor_bins: int) -> Float64:
    """Decibels above the median around each bin."""
    level = _decibels(density)
    return np.asarray(level - median_filter(level, floor_bins, mode="nearest"))


def _clipped(above_db: Float64) -> Float64:
    counted = np.clip(above_db - FROM_DB, 0, FULL_DB)
    counted[:3] = 0  # the mean's own leakage
    return np.asarray(counted)


def _decibels(density: Float64) -> Float64:
    return np.asarray(10 * np.log10(np.maximum(density, SMALLEST_DENSITY)))


def _gathered(density: Float64, tolerance: float) -> Float64:
    """The power of a line at each bin, however it is smeared: all within a taper's reach and the
    tolerance.
    """
    bins = np.arange(len(density))
    reach = np.ceil(REACH_BINS + tolerance * bins).astype(np.intp)
    total = np.concatenate([[0.0], np.cumsum(density)])
    low, high = np.maximum(bins - reach, 0), np.minimum(bins + reach + 1, len(density))
    return np.asarray(total[high] - total[low])


def _shaft_lines(n_f: int, delta_hz: float, shaft_hz: float) -> NDArray[np.bool_]:
    f_hz = np.arange(n_f) * delta_hz
    order = np.round(f_hz / shaft_hz)
    away_hz = np.abs(f_hz - order * shaft_hz)
    is_line = away_hz <= np.maximum(1.5 * delta_hz, 0.0015 * f_hz)
    is_line[:3] = True
    return np.asarray(is_line)
