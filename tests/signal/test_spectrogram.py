from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.signal.spectrogram import (
    SpectrogramSettings,
    column_starts,
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
    ("rate_hz", "n_window", "expected"),
    [
        (1000.0, 16, (8, 2, 5, [1, 2, 3])),
        (1000.0, 17, (8, 1, 10, [1, 2, 3])),
        (1000.0, 24, (12, 2, 7, [1, 2, 3, 4, 5])),
        (1000.0, 35, (17, 5, 4, [1, 2, 3, 4, 5, 6, 7])),
        (8000.0, 40, (20, 8, 3, [1, 2, 3, 4, 5, 6, 7, 8, 9])),
    ],
)
def test_defaults_of_short_windows(
    rate_hz: float, n_window: int, expected: tuple[int, int, int, list[int]]
) -> None:
    assert in_brief(rate_hz, n_window) == expected


@pytest.mark.parametrize(
    ("rate_hz", "n_window", "n_fft", "hop", "n_columns", "sum_of_bins"),
    [
        (1000.0, 77, 38, 7, 6, 171),
        (2000.0, 78, 39, 13, 4, 171),
        (1000.0, 135, 64, 15, 5, 346),
        (2000.0, 555, 74, 37, 5, 373),
        (1000.0, 1013, 202, 101, 9, 690),
        (2000.0, 3331, 222, 111, 10, 732),
        (2000.0, 55_568, 604, 302, 8, 1598),
    ],
)
def test_defaults_stay_what_they_are(
    rate_hz: float, n_window: int, n_fft: int, hop: int, n_columns: int, sum_of_bins: int
) -> None:
    """Others would set aside what sensors without a model were commissioned with."""
    *brief, bins = in_brief(rate_hz, n_window)
    assert brief == [n_fft, hop, n_columns]
    assert sum(bins) == sum_of_bins


def in_brief(rate_hz: float, n_window: int) -> tuple[int, int, int, list[int]]:
    """n_fft, hop, columns of the map, and the bins that bands begin with."""
    settings = default_settings(rate_hz, n_window)
    bins = list(settings.band_bins)
    edges = np.array(settings.band_edges_hz) / settings.delta_f_hz
    np.testing.assert_allclose(edges, np.array(bins) - 0.5)
    return settings.n_fft, settings.hop, default_grid(settings).shape[1], bins


def test_columns_hold_equally_many_frames_but_the_last() -> None:
    for n_frames in range(1, 30):
        for n_t in range(1, n_frames + 1):
            starts = column_starts(n_frames, n_t)
            each = np.diff([*starts, n_frames])
            assert len(each) == n_t
            assert (each > 0).all()
            assert len(set(each[:-1].tolist())) <= 1


def test_what_lies_above_the_last_band_is_in_none() -> None:
    time_s = np.arange(1000) / 1000
    samples = np.sin(2 * np.pi * 400 * time_s).astype(np.float32)[None, None]
    assert spectrogram(samples, GOOD).max() < -60


def test_a_frame_longer_than_what_is_worked_on_at_a_time() -> None:
    settings = SpectrogramSettings(1000.0, 300_000, 300_000, 1, "boxcar", (0.0, 500.002))
    samples = np.random.default_rng(0).normal(size=(3, 1, 300_000)).astype(np.float32)
    found = spectrogram(samples, settings)
    assert found.shape == (3, 1, 1, 1)
    # all of a variance of 1, spread over 500 Hz
    np.testing.assert_allclose(found, 10 * np.log10(1 / 500), atol=0.1)


WIDE = {"n_fft": 2, "hop": 2, "band_edges_hz": (0.0, 600.0)}


@pytest.mark.parametrize(
    "change",
    [
        {"sample_rate_hz": 0.5, "band_edges_hz": (0.0, 0.2)},
        {"sample_rate_hz": 1e9 - 1, "band_edges_hz": (0.0, 1e8)},
        {"n_window": 2, **WIDE},
        {"n_window": 1 << 24},
        {"hop": 1},
        {"hop": 100},
        {"band_edges_hz": (0.0, 510.0)},
    ],
)
def test_settings_at_a_limit_are_taken(change: dict[str, Any]) -> None:
    assert replace(GOOD, **change).n_frames >= 1


@pytest.mark.parametrize(
    "change",
    [
        {"sample_rate_hz": 1e9, "band_edges_hz": (0.0, 1e8)},
        {"n_window": 1, **WIDE},
        {**WIDE, "n_fft": 1, "hop": 1},
        {"n_window": (1 << 24) + 1},
        {"hop": 0},
        {"band_edges_hz": (5.0, 105.0, 105.0)},
        {"band_edges_hz": (5.0, 105.0, 55.0)},
        {"band_edges_hz": (-5.0, 105.0)},
        {"band_edges_hz": (0.0, 510.1)},
    ],
)
def test_settings_beyond_a_limit_are_not(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        replace(GOOD, **change)


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
