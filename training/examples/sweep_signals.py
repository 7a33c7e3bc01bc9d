"""Signals with a frequency sweep in noise, with noise alone, and with clutter that only looks like
something.

Vibration as of a machine: coloured noise; steady tones, impulses that ring,
broadband bursts. A sweep runs up or down by a constant ratio a second, as the
orders of a machine that starts or stops. Half of them have clutter beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.records.signal import Float32, Float64
from monitor.signal.spectrogram import SpectrogramSettings, spectrogram, widening_bins
from training.dataset import Dataset
from training.signal_marks import no_marks
from training.waveform import waveform_figures

RATE_HZ = 4000.0
N_WINDOW = 16_000  # 4 s
HOP = 200  # 50 ms; frames twice as long, half-overlapping, as in the bundled models
N_BLOCK = 100  # signals made and transformed at a time
KINDS = ("noise", "clutter", "sweep")
NYQUIST_HZ = RATE_HZ / 2

Random = np.random.Generator


@dataclass(frozen=True)
class Sweep:
    """frequency_hz runs from from_hz to to_hz by a constant ratio a second."""

    start_s: float
    duration_s: float
    from_hz: float
    to_hz: float

    def frequency_hz(self, t_s: Float64) -> Float64:
        """NaN before and after the sweep."""
        place = (t_s - self.start_s) / self.duration_s
        inside = (place >= 0) & (place <= 1)
        return np.where(
            inside,
            self.from_hz * (self.to_hz / self.from_hz) ** np.clip(place, 0, 1),
            np.nan,
        )

    def signal(self, t_s: Float64) -> Float64:
        """Amplitude 1, faded in and out over a tenth of it."""
        place = (t_s - self.start_s) / self.duration_s
        log_ratio = np.log(self.to_hz / self.from_hz)
        phase = (
            2
            * np.pi
            * self.from_hz
            * self.duration_s
            / log_ratio
            * np.expm1(log_ratio * np.clip(place, 0, 1))
        )
        fade = np.clip(10 * np.minimum(place, 1 - place), 0, 1)
        return np.asarray(fade * np.sin(phase))


def spectrogram_settings() -> SpectrogramSettings:
    """24 bands that widen with frequency, 79 frames."""
    edges = tuple((q - 0.5) * RATE_HZ / (2 * HOP) for q in widening_bins(HOP))
    return SpectrogramSettings(RATE_HZ, N_WINDOW, 2 * HOP, HOP, "hann", edges)


def make_dataset(n: int, seed: int) -> tuple[Dataset, tuple[Sweep | None, ...]]:
    """n signals, half of them with a sweep (NG), a quarter noise alone, a quarter clutter; and
    where the sweeps run.
    """
    random = np.random.default_rng(seed)
    kinds = [("sweep", "noise", "sweep", "clutter")[i % 4] for i in range(n)]
    settings = spectrogram_settings()
    psd_db: list[Float32] = []
    waveform: list[Float32] = []
    sweeps: list[Sweep | None] = []
    for start in range(0, n, N_BLOCK):
        made = [make_signal(kind, random) for kind in kinds[start : start + N_BLOCK]]
        samples = np.stack([signal for signal, _ in made])[:, None]
        psd_db.append(spectrogram(samples, settings))
        waveform.append(waveform_figures(samples))
        sweeps.extend(sweep for _, sweep in made)
    dataset = _dataset(settings, np.concatenate(psd_db), np.concatenate(waveform), kinds)
    return dataset, tuple(sweeps)


def make_signal(kind: str, random: Random) -> tuple[Float32, Sweep | None]:
    """One signal, shape (N_WINDOW,), m/s²."""
    t_s = np.arange(N_WINDOW) / RATE_HZ
    signal = _noise(random)
    if kind == "clutter" or (kind == "sweep" and random.random() < 0.5):
        for add in random.permutation(np.array([_tones, _impulses, _bursts]))[
            : random.integers(1, 4)
        ]:
            signal += add(t_s, random)
    sweep = _sweep(random) if kind == "sweep" else None
    if sweep is not None:
        signal += _gain(random, -8, 4) * sweep.signal(t_s)
    return (_gain(random, -10, 10) * signal).astype(np.float32), sweep


def ridge(sweep: Sweep, settings: SpectrogramSettings) -> NDArray[np.bool_]:
    """Bands and frames of the spectrogram that the sweep passes, shape (n_bands, n_frames).

    A frame stands for one hop about its middle, so the frames tile the time.
    """
    middle_s = (
        np.arange(settings.n_frames) * settings.delta_t_s
        + settings.n_fft / 2 / settings.sample_rate_hz
    )
    parts_s = middle_s[:, None] + np.linspace(-0.5, 0.5, 21) * settings.delta_t_s
    found = sweep.frequency_hz(parts_s)
    low, high = np.array(settings.band_edges_hz[:-1]), np.array(settings.band_edges_hz[1:])
    passed = (found >= low[:, None, None]) & (found < high[:, None, None])
    return np.asarray(passed.any(axis=2))


def _sweep(random: Random) -> Sweep:
    duration_s = random.uniform(1.0, 3.0)
    ratio = np.exp(random.uniform(np.log(3), np.log(12)))
    low_hz = np.exp(random.uniform(np.log(40), np.log(1800 / ratio)))
    ends_hz = (
        (low_hz, low_hz * ratio) if random.random() < 0.5 else (low_hz * ratio, low_hz)
    )
    start_s = random.uniform(0, N_WINDOW / RATE_HZ - duration_s)
    return Sweep(start_s, duration_s, float(ends_hz[0]), float(ends_hz[1]))


def _noise(random: Random) -> Float64:
    """Rms 1; power density falls with frequency to a random power between 0.5 and 1.5."""
    hz = np.fft.rfftfreq(N_WINDOW, 1 / RATE_HZ)
    shape = np.maximum(hz, 5.0) ** (-random.uniform(0.5, 1.5) / 2)
    return _rms_1(np.fft.irfft(np.fft.rfft(random.normal(size=N_WINDOW)) * shape, N_WINDOW))


def _tones(t_s: Float64, random: Random) -> Float64:
    """One to three steady tones."""
    tones = np.zeros(len(t_s))
    for _ in range(random.integers(1, 4)):
        hz = np.exp(random.uniform(np.log(40), np.log(1800)))
        tones += _gain(random, -12, 3) * np.sin(2 * np.pi * (hz * t_s + random.random()))
    return tones


def _impulses(t_s: Float64, random: Random) -> Float64:
    """Knocks at random times that all ring at one resonance."""
    hz, decay_s = random.uniform(200, 1800), random.uniform(0.005, 0.04)
    signal = np.zeros(len(t_s))
    for at_s in random.uniform(0, t_s[-1], random.integers(3, 30)):
        after_s = np.clip(t_s - at_s, 0, None)
        signal += (
            _gain(random, 6, 15)
            * np.exp(-after_s / decay_s)
            * np.sin(2 * np.pi * hz * after_s)
        )
    return signal


def _bursts(t_s: Float64, random: Random) -> Float64:
    """One to four bursts of noise, each one to four octaves wide."""
    signal = np.zeros(len(t_s))
    hz = np.fft.rfftfreq(len(t_s), 1 / RATE_HZ)
    for _ in range(random.integers(1, 5)):
        octaves = random.uniform(1, 4)
        low_hz = np.exp(random.uniform(np.log(40), np.log(NYQUIST_HZ / 2**octaves)))
        passed = (hz > low_hz) & (hz < low_hz * 2**octaves)
        noise = _rms_1(
            np.fft.irfft(np.fft.rfft(random.normal(size=len(t_s))) * passed, len(t_s))
        )
        width_s = random.uniform(0.05, 0.4)
        signal += (
            _gain(random, -3, 9)
            * noise
            * np.exp(-(((t_s - random.uniform(0, t_s[-1])) / width_s) ** 2))
        )
    return signal


def _gain(random: Random, low_db: float, high_db: float) -> float:
    return float(10 ** (random.uniform(low_db, high_db) / 20))


def _rms_1(signal: Float64) -> Float64:
    return np.asarray(signal / np.sqrt(np.mean(signal**2)))


def _dataset(
    settings: SpectrogramSettings, psd_db: Float32, waveform: Float32, kinds: Sequence[str]
) -> Dataset:
    n = len(kinds)
    names = np.array([f"signal {i}" for i in range(n)])
    columns = {
        "machine": np.full(n, "generated"),
        "point": np.full(n, "sweep"),
        "group": names,
        "kind": np.array(kinds),
    }
    return Dataset(
        settings,
        psd_db,
        np.array([kind == "sweep" for kind in kinds], np.int8),
        columns,
        np.zeros(n, np.int64),
        np.arange(n) * N_WINDOW,
        np.zeros(n),
        np.full(n, ""),
        waveform,
        no_marks(n),
    )
