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


def squared_envelope(
    samples: Float32,
    sample_rate_hz: float,
    band_hz: tuple[float, float],
    envelope_rate_hz: float,
) -> Float64:
    """The squared envelope of one band, (m/s²)², at a rate of its own.

    samples : float32, shape (n,), m/s², without a gap
    envelope_rate_hz : at least twice the band's width, or the envelope is
        aliased

    Raises ValueError for a band that holds less than two frequencies of the
    signal.
    """
    n = len(samples)
    return _of_band(_spectrum(samples), n, sample_rate_hz, band_hz, envelope_rate_hz)


def _spectrum(samples: Float32) -> Complex128:
    return np.asarray(
        scipy.fft.rfft(samples.astype(np.float64) - samples.mean(dtype=np.float64))
    )


def _of_band(
    spectrum: Complex128,
    n: int,
    sample_rate_hz: float,
    band_hz: tuple[float, float],
    envelope_rate_hz: float,
) -> Float64:
    """spectrum : of n samples"""
    first, end = (round(edge * n / sample_rate_hz) for edge in band_hz)
    band = spectrum[first:end]
    if len(band) < 2:
        raise ValueError(f"band {band_hz} Hz: holds too little of a signal of {n} samples.")
    n_out = round(n * envelope_rate_hz / sample_rate_hz)
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
    transformed = [(_spectrum(one), len(one)) for one in stretches]
    return [
        _of_stretches(transformed, sample_rate_hz, band_hz, resolution_hz)
        for band_hz in bands_hz
    ]


def _of_stretches(
    transformed: Sequence[tuple[Complex128, int]],
    sample_rate_hz: float,
    band_hz: tuple[float, float],
    resolution_hz: float,
) -> EnvelopeSpectrum | None:
    """transformed : each stretch's spectrum and its number of samples"""
    n_segment = scipy.fft.next_fast_len(
        round(2.1 * (band_hz[1] - band_hz[0]) / resolution_hz)
    )
    rate_hz = n_segment * resolution_hz
    total, n_averaged = np.zeros(n_segment // 2 + 1), 0
    for spectrum, n in transformed:
        if round(n * rate_hz / sample_rate_hz) < n_segment:
            continue
        envelope = _of_band(spectrum, n, sample_rate_hz, band_hz, rate_hz)
        powers = segment_powers(envelope / (float(envelope.mean()) or 1.0), n_segment)
        total += powers.sum(axis=0) / rate_hz
        n_averaged += len(powers)
    if not n_averaged:
        return None
    return EnvelopeSpectrum(band_hz, total / n_averaged, resolution_hz, n_averaged)
