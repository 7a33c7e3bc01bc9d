"""Laws of the spectrogram: power is conserved, levels are true,
and a window's result is its own.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import ShortTimeFFT, get_window

from monitor.records.signal import Float32
from monitor.signal.spectrogram import (
    SpectrogramSettings,
    column_starts,
    default_grid,
    default_settings,
    spectrogram,
    to_grid,
)

RATE_HZ = 26_667.3  # no whole number of anything


def power(psd_db: Float32) -> np.ndarray:
    return 10 ** (psd_db.astype(np.float64) / 10)


def noise(seed: int, *shape: int) -> Float32:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole_spectrum(
    n_fft: int, n_window: int, hop: int, taper: str = "hann"
) -> SpectrogramSettings:
    """One band a bin, zero frequency and Nyquist included."""
    edges = tuple((q - 0.5) * RATE_HZ / n_fft for q in range(1, n_fft // 2 + 1))
    return SpectrogramSettings(
        RATE_HZ,
        n_window,
        n_fft,
        hop,
        taper,
        (0.0, *edges, RATE_HZ / 2 + RATE_HZ / n_fft / 2),
    )


@given(
    seed=st.integers(0, 2**32),
    n_fft=st.integers(16, 300),
    n_frames=st.integers(1, 5),
)
def test_parseval_power_over_all_bins_is_the_mean_square(
    seed: int, n_fft: int, n_frames: int
) -> None:
    """Without a taper and without overlap, PSD times bin width adds up to the mean square of the
    centred window.
    """
    setting = whole_spectrum(n_fft, n_fft * n_frames, n_fft, "boxcar")
    samples = noise(seed, 1, 1, setting.n_window) * 3 + 100
    total = power(spectrogram(samples, setting)).sum(axis=2).mean() * setting.delta_f_hz
    centred = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    assert total == pytest.approx(np.mean(centred**2), rel=1e-4)


@given(
    seed=st.integers(0, 2**32),
    n_fft=st.integers(32, 1100),
    parts=st.integers(1, 4),
    taper=st.sampled_from(["hann", "hamming", "blackman"]),
)
@settings(deadline=None)
def test_equals_short_time_fft_on_inner_frames(
    seed: int, n_fft: int, parts: int, taper: str
) -> None:
    hop = max(1, n_fft // parts)
    setting = whole_spectrum(n_fft, 5 * n_fft + 7, hop, taper)
    samples = noise(seed, 1, 1, setting.n_window)
    reference = ShortTimeFFT(
        get_window(taper, n_fft),
        hop,
        RATE_HZ,
        fft_mode="onesided",
        scale_to="psd",
        phase_shift=None,
    )
    centred = samples[0, 0].astype(np.float64) - samples.mean(dtype=np.float64)
    # A slice of ShortTimeFFT is centred on sample p * hop; ours begins at sample p * hop, so shift
    # by half a frame.
    padded = np.concatenate([np.zeros((-(n_fft // 2)) % hop), centred])
    p0 = (n_fft // 2 + (-(n_fft // 2)) % hop) // hop
    expected = np.abs(reference.stft(padded, p0, p0 + setting.n_frames)) ** 2
    expected[1 : -1 if n_fft % 2 == 0 else None] *= 2  # one-sided
    np.testing.assert_allclose(
        power(spectrogram(samples, setting))[0, 0], expected, rtol=2e-3, atol=1e-9
    )


@given(
    amplitude=st.floats(1e-2, 1e3), bin_=st.floats(20.0, 480.0), phase=st.floats(0, 6.28)
)
@settings(deadline=None)
def test_a_calibrated_sine_reads_its_amplitude(
    amplitude: float, bin_: float, phase: float
) -> None:
    """The power a sine spreads over its neighbouring bins is amplitude² / 2, wherever it lies
    between them.
    """
    n_fft, n_window = 1021, 25_607
    setting = whole_spectrum(n_fft, n_window, 509)
    sine = amplitude * np.sin(2 * np.pi * bin_ / n_fft * np.arange(n_window) + phase)
    psd = power(spectrogram(sine.astype(np.float32)[None, None], setting))[0, 0]
    near = slice(int(bin_) - 8, int(bin_) + 10)
    measured = np.sqrt(2 * psd[near].sum(axis=0) * setting.delta_f_hz)
    np.testing.assert_allclose(measured, amplitude, rtol=2e-3)


@given(
    seed=st.integers(0, 2**32), n_windows=st.integers(1, 9), n_channels=st.integers(1, 3)
)
@settings(deadline=None)
def test_a_batch_equals_its_windows_one_by_one(
    seed: int, n_windows: int, n_channels: int
) -> None:
    setting = default_settings(RATE_HZ, 12_807)
    samples = noise(seed, n_windows, n_channels, 12_807)
    batch = spectrogram(samples, setting)
    single = np.concatenate(
        [spectrogram(samples[i : i + 1], setting) for i in range(n_windows)]
    )
    np.testing.assert_allclose(batch, single, atol=1e-5)


@given(
    seed=st.integers(0, 2**32),
    n_window=st.integers(100, 3000),
    offset=st.floats(-100, 100),
    gain=st.floats(0.1, 100),
)
@settings(deadline=None)
def test_offset_vanishes_and_gain_is_a_shift_in_db(
    seed: int, n_window: int, offset: float, gain: float
) -> None:
    setting = default_settings(RATE_HZ, n_window)
    samples = noise(seed, 1, 1, n_window)
    plain = spectrogram(samples, setting)
    # To the rounding of float32 samples on top of a large offset.
    moved = spectrogram(samples + np.float32(offset), setting)
    np.testing.assert_allclose(to_grid(moved, 1), to_grid(plain, 1), atol=0.01)
    np.testing.assert_allclose(
        spectrogram(samples * np.float32(gain), setting),
        plain + 20 * np.log10(gain),
        atol=1e-3,
    )


@given(n_frames=st.integers(1, 500), data=st.data())
def test_columns_share_out_all_frames(n_frames: int, data: st.DataObject) -> None:
    n_t = data.draw(st.integers(1, n_frames))
    starts = column_starts(n_frames, n_t)
    widths = np.diff([*starts, n_frames])
    assert len(starts) == n_t
    assert starts[0] == 0
    assert (widths >= 1).all()
    assert len(set(widths[:-1])) <= 1


@given(seed=st.integers(0, 2**32), n_window=st.integers(500, 26_000), data=st.data())
@settings(deadline=None)
def test_the_grid_keeps_power(seed: int, n_window: int, data: st.DataObject) -> None:
    """Weighted by their frames, the columns' mean powers give the frames' mean power."""
    setting = default_settings(RATE_HZ, n_window)
    n_t = data.draw(st.integers(1, setting.n_frames))
    psd_db = spectrogram(noise(seed, 1, 1, n_window), setting)
    n_in_column = np.diff([*column_starts(setting.n_frames, n_t), setting.n_frames])
    from_grid = np.average(power(to_grid(psd_db, n_t)), axis=-1, weights=n_in_column)
    np.testing.assert_allclose(from_grid, power(psd_db).mean(axis=-1), rtol=1e-4)


@given(rate_hz=st.floats(10, 1e5), n_window=st.integers(16, 100_000))
@settings(deadline=None)
def test_default_settings_fit_any_sensor(rate_hz: float, n_window: int) -> None:
    setting = default_settings(rate_hz, n_window)  # each band holds a bin, or it raises
    grid = default_grid(setting)
    widths_hz = np.diff(setting.band_edges_hz)
    assert setting.band_edges_hz[0] > 0
    assert setting.band_edges_hz[-1] <= rate_hz / 2
    assert (np.diff(widths_hz) > -1.01 * setting.delta_f_hz).all(), (
        "bands widen with frequency"
    )
    assert grid.shape[0] == setting.n_bands <= 24
    assert 1 <= grid.shape[1] <= 12
    assert (np.diff(grid.t_edges_s) > 0).all()
    assert grid.t_edges_s[-1] == pytest.approx(n_window / rate_hz)
