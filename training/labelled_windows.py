"""Windows that people labelled in the monitor's journal: the one way from a label to training data.

"unclear" never trains: its window is unlabelled. Labels whose raw samples are
gone are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from monitor.journal.labels import StoredLabel, labelled
from monitor.journal.reader import JournalReader
from monitor.records.signal import Float32
from monitor.records.verdict import Verdict
from monitor.signal.spectrogram import SpectrogramSettings, spectrogram
from training.dataset import NG, OK, Dataset
from training.leaks import HeldOut
from training.signal_marks import marks_of
from training.waveform import waveform_figures

TrainingLabel = Literal["ok", "ng", "unlabelled"]
LABEL_OF_WORD: dict[str, TrainingLabel] = {
    "NG confirmed": "ng",
    "false alarm": "ok",
    "unclear": "unlabelled",
}
CLASS_OF_LABEL = {"ok": OK, "ng": NG}
NO_SAMPLES = "raw samples no longer kept"


@dataclass(frozen=True)
class LabelledWindow:
    """samples : float32, shape (n_channels, n_window), m/s²"""

    stored: StoredLabel
    verdict: Verdict
    samples: Float32
    sample_rate_hz: float

    @property
    def label(self) -> TrainingLabel:
        return LABEL_OF_WORD[self.stored.label.word]

    @property
    def run(self) -> str:
        """A segment of a sensor is one run: its windows are not independent."""
        return f"live-{self.verdict.segment}"


@dataclass(frozen=True)
class Taken:
    """left_out counts labels by the reason why they could not be used."""

    dataset: Dataset | None
    left_out: dict[str, int]


def labelled_windows(journal: Path) -> Iterator[LabelledWindow | str]:
    """Each labelled window in the order of the rows, or why it is left out.

    Raises JournalError.
    """
    with closing(JournalReader(journal)) as reader:
        for stored in labelled(journal):
            row, kept = reader.row(stored.row_id), reader.kept_window(stored.row_id)
            if row is None or kept is None:
                yield NO_SAMPLES
            else:
                yield LabelledWindow(stored, row.verdict, *kept)


def labelled_dataset(
    journal: Path,
    settings: SpectrogramSettings,
    n_channels: int,
    held_out: HeldOut | None = None,
) -> Taken:
    """Every labelled window of the model's length, rate and channels that is not held out. Raises
    JournalError.
    """
    left_out: Counter[str] = Counter()
    windows: list[LabelledWindow] = []
    for window in labelled_windows(journal):
        if isinstance(window, str):
            left_out[window] += 1
            continue
        reason = _unusable(window, settings, n_channels)
        if held_out is not None and not reason:
            named = {"machine": window.verdict.machine, "point": window.verdict.point}
            reason = held_out.why(named, window.samples)
        if reason:
            left_out[reason] += 1
        else:
            windows.append(window)
    return Taken(_dataset(settings, windows) if windows else None, dict(left_out))


def _unusable(
    window: LabelledWindow, settings: SpectrogramSettings, n_channels: int
) -> str:
    if window.label not in CLASS_OF_LABEL:
        return "unclear"
    has_shape = window.samples.shape == (n_channels, settings.n_window)
    if not has_shape or window.sample_rate_hz != settings.sample_rate_hz:
        return "not the model's window, rate or channels"
    return ""


def _dataset(settings: SpectrogramSettings, windows: list[LabelledWindow]) -> Dataset:
    verdicts = [window.verdict for window in windows]
    samples = np.stack([window.samples for window in windows])
    return Dataset(
        settings,
        spectrogram(samples, settings),
        np.array([CLASS_OF_LABEL[window.label] for window in windows], np.int8),
        {
            "machine": np.array([one.machine for one in verdicts]),
            "point": np.array([one.point for one in verdicts]),
            "group": np.array([window.run for window in windows]),
        },
        np.array([one.segment for one in verdicts]),
        np.array([one.first_sample for one in verdicts]),
        np.array([one.first_sample / settings.sample_rate_hz for one in verdicts]),
        np.full(len(windows), ""),
        waveform_figures(samples),
        marks_of(samples),
    )
