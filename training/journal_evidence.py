"""Windows that people labelled in the monitor's journal, as training data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monitor.journal.labels import labelled
from monitor.journal.reader import JournalReader, Row
from monitor.records.signal import Float32
from monitor.signal.spectrogram import SpectrogramSettings, spectrogram
from training.dataset import NG, OK, Dataset

LABEL_OF_WORD = {"false alarm": OK, "NG confirmed": NG}  # "unclear" teaches nothing


@dataclass(frozen=True)
class Taken:
    """left_out counts labels by the reason why they could not be used."""

    dataset: Dataset | None
    left_out: dict[str, int]


def journal_evidence(path: Path, settings: SpectrogramSettings, n_channels: int) -> Taken:
    """Every labelled window whose raw samples the journal still keeps, of the model's length, rate
    and channels.

    Raises JournalError.
    """
    left_out: dict[str, int] = {}
    samples: list[Float32] = []
    rows: list[tuple[Row, int]] = []
    reader = JournalReader(path)
    try:
        for stored in labelled(path):
            label = LABEL_OF_WORD.get(stored.label.word)
            row, evidence = reader.row(stored.row_id), reader.kept_window(stored.row_id)
            reason = _unusable(label, row, evidence, settings, n_channels)
            if reason or label is None or row is None or evidence is None:
                left_out[reason] = left_out.get(reason, 0) + 1
                continue
            samples.append(evidence[0])
            rows.append((row, label))
    finally:
        reader.close()
    return Taken(_dataset(settings, samples, rows) if rows else None, left_out)


def _unusable(
    label: int | None,
    row: Row | None,
    evidence: tuple[Float32, float] | None,
    settings: SpectrogramSettings,
    n_channels: int,
) -> str:
    if label is None:
        return "unclear"
    if row is None or evidence is None:
        return "raw samples no longer kept"
    samples, rate_hz = evidence
    if samples.shape != (n_channels, settings.n_window) or rate_hz != settings.sample_rate_hz:
        return "not the model's window, rate or channels"
    return ""


def _dataset(
    settings: SpectrogramSettings, samples: list[Float32], rows: list[tuple[Row, int]]
) -> Dataset:
    """The run of a live window is its sensor's segment."""
    verdicts = [row.verdict for row, _ in rows]
    return Dataset(
        settings,
        spectrogram(np.stack(samples), settings),
        np.array([label for _, label in rows], np.int8),
        {
            "machine": np.array([one.machine for one in verdicts]),
            "point": np.array([one.point for one in verdicts]),
            "group": np.array([f"live-{one.segment}" for one in verdicts]),
        },
        np.array([one.segment for one in verdicts]),
        np.array([one.first_sample for one in verdicts]),
        np.array([one.first_sample / settings.sample_rate_hz for one in verdicts]),
        np.full(len(rows), ""),
    )
