"""A bar for long work, on standard error; a line every 30 s where that is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from monitor.commands.progress import Count, duration, spoken
from monitor.evidence.model_folder import ModelManifest
from monitor.recordings.formats.base import RATE_TOLERANCE
from monitor.recordings.manifest import RecordingSet
from monitor.signal.spectrogram import SpectrogramSettings
from training import TrainingError
from training.dataset import Dataset, load_dataset


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Moves by one at each call of what it yields."""
    console = Console(stderr=True)
    if not console.is_terminal:
        count = Count(what, total)
        with spoken(lambda: str(count)):
            yield count.step
        return
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Work whose steps nobody counts."""
    console = Console(stderr=True)
    started_s = time.monotonic()

    def state() -> str:
        return f"{what}: {duration(time.monotonic() - started_s)} so far"

    with console.status(what) if console.is_terminal else spoken(state):
        yield


def read_for_model(recordings: RecordingSet, model: ModelManifest) -> Dataset:
    """Raises TrainingError where rate or channels are not the model's; else as read_with_bar."""
    check_is_of_model(recordings, model)
    return read_with_bar(recordings, model.settings)


def check_is_of_model(recordings: RecordingSet, model: ModelManifest) -> None:
    """Raises TrainingError where rate or channels are not the model's."""
    wanted_hz = model.settings.sample_rate_hz
    if abs(recordings.sample_rate_hz / wanted_hz - 1) > RATE_TOLERANCE:
        raise TrainingError(
            f"{recordings.path}: sampled at {recordings.sample_rate_hz:g} Hz, model {model.name}"
            f" was trained at {wanted_hz:g} Hz; files.resample_hz brings recordings to its rate."
        )
    if len(recordings.channels) != model.n_channels:
        raise TrainingError(
            f"{recordings.path}: has {len(recordings.channels)} channels, model {model.name} needs"
            f" {model.n_channels}."
        )


def read_with_bar(manifest: RecordingSet, settings: SpectrogramSettings) -> Dataset:
    """Says aloud which windows cannot be judged. Raises RecordingError as load_dataset does."""
    with bar(f"reading {manifest.name}", len(manifest.recordings)) as tick:
        dataset = load_dataset(manifest, settings, tick)
    for reason in np.unique(dataset.bad_reason[dataset.bad_reason != ""]):
        bad = np.flatnonzero(dataset.bad_reason == reason)
        print(
            f"{len(bad)} of {len(dataset)} windows cannot be judged and are left out: {reason}; the"
            f" first is in run {dataset.run[bad[0]]} at {dataset.start_s[bad[0]]:g} s.",
            file=sys.stderr,
        )
    return dataset
