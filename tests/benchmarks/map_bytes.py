"""python -m tests.benchmarks.map_bytes [--sensors N] [--windows N]: where the bytes of a window's
maps go, and what other codings would take.

Of the windows of journal_size once their sensors are commissioned. Rice is what the
journal does. "Ideal" is what an arithmetic coder would take that knows how the
numbers of each band or cell are distributed, learnt from every other window: a
bound, no coder.
"""

from __future__ import annotations

import argparse
import lzma
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy.stats import laplace, norm

from monitor.journal import maps, rice
from monitor.journal.rice import Whole
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.records.verdict import Verdict
from tests.benchmarks import journal_size

STEPS_DB = (0.1, 0.2, 0.5, 1.0)
N_BLOCKS = (8, 32, 64)  # windows of a block
REACH = 64  # numbers below it are counted one by one
LEAST_CHANCE = 1e-6
Contexts = NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.map_bytes")
    parser.add_argument("--sensors", type=int, default=12)
    parser.add_argument("--windows", type=int, default=100)
    arguments = parser.parse_args()
    verdicts, source = collected(arguments.sensors, arguments.windows)
    print(f"{len(verdicts):,} windows of {source}; bytes a window")
    sensors = np.array([verdict.sensor for verdict in verdicts])
    found = {kind: whole_map(verdicts, kind) for kind in ("network", "novelty")}
    for kind, values in found.items():
        tell_map(kind, values, sensors)
    for step_db in STEPS_DB:
        tell_spectrum(levels(verdicts, step_db), step_db, sensors)
    rows = [maps._differences(values) for values in found.values()]
    rows.append(maps._differences(levels(verdicts, STEPS_DB[0]).swapaxes(-1, -2)))
    tell_blocks(np.concatenate(rows, axis=1), sensors)


def collected(n_sensors: int, n_windows: int) -> tuple[list[Verdict], str]:
    """Sensor by sensor, in order of time: those that have a map of novelty too."""
    signals, source = journal_size.recorded() or journal_size.simulated()
    found: list[Verdict] = []
    commit = Journal.commit

    def heard(journal: Journal, batch: Batch) -> None:
        found.extend(v for v in batch.verdicts if v.of_kind("novelty") is not None)
        commit(journal, batch)

    with tempfile.TemporaryDirectory() as name, patch.object(Journal, "commit", heard):
        path = Path(name) / "journal"
        journal_size.measure(path, signals, n_sensors, n_windows, "all")
    return sorted(found, key=lambda v: (v.sensor, v.first_sample)), source


def whole_map(verdicts: Sequence[Verdict], kind: str) -> Whole:
    """Shape (n, n_f, n_t), as the journal packs them."""
    evidence = [found for v in verdicts if (found := v.of_kind(kind)) is not None]
    cells = np.stack([one.cells for one in evidence]).astype(np.float64)
    totals = np.array([one.score - one.bias for one in evidence])
    steps = maps.STEPS[maps._exponents(cells) - maps.EXPONENTS.start]
    values, _ = maps._whole(cells, totals, steps)
    return values


def levels(verdicts: Sequence[Verdict], step_db: float) -> Whole:
    """Shape (n, n_channels, n_f, n_t)."""
    spectra = np.stack([v.spectrum_db for v in verdicts if v.spectrum_db is not None])
    return np.asarray(np.rint(spectra / step_db), np.int64)


def tell_map(kind: str, values: Whole, sensors: NDArray[np.str_]) -> None:
    _, n_f, n_t = values.shape
    band = np.arange(n_f)[:, np.newaxis]
    cell = np.arange(n_f * n_t).reshape(n_f, n_t)
    differences = maps._differences(values)
    tell(f"{kind}, Rice", 1 + mean_length(differences))
    tell(f"{kind}, Rice of the cells themselves", 1 + mean_length(values))
    ways: Mapping[str, tuple[Whole, Contexts]] = {
        "of the cells": (values, band),
        "of neighbours' differences": (differences.reshape(values.shape), band),
        "less the sensor's mean": (less_mean(values, sensors), cell),
        "less the window before": (less_before(values, sensors), cell),
    }
    for way, (numbers, context) in ways.items():
        tell(f"{kind}, ideal {way}", ideal_bytes(numbers, context))


def tell_spectrum(values: Whole, step_db: float, sensors: NDArray[np.str_]) -> None:
    n_channels, n_f = values.shape[1:3]
    band = np.arange(n_channels * n_f).reshape(n_channels, n_f, 1)
    name = f"spectrum in {step_db} dB"
    tell(f"{name}, Rice", 1 + mean_length(maps._differences(values.swapaxes(-1, -2))))
    along = values.copy()
    along[:, :, 1:] -= values[:, :, :-1]
    tell(f"{name}, ideal along frequency", ideal_bytes(along, band))
    tell(f"{name}, ideal of six neighbours", ideal_bytes(predicted(values, sensors), band))
    if step_db == STEPS_DB[0]:
        before = less_before(values, sensors)
        tell(f"{name}, ideal less the window before", ideal_bytes(before, band))
        across = values.copy()
        across[:, 1:] -= values[:, :-1]
        tell(f"{name}, ideal less the channel before", ideal_bytes(across, band))
        mean = less_mean(values, sensors)
        tell(f"{name}, ideal less the sensor's mean", ideal_bytes(mean, band))


