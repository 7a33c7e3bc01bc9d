"""Signals, real and made, as messages in any encoding."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import read
from monitor.records.signal import Float64
from monitor.signal.payload.samples import DTYPES, N_BYTES, ByteOrder, Dtype, Layout
from monitor.simulator.machine import Kind, SimulatedMachine
from tests.paths import ROOT

FULL_SCALE_MS2 = 490.0  # of a sensor of 50 g
RATE_HZ = 2000.0
MANIFESTS = ("bosch-cnc", "pronostia", "cwru", "uci-fan")
FLOATS = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class Stream:
    """samples : float64, shape (n_channels, n), m/s²"""

    name: str
    samples: Float64


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a sender writes its samples. loud: what they are multiplied with before."""

    dtype: Dtype
    byte_order: ByteOrder = "little"
    layout: Layout = "interleaved"
    loud: float = 1.0

    @property
    def ms2_per_number(self) -> float:
        if self.dtype in FLOATS:
            return 1.0
        return FULL_SCALE_MS2 / (1 << 8 * N_BYTES[self.dtype] - 1)


def encoded(samples: Float64, how: Encoding) -> bytes:
    """samples : (n_channels, n), m/s². What an integer cannot hold is clipped, as a sensor does."""
    numbers = samples * how.loud / how.ms2_per_number
    frames = numbers.T if how.layout == "interleaved" else numbers
    if how.dtype in FLOATS:
        return frames.astype(DTYPES[how.dtype, how.byte_order]).tobytes()
    limit = 2 ** (8 * N_BYTES[how.dtype] - 1) - 1
    whole = np.clip(np.rint(frames), -limit, limit).astype(np.int64)
    if how.dtype.startswith("u"):
        whole += limit + 1
    if N_BYTES[how.dtype] != 3:
        return whole.astype(DTYPES[how.dtype, how.byte_order]).tobytes()
    wide = np.ascontiguousarray(whole, "<i4").view(np.uint8).reshape(-1, 4)[:, :3]
    return (wide if how.byte_order == "little" else wide[:, ::-1]).tobytes()


# -- real ------------------------------------------------------------------------------------------


def recordings(folder: Path, every: int = 1) -> Iterator[Stream]:
    """Each every-th recording of each set."""
    os.environ["CAMSHAFT_DATASETS"] = str(folder)
    for name in MANIFESTS:
        known = load_manifest(ROOT / "training" / "manifests" / f"{name}.yaml")
        for recording in known.recordings[::every]:
            yield Stream(name, read(recording).astype(np.float64))
    for path in sorted((folder / "pronostia-more").glob("*.npz")):
        with np.load(path) as arrays:
            snapshots = arrays["acc"][::every]
        for one in snapshots:
            yield Stream("pronostia-more", one.T.astype(np.float64) * 9.80665)


# -- made ------------------------------------------------------------------------------------------


def simulated(seeds: Sequence[int]) -> Iterator[Stream]:
    kinds: tuple[Kind, ...] = ("healthy", "bearing", "unbalance", "quiet")
    for seed in seeds:
        kind = kinds[seed % 4]
        severity = (0.2, 0.5, 1.0, 3.0, 10.0)[seed % 5]
        severity = min(1.0, severity) if kind == "quiet" else severity
        machine = SimulatedMachine(
            kind, seed, severity=severity, n_channels=1 + seed % 3, sample_rate_hz=25_600.0
        )
        yield Stream(f"{kind} {severity:g}", machine.block(12_000).astype(np.float64))


def artificial(n: int = 8192) -> Iterator[Stream]:
    """What is no machine, but what a sensor may send all the same."""
    rng, t = np.random.default_rng(3), np.arange(n)
    white = rng.normal(size=(3, n))
    made: dict[str, Float64] = {
        "zeros": np.zeros((1, n)),
        "stuck": np.full((2, n), 37.0),
        "white": 5 * white,
        "white, one channel": 5 * white[:1],
        "white, full range": rng.uniform(-FULL_SCALE_MS2, FULL_SCALE_MS2, (2, n)),
        "clipped noise": 2000 * white[:2],
        "square": 600 * np.sign(np.sin(0.013 * t))[None],
        "soft limit": 489 * np.tanh(5 * np.sin(2.1 * t))[None],
        "triangle": 480 * (np.abs((t % 1000) / 250 - 2) - 1)[None],
        "random walk": 0.5 * np.cumsum(white[:1], axis=1) % 300,
        "impulses": np.where(rng.random((1, n)) < 0.002, 300.0, 0.0),
        "impulses in noise": 0.05 * white[:2]
        + np.where(rng.random((2, n)) < 0.002, 200.0, 0.0),
        "heavy tails": 0.1 * rng.standard_t(1.5, (2, n)),
        "few counts": FULL_SCALE_MS2 / 32768 * np.rint(white),
        "one count": FULL_SCALE_MS2 / 32768 * np.sign(np.sin(0.3 * t))[None],
        "offset": 245.0 + 0.1 * white[:1],  # about 0x4000
        "offset in letters": FULL_SCALE_MS2 / 32768 * (0x4141 + np.rint(9 * white[:1])),
        "gravity": np.array([[0.0], [0.0], [9.81]]) + 0.02 * white,
        "one signal on all": np.repeat(_coloured(white[:1]), 3, axis=0),
        "against each other": np.array([[1.0], [-1.0]]) * _coloured(white[:1]),
        "one channel dead": np.array([[1.0], [0.0]]) * _coloured(white[:1]),
        "held twice": np.repeat(_coloured(white[:1])[:, : n // 2], 2, axis=1),
        "in between": _in_between(_coloured(white[:1])[:, : n // 2]),
        "orbit": np.stack([np.cos(0.9 * t), np.sin(0.9 * t)]) + 0.01 * white[:2],
        "decay": (np.exp(-(t % 2048) / 100) * np.cos(0.5 * t))[None] * 100,
    }
    yield from (Stream(name, samples) for name, samples in made.items())
    for per_turn in (2, 3, 4, 5, 6, 8, 12, 16, 2 * np.pi, 7.3, 31.7, 250.0):
        for size in (0.05, 5.0, 480.0):
            tone = size * np.sin(2 * np.pi * t / per_turn + 0.4)[None]
            yield Stream(f"sine of {per_turn:.3g} at {size:g}", tone)
            yield Stream(
                f"noisy sine of {per_turn:.3g} at {size:g}", tone + 0.03 * white[:1]
            )


def _coloured(white: Float64) -> Float64:
    from scipy.signal import lfilter

    coloured: Float64 = 3 * lfilter([1.0], [1.0, -1.4, 0.7], white, axis=1)
    return coloured


def _in_between(held: Float64) -> Float64:
    """Twice the rate by straight lines."""
    n = held.shape[1]
    at = np.arange(2 * n) / 2
    return np.asarray(np.interp(at, np.arange(n), held[0])[None])
