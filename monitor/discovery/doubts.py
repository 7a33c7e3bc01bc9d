"""Whether numbers that can be read are vibration at all. A spectrum or a counter reads as well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.discovery.notes import Choice, Notes
from monitor.discovery.streams import Stream
from monitor.records.signal import Float64

FEW = 0.02  # of the samples below 0: a measured zero
HIGH_ABOVE_0 = 3.0  # mean over spread: an offset, or gravity
SKEW = 0.5  # amplitudes are many small and few large ones
STEADY = 0.98  # of the steps are alike
N_ALIKE, ALIKE = 8, 0.5  # messages; of their power is in what they have in common


def are_vibration(streams: Sequence[Stream], zero: float, notes: Notes) -> bool:
    """Whether they may be, or a person has said so. zero : the stored number that means none"""
    rows = [
        np.concatenate([one[channel] for one in stream.samples]) - zero
        for stream in streams
        for channel in range(len(stream.samples[0]))
    ]
    clean = [row[np.isfinite(row)] for row in rows]
    doubt = next((text for row in clean if (text := _doubt(row))), "")
    if not doubt and any(map(_is_one_shape, streams)):
        doubt = "Number by number each message is like the others, as spectra are."
    if not doubt:
        return True
    answer = notes.ask(
        "vibration", f"{doubt} Is it vibration?", [Choice("no"), Choice("yes")]
    )
    return answer == "yes"


def _doubt(row: Float64) -> str:
    if len(row) < 32 or not np.any(row != row[0]):
        return "A channel never changes."
    spread, mean = float(row.std()), float(row.mean())
    skew = float(np.mean((row - mean) ** 3)) / spread**3
    if np.mean(row < 0) < FEW and mean < HIGH_ABOVE_0 * spread and skew > SKEW:
        return "No number is below 0, as in a spectrum or of a level."
    steps = np.diff(row)
    usual = float(np.median(steps))
    if usual and np.mean(np.abs(steps - usual) <= 1e-6 * abs(usual)) > STEADY:
        return "A channel grows steadily, as a counter or a clock does."
    return ""


def _is_one_shape(stream: Stream) -> bool:
    """Waves do not begin at one place of theirs, message after message, and cancel each other."""
    pieces = [one[0] for one in stream.samples if np.isfinite(one[0]).all()]
    n = min(map(len, pieces), default=0)
    if len(pieces) < N_ALIKE or n < 16 or max(map(len, pieces)) > n:
        return False
    table = np.array([piece - piece.mean() for piece in pieces])
    power = float(np.mean(table**2))
    return power > 0 and float(np.mean(table.mean(axis=0) ** 2)) > ALIKE * power
