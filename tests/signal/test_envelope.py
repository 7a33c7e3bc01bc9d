"""The squared envelope's spectrum: a known modulation is found at its rate and in its depth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert

from monitor.records.signal import Float32, Float64
from monitor.signal.envelope import EnvelopeSpectrum, Transformed, envelope_spectrum

RATE_HZ = 12_000.0
BAND_HZ = (2500.0, 3500.0)
DEPTH = 0.4


def modulated(seconds: float, f_hz: float = 107.0, seed: int = 0) -> Float32:
    """A carrier at 3 kHz whose amplitude swings; a strong hum lies outside the band."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    carrier = (1 + DEPTH * np.cos(2 * np.pi * f_hz * t)) * np.cos(2 * np.pi * 3000 * t)
    noise = 0.01 * np.random.default_rng(seed).standard_normal(len(t))
    return np.asarray(carrier + 5 * np.sin(2 * np.pi * 50 * t) + noise, np.float32)


def spectrum(*stretches: Float32, resolution_hz: float = 1.0) -> EnvelopeSpectrum:
    found = envelope_spectrum(stretches, RATE_HZ, BAND_HZ, resolution_hz)
    assert found is not None
    return found


def squared_envelope(
    samples: Float32, band_hz: tuple[float, float], envelope_rate_hz: float
) -> Float64:
    return Transformed.of(samples, RATE_HZ).squared_envelope(band_hz, envelope_rate_hz)


def test_a_modulation_is_found_at_its_rate_and_in_its_depth() -> None:
    found = spectrum(modulated(10.0))
    assert int(found.density[3:].argmax()) + 3 == 107
    # (1 + d cos)² has a line of amplitude 2 d beside the mean 1 + d² / 2; 1.5 bins under Hann.
    amplitude = np.sqrt(2 * found.density[106:109].sum() * found.resolution_hz)
    assert amplitude == pytest.approx(2 * DEPTH / (1 + DEPTH**2 / 2), rel=0.01)


def test_gain_cancels() -> None:
    quiet = spectrum((modulated(5.0) * 1e-3).astype(np.float32)).density
    np.testing.assert_allclose(
        quiet, spectrum(modulated(5.0)).density, rtol=1e-2, atol=1e-9
    )


def test_it_is_the_envelope_that_scipy_s_hilbert_gives() -> None:
    samples = modulated(2.0)
    rate_hz = 3000.0
    envelope = squared_envelope(samples, BAND_HZ, rate_hz)
    bins = np.fft.rfft(samples - samples.mean())
    f_hz = np.arange(len(bins)) * RATE_HZ / len(samples)
    bins[(f_hz < BAND_HZ[0]) | (f_hz >= BAND_HZ[1])] = 0
    known = np.square(np.abs(hilbert(np.fft.irfft(bins, len(samples)))))
    step = RATE_HZ / rate_hz
    at = np.arange(0, len(envelope), 7) * step
    np.testing.assert_allclose(
        np.interp(at, np.arange(len(known)), known), envelope[::7], rtol=0.02, atol=0.01
    )


def test_resolution_and_averages_are_stated() -> None:
    found = spectrum(modulated(10.0), resolution_hz=0.5)
    assert found.resolution_hz == 0.5
    assert found.n_averaged == 9  # segments of 2 s, half overlapping
    assert len(found.density) == 2101  # to a little more than the band's width
    assert int(found.density[5:].argmax()) + 5 == 214


def test_stretches_are_averaged_and_never_joined() -> None:
    one, other = modulated(3.0, seed=1), modulated(4.0, seed=2)
    both = spectrum(one, other)
    first, second = spectrum(one), spectrum(other)
    n = min(len(first.density), len(second.density))
    mean = (
        first.density[:n] * first.n_averaged + second.density[:n] * second.n_averaged
    ) / both.n_averaged
    np.testing.assert_allclose(both.density[:n], mean, rtol=1e-9)


def test_what_is_too_short_is_none_and_what_is_short_beside_long_is_left_out() -> None:
    assert envelope_spectrum([modulated(0.5)], RATE_HZ, BAND_HZ, 1.0) is None
    assert spectrum(modulated(0.5), modulated(3.0)).n_averaged == 5
    assert spectrum(modulated(1.0)).n_averaged == 1  # exactly one segment


def test_a_signal_that_stands_still_has_no_lines() -> None:
    assert not spectrum(np.zeros(24_000, np.float32)).density.any()


def test_a_band_between_two_frequencies_is_refused() -> None:
    with pytest.raises(ValueError, match="holds too little"):
        squared_envelope(modulated(0.5), (3000.0, 3001.0), 100.0)
    assert len(squared_envelope(modulated(0.5), (3000.0, 3004.0), 100.0)) == 50


def test_gravity_is_no_vibration_in_a_band_from_zero() -> None:
    gravity = np.full(6000, 9.81, np.float32)
    assert squared_envelope(gravity, (0.0, 100.0), 200.0).max() < 1e-9
