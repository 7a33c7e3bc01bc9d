"""From seconds to turns: the speed of a shaft from moment to moment, read from its own lines, and
the signal at equal steps of its angle.

A line tied to the shaft is smeared as far as the speed wanders. In turns it is
one line again (computed order tracking; Fyfe and Munck 1997, Mech. Syst. Signal
Process. 11). Without a tachometer the speed is what turns the shaft's harmonics:
each is shifted to zero and its phase followed, wide at first, then along the
speed found so far (Urbanek and others 2013, Mech. Syst. Signal Process. 38).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates

from monitor.records.signal import Float32, Float64

N_HARMONICS = 5
# relative: how far around a harmonic is listened, step by step
WIDTHS = (0.06, 0.03, 0.015)
WIDEST = 0.45  # of the speed: halfway to the next harmonic
OVER = 1.25  # how far the sample rate exceeds what the widest needs
SMOOTH_S = 0.6  # the speed is steady within
FEWEST_TURNS = 30
SMALLEST = 1e-30

Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class SpeedProfile:
    """A shaft's speed over one stretch of signal.

    at_s : float64, shape (n,), from the stretch's first sample, rising
    hz : float64, shape (n,); before the first and after the last it stays
    """

    at_s: Float64
    hz: Float64

    def turns(self, time_s: Float64) -> Float64:
        """Revolutions since the first sample, shape as time_s."""
        fine_s = np.linspace(0.0, float(time_s[-1]), max(16 * len(self.at_s), 2))
        hz = np.interp(fine_s, self.at_s, self.hz)
        steps = np.diff(fine_s) * (hz[1:] + hz[:-1]) / 2
        turns = np.concatenate([[0.0], np.cumsum(steps)])
        return np.asarray(np.interp(time_s, fine_s, turns))


def steadied(
    samples: Float32, sample_rate_hz: float, profile: SpeedProfile, shaft_hz: float
) -> Float32:
    """The signal at equal steps of angle: read at the same sample rate it is what the machine would
    have sent at a steady shaft_hz, so the nth order lies at n * shaft_hz.

    samples : float32, shape (n,), m/s². Returns float32 of about the same length:
        a few samples at the end go, so that it transforms quickly
    """
    n = len(samples)
    turns = profile.turns(np.arange(n) / sample_rate_hz)
    n_out = scipy.fft.prev_fast_len(int(turns[-1] / shaft_hz * sample_rate_hz) + 1)
    even = np.arange(n_out) * (shaft_hz / sample_rate_hz)
    position = np.interp(even, turns, np.arange(n, dtype=np.float64))
    moved = map_coordinates(samples, position[None], np.float32, order=3, mode="nearest")
    return np.asarray(moved, np.float32)


def read_speed(
    samples: Float32, sample_rate_hz: float, shaft_hz: float
) -> SpeedProfile | None:
    """The speed from moment to moment, within 6 % of shaft_hz.

    samples : float32, shape (n,), m/s²

    Where no harmonic stands out it means nothing: whoever asks must see whether
    the lines are clearer by it. None where the signal is too short.
    """
    if len(samples) / sample_rate_hz * shaft_hz < FEWEST_TURNS:
        return None
    lines, rate_hz = _shifted(samples, sample_rate_hz, shaft_hz)
    n = lines.shape[1]
    time_s = np.arange(n) / rate_hz
    away_hz = np.zeros(n)
    for width in WIDTHS:
        along = SpeedProfile(time_s, away_hz).turns(time_s)
        away_hz = away_hz + _away(lines, along, rate_hz, shaft_hz, width)
    return SpeedProfile(time_s, shaft_hz + away_hz)


def _shifted(
    samples: Float32, sample_rate_hz: float, shaft_hz: float
) -> tuple[Complex, float]:
    """Each harmonic of the shaft shifted to 0 Hz, shape (N_HARMONICS, n), and its sample rate."""
    seconds = len(samples) / sample_rate_hz
    spectrum = scipy.fft.rfft(samples - samples.mean())
    n = scipy.fft.next_fast_len(math.ceil(2 * OVER * WIDEST * shaft_hz * seconds))
    half = int(WIDEST * shaft_hz * seconds)
    lines = np.zeros((N_HARMONICS, n), np.complex128)
    for k in range(1, N_HARMONICS + 1):
        centre = round(k * shaft_hz * seconds)
        near = spectrum[centre - half : centre + half + 1]
        lines[k - 1, : len(near)] = near
        lines[k - 1] = np.roll(lines[k - 1], -half)
        # The nearest bin is not quite the harmonic.
        rest_hz = k * shaft_hz - centre / seconds
        lines[k - 1] = scipy.fft.ifft(lines[k - 1]) * np.exp(
            -2j * math.pi * rest_hz * np.arange(n) * seconds / n
        )
    return lines, n / seconds


def _away(
    lines: Complex, along: Float64, rate_hz: float, shaft_hz: float, width: float
) -> Float64:
    """How far the speed is from the turns followed so far, Hz, shape (n,): what the harmonics still
    turn by, each counting as clearly as it does so.
    """
    n = lines.shape[1]
    order = np.arange(1, N_HARMONICS + 1)[:, None]
    still = lines * np.exp(-2j * math.pi * order * along)
    reach_hz = np.minimum(width * order, WIDEST) * shaft_hz
    passed = np.abs(scipy.fft.fftfreq(n, 1 / rate_hz)) <= reach_hz
    still = scipy.fft.ifft(scipy.fft.fft(still, axis=1) * passed, axis=1)
    smooth = SMOOTH_S * rate_hz
    step = still[:, 1:] * still[:, :-1].conj()
    step = np.concatenate([step, step[:, -1:]], axis=1)
    turned = gaussian_filter1d(step.real, smooth, axis=1, mode="nearest") + (
        1j * gaussian_filter1d(step.imag, smooth, axis=1, mode="nearest")
    )
    power = gaussian_filter1d(np.square(np.abs(still)), smooth, axis=1, mode="nearest")
    sure = np.minimum(np.abs(turned) / np.maximum(power, SMALLEST), 0.999)
    weight = np.square(order * sure) / (1 - np.square(sure))
    turn_hz = np.angle(turned) * rate_hz / (2 * math.pi) / order
    return np.asarray(
        (weight * turn_hz).sum(axis=0) / np.maximum(weight.sum(axis=0), SMALLEST)
    )
