"""Bearings that strike, for tests: impulses that ring a resonance, in noise."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from monitor.records.machine import Bearing, Machine, ShaftSpeed, ratios_of
from monitor.records.signal import Float32, Float64

RATE_HZ = 12_000.0
SHAFT_HZ = 29.0
RATIOS = ratios_of(9, 7.94, 39.04, 0.0)
MACHINE = Machine(
    speed=ShaftSpeed(0.998 * SHAFT_HZ, 1.002 * SHAFT_HZ),
    bearings=(Bearing("drive end", RATIOS, 1.0),),
)


def noise(seconds: float, seed: int) -> Float64:
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))


def struck(
    strikes_per_turn: float,
    *,
    load_turns: float = 0.0,
    seconds: float = 6.0,
    seed: int = 0,
    size: float = 8.0,
) -> Float32:
    """Strikes with a little slip; load_turns : turns of the load zone past the part in a turn"""
    draw = np.random.default_rng([seed, 1])
    n = round(seconds * RATE_HZ)
    gaps_s = (
        (1 + 0.01 * draw.standard_normal(round(seconds * 400)))
        / strikes_per_turn
        / SHAFT_HZ
    )
    times_s = np.cumsum(gaps_s)
    times_s = times_s[times_s < seconds]
    load = 0.55 + 0.45 * np.cos(2 * np.pi * load_turns * SHAFT_HZ * times_s)
    drive = np.zeros(n)
    drive[(times_s * RATE_HZ).astype(int)] = size * (load if load_turns else 1.0)
    ringing = lfilter([1.0], [1.0, -2 * 0.97 * np.cos(2 * np.pi * 0.27), 0.97**2], drive)
    return np.asarray(ringing + noise(seconds, seed), np.float32)
