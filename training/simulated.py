"""A dataset of simulated machines, whose faults are known: band and times of each planted fault
beside the windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.signal.spectrogram import SpectrogramSettings
from monitor.simulator.machine import Kind, Truth, training_windows
from training.dataset import Dataset, Gathered, Text, Tick
from training.recipe import FINE, Recipe, spectrogram_settings

SAMPLE_RATE_HZ = 25_600.0
N_MACHINES, N_WINDOWS = 160, 12  # that the bundled model learns from
N_TEST_MACHINES, N_TEST_WINDOWS, TEST_SEED = 40, 24, 77
RECIPE = Recipe(
    window_s=1.0,
    n_members=1,
    n_epochs=60,
    n_batch=64,
    sparsity=0.03,
    **{**FINE, "n_columns": 50},
)
SETTINGS = spectrogram_settings(SAMPLE_RATE_HZ, RECIPE)


def simulated_dataset(
    settings: SpectrogramSettings,
    n_machines: int,
    windows_per_machine: int,
    seed: int,
    fault_kinds: Sequence[Kind] = ("bearing",),
    tick: Tick | None = None,
) -> tuple[Dataset, list[Truth]]:
    """Windows of n_machines that are all different, and what was planted in each."""
    gathered = Gathered(settings)
    machine_ids: list[int] = []
    labels: list[int] = []
    truths: list[Truth] = []
    for machine_id, label, samples, truth in training_windows(
        seed,
        n_machines,
        windows_per_machine,
        settings.n_window,
        sample_rate_hz=settings.sample_rate_hz,
        fault_kinds=fault_kinds,
    ):
        gathered.add(samples[None])
        machine_ids.append(machine_id)
        labels.append(label)
        truths.append(truth)
        if tick is not None:
            tick()
    n = len(labels)
    index = np.arange(n) % windows_per_machine
    dataset = Dataset(
        settings=settings,
        psd_db=gathered.psd_db,
        label=np.array(labels, np.int8),
        columns=_columns(seed, machine_ids, truths),
        segment=np.zeros(n, np.int64),
        first_sample=index * settings.n_window,
        start_s=index * settings.n_window / settings.sample_rate_hz,
        bad_reason=np.full(n, ""),
        waveform=gathered.waveform,
        marks=gathered.marks,
    )
    return dataset, truths


def _columns(seed: int, machine_ids: list[int], truths: list[Truth]) -> dict[str, Text]:
    machine = np.array([f"simulated-{seed}-{machine_id:04d}" for machine_id in machine_ids])
    return {
        "machine": machine,
        "point": np.full(len(machine), "bearing"),
        "group": machine,
        "kind": np.array([truth.kind for truth in truths]),
    }
