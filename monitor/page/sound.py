"""A kept window as a line spectrum, as sound, and as a file. Pure."""

from __future__ import annotations

import struct

import numpy as np

from monitor.records.signal import Float32, Float64

MAX_LINES = 50_000  # of a spectrum: more than any screen shows, and a bounded answer
FLOOR_PSD = 1e-12  # (m/s²)²/Hz
PCM, FLOAT = 1, 3  # sample formats of a WAV file
LOUD = 0.9  # of full scale, the loudest sample of what is played


def line_spectrum(samples: Float32, sample_rate_hz: float) -> tuple[float, Float32]:
    """Power spectral density at full resolution, Hann taper: one frame where the lines are at most
    MAX_LINES, else the mean of half-overlapping ones.

    samples : (n_channels, n), m/s²
    Returns the lines' distance in Hz, and (n_channels, n_lines) in dB re 1
    (m/s²)²/Hz.
    """
    n_fft = min(samples.shape[1], 2 * MAX_LINES)
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    starts = range(0, samples.shape[1] - n_fft + 1, max(1, n_fft // 2))
    power = np.mean([_power(samples[:, at : at + n_fft], taper) for at in starts], axis=0)
    psd = power / (sample_rate_hz * float((taper**2).sum()))
    last = -1 if n_fft % 2 == 0 else None
    psd[:, 1:last] *= 2  # one side stands for both
    level_db = 10 * np.log10(np.maximum(psd, FLOOR_PSD))
    return sample_rate_hz / n_fft, level_db.astype(np.float32)


def _power(frame: Float32, taper: Float64) -> Float64:
    still = frame - frame.mean(axis=1, keepdims=True, dtype=np.float64)
    found: Float64 = np.abs(np.fft.rfft(still * taper)) ** 2
    return found


def wav_file(samples: Float32, sample_rate_hz: float) -> bytes:
    """All channels as they are: 32-bit floating point, m/s²."""
    body = np.ascontiguousarray(samples.T, "<f4").tobytes()
    return _wav(body, FLOAT, 32, len(samples), sample_rate_hz)


def wav_to_play(channel: Float32, sample_rate_hz: float) -> bytes:
    """One channel, without its mean, as loud as it can be: 16 bits. channel : (n,)"""
    still = channel - channel.mean(dtype=np.float64)
    peak = float(np.abs(still).max()) or 1.0
    body = np.round(still * (LOUD * 32767 / peak)).astype("<i2").tobytes()
    return _wav(body, PCM, 16, 1, sample_rate_hz)


def _wav(
    body: bytes, kind: int, bits: int, n_channels: int, sample_rate_hz: float
) -> bytes:
    """RIFF WAVE; its rate is a whole number of hertz."""
    rate_hz, n_bytes = max(1, round(sample_rate_hz)), bits // 8 * n_channels
    form = struct.pack(
        "<HHIIHH", kind, n_channels, rate_hz, rate_hz * n_bytes, n_bytes, bits
    )
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    data = b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(head) + len(data)) + head + data
