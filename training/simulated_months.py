"""Months of healthy machines, and days of failing ones, at the level of band levels.

What is assumed is stated by Changes; all else is fitted to bearings (level_process).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.records.signal import Float64
from monitor.signal.spectrogram import SpectrogramSettings, spectrogram
from monitor.simulator.machine import SimulatedMachine
from training.level_process import LevelProcess

DAY_S, MONTH_S = 86_400.0, 30 * 86_400.0
N_MODES = 3
MODE_DB = 2.3  # between operations of the Bosch mills, healthy, a band's standard deviation
DWELL_S = 1200.0, 14_400.0  # in a mode, on average: drawn between these for each machine
# a plant's machine changes more slowly than a bearing that fails within hours
SLOWER = (1.0, 30.0)
RUN_IN_S = 0.25 * DAY_S, 3 * DAY_S  # until 1/e of it is left
DRIFT_DB = 1.5  # in a month: what those mills' operations differ by in half a year
N_SIGNAL_S = 8  # of a simulated machine, to learn what its fault does


@dataclass(frozen=True)
class Changes:
    """What happens to a healthy machine beside its process."""

    name: str
    runs_in: bool = False
    drifts: bool = False
    has_modes: bool = False


KINDS = (
    Changes("autocorrelation alone"),
    Changes("and mode changes", has_modes=True),
    Changes("and run-in", runs_in=True),
    Changes("and drift", drifts=True),
    Changes("and all three", runs_in=True, drifts=True, has_modes=True),
)


@dataclass(frozen=True)
class Heard:
    """A machine that was heard while healthy, by whose likeness others are drawn.

    run_in_db : (n_levels,), how its first windows differed
    """

    process: LevelProcess
    run_in_db: Float64
    n_channels: int


class Months:
    """One simulated machine. levels() goes on where the last call ended."""

    def __init__(
        self,
        heard: Sequence[Heard],
        changes: Changes,
        period_s: float,
        random: np.random.Generator,
    ) -> None:
        self._random, self._period_s, self._changes = random, period_s, changes
        like = heard[int(random.integers(len(heard)))]
        self._process, self._n_channels = like.process, like.n_channels
        self._slower = log_uniform(random, *SLOWER)
        n_levels = len(self._process.mean_db)
        run_in = heard[int(random.integers(len(heard)))].run_in_db
        self._run_in_db = run_in * random.choice([-1.0, 1.0])
        self._run_in_s = log_uniform(random, *RUN_IN_S)
        self._drift_db = DRIFT_DB * random.standard_normal(n_levels)
        self._modes_db = MODE_DB * random.standard_normal((N_MODES, n_levels))
        self._dwell_s = log_uniform(random, *DWELL_S)
        self._n_made, self._mode = 0, 0

    def levels(self, seconds: float) -> Float64:
        """Of the next windows, dB; shape (n, n_channels, n_bands)."""
        n = round(seconds / self._period_s)
        time_s = (self._n_made + np.arange(n)) * self._period_s
        level_db = self._process.draw(n, self._period_s / self._slower, self._random)
        if self._changes.has_modes:
            level_db += self._modes_db[self._modes(n)]
        if self._changes.runs_in:
            level_db += np.exp(-time_s / self._run_in_s)[:, None] * self._run_in_db
        if self._changes.drifts:
            level_db += (time_s / MONTH_S)[:, None] * self._drift_db
        self._n_made += n
        return np.asarray(level_db.reshape(n, self._n_channels, -1))

    def _modes(self, n: int) -> Float64:
        """Which mode each window is in; a change leads to any of the others."""
        changes = self._random.random(n) < self._period_s / self._dwell_s
        steps = np.where(changes, self._random.integers(1, N_MODES, n), 0)
        modes = (self._mode + np.cumsum(steps)) % N_MODES
        self._mode = int(modes[-1])
        return np.asarray(modes)


def log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return math.exp(random.uniform(math.log(low), math.log(high)))


def fault_db(settings: SpectrogramSettings, severity: float, seed: int) -> Float64:
    """How far a bearing's fault lifts each band of the simulator's machine, shape (n_bands,)."""
    levels = []
    for kind_severity in (0.0, severity):
        machine = SimulatedMachine(
            "bearing", seed, sample_rate_hz=settings.sample_rate_hz, severity=kind_severity
        )
        n_windows = int(N_SIGNAL_S * settings.sample_rate_hz) // settings.n_window
        samples = machine.block(n_windows * settings.n_window)
        windows = samples.reshape(n_windows, 1, settings.n_window)
        levels.append(spectrogram(windows, settings).mean(axis=(0, 1, 3), dtype=np.float64))
    return np.asarray(levels[1] - levels[0])
