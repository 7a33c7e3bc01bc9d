"""A bar for long work, on standard error; silent where that is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monitor.recordings import Manifest
from monitor.spectrogram import SpectrogramSettings
from training.dataset import Dataset, load_dataset


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Moves by one at each call of what it yields."""
    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def read_with_bar(manifest: Manifest, settings: SpectrogramSettings) -> Dataset:
    """Raises RecordingError as load_dataset does."""
    with bar(f"reading {manifest.name}", len(manifest.recordings)) as tick:
        return load_dataset(manifest, settings, tick)
