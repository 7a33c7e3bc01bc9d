"""What the browser gets of a diagnosis, as plain values for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.records.diagnosis import Diagnosed
from monitor.records.signal import Float32

NS_PER_MS = 1_000_000


def diagnosis_view(found: Diagnosed | None) -> dict[str, Any] | None:
    """The name, what adds up to it, and both spectra in tenths of a decibel."""
    if found is None:
        return None
    return {
        **found.tree,
        "text": found.text,
        "at_ms": found.at_ns / NS_PER_MS,
        "envelope_db": _decibels(found.envelope_db),
        "spectrum_db": _decibels(found.spectrum_db),
    }


def _decibels(values: Float32) -> list[float]:
    rounded: list[float] = np.round(values.astype(np.float64), 1).tolist()
    return rounded
