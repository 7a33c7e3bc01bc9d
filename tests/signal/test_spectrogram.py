from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.signal.spectrogram import (
    SpectrogramSettings,
    default_grid,
    default_settings,
    spectrogram,
    to_grid,
)

GOOD = SpectrogramSettings(1000.0, 1000, 100, 50, "hann", (5.0, 105.0, 305.0))


def test_shape_type_and_order_of_axes() -> None:
    """A tone in the second channel, second band and second half is seen there and nowhere else."""
    samples = np.random.default_rng(0).normal(0, 1e-3, (3, 2, 1000)).astype(np.float32)
    samples[2, 1, 500:] += np.sin(2 * np.pi * 200 * np.arange(500) / 1000).astype(
        np.float32
    )
    psd_db = spectrogram(samples, GOOD)
    assert psd_db.shape == (3, 2, 2, GOOD.n_frames)
    assert psd_db.dtype == np.float32
    loud = psd_db > -40
    loud[2, 1, 1, 8:] = False  # frames 8 and 9 overlap the tone's start
    assert psd_db[2, 1, 1, 12] == pytest.approx(10 * np.log10(0.5 / 200), abs=0.3)
    assert not loud.any()


def test_silence_stays_finite() -> None:
    np.testing.assert_allclose(
        spectrogram(np.zeros((1, 1, 1000), np.float32), GOOD), -120, rtol=1e-6
    )


def test_whole_millisecond_columns_for_usual_sensors() -> None:
    for rate_hz, n_window, column_ms in (
        (25_600, 25_600, 100),
        (2000, 10_000, 500),
        (25_600, 2560, 10),
    ):
        grid = default_grid(default_settings(rate_hz, n_window))
        assert grid.shape == (24, 10)
        np.testing.assert_allclose(np.diff(grid.t_edges_s) * 1e3, column_ms)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"sample_rate_hz": 0.0},
            r"sample_rate_hz = 0.0: must be above 0 and below 1e9 hertz",
        ),
        ({"n_fft": 2000}, r"n_fft = 2000: must be from 2 to n_window = 1000 samples"),
        (
            {"hop": 200},
            r"hop = 200: must be from 1 to n_fft = 100, or samples would be skipped",
        ),
        (
            {"taper": "hat"},
            r"taper = 'hat': must be one of boxcar, hann, hamming, blackman\.",
        ),
        ({"band_edges_hz": (5.0,)}, r"must be two or more rising frequencies in hertz"),
        (
            {"band_edges_hz": (50.0, 5.0)},
            r"must be two or more rising frequencies in hertz",
        ),
        (
            {"band_edges_hz": (5.0, 700.0)},
            r"5 to 700 Hz: must lie between 0 and half the sample rate, 500 Hz",
        ),
        (
            {"band_edges_hz": (5.0, 11.0, 12.0)},
            r"11 to 12 Hz: this band holds no FFT bin; bins are 10 Hz apart",
        ),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(GOOD, **change)


def test_samples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"samples have shape \(1, 1, 999\): must be \(n_windows, n_channels, 1000\)",
    ):
        spectrogram(np.zeros((1, 1, 999), np.float32), GOOD)
    with pytest.raises(
        ValueError, match="n_t = 20: must be from 1 to the number of frames, 19"
    ):
        to_grid(np.zeros((1, 1, 2, 19), np.float32), 20)
    with pytest.raises(
        ValueError, match="n_window = 10 samples: a spectrum needs at least 16"
    ):
        default_settings(100, 10)
