"""The shaft's speed, read more closely from its own lines in the spectrum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from monitor.records.machine import ShaftSpeed
from monitor.records.signal import Float32, Float64
from monitor.signal.orders import SpeedProfile, read_speed, steadied
from monitor.signal.welch import mean_density

N_HARMONICS = 5
LINE_DB = 8.0  # above the floor: what stands out by less may be noise
FULL_DB = 20.0  # more than this above the floor counts no more
SURE_DB = 20.0  # of all harmonics together: two of them stand out
WANDER = 0.03  # relative: the speed's mean may be so far from where it was read
UNLIKE = 0.8  # a second comb with this share of the first one's score leaves it open
FIXED = 0.05  # a narrower range than this may be used as it is
READ_TOLERANCE = 0.003
SKIRT_BINS = 3.0  # to either side of a loud line under a Hann taper
CLEARER_DB = 1.0  # the harmonics together, in turns, or the speed did not wander
FULL_IN_TURNS_DB = 40.0
SURE_IN_TURNS_DB = 40.0  # what is followed through noise reaches some 25
STEADY = 0.001  # relative: in turns the speed swings no more
SMEARED = 0.003  # relative: a told speed that changes by less is steady
LONGEST_SEGMENT_S = 4.0


@dataclass(frozen=True, slots=True)
class Shaft:
    """tolerance : relative. is_read : from the spectrum, else as configured"""

    hz: float
    tolerance: float
    is_read: bool


def find_shaft(
    stretches: Sequence[Float32], sample_rate_hz: float, speed: ShaftSpeed
) -> Shaft | None:
    """None where the range is wide and no comb of lines in it is clearly the shaft's."""
    configured = Shaft(speed.middle_hz, speed.tolerance, False)
    if speed.tolerance <= READ_TOLERANCE:
        return configured
    above_db, delta_hz = _above_floor(stretches, sample_rate_hz, speed)
    bases, scores = _scores(np.clip(above_db, 0, FULL_DB), delta_hz, speed)
    best = int(scores.argmax())
    away = np.abs(bases / bases[best] - 1) > FIXED
    rival = float(scores[away].max(initial=0.0))
    if scores[best] >= SURE_DB and rival < UNLIKE * scores[best]:
        return _at_summit(above_db, delta_hz, speed, float(bases[best]))
    return configured if speed.tolerance <= FIXED else None


def _at_summit(
    above_db: Float64, delta_hz: float, speed: ShaftSpeed, about_hz: float
) -> Shaft:
    """All of a loud line's skirts count as much as its summit, up to the limit: without it the
    summit is found, as closely as the highest line that stands out tells.
    """
    bases, scores = _scores(np.maximum(above_db, 0), delta_hz, speed)
    near = np.abs(bases - about_hz) <= SKIRT_BINS * delta_hz
    summit_hz = float(bases[np.where(near, scores, -1.0).argmax()])
    standing = [
        order
        for order in range(1, N_HARMONICS + 1)
        if above_db[min(round(order * summit_hz / delta_hz), len(above_db) - 1)] > LINE_DB
    ]
    closest_hz = 0.5 * delta_hz / max(standing, default=1)
    return Shaft(summit_hz, max(READ_TOLERANCE, closest_hz / summit_hz), True)


def by_told(
    stretches: Sequence[Float32],
    sample_rate_hz: float,
    speed: ShaftSpeed,
    profiles: Sequence[SpeedProfile],
) -> list[Float32] | None:
    """The stretches as at the steady middle of the speed, by the courses that were told.

    None where none are, they hardly wander, or the shaft's lines are clearer
    without: whoever tells a speed may tell it late.
    """
    if not profiles or max(_wander(one) for one in profiles) < SMEARED:
        return None
    turned = [
        steadied(samples, sample_rate_hz, profile, speed.middle_hz)
        for samples, profile in zip(stretches, profiles, strict=True)
    ]
    shaft = Shaft(speed.middle_hz, speed.tolerance, False)
    before, after = (
        _clearest(some, sample_rate_hz, shaft, WANDER) for some in (stretches, turned)
    )
    return turned if after > before - CLEARER_DB else None


