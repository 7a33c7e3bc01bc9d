"""Band spectrogram of whole windows: what the network and the novelty score see.

Power spectral density, Welch's scaling: one-sided, |X|² / (sample_rate *
sum(taper²)), equal on every frame to scipy.signal.ShortTimeFFT with
scale_to="psd" and fft_mode="onesided2X". No padding: every frame lies inside
the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from monitor.records.evidence import Grid
from monitor.records.signal import Float32, Float64

# (m/s²)²/Hz: -120 dB, far below any accelerometer's noise; keeps the logarithm finite.
FLOOR_PSD = 1e-12
# Samples of tapered frames worked on at a time: about 1 MB, stays in the second-level cache.
BLOCK_VALUES = 1 << 18

# Cosine terms of the tapers, as in scipy.signal.windows, whose import would cost a start 0.3 s and
# 50 MB.
TAPERS = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
}

DEFAULT_N_BANDS = 24
DEFAULT_N_COLUMNS = (10, 12, 8, 9, 11, 7, 6, 5)  # in order of preference
TOP_OF_NYQUIST = 0.98  # above it the sensor's anti-alias filter, not the machine, is seen


@dataclass(frozen=True)
class SpectrogramSettings:
    """How a window becomes a spectrogram. Raises ValueError, one sentence with key, value and rule.

    n_window, n_fft, hop : samples
    taper : boxcar, hann, hamming or blackman
    band_edges_hz : n_bands + 1 rising edges; an FFT bin belongs to the band its
        centre lies in, low edge included
    """

    sample_rate_hz: float
    n_window: int
    n_fft: int
    hop: int
    taper: str
    band_edges_hz: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0 < self.sample_rate_hz < 1e9:
            raise ValueError(
                f"sample_rate_hz = {self.sample_rate_hz}: must be above 0 and below 1e9 hertz."
            )
        if not 2 <= self.n_fft <= self.n_window <= 1 << 24:
            raise ValueError(
                f"n_fft = {self.n_fft}: must be from 2 to n_window = {self.n_window} samples (max."
                " 2^24)."
            )
        if not 1 <= self.hop <= self.n_fft:
            raise ValueError(
                f"hop = {self.hop}: must be from 1 to n_fft = {self.n_fft}, or samples would be"
                " skipped."
            )
        if self.taper not in TAPERS:
            raise ValueError(f"taper = {self.taper!r}: must be one of {', '.join(TAPERS)}.")
        self._check_bands()

    def _check_bands(self) -> None:
        edges = self.band_edges_hz
        if len(edges) < 2 or any(not low < high for low, high in pairwise(edges)):
            raise ValueError(
                f"band_edges_hz = {edges}: must be two or more rising frequencies in hertz."
            )
        if edges[0] < 0 or edges[-1] > self.sample_rate_hz / 2 + self.delta_f_hz:
            raise ValueError(
                f"band_edges_hz = {edges[0]:g} to {edges[-1]:g} Hz: must lie between 0 and half the"
                f" sample rate, {self.sample_rate_hz / 2:g} Hz."
            )
        for (first, end), (low, high) in zip(
            pairwise(self.band_bins), pairwise(edges), strict=True
        ):
            if first == end:
                raise ValueError(
                    f"band_edges_hz = {low:g} to {high:g} Hz: this band holds no FFT bin; bins are "
                    f"{self.delta_f_hz:g} Hz apart with n_fft = {self.n_fft}."
                )

    @property
    def delta_f_hz(self) -> float:
        return self.sample_rate_hz / self.n_fft

    @property
    def delta_t_s(self) -> float:
        """Frame p begins at p * delta_t_s."""
        return self.hop / self.sample_rate_hz

    @property
    def n_frames(self) -> int:
        return (self.n_window - self.n_fft) // self.hop + 1

    @property
    def n_bands(self) -> int:
        return len(self.band_edges_hz) - 1

    @property
    def band_bins(self) -> tuple[int, ...]:
        """n_bands + 1 indices into the one-sided spectrum: band i holds bins [band_bins[i],
        band_bins[i + 1]).
        """
        centres = np.arange(self.n_fft // 2 + 1) * self.delta_f_hz
        return tuple(
            int(q)
            for q in np.searchsorted(centres, np.asarray(self.band_edges_hz), side="left")
        )


def spectrogram(samples: Float32, settings: SpectrogramSettings) -> Float32:
    """Mean power density of each band and frame.

    samples : float32, shape (n_windows, n_channels, n_window), m/s². The mean
        of each window and channel is removed.
    Returns psd_db : float32, shape (n_windows, n_channels, n_bands, n_frames),
        dB re 1 (m/s²)²/Hz, at least -120 dB. Raises ValueError if the shape
        does not fit the settings.
    """
    if samples.ndim != 3 or samples.shape[2] != settings.n_window:
        raise ValueError(
            f"samples have shape {samples.shape}: must be (n_windows, n_channels,"
            f" {settings.n_window})."
        )
    n_windows, n_channels, n_window = samples.shape
    rows = samples.reshape(n_windows * n_channels, n_window)
    power = np.empty((len(rows), settings.n_frames, settings.n_bands), np.float32)
    n_block = max(1, BLOCK_VALUES // (settings.n_frames * settings.n_fft))
    for start in range(0, len(rows), n_block):
        _band_power(rows[start : start + n_block], settings, power[start : start + n_block])
    psd_db = _decibels(power)
    by_band = psd_db.reshape(
        n_windows, n_channels, settings.n_frames, settings.n_bands
    ).swapaxes(2, 3)
    return np.ascontiguousarray(by_band)


def to_grid(psd_db: Float32, n_t: int) -> Float32:
    """Mean, in power, over the frames of each map column.

    psd_db : float32, shape (n_windows, n_channels, n_bands, n_frames), dB
    Returns float32, shape (n_windows, n_channels, n_bands, n_t), dB. Raises
        ValueError for more columns than frames.
    """
    starts = column_starts(psd_db.shape[-1], n_t)
    power: Float32 = np.exp(psd_db * np.float32(np.log(10) / 10))
    last = starts[-1]
    n_each = last // max(1, n_t - 1)
    mean = np.empty((*psd_db.shape[:-1], n_t), np.float32)
    # First frames of all columns, then second ones: NumPy takes long for many short sums.
    mean[..., :-1] = sum(power[..., first:last:n_each] for first in range(n_each))
    mean[..., :-1] /= np.float32(n_each)
    power[..., last:].mean(axis=-1, out=mean[..., -1])
    return _decibels(mean)


def column_starts(n_frames: int, n_t: int) -> list[int]:
    """The first frame of each of n_t map columns: equally many frames each, more or fewer in the
    last.

    49 frames make 10 columns of 5 (the last has 4), or 12 of 4 (the last has
    5); as pooling with padding does.
    """
    if not 1 <= n_t <= n_frames:
        raise ValueError(
            f"n_t = {n_t}: must be from 1 to the number of frames, {n_frames}."
        )
    n_in_column = -(-n_frames // n_t)
    if (n_t - 1) * n_in_column >= n_frames:
        n_in_column = n_frames // n_t
    return [column * n_in_column for column in range(n_t)]


def default_settings(sample_rate_hz: float, n_window: int) -> SpectrogramSettings:
    """Settings for a sensor without a model: up to 24 bands that widen with frequency,
    half-overlapping Hann frames.

    Frames are chosen so that about ten equal columns fit the window, each a
    whole number of milliseconds if possible. Raises ValueError if the window is
    too short to hold a spectrum (16 samples).
    """
    if n_window < 16:
        raise ValueError(f"n_window = {n_window} samples: a spectrum needs at least 16.")
    n_column = n_window // _n_columns(sample_rate_hz, n_window)
    n_target = min(max(n_window // 25, 128), 2048)
    hop = min(
        (n_column // parts for parts in range(1, n_column + 1) if n_column % parts == 0),
        key=lambda candidate: abs(np.log(2 * candidate / n_target)),
    )
    n_fft = max(2 * hop, min(64, n_window // 2))
    delta_f_hz = sample_rate_hz / n_fft
    edges = tuple((q - 0.5) * delta_f_hz for q in widening_bins(n_fft // 2))
    return SpectrogramSettings(sample_rate_hz, n_window, n_fft, hop, "hann", edges)


def default_grid(settings: SpectrogramSettings) -> Grid:
    """The map grid for a sensor without a model: one row a band, about ten columns."""
    n_t = min(_n_columns(settings.sample_rate_hz, settings.n_window), settings.n_frames)
    starts = column_starts(settings.n_frames, n_t)
    edges_s = tuple(start * settings.delta_t_s for start in starts)
    return Grid(
        settings.band_edges_hz, (*edges_s, settings.n_window / settings.sample_rate_hz)
    )


def widening_bins(n_top: int, n_bands: int = DEFAULT_N_BANDS) -> list[int]:
    """Up to n_bands + 1 rising FFT bins from 1 to 0.98 n_top: one bin apart at first, then a
    constant ratio.

    Half a bin below them lie the edges of bands that widen with frequency.
    """
    top = max(int(TOP_OF_NYQUIST * n_top), 2)
    n_bands = min(n_bands, top - 1)
    bins = [1]
    for n_left in range(n_bands, 0, -1):
        low = bins[-1]
        bins.append(max(low + 1, round(low * (top / low) ** (1 / n_left))))
    return bins


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the bands lie in a row of (re, im) pairs, and what the squares there weigh.

    taper : float32, shape (n_fft,)
    starts : first position of each band
    n_single : how many bands, from the lowest on, hold one bin each
    end : position past the last band
    scale : float32, shape (n_bands,), from summed squares to mean one-sided density
    """

    taper: Float32
    starts: list[int]
    n_single: int
    end: int
    scale: Float32


