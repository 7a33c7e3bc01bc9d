"""A kept window's line spectrum and its sound: nothing is gained or lost."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.page.sound import MAX_LINES, line_spectrum, wav_file, wav_to_play


@given(seed=st.integers(0, 2**32), n=st.integers(64, 3000), rate_hz=st.floats(1, 1e5))
def test_the_lines_hold_the_power_of_the_tapered_signal(
    seed: int, n: int, rate_hz: float
) -> None:
    """Parseval."""
    samples = np.random.default_rng(seed).standard_normal((2, n)).astype(np.float32)
    step_hz, level_db = line_spectrum(samples, rate_hz)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    still = samples - samples.mean(axis=1, keepdims=True, dtype=np.float64)
    power = ((still * taper) ** 2).sum(axis=1) / (taper**2).sum()
    found = (10 ** (level_db.astype(float) / 10)).sum(axis=1) * step_hz
    np.testing.assert_allclose(found, power, rtol=1e-3)


def test_a_sine_reads_its_amplitude() -> None:
    t = np.arange(12_800) / 12_800
    samples = (3 * np.sin(2 * np.pi * 1000 * t))[None].astype(np.float32)
    step_hz, level_db = line_spectrum(samples, 12_800)
    line = round(1000 / step_hz)
    around = 10 ** (level_db[0, line - 2 : line + 3].astype(float) / 10)
    assert np.sqrt(around.sum() * step_hz) == pytest.approx(3 / np.sqrt(2), rel=1e-4)
    assert int(level_db[0].argmax()) == line


def test_a_long_window_has_a_bounded_number_of_lines() -> None:
    samples = (
        np.random.default_rng(1).standard_normal((1, 5 * MAX_LINES)).astype(np.float32)
    )
    step_hz, level_db = line_spectrum(samples, 1e5)
    assert level_db.shape == (1, MAX_LINES + 1)
    assert step_hz == pytest.approx(1.0)


def test_a_file_holds_the_samples_as_they_are() -> None:
    samples = np.random.default_rng(2).standard_normal((3, 100)).astype(np.float32)
    body = wav_file(samples, 25_600.0)
    assert body[:4] == b"RIFF"
    assert int.from_bytes(body[4:8], "little") == len(body) - 8
    assert int.from_bytes(body[24:28], "little") == 25_600
    np.testing.assert_array_equal(
        np.frombuffer(body[44:], "<f4").reshape(100, 3).T, samples
    )


@pytest.mark.parametrize("level", [0.0, 1e-6, 1e6])
def test_what_is_played_is_loud_and_never_clips(level: float) -> None:
    channel = (level * np.sin(np.arange(1000) / 7) + 5).astype(np.float32)
    with wave.open(io.BytesIO(wav_to_play(channel, 12_800.4))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (
            12_800,
            1,
            1000,
        )
        found = np.frombuffer(file.readframes(1000), "<i2")
    assert np.abs(found.astype(int)).max() <= 0.9 * 32767 + 1
