"""The shaft's speed, read more closely from its own lines in the spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from monitor.records.machine import ShaftSpeed
from monitor.records.signal import Float32, Float64
from monitor.signal.welch import mean_density

N_HARMONICS = 5
FULL_DB = 20.0  # more than this above the floor counts no more
SURE_DB = 20.0  # of all harmonics together: two of them stand out
UNLIKE = 0.8  # a second comb of so much of the first one's score leaves it open
FIXED = 0.05  # a narrower range than this may be used as it is
READ_TOLERANCE = 0.003
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
    longest_s = max(len(one) for one in stretches) / sample_rate_hz
    delta_hz = 1 / min(longest_s, LONGEST_SEGMENT_S)
    density, _ = mean_density(stretches, sample_rate_hz, delta_hz)
    above_db = 10 * np.log10(np.maximum(density, 1e-30))
    above_db -= median_filter(
        above_db, 2 * round(speed.middle_hz / delta_hz) + 1, mode="nearest"
    )
    bases, scores = _scores(np.clip(above_db, 0, FULL_DB), delta_hz, speed)
    best = int(scores.argmax())
    away = np.abs(bases / bases[best] - 1) > FIXED
    rival = float(scores[away].max(initial=0.0))
    if scores[best] >= SURE_DB and rival < UNLIKE * scores[best]:
        tolerance = max(READ_TOLERANCE, 0.5 * delta_hz / (N_HARMONICS * bases[best]))
        return Shaft(float(bases[best]), tolerance, True)
    return configured if speed.tolerance <= FIXED else None


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