def _band_power(rows: Float32, settings: SpectrogramSettings, out: Float32) -> None:
    """rows (n, n_window) to mean power density per frame and band, out (n, n_frames, n_bands)."""
    layout = _layout(settings)
    centred = rows - rows.mean(axis=-1, keepdims=True)
    framed = sliding_window_view(centred, settings.n_fft, axis=-1)[:, :: settings.hop]
    frames = framed * layout.taper
    spectrum = scipy.fft.rfft(frames, axis=-1, overwrite_x=True)
    # Re, im, re, im: summing squares over pairs needs no |X|² of its own.
    power = spectrum.view(np.float32)
    np.square(power, out=power)
    # one-sided: every bin counts twice but zero frequency and Nyquist
    power[..., :2] *= 0.5
    if settings.n_fft % 2 == 0:
        power[..., -2:] *= 0.5
    # reduceat takes as long for a band of one bin as for a wide one.
    starts, n = layout.starts, layout.n_single
    single = power[..., starts[0] : starts[0] + 2 * n]
    np.add(single[..., ::2], single[..., 1::2], out=out[..., :n])
    if n < len(starts):
        wide = power[..., : layout.end]
        np.add.reduceat(wide, starts[n:], axis=-1, out=out[..., n:])
    out *= layout.scale