def _wander(profile: SpeedProfile) -> float:
    """Relative to the mean."""
    return float(np.ptp(profile.hz) / profile.hz.mean())


def in_turns(
    stretches: Sequence[Float32],
    sample_rate_hz: float,
    shaft: Shaft,
    steady_hz: float | None = None,
) -> tuple[list[Float32], float] | None:
    """The stretches as at a steady speed, and that speed, Hz, where the speed wanders and its lines
    show how.

    steady_hz : their mean unless told, so that what is not tied to the shaft,
        the mains above all, stays where it is

    None where there is none, one is too short, or its lines are no clearer in turns.
    """
    profiles = [read_speed(one, sample_rate_hz, shaft.hz) for one in stretches]
    known = [one for one in profiles if one is not None]
    if not known or len(known) < len(stretches):
        return None
    hz = steady_hz or _mean_hz(stretches, sample_rate_hz, known)
    turned = [
        steadied(samples, sample_rate_hz, profile, hz)
        for samples, profile in zip(stretches, known, strict=True)
    ]
    before = _clearest(stretches, sample_rate_hz, shaft, WANDER)
    after = _clearest(turned, sample_rate_hz, Shaft(hz, STEADY, True), 0.0)
    if after < max(SURE_IN_TURNS_DB, before + CLEARER_DB):
        return None
    return turned, hz


def _mean_hz(
    stretches: Sequence[Float32], sample_rate_hz: float, profiles: Sequence[SpeedProfile]
) -> float:
    """All turns by all seconds."""
    ends_s = [len(samples) / sample_rate_hz for samples in stretches]
    turns = [
        float(profile.turns(np.array([0.0, end_s]))[-1])
        for profile, end_s in zip(profiles, ends_s, strict=True)
    ]
    return math.fsum(turns) / math.fsum(ends_s)


def _clearest(
    stretches: Sequence[Float32], sample_rate_hz: float, shaft: Shaft, reach: float
) -> float:
    """The level of the shaft's harmonics, dB, at the best base within the relative reach."""
    around = ShaftSpeed(shaft.hz * (1 - reach), shaft.hz * (1 + reach))
    above_db, delta_hz = _above_floor(stretches, sample_rate_hz, around)
    above_db = np.clip(above_db, 0, FULL_IN_TURNS_DB)
    return float(_scores(above_db, delta_hz, around)[1].max())


def _above_floor(
    stretches: Sequence[Float32], sample_rate_hz: float, speed: ShaftSpeed
) -> tuple[Float64, float]:
    """The spectrum in decibels above its floor, and the step between bins."""
    longest_s = max(len(one) for one in stretches) / sample_rate_hz
    delta_hz = 1 / min(longest_s, LONGEST_SEGMENT_S)
    density, _ = mean_density(stretches, sample_rate_hz, delta_hz)
    # The floor of the highest harmonic reaches one turn beyond it; what lies above is not needed.
    density = density[: round((N_HARMONICS + 2) * speed.high_hz / delta_hz)]
    above_db = 10 * np.log10(np.maximum(density, 1e-30))
    floor_bins = 2 * round(speed.middle_hz / delta_hz) + 1
    above_db -= median_filter(above_db, floor_bins, mode="nearest")
    return above_db, delta_hz


def _scores(
    above_db: Float64, delta_hz: float, speed: ShaftSpeed
) -> tuple[Float64, Float64]:
    """Bases in the range, and the sum of the levels of their first harmonics."""
    step_hz = 0.5 * delta_hz / N_HARMONICS
    n = max(int((speed.high_hz - speed.low_hz) / step_hz), 1)
    bases = np.linspace(speed.low_hz, speed.high_hz, n + 1)
    index = np.rint(bases[:, None] * np.arange(1, N_HARMONICS + 1) / delta_hz).astype(
        np.intp
    )
    inside = index < len(above_db)
    levels = np.where(inside, above_db[np.minimum(index, len(above_db) - 1)], 0.0)
    return bases, np.asarray(levels.sum(axis=1))