def tell_blocks(rows: Whole, sensors: NDArray[np.str_]) -> None:
    """Windows of one sensor, column by column, the two bytes of a number apart."""
    for n_block in N_BLOCKS:
        n_bytes = n_windows = 0
        for sensor in np.unique(sensors):
            block = rows[sensors == sensor][:n_block].clip(-32_768, 32_767).astype("<i2")
            planes = np.ascontiguousarray(block.T).view(np.uint8).reshape(-1, 2).T
            n_bytes += len(lzma.compress(planes.tobytes(), preset=9))
            n_windows += len(block)
        tell(f"all maps, lzma of {n_block} windows in columns", n_bytes / n_windows)


def tell(what: str, n_bytes: float) -> None:
    print(f"{what:<60}{n_bytes:>8.0f}")


def mean_length(rows: Whole) -> float:
    packed = rice.pack(rows.reshape(len(rows), -1))
    return float(np.mean([len(one) for one in packed]))


def less_mean(values: Whole, sensors: NDArray[np.str_]) -> Whole:
    """Of each cell, over all windows of its sensor."""

    def mean(own: Whole) -> Whole:
        return np.asarray(np.rint(own.mean(axis=0, keepdims=True)), np.int64)

    return _less(values, sensors, mean)


def less_before(values: Whole, sensors: NDArray[np.str_]) -> Whole:
    return _less(values, sensors, lambda own: np.concatenate([own[:1] * 0, own[:-1]]))


def _less(
    values: Whole, sensors: NDArray[np.str_], guess: Callable[[Whole], Whole]
) -> Whole:
    found = values.copy()
    for sensor in np.unique(sensors):
        own = values[sensors == sensor]
        found[sensors == sensor] = own - guess(own)
    return found


def predicted(values: Whole, sensors: NDArray[np.str_]) -> Whole:
    """Less the sensor's mean of each band, and the best linear guess from six cells that stand
    before each: in frequency, in time, in the channel before.
    """
    whole = values.astype(np.float64)
    centred = whole.copy()
    for sensor in np.unique(sensors):
        own = sensors == sensor
        centred[own] -= whole[own].mean(axis=(0, 3), keepdims=True)
    places = ((0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 0), (0, 2, 0), (0, 0, 2))
    near = np.stack([_moved(centred, place).ravel() for place in places], axis=1)
    learnt = _is_learnt(values).ravel()
    weights, *_ = np.linalg.lstsq(near[learnt], centred.ravel()[learnt], rcond=None)
    guess = (near @ weights).reshape(centred.shape)
    return np.asarray(np.rint(centred - guess), np.int64)


def _moved(values: NDArray[np.float64], by: tuple[int, int, int]) -> NDArray[np.float64]:
    """By so many channels, bands, columns; zero where nothing stands before."""
    found = np.zeros_like(values)
    into = (slice(None), *(slice(n, None) for n in by))
    out_of = (slice(None), *(slice(None, -n or None) for n in by))
    found[into] = values[out_of]
    return found


def _is_learnt(values: Whole) -> NDArray[np.bool_]:
    """Every other window."""
    even = np.arange(len(values)) % 2 == 0
    shape = (-1, *(1,) * (values.ndim - 1))
    return np.broadcast_to(even.reshape(shape), values.shape)


def ideal_bytes(values: Whole, contexts: Contexts) -> float:
    """Of a window, learnt from every other one."""
    context = np.broadcast_to(contexts, values.shape)
    learnt, n_bits = _is_learnt(values), 0.0
    for one in np.unique(contexts):
        own = context == one
        n_bits += _bits(values[own & learnt], values[own & ~learnt])
    return n_bits / 8 / len(values[1::2])


def _bits(learnt: Whole, told: Whole) -> float:
    """Half by counts, half by the curves of scatter, which know of what was never seen."""
    width, sigma = max(0.3, float(np.abs(learnt).mean())), max(0.3, float(learnt.std()))
    curves = [laplace(scale=width), norm(scale=sigma)]
    smooth = sum(curve.cdf(told + 0.5) - curve.cdf(told - 0.5) for curve in curves) / 2
    counts = np.bincount(np.clip(learnt + REACH, 0, 2 * REACH), minlength=2 * REACH + 1)
    counted = counts[np.clip(told + REACH, 0, 2 * REACH)] / max(1, len(learnt))
    counted = np.where(np.abs(told) < REACH, counted, 0.0)
    return float(-np.log2((smooth + counted) / 2 + LEAST_CHANCE).sum())


if __name__ == "__main__":
    main()