@lru_cache(maxsize=64)
def _layout(settings: SpectrogramSettings) -> _Layout:
    taper = _taper(settings.taper, settings.n_fft)
    bins = settings.band_bins
    is_wide = np.append(np.diff(bins) > 1, True)
    scale = 2 / (settings.sample_rate_hz * np.sum(taper**2) * np.diff(bins))
    return _Layout(
        taper=taper.astype(np.float32),
        starts=[2 * q for q in bins[:-1]],
        n_single=int(is_wide.argmax()),
        end=2 * bins[-1],
        scale=scale.astype(np.float32),
    )


def _taper(name: str, n_fft: int) -> Float64:
    """Periodic, as scipy.signal.get_window gives it: shape (n_fft,)."""
    turn = 2 * np.pi * np.arange(n_fft) / n_fft
    terms = [(-1) ** k * a * np.cos(k * turn) for k, a in enumerate(TAPERS[name])]
    return np.asarray(np.sum(terms, axis=0))


def _decibels(power: Float32) -> Float32:
    np.maximum(power, np.float32(FLOOR_PSD), out=power)
    np.log10(power, out=power)
    power *= np.float32(10)
    return power


def _n_columns(sample_rate_hz: float, n_window: int) -> int:
    """About ten columns: of a whole number of milliseconds and of samples if possible, else of
    samples only.
    """
    whole = [n for n in DEFAULT_N_COLUMNS if n_window % n == 0]
    for n in whole:
        column_ms = 1e3 * n_window / n / sample_rate_hz
        if abs(column_ms - round(column_ms)) < 1e-6 and round(column_ms) >= 1:
            return n
    return whole[0] if whole else DEFAULT_N_COLUMNS[0]
