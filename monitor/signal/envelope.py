"""Spectrum of the squared envelope of a band: how often something strikes there.

A defect strikes at a low rate and rings a resonance at a high frequency. The
band's envelope follows the strikes; its spectrum has lines at their rate
(Randall and Antoni 2011, Mech. Syst. Signal Process. 25).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from monitor.records.signal import Float32, Float64
from monitor.signal.welch import segment_powers

Complex128 = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class EnvelopeSpectrum:
    """Power density of the squared envelope, relative to its mean squared, so that gain cancels.

    density : float64, shape (n_f,), 1/Hz; bin q lies at q * resolution_hz
    resolution_hz : between two bins; lines 1.5 bins apart are told apart
    n_averaged : half-overlapping segments in the mean
    """

    band_hz: tuple[float, float]
    density: Float64
    resolution_hz: float
    n_averaged: int


@dataclass(frozen=True, slots=True)
class Transformed:
    """An unbroken stretch of signal by frequency, its mean removed.

    bins : complex128, shape (n_samples // 2 + 1,), m/s²
    """

    bins: Complex128
    n_samples: int
    sample_rate_hz: float

    @classmethod
    def of(cls, samples: Float32, sample_rate_hz: float) -> Transformed:
        """samples : float32, shape (n,), m/s²"""
        centred = samples.astype(np.float64) - samples.mean(dtype=np.float64)
        return cls(np.asarray(scipy.fft.rfft(centred)), len(samples), sample_rate_hz)

    def n_at(self, rate_hz: float) -> int:
        """How many samples the stretch has at another rate."""
        return round(self.n_samples * rate_hz / self.sample_rate_hz)

    def squared_envelope(
        self, band_hz: tuple[float, float], envelope_rate_hz: float
    ) -> Float64:
        """The squared envelope of one band, (m/s²)², at a rate of its own.

        envelope_rate_hz : at least twice the band's width, or the envelope is
            aliased
        Raises ValueError for a band that holds less than two frequencies of the
        signal.
        """
        n = self.n_samples
        first, end = (round(edge * n / self.sample_rate_hz) for edge in band_hz)
        band = self.bins[first:end]
        if len(band) < 2:
            raise ValueError(
                f"band {band_hz} Hz: holds too little of a signal of {n} samples."
            )
        n_out = self.n_at(envelope_rate_hz)
        analytic = scipy.fft.ifft(band, n_out) * (2 * n_out / n)
        return np.asarray(np.square(np.abs(analytic)))


def envelope_spectrum(
    stretches: Sequence[Float32],
    sample_rate_hz: float,
    band_hz: tuple[float, float],
    resolution_hz: float,
) -> EnvelopeSpectrum | None:
    """Mean over Hann-tapered segments of 1 / resolution_hz seconds, half overlapping.

    stretches : unbroken signals, float32, shape (n,), m/s²; no segment spans
        two of them

    None where no stretch is long enough for one segment.
    """
    return envelope_spectra(stretches, sample_rate_hz, [band_hz], resolution_hz)[0]


def envelope_spectra(
    stretches: Sequence[Float32],
    sample_rate_hz: float,
    bands_hz: Sequence[tuple[float, float]],
    resolution_hz: float,
) -> list[EnvelopeSpectrum | None]:
    """As `envelope_spectrum`, of each band; the signal, the longest of all, is transformed once."""
    transformed = [Transformed.of(one, sample_rate_hz) for one in stretches]
    return [_of_stretches(transformed, band_hz, resolution_hz) for band_hz in bands_hz]


def _of_stretches(
    transformed: Sequence[Transformed], band_hz: tuple[float, float], resolution_hz: float
) -> EnvelopeSpectrum | None:
    n_segment = scipy.fft.next_fast_len(
        round(2.1 * (band_hz[1] - band_hz[0]) / resolution_hz)
    )
    rate_hz = n_segment * resolution_hz
    total, n_averaged = np.zeros(n_segment // 2 + 1), 0
    for stretch in transformed:
        if stretch.n_at(rate_hz) < n_segment:
            continue
        envelope = stretch.squared_envelope(band_hz, rate_hz)
        powers = segment_powers(envelope / (float(envelope.mean()) or 1.0), n_segment)
        total += powers.sum(axis=0) / rate_hz
        n_averaged += len(powers)
    if not n_averaged:
        return None
    return EnvelopeSpectrum(band_hz, total / n_averaged, resolution_hz, n_averaged)
